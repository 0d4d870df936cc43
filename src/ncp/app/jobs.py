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
from ncp.io.tabular import Limits
from ncp.optim.budget import Budget
from ncp.optim.judge import fit_searcher_and_judge, halves
from ncp.optim.known import Known
from ncp.optim.objective import Objective
from ncp.optim.problem import Problem
from ncp.optim.propagation import Strategy, frozen_dimensions, propagate
from ncp.optim.provenance import provenance_of
from ncp.optim.result_rows import baseline_of, rows_of
from ncp.optim.results import Baseline, Result, Row
from ncp.optim.search import ranked
from ncp.progress import Progress
from ncp.spaces.arrays import Codes
from ncp.spaces.named import load_space
from ncp.tables.table import Table

POOL, TOP = 300, 10
LARGEST_TABLE = Limits(rows=50_000, columns=400, bytes=200 << 20)
"""What a table of one's own may hold."""
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
    uncertainty_penalty: float = 0.0

    @property
    def objective(self) -> Objective:
        """What is wanted."""
        return Objective(self.weights, self.uncertainty_penalty, self.at_least)


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
    rows, baseline = best_rows(place, wish, run.best(POOL))
    provenance = provenance_of(
        _problem(subject, wish),
        subject.judge,
        weights=dict(wish.weights),
        uncertainty_penalty=wish.uncertainty_penalty,
        at_least=dict(wish.at_least),
        strategy=wish.strategy,
        starts=wish.starts,
        steps=wish.steps,
        seed=0,
        origin=subject.space.text(wish.origin),
        freeze=list(wish.freeze),
    )
    result = Result(rows, baseline, provenance, perf_counter() - began, run)
    return result, frames_of(result)


def best_rows(
    place: Place,
    wish: Wish,
    codes: Codes,
    progress: Progress | None = None,  # noqa: ARG001
) -> tuple[tuple[Row, ...], Baseline | None]:
    """The best of codes `(n, d)` and of measured rows apart from each other, best first; and the best measured row.

    Raises:
        InfeasibleError: none of them keeps the minimum values.
    """
    subject = opened(place)
    problem = _problem(subject, wish)
    origin = np.array(wish.origin)
    known = None if subject.table is None else Known.of(problem, subject.table, origin)
    best, ranks = ranked(problem, codes, known, TOP)
    rows = rows_of(problem, best, subject.judge, subject.table, ranks)
    if known is None or subject.table is None:
        return rows, None
    return rows, baseline_of(problem, known, subject.judge, subject.table)


def _problem(subject: Subject, wish: Wish) -> Problem:
    frozen = frozen_dimensions(subject.space, wish.freeze)
    return Problem(_predictor(subject), wish.objective, wish.budget, frozen)


def _predictor(subject: Subject) -> Any:
    if subject.predictor is None:
        raise ConfigError("There is no predictor to propagate through. Train one on the table first.")
    return subject.predictor


def brought(
    table: Path, space: Path | str, minimised: tuple[str, ...], codes: str, drop_bad: bool, folder: Path, _: Progress
) -> Place:
    """Read a visitor's table over a visitor's space, and keep it in `folder`.

    Raises:
        NcpError: what is wrong with the files.
    """
    over = load_space(space)
    names = [name.strip() for name in codes.split(",")] if "," in codes else codes.strip() or None
    path = folder / "table.parquet"
    read = Table.read(table, space=over, codes=names, minimised=minimised, drop_bad=drop_bad, limits=LARGEST_TABLE)
    read.to_parquet(path)
    return Place(table.name, None, None, str(path))


def trained(place: Place, folder: Path, progress: Progress) -> Place:
    """Train a predictor and its judge, each on half of a table's rows, and keep them in `folder`.

    Raises:
        DataError: too few rows.
    """
    table = opened(place).table
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
    return replace(place, predictor=str(paths[0]), judge=str(paths[1]))
