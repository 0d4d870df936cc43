"""Workers on this machine: processes that each train one network at a time."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from ncp.errors import NcpError
from ncp.processes import exit_on_termination, follow_parent, ignore
from ncp.studies.worker import Ended, Work, carry_out

READY = "ready"


class Pool(Protocol):
    """Workers, each of which trains one network at a time.

    Attributes:
        threads: threads of the processor for each.
    """

    threads: int

    @property
    def free(self) -> int:
        """How many trainings can be started now."""

    def start(self, work: Work) -> None:
        """Start a training."""

    def ended(self, seconds: float) -> list[Ended]:
        """The trainings that ended since the last call; waits until one ends, at most so long."""

    def stop(self) -> None:
        """Ask all workers to save their states and to end."""

    def close(self) -> None:
        """End all workers at once."""


class LocalPool:
    """Processes of this machine.

    Each is started when it is needed for the first time, and again if it has died.

    Args:
        devices: the device of each worker.
        threads: threads of the processor for each.
    """

    def __init__(self, devices: Sequence[str | None], threads: int) -> None:
        self.threads = threads
        self._context = get_context("spawn")
        self._idle: list[_Worker] = []
        self._devices = list(reversed(devices))
        self._busy: dict[Connection, _Worker] = {}

    @property
    def free(self) -> int:
        """How many workers have nothing to do."""
        return len(self._idle) + len(self._devices)

    def start(self, work: Work) -> None:
        """Give a training to a free worker."""
        worker = self._idle.pop() if self._idle else _Worker(self._context, self._devices.pop())
        worker.give(work)
        self._busy[worker.pipe] = worker

    def ended(self, seconds: float) -> list[Ended]:
        """The trainings that ended.

        Raises:
            NcpError: a worker ended before it could begin.
        """
        found = []
        for pipe in wait(list(self._busy), seconds):
            worker = self._busy[pipe]  # type: ignore[index]
            said = worker.read()
            if said == READY:
                continue
            del self._busy[worker.pipe]
            if isinstance(said, Ended) and not said.last:
                self._idle.append(worker)
                found.append(said)
                continue
            worker.end()
            self._devices.append(worker.device)
            if isinstance(said, Ended):
                found.append(said)
            else:
                if not worker.ready:
                    raise NcpError(
                        "A worker process ended before it began. "
                        "In your own script, put the call under: if __name__ == '__main__'."
                    )
                found.append(Ended(worker.run, "died", f"exit status {worker.process.exitcode}"))
        return found

    def stop(self) -> None:
        """Ask all workers to save their states and to end, and wait for them."""
        workers = (*self._busy.values(), *self._idle)
        for worker in workers:
            worker.process.terminate()
            worker.pipe.close()  # a worker that has just finished a training waits for the next one
        for worker in workers:
            worker.process.join()

    def close(self) -> None:
        """End all workers at once."""
        for worker in (*self._busy.values(), *self._idle):
            worker.end()


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, context: object, device: str | None) -> None:
        self.device, self.run, self.ready = device, "", False
        self.pipe, theirs = context.Pipe()  # type: ignore[attr-defined]
        self.process: BaseProcess = context.Process(target=_work, args=(theirs,))  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()

    def give(self, work: Work) -> None:
        """Send a training; if the process has died, `read` finds out."""
        self.run = work.run
        with suppress(OSError):
            self.pipe.send((work, self.device))

    def read(self) -> object:
        """What the process says; None if it has died."""
        try:
            said = self.pipe.recv()
        except (EOFError, OSError):
            return None
        self.ready = True
        return said

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _work(pipe: Connection) -> None:
    """Train what comes through the pipe until it closes."""
    os.setpgid(0, 0)  # Ctrl-C in a terminal reaches the scheduler alone, which asks each worker once
    follow_parent()
    exit_on_termination()
    ignore(signal.SIGINT)
    with suppress(EOFError, OSError):  # the scheduler has ended
        pipe.send(READY)
        while True:
            work, device = pipe.recv()
            os.environ["OMP_NUM_THREADS"] = str(work.settings.threads)  # before torch is imported
            pipe.send(carry_out(work, device))
