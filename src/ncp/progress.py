"""Progress of long work: a callback that gets the share of the work that is done, and times as texts."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

Progress = Callable[[float], None]
"""Called with the share of the work that is done, from 0 to 1."""


def quiet(_: float) -> None:
    """Ignore progress."""


def share(progress: Progress, begin: float, end: float) -> Progress:
    """A callback for one step of the work, which covers the shares from `begin` to `end` of the whole.

    >>> share(print, 0.5, 1.0)(0.5)
    0.75
    """
    return lambda done: progress((1 - done) * begin + done * end)


def ticks(progress: Progress, count: int) -> Progress:
    """A callback that expects `count` calls, from any thread, and reports after each which share of them is done."""
    lock, done = Lock(), 0

    def tick(_: float) -> None:
        nonlocal done
        with lock:
            done += 1
            progress(done / count)

    return tick


def duration(seconds: float) -> str:
    """A time in two units.

    >>> duration(42.4), duration(125), duration(7500), duration(200_000)
    ('42 s', '2 min 5 s', '2 h 5 min', '2 d 7 h')
    """
    whole = round(seconds)
    for size, name, inner_size, inner in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // inner_size
            return f"{whole // size} {name}" + (f" {rest} {inner}" if rest else "")
    return f"{whole} s"
