"""Workers: no session occupies all of them, and jobs end with their session or their time limit."""

import asyncio
import os
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_info

from ncp.app.workers import JobQueue, Workers
from ncp.errors import ConfigError, NcpError

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def work(begun: Path, name: str, seconds: float, _: Any) -> int:
    """Write a line to `begun`, then compute for some seconds without reacting to anything."""
    with begun.open("a") as file:
        file.write(f"{name}\n")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        torch.ones(1)
    return os.getpid()


def report_progress(progress: Any) -> tuple[int, set[int]]:
    """Report progress; return the numbers of threads of torch and of every other library."""
    progress(0.5)
    return torch.get_num_threads(), {info["num_threads"] for info in threadpool_info()}


def refused(_: Any) -> None:
    raise ConfigError("{field} is wrong, got {given}.", field="max_macs", given=2e9)


def failed(_: Any) -> None:
    raise ZeroDivisionError


def died(_: Any) -> None:
    os._exit(1)


def replacing_an_exit(begun: Path) -> None:
    """Compute until the process is asked to exit, and raise another error then, as compiled code may."""
    begun.touch()
    try:
        time.sleep(600)
    except SystemExit:
        raise ValueError from None


def crowded(_: Any) -> int:
    return len(bytearray(20 << 30))


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    both = Workers(2)
    both.warm()
    yield both
    both.close()


def run(job: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in another thread, because Playwright may run an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, job).result()


def test_a_session_occupies_one_process_and_others_are_served_meanwhile(workers: Workers, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    async def crowd() -> tuple[float, list[str]]:
        greedy, modest = JobQueue(workers), JobQueue(workers)
        many = [asyncio.create_task(greedy.run(work, begun, f"greedy {k}", 1.5)) for k in range(4)]
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await modest.run(work, begun, "modest", 0.0)
        waited = time.monotonic() - began
        greedy.close()
        await asyncio.gather(*many, return_exceptions=True)
        return waited, begun.read_text().splitlines()

    run(JobQueue(workers).run(work, begun, "ready", 0.0))
    waited, names = run(crowd())
    assert waited < 1
    assert names == ["ready", "greedy 0", "modest"]


def test_closing_a_session_ends_its_job_and_frees_the_worker(workers: Workers, tmp_path: Path) -> None:
    async def leaving() -> tuple[bool, float]:
        queue, began = JobQueue(workers), time.monotonic()
        job = asyncio.create_task(queue.run(work, tmp_path / "begun", "long", 600.0))
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.05)
        queue.close()
        await asyncio.wait([job])
        others = [JobQueue(workers).run(work, tmp_path / "begun", "other", 0.5) for _ in range(4)]
        assert len(set(await asyncio.gather(*others))) == 2
        return job.cancelled(), time.monotonic() - began

    cancelled, seconds = run(leaving())
    assert cancelled
    assert seconds < 60


def test_a_job_that_takes_too_long_is_stopped_with_a_message(workers: Workers, tmp_path: Path) -> None:
    queue = JobQueue(workers)
    with pytest.raises(NcpError, match="This took longer than 1 seconds and was stopped"):
        run(queue.run(work, tmp_path / "begun", "long", 600.0, seconds=1.0))
    assert run(queue.run(work, tmp_path / "begun", "next", 0.0)) > 0


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (died, "The worker ran out of memory or was killed"),
        (crowded, "more memory than a worker may take"),
        (failed, "The server failed to compute this"),
    ],
)
def test_a_process_that_fails_gives_a_message_and_is_replaced(
    workers: Workers, job: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue = JobQueue(workers)
    with pytest.raises(NcpError, match=message):
        run(queue.run(job))
    assert ("ZeroDivisionError" in caplog.text) == (job is failed)
    assert run(queue.run(report_progress))[0] == 1


def test_errors_keep_their_field(workers: Workers) -> None:
    with pytest.raises(ConfigError) as caught:
        run(JobQueue(workers).run(refused))
    assert (caught.value.field, caught.value.given) == ("max_macs", 2e9)


def test_progress_is_reported_and_every_library_computes_on_one_thread(workers: Workers) -> None:
    shares: list[float] = []
    torch_threads, others = run(JobQueue(workers).run(report_progress, progress=shares.append))
    assert (torch_threads, others) == (1, {1})
    assert shares == [0.5]


def test_closing_the_workers_ends_their_jobs(tmp_path: Path) -> None:
    workers = Workers(1)

    async def closing() -> int:
        job = asyncio.create_task(JobQueue(workers).run(work, tmp_path / "begun", "long", 600.0))
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.05)
        workers.close()
        with pytest.raises(NcpError, match="was killed"):
            await job
        return 1

    assert run(closing()) == 1


def test_a_process_that_is_ended_while_it_begins_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    workers = Workers(1, partial(replacing_an_exit, tmp_path / "begun"))
    workers.warm()
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    workers.close()
    assert capfd.readouterr().err == ""
