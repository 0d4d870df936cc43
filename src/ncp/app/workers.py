"""Processes that compute, so that the page answers meanwhile: torch holds Python's lock longer than a page may wait."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ncp.errors import NcpError
from ncp.processes import follow_parent
from ncp.progress import Progress, quiet

MEMORY = 6 << 30
"""More memory than this a worker cannot take [bytes]: a small file can stand for more than a machine has."""
SECONDS = 60.0
"""How long a job may take, unless it says otherwise."""
STARTING = 600.0
"""How long a process may take to load what it needs; a busy machine is slow [seconds]."""
GRACE = 1.0
"""How long a process may take to end in order [seconds]."""

Job = Callable[..., Any]


class Workers:
    """Several processes, and the jobs that wait for one, first come first served.

    Args:
        count: how many processes; each starts with its first job.
        first: what makes a process ready.
    """

    def __init__(self, count: int, first: Callable[[], None] | None = None) -> None:
        self._free = [_Worker(first) for _ in range(count)]
        self._every = tuple(self._free)
        self._turns = asyncio.Semaphore(count)

    async def run(self, function: Job, arguments: tuple[Any, ...], seconds: float, progress: Progress) -> Any:
        """The result of `function(*arguments, progress)` in a free process; a job that is cancelled ends it."""
        async with self._turns:
            worker = self._free.pop()
            try:
                return await worker.run(function, arguments, seconds, progress)
            finally:
                self._free.append(worker)  # the last one that was used is used again: the others may never start

    def warm(self) -> None:
        """Start all processes now, without waiting for them."""
        for worker in self._every:
            worker.start()

    def close(self) -> None:
        """End the processes; what they compute is lost."""
        ending = [thread for worker in self._every if (thread := worker.end()) is not None]
        for thread in ending:
            thread.join()


class Seat:
    """One visitor's place at the workers: one job at a time, so that nobody takes all of them.

    Args:
        workers: what computes for all visitors.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._turn = asyncio.Lock()
        self._jobs: set[asyncio.Task[Any]] = set()

    async def run(self, function: Job, *arguments: Any, seconds: float = SECONDS, progress: Progress = quiet) -> Any:
        """The result of `function(*arguments, progress)` in a process; `progress` is called in this one.

        Raises:
            NcpError: what the function raises, a job that takes too long, or a process that has died.
            asyncio.CancelledError: the visitor has left.
        """
        job = asyncio.ensure_future(self._in_turn(function, arguments, seconds, progress))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return await job

    def leave(self) -> None:
        """End the jobs that run, and those that wait."""
        for job in list(self._jobs):
            job.cancel()

    async def _in_turn(self, function: Job, arguments: tuple[Any, ...], seconds: float, progress: Progress) -> Any:
        async with self._turn:
            return await self._workers.run(function, arguments, seconds, progress)


class _Worker:
    """A process, and the thread that waits for its answers; a process that has ended is replaced by the next job."""

    def __init__(self, first: Callable[[], None] | None) -> None:
        self.first = first
        self._thread = ThreadPoolExecutor(1)
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._ready = False

    def start(self) -> Connection:
        """What the process is asked through; it starts if there is none."""
        if self._connection is not None and self._process is not None and self._process.is_alive():
            return self._connection
        context = get_context("spawn")
        ours, its = context.Pipe()
        self._process = context.Process(target=_serve, args=(its, self.first))
        with _without_interrupts():
            self._process.start()
        its.close()
        self._connection, self._ready = ours, False
        return ours

    async def run(self, function: Job, arguments: tuple[Any, ...], seconds: float, progress: Progress) -> Any:
        """The result of a job; the process ends where that is all that stops the job."""
        connection, loop = self.start(), asyncio.get_running_loop()

        def heard(share: float) -> None:
            with contextlib.suppress(RuntimeError):  # the page has ended
                loop.call_soon_threadsafe(progress, share)

        try:
            if not self._ready:
                await self._within(STARTING, _answer, connection, heard)
                self._ready = True
            return await self._within(seconds, _ask, connection, function, arguments, heard)
        except TimeoutError:
            self.end()
            raise NcpError(
                f"This took longer than {seconds:.0f} seconds and was stopped. Try something smaller."
            ) from None
        except asyncio.CancelledError:
            self.end()
            raise
        except (EOFError, OSError):
            self.end()
            raise NcpError(
                "The computation ended early: it needed too much memory, or somebody stopped it. Try something smaller."
            ) from None

    def end(self) -> threading.Thread | None:
        """End the process, in a thread that is returned: one that does not listen takes a moment."""
        process, self._process, self._connection = self._process, None, None
        if process is None:
            return None
        thread = threading.Thread(target=_end, args=(process,))
        thread.start()
        return thread

    async def _within(self, seconds: float, function: Job, *arguments: Any) -> Any:
        """The result of a function in this worker's thread; a thread cannot be cancelled, so the process is ended."""
        waiting = asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to look
        return await asyncio.wait_for(asyncio.shield(waiting), seconds)


def _ask(connection: Connection, function: Job, arguments: tuple[Any, ...], heard: Progress) -> Any:
    connection.send((function, arguments))
    return _answer(connection, heard)


def _answer(connection: Connection, heard: Progress) -> Any:
    """What a process answers, after what it tells of its progress."""
    while True:
        kind, told = connection.recv()
        if kind == "share":
            heard(told)
        elif kind == "result":
            return told
        elif kind == "refused":
            raise told
        else:
            logging.getLogger("ncp").error(told)
            raise NcpError("The server failed to compute this. That is a fault of ncp: its log has the details.")


def _end(process: BaseProcess) -> None:
    process.terminate()  # in order: libraries hold semaphores
    process.join(GRACE)
    process.kill()
    process.join()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that start here never see Ctrl-C: the page's process ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it starts with the first process, and would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, first: Callable[[], None] | None) -> None:
    """Do jobs until nobody asks any more, or until the page ends this process."""
    try:
        _begin(first)
        connection.send(("result", None))
        while True:
            function, arguments = connection.recv()
            answer = _done(function, arguments, lambda share: connection.send(("share", share)))
            try:
                connection.send(answer)
            except (pickle.PicklingError, TypeError, AttributeError):  # what cannot be sent is a fault like others
                connection.send(("fault", traceback.format_exc()))
    except (EOFError, OSError):  # the page asks no more
        return
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end goes on in order


def _done(function: Job, arguments: tuple[Any, ...], progress: Progress) -> tuple[str, Any]:
    """How a job ended."""
    try:
        return "result", function(*arguments, progress)
    except NcpError as error:
        return "refused", error
    except MemoryError:
        return "refused", NcpError("This needs more memory than a computation may take. Try something smaller.")
    except Exception:  # the visitor sees that it failed, and the log has the traceback
        return "fault", traceback.format_exc()


def _begin(first: Callable[[], None] | None) -> None:
    """Make a process ready: one thread, as many bytes as it may take, what it needs loaded."""
    import scipy.linalg  # noqa: F401 (its own BLAS is loaded before all are limited)
    import torch
    from threadpoolctl import threadpool_limits

    follow_parent()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    torch.set_num_threads(1)  # threads of small operations wait for each other longer than they compute
    threadpool_limits(1)
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    if first is not None:
        first()
    gc.freeze()  # what is loaded stays: looking through all of torch for garbage takes a quarter of a propagation
