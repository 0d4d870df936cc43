"""How long work reports the share that is done, to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable

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


def shares(progress: Progress, count: int) -> list[Progress]:
    """The progress of each of `count` equal steps of the work, one after the other."""
    return [share(progress, step / count, (step + 1) / count) for step in range(count)]
