"""What the page's worker processes compute: propagations, verdicts, tables from files, predictors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ncp.app.frames import frames_of
from ncp.app.subject import Place, Subject, benchmark, opened
from ncp.errors import ConfigError, DataError, InfeasibleError
from ncp.evaluate import fit_searcher_and_judge, halves
from ncp.objective import Budget, Objective
from ncp.predictors.base import Progress
from ncp.problem import Problem
from ncp.propagation import Strategy, frozen_dimensions, propagate
from ncp.searchers.result import Result, Row
from ncp.searchers.rows import rows_of
from ncp.searchers.run import apart
from ncp.space import Codes
from ncp.spaces import load_space
from ncp.table import Table
from ncp.texts import code_text

POOL, TOP = 300, 10
FLOOR = 10.0
"""What a standard deviation below a floor costs, in standard deviations of the objective."""
UNWANTED = 1e-6
"""The weight of a column that has a floor alone."""
LARGEST_TABLE = (50_000, 400)
"""Rows and columns of a table of one's own, at most."""
LEAST, MOST = 40, 3000
"""Rows that a predictor is trained on, at least, and at most: a random choice of more."""


@dataclass(frozen=True)
class Floored(Objective):
    """An objective that loses much where a column is predicted below its floor; of a minimised column, above it."""

    at_least: Mapping[str, float] = field(default_factory=dict)

    def score(self, mean: Any, std: Any, columns: Any, location: Any, unit: Any) -> Any:
        """As an objective's, less `FLOOR` for every standard deviation below a floor."""
        total = super().score(mean, std, columns, location, unit)
        return total - FLOOR * self.short(mean, columns, unit)

    def short(self, mean: Any, columns: Any, unit: Any) -> Any:
        """How far values `(..., m)` are below the floors, `(...)` in standard deviations."""
        missing: Any = 0.0 * mean[..., 0]
        for column, floor in self.at_least.items():
            j = list(columns).index(column)
            missing = missing + ((floor - mean[..., j]) / unit[j]).clip(min=0)
        return missing


@dataclass(frozen=True)
class Wish:
    """What a visitor asks a propagation for.

    Attributes:
        weights: column to weight.
        at_least: column to floor [raw units].
        budget: what is allowed.
        freeze: names of dimensions that stay.
        origin: the code that is looked at.
        strategy: as in `propagate`.
        starts: how many codes move, the origin the first of them.
        steps: how many.
        caution: as in `Objective`.
    """

    weights: Mapping[str, float]
    at_least: Mapping[str, float]
    budget: Budget
    freeze: tuple[str, ...]
    origin: tuple[int, ...]
    strategy: Strategy = "continuous"
    starts: int = 8
    steps: int = 30
    caution: float = 0.0

    @property
    def objective(self) -> Floored:
        """Weights, and floors as columns of hardly any weight."""
        floors = {column: UNWANTED for column in self.at_least if column not in self.weights}
        return Floored({**self.weights, **floors}, self.caution, self.at_least)


