"""The jobs of the page's worker processes: search, import a table, train a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ncp.app.dataset import Dataset, OpenDataset, open_benchmark, open_dataset
from ncp.app.frames import frames_of
from ncp.errors import ConfigError, DataError
from ncp.io.tabular import Limits
from ncp.optim.budget import Budget
from ncp.optim.feasible import frozen_dimensions
from ncp.optim.judge import fit_searcher_and_judge, halves
from ncp.optim.measured_rows import MeasuredRows
from ncp.optim.objective import Objective
from ncp.optim.problem import Problem
from ncp.optim.propagation import StrategyName, propagate
from ncp.optim.result_rows import baseline_of, provenance_of, rows_of
from ncp.optim.results import Baseline, Result, Row
from ncp.optim.search import ranked
from ncp.predictors.predictor import Predictor
from ncp.progress import Progress
from ncp.spaces.arrays import Codes
from ncp.spaces.named import load_space
from ncp.tables.table import Table

POOL, TOP = 300, 10
LARGEST_TABLE = Limits(rows=50_000, columns=400, bytes=200 << 20)
"""Limits of an uploaded table."""
LEAST, MOST = 40, 3000
"""Fewest and most rows to train on; from a larger table a random sample is taken."""


@dataclass(frozen=True)
class SearchRequest:
    """The settings of a propagation.

    Attributes:
        weights: the weight of each column of the objective.
        at_least: minimum values by column [raw units].
        budget: bounds on the exact cost.
        freeze: names of dimensions that keep the values of `origin`.
        origin: the code that is open, which is the first start.
        strategy: as in `propagate`.
        starts: number of starts; all but the first are random.
        steps: gradient steps per start.
        uncertainty_penalty: as in `Objective`.
    """

    weights: Mapping[str, float]
    at_least: Mapping[str, float]
    budget: Budget
    freeze: tuple[str, ...]
    origin: tuple[int, ...]
    strategy: StrategyName = "continuous"
    starts: int = 8
    steps: int = 30
    uncertainty_penalty: float = 0.0

    @property
    def objective(self) -> Objective:
        """The objective of the propagation."""
        return Objective(self.weights, self.uncertainty_penalty, self.at_least)


def warm_up() -> None:
    """Open the benchmark and run a short search, because the first one in a process is slow."""
    opened = open_benchmark()
    middle = tuple(dim.values[len(dim.values) // 2] for dim in opened.space.dimensions)
    request = SearchRequest({opened.columns[0]: 1.0}, {}, Budget(max_macs=4e9), (), middle, starts=2, steps=3)
    run_search(opened.source, request, lambda _: None)


def run_search(dataset: Dataset, request: SearchRequest, progress: Progress) -> tuple[Result, list[dict[str, Any]]]:
    """Propagate the open code and random ones; return the result and the frames of the animation.

    Raises:
        InfeasibleError: no code meets the budget or the minimum values.
        ConfigError: settings that `propagate` does not accept.
    """
    began, opened = perf_counter(), open_dataset(dataset)
    predictor = _predictor(opened)
    frozen = frozen_dimensions(opened.space, request.freeze)
    starts = opened.space.sample(request.starts, np.random.default_rng(0))
    starts[0] = request.origin
    starts[:, frozen] = starts[0, frozen]
    run = propagate(
        predictor,
        request.objective,
        starts,
        budget=request.budget,
        strategy=request.strategy,
        steps=request.steps,
        freeze=request.freeze,
        progress=progress,
    )
    rows, baseline = best_rows(dataset, request, run.best(POOL))
    provenance = provenance_of(
        _problem(opened, request),
        opened.judge,
        opened.table,
        weights=dict(request.weights),
        uncertainty_penalty=request.uncertainty_penalty,
        at_least=dict(request.at_least),
        strategy=request.strategy,
        starts=request.starts,
        steps=request.steps,
        seed=0,
        origin=opened.space.text(request.origin),
        freeze=list(request.freeze),
    )
    result = Result(rows, baseline, provenance, perf_counter() - began, run)
    return result, frames_of(result)


def best_rows(
    dataset: Dataset,
    request: SearchRequest,
    codes: Codes,
    progress: Progress | None = None,  # noqa: ARG001
) -> tuple[tuple[Row, ...], Baseline | None]:
    """Rank codes `(n, d)` and measured rows; return the best that differ enough, and the best measured row.

    Raises:
        InfeasibleError: none of them meets the minimum values.
    """
    opened = open_dataset(dataset)
    problem = _problem(opened, request)
    origin = np.array(request.origin)
    known = None if opened.table is None else MeasuredRows.of(problem, opened.table, origin)
    best, ranks = ranked(problem, codes, known, TOP)
    rows = rows_of(problem, best, opened.judge, opened.table, ranks)
    if known is None or opened.table is None:
        return rows, None
    return rows, baseline_of(problem, known, opened.judge, opened.table)


def _problem(opened: OpenDataset, request: SearchRequest) -> Problem:
    return Problem.of(_predictor(opened), request.objective, request.budget, request.freeze)


def _predictor(opened: OpenDataset) -> Predictor:
    if opened.predictor is None:
        raise ConfigError("This table has no predictor yet. Train one first.")
    return opened.predictor


def import_table(
    table: Path, space: Path | str, minimised: tuple[str, ...], codes: str, drop_bad: bool, folder: Path, _: Progress
) -> Dataset:
    """Read an uploaded table with its search space, and write it to `folder`.

    Raises:
        NcpError: files that are not a table and its search space.
    """
    columns = [name.strip() for name in codes.split(",")] if "," in codes else codes.strip() or None
    read = Table.read(
        table, space=load_space(space), codes=columns, minimised=minimised, drop_bad=drop_bad, limits=LARGEST_TABLE
    )
    path = folder / "table.parquet"
    read.to_parquet(path)
    return Dataset(table.name, None, None, str(path))


def train_predictor(dataset: Dataset, folder: Path, progress: Progress) -> Dataset:
    """Train a predictor and a judge, each on half of a table's rows, and write them to `folder`.

    Raises:
        DataError: too few rows.
    """
    table = open_dataset(dataset).table
    if table is None:
        raise DataError("There is no table to train on.")
    rows = np.concatenate(halves(table, 0))
    if len(rows) < LEAST:
        raise DataError(
            f"Training needs at least {LEAST} rows without missing values. This table has {len(rows)} of {len(table)}."
        )
    predictor, judge = fit_searcher_and_judge(table.select(rows=rows[:MOST]), 0, progress)
    paths = [folder / "predictor.safetensors", folder / "judge.safetensors"]
    for fitted, path in zip((predictor, judge), paths, strict=True):
        fitted.save(path)
    return replace(dataset, predictor=str(paths[0]), judge=str(paths[1]))
