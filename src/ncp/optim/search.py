"""The main job: many starts, propagation, snapping, a local polish, and a verdict on what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ncp.errors import ConfigError
from ncp.numbers import as_count, as_seed
from ncp.optim.budget import Budget, as_budget
from ncp.optim.judge import Pair, predictor_and_judge
from ncp.optim.known import Known, meets_minimums
from ncp.optim.local_search import search_locally, search_near
from ncp.optim.objective import Objective, as_objective
from ncp.optim.problem import Problem
from ncp.optim.propagation import StrategyName, as_strategy, propagate
from ncp.optim.result_rows import baseline_of, latency_model, predicted_scores_of, provenance_of, rows_of
from ncp.optim.results import Result
from ncp.optim.strategies import Strategy
from ncp.predictors.base import Predictor
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes, CodesLike, Reals, distinct
from ncp.spaces.space import Space
from ncp.tables.table import Table
from ncp.threads import one_thread

POOL, APART = 500, 9
"""How many candidates to consider. A returned code differs from every better one in at least d // APART dimensions, if
there are enough of them."""
FITTING = 0.6
"""The share of the time that fitting a predictor and a judge takes, where they have to be fitted."""


@one_thread()
def search(
    objective: Objective | str | Sequence[str] | Mapping[str, float],
    *,
    budget: Budget | None = None,
    predictor: Predictor | str | Path | None = None,
    judge: Predictor | str | Path | None = None,
    table: Table | None = None,
    starts: int = 256,
    top: int = 10,
    seed: int = 0,
    strategy: Strategy | StrategyName = "continuous",
    steps: int = 70,
    freeze: str | Iterable[str] = (),
    origin: CodesLike | None = None,
    max_changes: int | None = None,
    progress: Progress = quiet,
) -> Result:
    """Find the codes that serve an objective best within a budget.

    With a table, its measured rows are candidates too, so that the first code is never one which the table says is
    worse than its best row within the budget. How measured and predicted values are weighed: `ncp.optim.known`.

    Args:
        objective: what is wanted: an objective, a task or column, several of them, or weights by column.
        budget: what is allowed.
        predictor: whose gradients are followed: a predictor, its file, or `nas-bench-mr`. Left out, it is the one that
            comes with the package; with a table, one fitted on half of its sampled rows.
        judge: an independent check of what is found. Left out, it comes with the package's predictor, or is fitted on
            rows of the table that the predictor has not seen.
        table: measured values; the value of a code that is in it is the table's, not the judge's.
        starts: how many codes move at once, drawn from the space.
        top: how many codes are returned.
        seed: of the starts, and of a predictor and judge that are fitted on the table.
        strategy: as in `propagate`.
        steps: as in `propagate`.
        freeze: names of dimensions that keep the values of `origin`.
        origin: one code: the first start, whose frozen values all others take.
        max_changes: dimensions in which a code that is returned may differ from `origin`.
        progress: called with the share that is done.

    Raises:
        InfeasibleError: a budget below the smallest cost, or one that so few changes do not reach; minimum values that
            no code keeps.
        ConfigError: changes without an origin, an objective or budget that does not fit the predictor, a latency of
            another machine, or a table of other codes, columns or directions than the predictor.
        CodeError: an origin or a name to freeze that is not of the space.
        DataError: too few rows to fit on, or a file that cannot be read.
    """
    began = perf_counter()
    objective, budget = as_objective(objective), as_budget(budget)
    starts, top, steps = as_count(starts, "starts"), as_count(top, "top"), as_count(steps, "steps")
    seed = as_seed(seed)
    strategy = as_strategy(strategy)
    strategy.require(objective)
    if max_changes is not None:
        max_changes = as_count(max_changes, "max_changes")
        if origin is None:
            raise ConfigError(
                "{field} counts changes of {origin}: give a code there.", field="max_changes", given=max_changes
            )
    latency = latency_model(budget)
    if latency is not None:
        latency.require_here()
    pair = predictor_and_judge(predictor, judge, table, [objective], seed, share(progress, 0.0, FITTING))
    predictor, judge = pair.predictor, pair.judge
    progress = share(progress, FITTING if pair.slow else 0.0, 1.0)
    problem = Problem.of(predictor, objective, budget, freeze)
    base = None if origin is None else _origin(predictor.space, origin)
    run = propagate(
        predictor,
        objective,
        _starts(problem, starts, seed, base),
        budget=budget,
        strategy=strategy,
        steps=steps,
        freeze=problem.feasible.frozen_names,
        progress=share(progress, 0.0, 0.8),
    )
    known = None if table is None else Known.of(problem, table, base, max_changes)
    codes, ranks = _best(problem, run.best(POOL), known, base, max_changes, top, share(progress, 0.8, 1.0))
    rows = rows_of(problem, codes, judge, table, ranks)
    baseline = None if known is None or table is None else baseline_of(problem, known, judge, table)
    progress(1.0)
    settings = {"strategy": str(strategy), "starts": starts, "steps": steps, "seed": seed, "max_changes": max_changes}
    return Result(rows, baseline, _asked(problem, pair, table, base, settings), perf_counter() - began, run)


def _asked(
    problem: Problem, pair: Pair, table: Table | None, base: Codes | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What was asked, and of which predictor and judge."""
    objective, space = problem.objective, problem.space
    return provenance_of(
        problem,
        pair.judge,
        table,
        weights=dict(objective.weights),
        uncertainty_penalty=objective.uncertainty_penalty,
        at_least=dict(objective.at_least),
        **settings,
        origin=None if base is None else space.text(base),
        freeze=list(problem.feasible.frozen_names),
        origin_predicted_score=None if base is None else float(predicted_scores_of(problem, base[None])[0]),
        predictor_source=pair.source,
    )