def make_ready() -> None:
    """Open the benchmark, and compute once: the first time is slow."""
    subject = benchmark()
    middle = tuple(dim.values[len(dim.values) // 2] for dim in subject.space.dimensions)
    wish = Wish({subject.columns[0]: 1.0}, {}, Budget(max_macs=4e9), (), middle, starts=2, steps=3)
    found(subject.place, wish, lambda _: None)


def found(place: Place, wish: Wish, progress: Progress) -> tuple[Result, list[dict[str, Any]]]:
    """Propagate a visitor's code and a few others: the best codes apart, with verdicts; and frames of the way there.

    Raises:
        InfeasibleError: a budget or floors that cannot be met.
        ConfigError: what `propagate` refuses.
    """
    began, subject = perf_counter(), opened(place)
    predictor = _predictor(subject)
    frozen = frozen_dimensions(subject.space, wish.freeze)
    starts = subject.space.sample(wish.starts, np.random.default_rng(0))
    starts[0] = wish.origin
    starts[:, frozen] = starts[0, frozen]
    run = propagate(
        predictor,
        wish.objective,
        starts,
        budget=wish.budget,
        strategy=wish.strategy,
        steps=wish.steps,
        freeze=wish.freeze,
        progress=progress,
    )
    rows = best_rows(place, wish, run.best(POOL))
    result = Result(rows, _asked(subject, wish), perf_counter() - began, run)
    return result, frames_of(result)


def best_rows(place: Place, wish: Wish, codes: Codes, progress: Progress | None = None) -> tuple[Row, ...]:  # noqa: ARG001
    """The best of codes `(n, d)` apart from each other, best first, with verdicts.

    Raises:
        InfeasibleError: none of them keeps the floors.
    """
    subject = opened(place)
    predictor, objective = _predictor(subject), wish.objective
    problem = Problem(predictor, objective, wish.budget, frozen_dimensions(subject.space, wish.freeze))
    values, scores = problem.values_and_scores(codes)
    short = objective.short(values, predictor.columns, predictor.unit.numpy())
    if (short > 0).all():
        raise InfeasibleError(_too_high(wish.at_least, predictor.columns, values[short.argmin()]))
    kept = np.flatnonzero(short <= 0)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    return rows_of(problem, apart(codes[kept], TOP), subject.judge, subject.table)


def _too_high(at_least: Mapping[str, float], columns: tuple[str, ...], values: Any) -> str:
    asked = " and ".join(f"{column} of {floor:g}" for column, floor in at_least.items())
    best = " and ".join(f"{column} {values[columns.index(column)]:.2f}" for column in at_least)
    return (
        f"No code that was met is predicted to have {asked}: the closest has {best}. "
        "Lower the floors, raise the budget or keep less fixed."
    )


def _predictor(subject: Subject) -> Any:
    if subject.predictor is None:
        raise ConfigError("Expected a predictor to propagate through. Got none. Train one on the table.")
    return subject.predictor


def _asked(subject: Subject, wish: Wish) -> dict[str, Any]:
    """What was asked, under the names that `ncp.search` uses."""
    predictor, judge, budget = _predictor(subject), subject.judge, asdict(replace(wish.budget, latency=None))
    objective = wish.objective
    return {
        "weights": dict(objective.weights),
        "at_least": dict(wish.at_least),
        "caution": wish.caution,
        **{name: budget[name] for name in ("max_macs", "max_params", "image_size", "classes", "task")},
        "max_latency_ms": None,
        "latency_of": None,
        "strategy": wish.strategy,
        "starts": wish.starts,
        "steps": wish.steps,
        "seed": 0,
        "origin": code_text(subject.space, wish.origin),
        "freeze": list(wish.freeze),
        "columns": [predictor.columns[j] for j in objective.resolve(predictor.columns)],
        "minimised": list(predictor.minimised),
        "predictor": predictor.kind,
        "judge": None if judge is None else judge.kind,
        "version": version("ncp-nas"),
    }


def brought(
    table: Path, space: Path | str, minimised: tuple[str, ...], codes: str, drop_bad: bool, folder: Path, _: Progress
) -> Place:
    """Read a visitor's table over a visitor's space, and keep it in `folder`.

    Raises:
        NcpError: what is wrong with the files.
    """
    if table.suffix == ".parquet":
        _require_small(table)
    names = [name.strip() for name in codes.split(",")] if "," in codes else codes.strip() or None
    read = Table.from_file(table, space=load_space(space), codes=names, minimised=minimised, drop_bad=drop_bad)
    rows, columns = LARGEST_TABLE
    if len(read) > rows or len(read.columns) > columns:
        raise DataError(f"Expected at most {rows} rows and {columns} columns. Got {len(read)} and {len(read.columns)}.")
    path = folder / "table.parquet"
    read.to_parquet(path)
    return Place(table.name, None, None, str(path))


def _require_small(path: Path) -> None:
    """Refuse a parquet file by what it says of itself, before it is unpacked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.ParquetFile(path).metadata
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"Expected a parquet file in {path.name}. Got: {error}.") from None
    rows, columns = LARGEST_TABLE
    if about.num_rows > rows or about.num_columns > columns:
        raise DataError(
            f"Expected at most {rows} rows and {columns} columns. Got {about.num_rows} and {about.num_columns}."
        )


def trained(place: Place, folder: Path, progress: Progress) -> Place:
    """Train a predictor and its judge, each on half of a table's rows, and keep them in `folder`.

    Raises:
        DataError: too few rows.
    """
    table = opened(place).table
    if table is None:
        raise DataError("Expected a table to train on. Got none.")
    rows = np.concatenate(halves(table, 0))
    if len(rows) < LEAST:
        raise DataError(f"Expected at least {LEAST} complete rows to train on. Got {len(rows)} of {len(table)}.")
    predictor, judge = fit_searcher_and_judge(table.select(rows=rows[:MOST]), 0, progress)
    paths = [folder / "predictor.safetensors", folder / "judge.safetensors"]
    for fitted, path in zip((predictor, judge), paths, strict=True):
        fitted.save(path)
    return replace(place, predictor=str(paths[0]), judge=str(paths[1]))
