from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread
from time import sleep

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from ncp.progress import Progress, quiet
from ncp.threads import background_threads, one_thread


def threads() -> tuple[int, set[int]]:
    """How many threads torch and BLAS compute with."""
    np.eye(2) @ np.eye(2)
    return torch.get_num_threads(), {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two() -> Iterator[None]:
    """Two threads during a test, if the machine has as many cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(2, user_api="blas"):
        yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two")
def test_one_thread_inside_and_the_former_number_after() -> None:
    @one_thread()
    def inside() -> tuple[int, set[int]]:
        with one_thread():
            pass
        return threads()

    outside = threads()
    assert inside() == (1, {1})
    assert threads() == outside


def test_exits_in_any_order_restore_the_former_number() -> None:
    outside = threads()
    first_in, second_in, first_out = Event(), Event(), Event()
    seen = []

    def first() -> None:
        before = threads()
        with one_thread():
            seen.append(threads())
            first_in.set()
            second_in.wait(10)
        seen.append(threads())
        seen.append(before)
        first_out.set()

    thread = Thread(target=first)
    thread.start()
    first_in.wait(10)
    with one_thread():
        second_in.set()
        first_out.wait(10)
        assert torch.get_num_threads() == 1
    thread.join()
    assert seen[0] == (1, {1})
    assert seen[1] == seen[2]
    assert threads() == outside


def test_background_work_ends_when_its_block_fails() -> None:
    began, steps = Event(), []

    def work(progress: Progress) -> None:
        for step in range(1000):
            began.set()
            sleep(0.01)
            progress(step / 1000)
            steps.append(step)

    with suppress(KeyboardInterrupt), background_threads(1) as (pool, alive):
        running, waiting = pool.submit(work, alive(quiet)), pool.submit(work, alive(quiet))
        began.wait()
        raise KeyboardInterrupt
    assert running.done()
    assert waiting.cancelled()
    assert len(steps) < 100
