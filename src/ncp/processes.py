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
from typing import Any

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
    """Exit cleanly on SIGTERM: files are written whole or removed, workers end, and the exit status is 143."""
    signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _: object) -> None:
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
