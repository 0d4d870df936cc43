"""A busy machine: the time of a search, a front and a fit while another program computes on every core.

python -m benchmarks.busy
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from statistics import median
from time import perf_counter

import numpy as np

import ncp
from benchmarks.measure import CORES, record

TASKS = ["seg/mIoU", "cls-50-1000/top1", "video/top1"]
REPEATS = 3
BESIDE = """
import os, torch
torch.set_num_threads({threads})
parent, a = os.getppid(), torch.rand(1500, 1500)
while os.getppid() == parent:
    a @ a
"""
"""A program that multiplies matrices on all cores, as a training does, until this process ends."""


@contextmanager
def busy_machine() -> Iterator[None]:
    """Let another program compute on every core while the block runs."""
    command = [sys.executable, "-c", BESIDE.format(threads=len(CORES) or 2)]
    other = subprocess.Popen(command)  # noqa: S603
    try:
        yield
    finally:
        other.kill()
        other.wait()


def seconds_of(work: Callable[[], object], busy: bool) -> float:
    """The median wall time, alone or beside the other program [s]."""
    with busy_machine() if busy else nullcontext():
        work()
        seconds = []
        for _ in range(REPEATS):
            start = perf_counter()
            work()
            seconds.append(perf_counter() - start)
        return median(seconds)


def record_busy(name: str, alone: float, beside: float, runs: int = REPEATS) -> None:
    """Record both times of one piece of work [s]."""
    record(
        name,
        claim="Time alone, and beside another program that multiplies matrices on every core",
        target="beside <= 1.5 x alone",
        value={"alone_s": round(alone, 2), "beside_s": round(beside, 2), "ratio": round(beside / alone, 2)},
        met=beside <= 1.5 * alone,
        runs=runs,
    )


def main() -> None:
    """Compare the times alone with those beside the other program."""
    budget, objective = ncp.Budget(max_macs=4e9), ncp.Objective(dict.fromkeys(TASKS, 1.0))
    rng = np.random.default_rng(0)
    codes = ncp.MULTIRES.sample(1250, rng)
    values = np.log(ncp.macs(codes))[:, None] + rng.normal(size=(len(codes), 3))
    works: dict[str, Callable[[], object]] = {
        "search": lambda: ncp.search(objective, budget=budget),
        "pareto": lambda: ncp.pareto_search(TASKS, budget=budget, starts=128),
        "fit": lambda: ncp.fit_predictor(codes, values, ["a/x", "b/y", "c/z"]),
    }
    for name, work in works.items():
        record_busy(f"busy/{name}", seconds_of(work, busy=False), seconds_of(work, busy=True))


if __name__ == "__main__":
    main()
