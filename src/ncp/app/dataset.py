"""A search space with its predictor, judge and table: the benchmark, or what a user uploaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from ncp.cost import has_cost
from ncp.errors import DataError
from ncp.predictors.fitting import load_judge, load_predictor
from ncp.predictors.predictor import Predictor
from ncp.spaces.arrays import Reals
from ncp.spaces.families import DEFAULT_TABLE
from ncp.spaces.space import Space
from ncp.tables.columns import task_of
from ncp.tables.sources import cache_dir
from ncp.tables.table import Table

FIRST_TASKS = ("seg", "cls-50-1000", "video")
"""The tasks of the benchmark that the page chooses at first. Of an uploaded table it chooses the first column."""
KEPT = 8
"""How many datasets a process keeps open."""


@dataclass(frozen=True)
class Dataset:
    """The names and files of a dataset; any process can open it.

    Attributes:
        name: the benchmark's name, or that of the uploaded file.
        predictor: a file, or the benchmark's name for the predictor that ships; None until one is trained.
        judge: likewise.
        table: a file; None if there is no table.
    """

    name: str
    predictor: str | None
    judge: str | None
    table: str | None


@dataclass(frozen=True, eq=False)
class OpenDataset:
    """A dataset in memory."""

    source: Dataset
    space: Space
    predictor: Predictor | None
    judge: Predictor | None
    table: Table | None

    @property
    def uploaded(self) -> bool:
        """Whether a user uploaded it."""
        return self.source.name != DEFAULT_TABLE

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the predictor, or of the table if there is no predictor."""
        if self.predictor is not None:
            return self.predictor.columns
        return () if self.table is None else self.table.columns

    @property
    def first_columns(self) -> tuple[str, ...]:
        """The columns that the page chooses at first: of a few tasks, the first one."""
        if self.uploaded:
            return self.columns[:1]
        firsts = {task_of(column): column for column in reversed(self.columns)}
        return tuple(firsts[task] for task in FIRST_TASKS if task in firsts)

    @property
    def minimised(self) -> tuple[str, ...]:
        """The columns in which lower is better."""
        if self.predictor is not None:
            return self.predictor.minimised
        return () if self.table is None else self.table.minimised

    @property
    def has_cost(self) -> bool:
        """Whether the exact cost of a code is known."""
        return has_cost(self.space)

    @cached_property
    def ordered(self) -> dict[str, Reals]:
        """The sorted values of every column of the table, without missing ones."""
        if self.table is None:
            return {}
        return {
            column: np.sort(values[np.isfinite(values)])
            for column, values in zip(self.table.columns, self.table.values.T, strict=True)
        }


def open_benchmark() -> OpenDataset:
    """Open NAS-Bench-MR with the predictors that ship, and with its table if that is installed."""
    return open_dataset(find_benchmark())


def find_benchmark() -> Dataset:
    """Look for the benchmark's table; it can be installed while the app runs."""
    try:
        path = stored_path()
    except DataError:  # no folder for tables can be found
        return Dataset(DEFAULT_TABLE, DEFAULT_TABLE, DEFAULT_TABLE, None)
    return Dataset(DEFAULT_TABLE, DEFAULT_TABLE, DEFAULT_TABLE, str(path) if path.is_file() else None)


def stored_path() -> Path:
    """The file of the benchmark's table."""
    return Path(cache_dir()) / f"{DEFAULT_TABLE}.parquet"


def prepare(dataset: Dataset) -> None:
    """Open a dataset and sort its values, which takes seconds for a large table, so that later calls are fast."""
    _ = open_dataset(dataset).ordered


@lru_cache(maxsize=KEPT)
def open_dataset(dataset: Dataset) -> OpenDataset:
    """Open a dataset; without a table if its file is damaged."""
    try:
        table = None if dataset.table is None else Table.from_parquet(dataset.table)
    except DataError:
        table, dataset = None, replace(dataset, table=None)
    predictor = None if dataset.predictor is None else load_predictor(dataset.predictor)
    judge = None
    if dataset.judge is not None:
        judge = load_judge() if dataset.judge == DEFAULT_TABLE else load_predictor(dataset.judge)
    known = predictor if predictor is not None else table
    if known is None:
        raise DataError(f"{dataset.name} has neither a predictor nor a table.")
    return OpenDataset(dataset, known.space, predictor, judge, table)
