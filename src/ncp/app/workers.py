"""Worker processes, so that the page answers while they compute: torch can hold Python's lock for seconds."""

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
from ncp.processes import exit_on_termination, follow_parent, ignore, signals_first
from ncp.progress import Progress, quiet

MEMORY = 6 << 30
"""Most memory of a worker [bytes], because a small file can expand to more than the machine has."""
SECONDS = 60.0
"""Longest job by default [s]."""
STARTING = 600.0
"""Longest start of a process, which loads torch [s]; a busy machine is slow."""
GRACE = 1.0
"""Time for a process to exit before it is killed [s]."""

Job = Callable[..., Any]


class Workers:
    """Several processes that run jobs, first come first served.

    Args:
        count: number of processes; each starts with its first job.
        first: called in a process before its first job.
    """

    def __init__(self, count: int, first: Callable[[], None] | None = None) -> None:
        self._free = [_Worker(first) for _ in range(count)]
        self._every = tuple(self._free)
        self._turns = asyncio.Semaphore(count)

    async def run(self, function: Job, arguments: tuple[Any, ...], seconds: float, progress: Progress) -> Any:
        """Run `function(*arguments, progress)` in a free process; cancelling the job ends the process."""
        async with self._turns:
            worker = self._free.pop()
            try:
                return await worker.run(function, arguments, seconds, progress)
            finally:
                self._free.append(worker)  # it is used next, so that other processes start only when needed

    def warm(self) -> None:
        """Start all processes without waiting for them."""
        for worker in self._every:
            worker.start()

    def close(self) -> None:
        """End all processes and their jobs."""
        ending = [thread for worker in self._every if (thread := worker.end()) is not None]
        for thread in ending:
            thread.join()


class JobQueue:
    """The jobs of one session, which run one at a time, so that no session occupies all workers.

    Args:
        workers: the processes, shared by all sessions.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._turn = asyncio.Lock()
        self._jobs: set[asyncio.Task[Any]] = set()

    async def run(self, function: Job, *arguments: Any, seconds: float = SECONDS, progress: Progress = quiet) -> Any:
        """Run `function(*arguments, progress)` in a worker and return its result; `progress` is called in this process.

        Raises:
            NcpError: the function raised it, the job took too long, or the process died.
            asyncio.CancelledError: the session was closed.
        """
        job = asyncio.ensure_future(self._in_turn(function, arguments, seconds, progress))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return await job

    def close(self) -> None:
        """Cancel all jobs, running or waiting."""
        for job in list(self._jobs):
            job.cancel()

    async def _in_turn(self, function: Job, arguments: tuple[Any, ...], seconds: float, progress: Progress) -> Any:
        async with self._turn:
            return await self._workers.run(function, arguments, seconds, progress)


class _Worker:
    """A process and the thread that waits for its answers. If the process has ended, the next job starts another."""

    def __init__(self, first: Callable[[], None] | None) -> None:
        self.first = first
        self._thread = ThreadPoolExecutor(1)
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._ready = False

    def start(self) -> Connection:
        """The connection to the process, which is started if it is not running."""
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
        """Run a job and return its result; if it takes too long or is cancelled, end the process."""
        connection, loop = self.start(), asyncio.get_running_loop()

        def report(share: float) -> None:
            with contextlib.suppress(RuntimeError):  # the server is stopping
                loop.call_soon_threadsafe(progress, share)

        try:
            if not self._ready:
                await self._within(STARTING, _answer, connection, report)
                self._ready = True
            return await self._within(seconds, _ask, connection, function, arguments, report)
        except TimeoutError:
            self.end()
            raise NcpError(
                f"This took longer than {seconds:.0f} seconds and was stopped. Try a smaller table or fewer steps."
            ) from None
        except asyncio.CancelledError:
            self.end()
            raise
        except (EOFError, OSError):
            self.end()
            raise NcpError("The worker ran out of memory or was killed. Try a smaller table or fewer steps.") from None

    def end(self) -> threading.Thread | None:
        """End the process in a thread, which is returned, because a process that does not react takes a moment."""
        process, self._process, self._connection = self._process, None, None
        if process is None:
            return None
        thread = threading.Thread(target=_end, args=(process,))
        thread.start()
        return thread

    async def _within(self, seconds: float, function: Job, *arguments: Any) -> Any:
        """Run a function in this worker's thread. A thread cannot be cancelled; the caller ends the process instead."""
        waiting = asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # so that no error goes unread
        return await asyncio.wait_for(asyncio.shield(waiting), seconds)


def _ask(connection: Connection, function: Job, arguments: tuple[Any, ...], report: Progress) -> Any:
    connection.send((function, arguments))
    return _answer(connection, report)


def _answer(connection: Connection, report: Progress) -> Any:
    """Wait for the result of a process, and pass on its progress."""
    while True:
        kind, value = connection.recv()
        if kind == "share":
            report(value)
        elif kind == "result":
            return value
        elif kind == "refused":
            raise value
        else:
            logging.getLogger("ncp").error(value)
            raise NcpError("The server failed to compute this. This is a bug in ncp; its log has the details.")


def _end(process: BaseProcess) -> None:
    process.terminate()  # not at once by kill, because libraries hold semaphores
    process.join(GRACE)
    process.kill()
    process.join()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block Ctrl-C in the processes that are started here; the server's process ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would unblock interrupts when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, first: Callable[[], None] | None) -> None:
    """Run jobs until the connection closes or the server ends this process."""
    try:
        with signals_first():
            _begin(first)
        connection.send(("result", None))
        while True:
            function, arguments = connection.recv()
            answer = _run_job(function, arguments, lambda share: connection.send(("share", share)))
            try:
                connection.send(answer)
            except (pickle.PicklingError, TypeError, AttributeError):  # the result cannot be sent
                connection.send(("fault", traceback.format_exc()))
    except (EOFError, OSError):  # the server has closed the connection
        return
    finally:
        ignore(signal.SIGTERM)  # exit normally


def _run_job(function: Job, arguments: tuple[Any, ...], progress: Progress) -> tuple[str, Any]:
    """Run a job, and return how it ended and its result or error."""
    try:
        with signals_first():
            return "result", function(*arguments, progress)
    except NcpError as error:
        return "refused", error
    except MemoryError:
        return "refused", NcpError("This needs more memory than a worker may take. Try a smaller table or fewer steps.")
    except Exception:  # the user sees that it failed, and the log has the traceback
        return "fault", traceback.format_exc()


def _begin(first: Callable[[], None] | None) -> None:
    """Prepare a process: limit its threads and memory, and call `first`."""
    import scipy.linalg  # noqa: F401 (so that its BLAS is limited, too)
    import torch
    from threadpoolctl import threadpool_limits

    follow_parent()
    exit_on_termination()
    torch.set_num_threads(1)  # for small operations threads cost more than they gain
    threadpool_limits(1)
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    if first is not None:
        first()
    gc.freeze()  # scanning torch for garbage takes a quarter of a propagation
