"""Stop a training when a signal asks for it, after its state has been saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from ncp.processes import leave

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Stop:
    """Whether a signal has asked to stop.

    Attributes:
        signal: the number of the signal; 0 for none.
    """

    signal: int = 0

    def leave(self) -> None:
        """End as the signal would have ended the process."""
        leave(self.signal)


@contextmanager
def stop_on_signals(stopping: Callable[[], None] = lambda: None) -> Iterator[Stop]:
    """Note the first Ctrl-C or SIGTERM instead of ending; the second ends at once.

    In another thread than the main one, signals stay as they are.

    Args:
        stopping: called when the first signal arrives.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, _: FrameType | None) -> None:
        if stop.signal:
            stop.leave()
        stop.signal = number
        stopping()

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
