"""One thread for work whose operations are too small to share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock

from threadpoolctl import threadpool_limits

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
