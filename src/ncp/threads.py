"""Threads: one for operations that are too small to share, and several for work in the background."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache
from threading import Event, Lock

from threadpoolctl import ThreadpoolController

from ncp.progress import Progress

_BLAS_IS_FREE = Lock()
"""Taken by the Python thread that limits the BLAS of numpy and scipy, whose setting counts for the whole process."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, in a `with` statement or as a decorator: `@one_thread()`.

    Threads that share an operation wait for each other at its end. If operations are small and another program uses
    the core of one thread, the others mostly wait. On exit the former number of threads is restored.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # for this Python thread only
    limits_blas = _BLAS_IS_FREE.acquire(blocking=False)
    try:
        with _blas("scipy.linalg" in sys.modules).limit(limits=1) if limits_blas else nullcontext():
            yield
    finally:
        if limits_blas:
            _BLAS_IS_FREE.release()
        torch.set_num_threads(before)


@cache
def _blas(with_scipy: bool) -> ThreadpoolController:  # noqa: ARG001 (what is found depends on it)
    """The BLAS of numpy, and that of scipy once it is loaded. To look for them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def background_threads(count: int) -> Iterator[tuple[ThreadPoolExecutor, Callable[[Progress], Progress]]]:
    """A pool of threads, and a function that makes work in them end early if the block fails.

    Pass the progress callback of every piece of work through the function. If the block ends with an error, such as an
    interrupt, each piece ends at its next report, and waiting pieces are cancelled.
    """
    ended = Event()

    def alive(progress: Progress) -> Progress:
        def report(done: float) -> None:
            if ended.is_set():
                raise CancelledError
            progress(done)

        return report

    pool = ThreadPoolExecutor(count)
    try:
        yield pool, alive
    except BaseException:
        ended.set()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()
