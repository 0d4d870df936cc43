"""What the page's worker processes compute: propagations, verdicts, tables from files, predictors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ncp.app.frames import frames_of
from ncp.app.subject import Place, Subject, benchmark, opened
from ncp.errors import ConfigError, DataError
from ncp.evaluate import fit_searcher_and_judge, halves
from ncp.objective import Budget, Objective
from ncp.problem import Problem
from ncp.progress import Progress
from ncp.propagation import Strategy, frozen_dimensions, propagate
from ncp.searchers.asked import asked_of
from ncp.searchers.floors import above_floors
from ncp.searchers.result import Result, Row
from ncp.searchers.rows import rows_of
from ncp.searchers.run import apart
from ncp.space import Codes
from ncp.spaces import load_space
from ncp.table import Table
from ncp.texts import code_text

POOL, TOP = 300, 10
LARGEST_TABLE = (50_000, 400)
"""Rows and columns of a table of one's own, at most."""
LEAST, MOST = 40, 3000
"""Rows that a predictor is trained on, at least, and at most: a random choice of more."""


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
    def objective(self) -> Objective:
        """What is wanted."""
        return Objective(self.weights, self.caution, self.at_least)


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
    asked = asked_of(
        _problem(subject, wish),
        subject.judge,
        weights=dict(wish.weights),
        caution=wish.caution,
        at_least=dict(wish.at_least),
        strategy=wish.strategy,
        starts=wish.starts,
        steps=wish.steps,
        seed=0,
        origin=code_text(subject.space, wish.origin),
        freeze=list(wish.freeze),
    )
    result = Result(rows, asked, perf_counter() - began, run)
    return result, frames_of(result)


def best_rows(place: Place, wish: Wish, codes: Codes, progress: Progress | None = None) -> tuple[Row, ...]:  # noqa: ARG001
    """The best of codes `(n, d)` apart from each other, best first, with verdicts.

    Raises:
        InfeasibleError: none of them keeps the floors.
    """
    subject = opened(place)
    problem = _problem(subject, wish)
    _, scores = problem.values_and_scores(codes)
    kept = above_floors(problem, codes[np.argsort(-scores, kind="stable")])
    return rows_of(problem, apart(kept, TOP), subject.judge, subject.table)


def _problem(subject: Subject, wish: Wish) -> Problem:
    frozen = frozen_dimensions(subject.space, wish.freeze)
    return Problem(_predictor(subject), wish.objective, wish.budget, frozen)


def _predictor(subject: Subject) -> Any:
    if subject.predictor is None:
        raise ConfigError("Expected a predictor to propagate through. Got none. Train one on the table.")
    return subject.predictor


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
