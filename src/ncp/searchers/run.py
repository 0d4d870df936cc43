"""The main job: many starts, propagation, snapping, a local polish, and a verdict on what was found."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.errors import ConfigError, quoted
from ncp.evaluate import predictor_and_judge
from ncp.objective import Budget, Objective
from ncp.predictors import Predictor
from ncp.problem import Problem
from ncp.progress import Progress, quiet
from ncp.propagation import Strategy, frozen_dimensions, propagate
from ncp.searchers.asked import asked_of
from ncp.searchers.edit import edited
from ncp.searchers.floors import above_floors
from ncp.searchers.polish import polish
from ncp.searchers.result import Result
from ncp.searchers.rows import latency_model, rows_of
from ncp.space import Codes, Space
from ncp.table import Table
from ncp.texts import code_text

POOL, APART = 500, 9
"""Of so many codes those are returned that differ from every better one in one of so many dimensions, if there are
enough."""


def search(
    objective: Objective,
    *,
    budget: Budget | None = None,
    predictor: Predictor | None = None,
    judge: Predictor | None = None,
    table: Table | None = None,
    starts: int = 256,
    top: int = 10,
    seed: int = 0,
    strategy: Strategy = "continuous",
    steps: int = 70,
    freeze: str | Iterable[str] = (),
    origin: Any = None,
    max_changes: int | None = None,
    progress: Progress = quiet,
) -> Result:
    """Find the codes that serve an objective best within a budget.

    Args:
        objective: what is wanted.
        budget: what is allowed.
        predictor: whose gradients are followed. Left out: the one that comes with the package, with its judge; with a
            table other than theirs, one fitted on half of its sampled rows, and a judge on the other half.
        judge: gives verdicts. Left out, it comes with the predictor, if that was left out too.
        table: measured values; a code that stands in it has its row as verdict. With a predictor but no judge, rows
            which the predictor has not seen make one.
        starts: how many codes move at once, drawn from the space.
        top: how many codes are returned.
        seed: of the starts.
        strategy: as in `propagate`.
        steps: as in `propagate`.
        freeze: names of dimensions that keep the values of `origin`.
        origin: one code: the first start, whose frozen values all others take.
        max_changes: of so many dimensions at most do the codes that are returned differ from `origin`.
        progress: called with the share that is done.

    Raises:
        InfeasibleError: a budget below the smallest cost, or one that so few changes do not reach; floors that no code
            which was met keeps.
        ConfigError: no origin for changes, an objective or budget that does not fit the predictor, a latency of another
            machine, or a table that minimises other columns than the predictor.
    """
    began = perf_counter()
    if starts < 1 or top < 1:
        raise ConfigError(f"Expected at least one start and one code to return. Got {starts} and {top}.")
    if max_changes is not None and (max_changes < 1 or origin is None):
        raise ConfigError(
            f"Expected an origin and at least one change of it. Got {quoted(origin)} and {quoted(max_changes)}."
        )
    predictor, judge = predictor_and_judge(predictor, judge, table, seed, progress)
    budget = budget or Budget()
    latency = latency_model(budget)
    if latency is not None:
        latency.require_here()
    frozen = frozen_dimensions(predictor.space, freeze)
    names = tuple(name for name, kept in zip(predictor.space.names, frozen, strict=True) if kept)
    codes = _starts(predictor.space, starts, seed, frozen, origin)
    run = propagate(
        predictor,
        objective,
        codes,
        budget=budget,
        strategy=strategy,
        steps=steps,
        freeze=names,
        progress=lambda share: progress(0.8 * share),
    )
    problem = Problem(predictor, objective, budget, frozen)
    found = run.best(POOL)
    if max_changes is None:
        both = np.unique(np.concatenate([polish(problem.focused(), found), found]), axis=0)
        _, scores = problem.values_and_scores(both)
        best = apart(above_floors(problem, both[np.argsort(-scores, kind="stable")]), top)
    else:
        best = edited(problem.focused(), codes[0], max_changes, found, lambda share: progress(0.8 + 0.2 * share))
        best = above_floors(problem, best)[:top]
    rows = rows_of(problem, best, judge, table)
    progress(1.0)
    asked = asked_of(
        problem,
        judge,
        weights=dict(objective.weights),
        caution=objective.caution,
        at_least=dict(objective.at_least),
        strategy=strategy,
        starts=starts,
        steps=steps,
        seed=seed,
        origin=None if origin is None else code_text(predictor.space, predictor.space.codes(origin)[0]),
        freeze=list(names),
        max_changes=max_changes,
        origin_claim=None if origin is None else rows_of(problem, codes[:1], None, None)[0].claim,
    )
    return Result(rows, asked, perf_counter() - began, run)


def _starts(space: Space, starts: int, seed: int, frozen: NDArray[np.bool_], origin: Any) -> Codes:
    """Codes drawn from the space, with the origin first and its frozen values everywhere."""
    codes = space.sample(starts, np.random.default_rng(seed))
    if origin is not None:
        base = space.codes(origin)
        if len(base) != 1:
            raise ConfigError(f"Expected one code as the origin. Got {len(base)}.")
        codes[0] = base[0]
        codes[:, frozen] = base[:, frozen]
    elif frozen.any():
        raise ConfigError("Expected an origin whose values the frozen dimensions keep. Got none. Give a code.")
    return codes


def apart(codes: Codes, top: int) -> Codes:
    """The first `top` codes that are no small variation of an earlier one, filled up with the best of the others."""
    chosen: list[int] = []
    for row, code in enumerate(codes):
        if len(chosen) < top and ((codes[chosen] != code).sum(axis=1) >= max(1, codes.shape[1] // APART)).all():
            chosen.append(row)
    others = [row for row in range(len(codes)) if row not in chosen]
    return codes[sorted(chosen + others[: top - len(chosen)])]
