"""What the page is about: a space, its predictor and judge, and a table of it; the benchmark's, or a visitor's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from ncp.cost import has_cost
from ncp.errors import DataError
from ncp.predictors.base import Predictor
from ncp.predictors.fitting import load_judge, load_predictor
from ncp.spaces.arrays import Reals
from ncp.spaces.space import Space
from ncp.tables.table import Table

BENCHMARK = "nas-bench-mr"
KEPT = 8
"""Predictors and tables of visitors that a process keeps open."""


@dataclass(frozen=True)
class Place:
    """Where a subject lies: names or files, so that another process can open it.

    Attributes:
        name: how the page calls it.
        predictor: the benchmark's name or a file; None until one is trained.
        judge: likewise.
        table: a file; None where there is none.
    """

    name: str
    predictor: str | None
    judge: str | None
    table: str | None


@dataclass(frozen=True, eq=False)
class Subject:
    """A place that was opened."""

    place: Place
    space: Space
    predictor: Predictor | None
    judge: Predictor | None
    table: Table | None

    @property
    def own(self) -> bool:
        """Whether a visitor brought it."""
        return self.place.name != BENCHMARK

    @property
    def columns(self) -> tuple[str, ...]:
        """What is known of every code."""
        if self.predictor is not None:
            return self.predictor.columns
        return () if self.table is None else self.table.columns

    @property
    def minimised(self) -> tuple[str, ...]:
        """The columns in which small values are better."""
        if self.predictor is not None:
            return self.predictor.minimised
        return () if self.table is None else self.table.minimised

    @property
    def priced(self) -> bool:
        """Whether exact costs are known."""
        return has_cost(self.space)

    @cached_property
    def ordered(self) -> dict[str, Reals]:
        """The table's values of every column, in order, none missing."""
        if self.table is None:
            return {}
        return {
            column: np.sort(values[np.isfinite(values)])
            for column, values in zip(self.table.columns, self.table.values.T, strict=True)
        }


def benchmark() -> Subject:
    """NAS-Bench-MR with what ships for it, and with its table if that is there."""
    return opened(benchmark_place())


def benchmark_place() -> Place:
    """Where the benchmark lies now: its table may come while the page is open."""
    try:
        path = stored_path()
    except DataError:  # there is no place for tables
        return Place(BENCHMARK, BENCHMARK, BENCHMARK, None)
    return Place(BENCHMARK, BENCHMARK, BENCHMARK, str(path) if path.is_file() else None)


def stored_path() -> Path:
    """The file of the benchmark's table."""
    from ncp.tables.sources import cache_dir

    return Path(cache_dir()) / f"{BENCHMARK}.parquet"


def prepare(place: Place) -> None:
    """Open a place, and order its values: a large table takes seconds, and is at hand afterwards."""
    _ = opened(place).ordered


@lru_cache(maxsize=KEPT)
def opened(place: Place) -> Subject:
    """Open a place; a damaged table of the benchmark counts as none."""
    try:
        table = None if place.table is None else Table.from_parquet(place.table)
    except DataError:
        table, place = None, replace(place, table=None)
    predictor = None if place.predictor is None else load_predictor(place.predictor)
    judge = None
    if place.judge is not None:
        judge = load_judge() if place.judge == BENCHMARK else load_predictor(place.judge)
    known = predictor if predictor is not None else table
    if known is None:
        raise DataError(f"Expected a predictor or a table in {place.name}. Got neither.")
    return Subject(place, known.space, predictor, judge, table)
