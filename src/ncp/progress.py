"""How long work reports the share that is done, to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

Progress = Callable[[float], None]
"""Called with the share of the work that is done, from 0 to 1."""


def quiet(_: float) -> None:
    """Report progress to nobody."""


def share(progress: Progress, begin: float, end: float) -> Progress:
    """The progress of one step of the work, which runs from `begin` to `end` of the whole.

    >>> share(print, 0.5, 1.0)(0.5)
    0.75
    """
    return lambda done: progress((1 - done) * begin + done * end)


def ticks(progress: Progress, count: int) -> Progress:
    """What counts `count` calls from any thread, and reports after each the share of them that is done."""
    lock, done = Lock(), 0

    def tick(_: float) -> None:
        nonlocal done
        with lock:
            done += 1
            progress(done / count)

    return tick
