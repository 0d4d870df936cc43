"""One thread for work whose operations are too small to share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from threading import Event, Lock

from threadpoolctl import threadpool_limits

from ncp.progress import Progress

_BLAS_IS_FREE = Lock()
"""Held by the thread of Python that limits the BLAS of numpy and scipy, which has one setting per process."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, in a `with` statement or as a decorator: `@one_thread()`.

    Threads that share an operation wait for each other at its end. If operations are small and another program has
    taken the core of one thread, the others mostly wait. Afterwards as many threads compute as before.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # of this thread of Python only
    limits_blas = _BLAS_IS_FREE.acquire(blocking=False)
    try:
        with threadpool_limits(1, user_api="blas") if limits_blas else nullcontext():
            yield
    finally:
        if limits_blas:
            _BLAS_IS_FREE.release()
        torch.set_num_threads(before)


@contextmanager
def beside(count: int) -> Iterator[tuple[ThreadPoolExecutor, Callable[[Progress], Progress]]]:
    """Threads for work that reports its progress, and a function that lets that work end when the block does.

    If the block ends with an error, such as an interrupt, work whose progress was passed through the function ends at
    its next report, and nothing new begins.
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
