"""Processes that compute, so that the page answers meanwhile: torch holds Python's lock longer than a page may wait."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from ncp.errors import NcpError
from ncp.progress import Progress, quiet

MEMORY = 6 << 30
"""More memory than this a worker cannot take [bytes]: a small file can stand for more than a machine has."""

_said: Any = None


class Workers:
    """A pool of processes; each job may tell its progress.

    Args:
        count: how many; they start with the first job.
        first: a job that makes every process ready.
    """

    def __init__(self, count: int, first: Callable[[], None] | None = None) -> None:
        self.count, self.first = count, first
        self._context = get_context("spawn")
        self._said = self._context.Queue()
        self._jobs = itertools.count()
        self._listening: dict[int, Callable[[float], Any]] = {}
        self._pool = self._fresh()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    async def run(self, function: Callable[..., Any], *arguments: Any, progress: Progress = quiet) -> Any:
        """The result of `function(*arguments, progress)` in a process; `progress` is called in this one.

        Raises:
            NcpError: what the function raises, or a process that was ended for want of memory.
        """
        job, loop = next(self._jobs), asyncio.get_running_loop()
        self._listening[job] = lambda share: loop.call_soon_threadsafe(progress, share)
        pool = self._pool
        try:
            return await asyncio.wrap_future(pool.submit(_run, job, function, arguments))
        except BrokenProcessPool:
            if pool is self._pool:
                self._pool = self._fresh()
            raise NcpError("Expected to compute this. Got no memory, or an end from outside. Try less.") from None
        finally:
            self._listening.pop(job, None)

    def warm(self) -> None:
        """Start all processes now, without waiting for them."""
        for _ in range(self.count):
            self._pool.submit(_nothing)

    def close(self) -> None:
        """End the processes; what they compute is lost."""
        for process in list((self._pool._processes or {}).values()):
            process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._said.put(None)
        self._listener.join()
        self._said.close()

    def _fresh(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.count, mp_context=self._context, initializer=_begin, initargs=(self._said, self.first)
        )

    def _listen(self) -> None:
        while (told := self._said.get()) is not None:
            job, share = told
            with contextlib.suppress(KeyError, RuntimeError):  # the job or the page has ended
                self._listening[job](share)


def _follow() -> None:
    """End this process when the page's ends, however that does."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _begin(said: Any, first: Callable[[], None] | None) -> None:
    """Make a process ready: one thread, as many bytes as it may take, what it needs loaded."""
    import signal

    import torch

    threading.Thread(target=_follow, daemon=True).start()

    global _said
    _said = said
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the page's process ends this one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # in order: libraries hold semaphores
    torch.set_num_threads(1)
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    if hasattr(os, "nice"):
        os.nice(5)
    if first is not None:
        first()
    gc.freeze()  # what is loaded stays: looking through all of torch for garbage takes a quarter of a propagation


def _run(job: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    try:
        return function(*arguments, lambda share: _said.put((job, share)))
    except MemoryError:
        raise NcpError("Expected to compute this in the memory that there is. Got more. Try less.") from None


def _nothing() -> None:
    """A job that only starts a process."""
