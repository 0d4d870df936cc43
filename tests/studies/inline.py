"""Studies that train in this process, within milliseconds."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ncp
from ncp.studies import building, tuning
from ncp.studies.worker import Ended, Work, carry_out
from ncp.tables.table import Table

CODES = ncp.MULTIRES.sample(6, np.random.default_rng(0))
TEXTS = [ncp.MULTIRES.text(code) for code in CODES]
BAD = TEXTS[2]
"""The code whose training fails."""


def accuracy(code: str, seed: int) -> float:
    """What `train_quickly` reaches."""
    return len(code) + 0.5 * seed


def train_quickly(code: str, seed: int, folder: Path) -> dict[str, float]:
    """A function of the user."""
    with (folder / "trained.txt").open("a") as file:
        file.write("once\n")
    if code == BAD:
        raise ValueError("too wide")
    return {"accuracy": accuracy(code, seed), "latency": 2.0}


def train_slowly(code: str, seed: int, folder: Path) -> dict[str, float]:
    """A function that takes a while, so that it can be killed."""
    with (folder / "trained.txt").open("a") as file:
        file.write("once\n")
    time.sleep(2)
    return {"accuracy": accuracy(code, seed)}


class InlinePool:
    """Trains in this process.

    Attributes:
        trained: the runs that were started, in order.
        before: called before each training.
    """

    threads = 1

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.before: Callable[[Work], Ended | None] = lambda _: None
        self._ended: list[Ended] = []

    @property
    def free(self) -> int:
        """One training at a time."""
        return 0 if self._ended else 1

    def start(self, work: Work) -> None:
        """Train at once."""
        self.trained.append(work.run)
        self._ended.append(self.before(work) or carry_out(work, None))

    def ended(self, seconds: float) -> list[Ended]:  # noqa: ARG002
        """What was trained since the last call."""
        found, self._ended = self._ended, []
        return found

    def stop(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Forget what was not asked for."""
        self._ended = []


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> InlinePool:
    """The workers of all studies of a test."""
    made = InlinePool()
    for module in (building, tuning):
        monkeypatch.setattr(module, "make_pool", lambda *_: made)
    return made


def task(name: str = "mine") -> ncp.CommandTask:
    """The task of `train_quickly`."""
    return ncp.function_task(name, train_quickly, ["accuracy", "latency:min"])


def trainings(folder: Path) -> list[dict[str, object]]:
    """The rows of the trainings table."""
    import pyarrow.parquet as pq

    rows: list[dict[str, object]] = pq.read_table(folder / "trainings.parquet").to_pylist()
    return rows


def equal(one: Table, other: Table) -> bool:
    """Whether two tables are the same, NaN included."""
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "values")
        for name in ("codes", "values", "origin", "flags")
    )
    return arrays and (one.columns, one.minimised, one.space) == (other.columns, other.minimised, other.space)
