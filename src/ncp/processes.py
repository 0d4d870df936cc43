"""Worker processes. They end when the process that started them ends, for whatever reason."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, NoReturn

from ncp.errors import NcpError


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def processes(count: int, prepare: Callable[..., None] | None = None, *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """A pool of new processes, in a `with` statement; if the block fails, they are terminated at once.

    Args:
        count: number of processes.
        prepare: called in every process before its first job; None for nothing.
        arguments: the arguments of `prepare`.

    Raises:
        NcpError: a process ended early, for example because memory ran out.
    """
    pool = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_begin, initargs=(prepare, arguments)
    )
    try:
        yield pool
    except BaseException as error:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise NcpError(
                "A worker process ended early. If memory ran out, use fewer workers. "
                "In your own script, put the call under: if __name__ == '__main__'."
            ) from None
        raise
    pool.shutdown()


def exit_on_termination() -> None:
    """Exit cleanly on SIGTERM: files are written whole or removed, workers end, and the exit status is 143.

    From now on Ctrl-C is remembered for `signals_first`, too, unless it is ignored or has another handler.
    """
    _received.clear()
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


@contextmanager
def signals_first() -> Iterator[None]:
    """Replace an error in a `with` statement by the exit, if a signal has asked for it since `exit_on_termination`.

    A signal's handler raises an exception wherever the program is. Compiled code that calls Python in that moment may
    replace the exception by an error of its own.

    Raises:
        KeyboardInterrupt: Ctrl-C was received.
        SystemExit: SIGTERM was received.
    """
    try:
        yield
    except Exception:
        if _received:
            leave(_received[0])
        raise


_received: list[int] = []
"""The signals received since `exit_on_termination`."""


def _stop(number: int, _: object) -> None:
    _received.append(number)
    leave(number)


def leave(number: int) -> NoReturn:
    """End as a signal would have ended the process: `KeyboardInterrupt`, or an exit with 128 plus its number."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def ignore(number: int) -> None:
    """Ignore a signal from now on.

    A signal that arrives while the handler changes is ignored too. With `SIG_IGN`, Python would print a traceback.
    """
    signal.signal(number, lambda *_: None)


def follow_parent() -> None:
    """End this process when the process that started it ends, for whatever reason."""
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _begin(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    follow_parent()
    ignore(signal.SIGINT)  # the parent ends this process
    if prepare is not None:
        prepare(*arguments)