def _best(
    problem: Problem,
    found: Codes,
    known: Known | None,
    base: Codes | None,
    max_changes: int | None,
    top: int,
    progress: Progress,
) -> tuple[Codes, Reals]:
    """The `top` best of what local search makes of `found` and what is measured, and what they are ranked by."""
    if max_changes is None or base is None:
        codes = np.concatenate([search_locally(problem.focused().scores, problem.feasible, found), found])
    else:
        codes = search_near(problem.focused().scores, problem.feasible, base, max_changes, found, progress)
    return ranked(problem, codes, known, top, varied=max_changes is None)


def ranked(problem: Problem, codes: Codes, known: Known | None, top: int, varied: bool = True) -> tuple[Codes, Reals]:
    """The `top` best of codes `(n, d)` and measured rows, and what they are ranked by, best first.

    Args:
        problem: what is wanted; its predictor scores what was not measured.
        codes: within the budget.
        known: what was measured.
        top: how many codes to return.
        varied: whether small variations of a better code come last.

    Raises:
        InfeasibleError: no code keeps the minimum values.
    """
    if known is not None:
        codes = np.concatenate([known.codes[:POOL], codes])
    codes = codes[np.sort(distinct(codes)[0])]
    values, scores = problem.values_and_scores(codes)
    kept = meets_minimums(problem, values, codes, known)
    codes, scores = codes[kept], scores[kept]
    if known is not None:
        scores = known.rank(codes, scores)
    order = np.argsort(-scores, kind="stable")
    order = order[apart(codes[order], top)] if varied else order[:top]
    return codes[order], scores[order]


def _origin(space: Space, origin: CodesLike) -> Codes:
    """The one code to begin from."""
    rows = space.codes(origin)
    if len(rows) != 1:
        raise ConfigError(
            "{field} must be one code. Got {count} codes.", field="origin", given=origin, count=str(len(rows))
        )
    base: Codes = rows[0]
    return base


def _starts(problem: Problem, starts: int, seed: int, base: Codes | None) -> Codes:
    """Codes drawn from the space, with the origin first and its frozen values everywhere."""
    codes = problem.space.sample(starts, np.random.default_rng(seed))
    if base is not None:
        codes[0] = base
        codes[:, problem.feasible.frozen] = base[problem.feasible.frozen]
    elif problem.feasible.frozen.any():
        raise ConfigError(
            "{field} keeps the values of {origin}: give a code there.",
            field="freeze",
            given=list(problem.feasible.frozen_names),
        )
    return codes


def apart(codes: Codes, top: int) -> list[int]:
    """Rows of the first `top` codes that are no small variation of an earlier one, then of the best of the others."""
    chosen: list[int] = []
    for row, code in enumerate(codes):
        if len(chosen) < top and ((codes[chosen] != code).sum(axis=1) >= max(1, codes.shape[1] // APART)).all():
            chosen.append(row)
    others = [row for row in range(len(codes)) if row not in chosen]
    return sorted([*chosen, *others[: top - len(chosen)]])
