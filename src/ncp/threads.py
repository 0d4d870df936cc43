"""One thread for work whose operations are too small to share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, in a `with` statement or as a decorator: `@one_thread()`.

    Threads that share an operation wait for each other at its end. If operations are small and another program has
    taken the core of one thread, the others mostly wait. What ran before runs on as many threads as before afterwards,
    also if several threads of Python are inside at once.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # holds for this thread of Python only
    try:
        with _BLAS:
            yield
    finally:
        torch.set_num_threads(before)


class _Blas:
    """The BLAS of numpy and scipy on one thread: the whole process has one setting, so the last one out restores it."""

    def __init__(self) -> None:
        self.lock, self.inside = Lock(), 0

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.limits = threadpool_limits(1, user_api="blas")
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.limits.restore_original_limits()


_BLAS = _Blas()
