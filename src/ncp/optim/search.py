"""Search: propagate many codes, improve the best ones by local search, and check them by table and judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ncp.errors import ConfigError
from ncp.numbers import as_count, as_seed
from ncp.optim.alternatives import cheaper_codes, different
from ncp.optim.budget import Budget, as_budget
from ncp.optim.feasible import Feasible
from ncp.optim.judge import Pair, predictor_and_judge, read_predictor
from ncp.optim.local_search import search_locally, search_near
from ncp.optim.measured_rows import MeasuredRows, meets_minimums
from ncp.optim.objective import Objective, as_objective
from ncp.optim.problem import Problem
from ncp.optim.propagation import StrategyName, Trajectory, as_strategy, follow
from ncp.optim.result_rows import baseline_of, latency_model, predicted_scores_of, provenance_of, rows_of
from ncp.optim.results import Result
from ncp.optim.strategies import Strategy
from ncp.predictors.predictor import Predictor
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes, CodesLike, Reals, best_first, distinct
from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Space
from ncp.tables.table import Table, require_table
from ncp.threads import one_thread

POOL = 500
"""Most propagated codes, and most measured rows, that are candidates for the result."""
FITTING = 0.6
"""The share of progress that fitting a predictor and a judge takes, if they have to be fitted."""
PROPAGATING = 0.8
"""The share of the remaining progress that propagation takes."""


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
    """Find the best codes for an objective within a budget.

    Random codes are propagated through the predictor, and improved by local search. The first row of the result is the
    best code. Every further one is cheaper than each better one, or better in a column
    (`ncp.optim.alternatives`). All are checked by the judge, which is independent of the predictor.
    With a table, its measured rows are candidates too: the first code is never one that the table measured to be worse
    than its best row within the budget. `ncp.optim.measured_rows` says how measured and predicted values are weighed.

    Args:
        objective: an objective, a task or column, several of them, or weights by column.
        budget: bounds on cost; no bounds when left out.
        predictor: a predictor, its file, or `nas-bench-mr`. By default the one that comes with the package; with a
            table, one fitted on half of its sampled rows.
        judge: a predictor that checks the codes. By default the one that comes with the package's predictor, or one
            fitted on rows of the table that the predictor has not seen.
        table: measured values. They replace the judge's where a code is in the table.
        starts: how many random codes to propagate.
        top: most codes to return; there are fewer if fewer have an advantage of their own.
        seed: of the random codes, and of a predictor and judge that are fitted.
        strategy: as in `propagate`.
        steps: as in `propagate`.
        freeze: names of dimensions that keep the values of `origin`.
        origin: one code, which is propagated too.
        max_changes: in how many dimensions a returned code may differ from `origin`.
        progress: called with the share that is done.

    Raises:
        InfeasibleError: no code meets the budget, the minimum values, or the budget within `max_changes`.
        ConfigError: `freeze` or `max_changes` without `origin`; an objective, budget, judge or table that does not fit
            the predictor; or a latency model of another machine.
        CodeError: `origin` is not in the space, or a frozen name is not a dimension.
        DataError: there are too few rows to fit on, or a file cannot be read.
    """
    began = perf_counter()
    objective = as_objective(objective)
    settings = Settings.of(objective, strategy, starts, top, steps, seed)
    predictor = read_predictor(predictor, "predictor")
    feasible = Feasible.of(_space(predictor, table), as_budget(budget), freeze)
    start = start_of(feasible, settings, origin, max_changes)
    pair = predictor_and_judge(predictor, judge, table, [objective], settings.seed, share(progress, 0.0, FITTING))
    problem = Problem(pair.predictor, objective, feasible)
    found = _found(problem, pair, table, start, settings, share(progress, FITTING if pair.slow else 0.0, 1.0))
    return replace(found, seconds=perf_counter() - began)


class Settings(NamedTuple):
    """How thoroughly to search, as the arguments of `search` say."""

    strategy: Strategy
    starts: int
    top: int
    steps: int
    seed: int

    @classmethod
    def of(
        cls, objective: Objective, strategy: Strategy | StrategyName, starts: Any, top: Any, steps: Any, seed: Any
    ) -> Settings:
        """Check the arguments, and that the strategy can follow the objective.

        Raises:
            ConfigError: one of them is invalid.
        """
        strategy = as_strategy(strategy)
        counts = as_count(starts, "starts"), as_count(top, "top"), as_count(steps, "steps")
        settings = cls(strategy, *counts, as_seed(seed))
        strategy.require(objective)
        return settings


class Start(NamedTuple):
    """Where a search starts, and how far it may go from there.

    Attributes:
        codes: the codes to propagate, `(starts, d)`.
        origin: the user's code `(d,)`, which is the first of them.
        max_changes: in how many dimensions a returned code may differ from it.
    """

    codes: Codes
    origin: Codes | None
    max_changes: int | None


def start_of(feasible: Feasible, settings: Settings, origin: CodesLike | None, max_changes: int | None) -> Start:
    """Codes to start from, checked before a predictor is fitted.

    Raises:
        InfeasibleError: no code meets the budget.
        ConfigError: frozen dimensions or `max_changes` without an origin, or a latency model of another machine.
        CodeError: the origin is not in the space.
    """
    base = None if origin is None else _one_code(feasible.space, origin)
    most = None if max_changes is None else _max_changes(max_changes, base)
    codes = _drawn(feasible, settings.starts, settings.seed, base)
    feasible.require(codes)
    latency = latency_model(feasible.budget)
    if latency is not None:
        latency.require_here()
    return Start(codes, base, most)


def _found(
    problem: Problem, pair: Pair, table: Table | None, start: Start, settings: Settings, progress: Progress
) -> Result:
    """Propagate and search locally, and check the best codes and measured rows by table and judge."""
    run = follow(problem, settings.strategy, start.codes, settings.steps, share(progress, 0.0, PROPAGATING))
    codes = _improved(problem, run.best(POOL), start, share(progress, PROPAGATING, 1.0))
    if start.max_changes is None and settings.top > 1:
        cheaper = cheaper_codes(problem, run, codes[0], settings.steps)
        codes = np.concatenate([codes, cheaper])
    result = result_of(problem, pair, table, start, settings, run, codes)
    progress(1.0)
    return result


def result_of(
    problem: Problem,
    pair: Pair,
    table: Table | None,
    start: Start,
    settings: Settings,
    run: Trajectory,
    codes: Codes,
    measuring: bool = True,
) -> Result:
    """The best of the codes that a search has found and of the measured rows, checked by table and judge.

    Args:
        problem: what was searched.
        pair: its predictor, and the judge.
        table: measured values.
        start: where the search started.
        settings: how thoroughly it searched.
        run: the propagation.
        codes: the codes found, `(n, d)`, within the budget.
        measuring: as in `rows_of`.

    Raises:
        InfeasibleError: no code meets the minimum values.
    """
    known = None if table is None else MeasuredRows.of(problem, table, start.origin, start.max_changes)
    codes, ranks = _ranked(problem, codes, known, settings.top, varied=start.max_changes is None)
    rows = rows_of(problem, codes, pair.judge, table, ranks, measuring)
    baseline = None if known is None or table is None else baseline_of(problem, known, pair.judge, table)
    return Result(rows, baseline, _provenance(problem, pair, table, start, settings), 0.0, run)


def _space(predictor: Predictor | None, table: Table | None) -> Space:
    """The space of a search, before a predictor is fitted."""
    if predictor is not None:
        return predictor.space
    if table is not None:
        require_table(table)
        return table.space
    return MULTIRES


def _one_code(space: Space, origin: CodesLike) -> Codes:
    """The origin as a code `(d,)`."""
    codes = space.codes(origin)
    if len(codes) != 1:
        raise ConfigError(
            "{field} must be one code. Got {count} codes.", field="origin", given=origin, count=str(len(codes))
        )
    code: Codes = codes[0]
    return code


def _max_changes(given: Any, origin: Codes | None) -> int:
    most = as_count(given, "max_changes")
    if origin is None:
        raise ConfigError("{field} counts changes of {origin}: give a code there.", field="max_changes", given=most)
    return most


def _drawn(feasible: Feasible, starts: int, seed: int, origin: Codes | None) -> Codes:
    """Random codes with the frozen values of the origin, which is the first of them, `(starts, d)`."""
    codes = feasible.space.sample(starts, np.random.default_rng(seed))
    if origin is not None:
        codes[0] = origin
        codes[:, feasible.frozen] = origin[feasible.frozen]
    elif feasible.frozen.any():
        raise ConfigError(
            "{field} keeps the values of {origin}: give a code there.",
            field="freeze",
            given=list(feasible.frozen_names),
        )
    return codes


def _improved(problem: Problem, found: Codes, start: Start, progress: Progress) -> Codes:
    """Codes that a local search finds around propagated codes, within the changes that are allowed."""
    score, feasible = problem.focused().scores, problem.feasible
    if start.origin is None or start.max_changes is None:
        return np.concatenate([search_locally(score, feasible, found), found])
    return search_near(score, feasible, start.origin, start.max_changes, found, progress)


def _provenance(problem: Problem, pair: Pair, table: Table | None, start: Start, settings: Settings) -> dict[str, Any]:
    """The request, and the predictor, judge and table that answered it."""
    objective, origin = problem.objective, start.origin
    return provenance_of(
        problem,
        pair.judge,
        table,
        weights=dict(objective.weights),
        uncertainty_penalty=objective.uncertainty_penalty,
        at_least=dict(objective.at_least),
        strategy=str(settings.strategy),
        starts=settings.starts,
        steps=settings.steps,
        seed=settings.seed,
        max_changes=start.max_changes,
        origin=None if origin is None else problem.space.text(origin),
        freeze=list(problem.feasible.frozen_names),
        origin_predicted_score=None if origin is None else float(predicted_scores_of(problem, origin[None])[0]),
        predictor_source=pair.source,
    )


def _ranked(
    problem: Problem, codes: Codes, known: MeasuredRows | None, top: int, varied: bool = True
) -> tuple[Codes, Reals]:
    """The `top` best of codes `(n, d)` and measured rows, best first, and the numbers that they are ranked by.

    Args:
        problem: its predictor scores codes that were not measured.
        codes: within the budget.
        known: the measured rows.
        top: how many codes to return.
        varied: whether to choose codes with an advantage over the better ones (see `different`), not just the best.

    Raises:
        InfeasibleError: no code meets the minimum values.
    """
    if known is not None:
        codes = np.concatenate([known.codes[:POOL], codes])
    codes = codes[np.sort(distinct(codes)[0])]
    values, scores = problem.values_and_scores(codes)
    kept = meets_minimums(problem, values, codes, known)
    codes, values, scores = codes[kept], values[kept], scores[kept]
    if known is not None:
        scores = known.rank(codes, scores)
    order = best_first(scores)
    order = order[different(problem, codes[order], values[order], top)] if varied else order[:top]
    return codes[order], scores[order]
