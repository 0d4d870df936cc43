"""A front: codes that no other beats in every objective and in cost, hundreds of them in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncp.numbers import as_count, as_seed
from ncp.optim.budget import Budget, as_budget
from ncp.optim.constraints import meets_minimums, unreachable
from ncp.optim.front import Front, FrontBaseline
from ncp.optim.judge import predictor_and_judge, verify
from ncp.optim.known import Known, in_measured_order, weighed_by
from ncp.optim.multi_objective import Goals, read_objectives
from ncp.optim.objective import SHORTFALL_PENALTY, Objective
from ncp.optim.problem import Bound, free_moves, moves, smallest, snap_within
from ncp.optim.propagation import ascend, require_finite
from ncp.optim.result_rows import provenance_of, rows_of
from ncp.optim.results import Value
from ncp.optim.scalarisations import REFERENCE, Directions
from ncp.pareto import front, hypervolume
from ncp.predictors.base import Predictor
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes, Reals
from ncp.tables.table import Table
from ncp.threads import one_thread

DIRECTIONS = 1000
"""Ways into the objectives, along each of which the improvement keeps the best code: a larger front is thinned."""
ROUNDS, TRIED, CROSSED = 15, 20_000, 10_000
"""Rounds of the improvement, codes that each looks at, and how many of these are crossed from two others."""
FITTING = 0.6
"""The share of the time that fitting a predictor and a judge takes, where they have to be fitted."""
MOVES = 80_000
"""Moves of a round that are made at all: more than a front of networks has, and few enough for memory."""
CLOSEST = 64
"""Codes from which a way to the floors is sought where no start has reached them."""


@one_thread()
def pareto_search(
    objectives: Sequence[str | Objective | Mapping[str, float]],
    *,
    budget: Budget | None = None,
    predictor: Predictor | str | Path | None = None,
    judge: Predictor | str | Path | None = None,
    table: Table | None = None,
    cost: bool = True,
    at_least: Mapping[str, float] | None = None,
    starts: int = 512,
    steps: int = 70,
    size: int = 500,
    seed: int = 0,
    progress: Progress = quiet,
) -> Front:
    """Find codes that trade several objectives and exact cost against each other, as good as any that were met.

    All starts move at once, each with its own weights of the objectives and its own bound on multiply-adds. What they
    pass is improved by single moves and by crossing.

    Args:
        objectives: tasks, columns or objectives; more of each is better.
        budget: what is allowed.
        predictor: as in `search`.
        judge: as in `search`.
        table: as in `search`.
        cost: whether fewer multiply-adds are an objective, too, where the space has exact cost.
        at_least: floors that the predictor's values of every returned code keep, column or task to raw units; of a
            minimised column the most that is allowed.
        starts: how many codes move at once, drawn from the space.
        steps: most steps of each.
        size: most codes to return: those that dominate most.
        seed: of the starts, their weights and what is crossed.
        progress: called with the share that is done.

    Raises:
        InfeasibleError: a budget below the smallest cost, or floors that no code which was met keeps.
        ConfigError: objectives, floors or a budget that do not fit the predictor.
    """
    began = perf_counter()
    starts, steps, size = as_count(starts, "starts"), as_count(steps, "steps"), as_count(size, "size")
    seed, given = as_seed(seed), as_budget(budget)
    wanted = read_objectives(objectives)
    floors = Objective(wanted[0].weights, at_least={} if at_least is None else at_least)
    pair = predictor_and_judge(predictor, judge, table, [*wanted, floors], seed, share(progress, 0.0, FITTING))
    progress = share(progress, FITTING if pair.slow else 0.0, 1.0)
    goals = Goals.of(pair.predictor, wanted, given, cost, floors.at_least)
    rng = np.random.default_rng(seed)
    codes = _climbed(goals.focused(), starts, steps, rng, share(progress, 0.0, 0.3))
    known = None if table is None else Known.of(goals.problem, table)
    codes = _reached(goals.focused(), codes, known)
    rays = np.abs(rng.normal(size=(max(DIRECTIONS, 2 * size), len(wanted) + goals.cost)))
    if len(codes):
        codes = _improved(goals.focused(), codes, rays, rng, share(progress, 0.3, 0.95))
    provenance = provenance_of(
        replace(goals.problem, budget=given),
        pair.judge,
        table,
        objectives={
            name: {"weights": dict(o.weights), "uncertainty_penalty": o.uncertainty_penalty}
            for name, o in zip(goals.names, wanted, strict=True)
        },
        cost=goals.cost,
        at_least=dict(floors.at_least),
        reference=REFERENCE,
        starts=starts,
        steps=steps,
        size=size,
        seed=seed,
        predictor_source=pair.source,
    )
    found = _front(goals, codes, pair.judge, table, known, _Thinned(rays, size), provenance)
    progress(1.0)
    return replace(found, seconds=perf_counter() - began)


def spread(goals: Goals, starts: int, rng: np.random.Generator) -> tuple[Tensor, dict[str, Bound]]:
    """Of every start its weights, drawn from the simplex `(starts, k)`, corners first; and its bounds.

    The bounds on multiply-adds lie evenly, in logarithms, between the smallest cost and the budget; corners have it
    all.
    """
    k = len(goals.objectives)
    weights = rng.dirichlet(np.ones(k), starts)
    corners = min(k, starts)
    weights[:corners] = np.eye(k)[:corners]
    bounds: dict[str, Bound] = dict(goals.budget.bounds)
    if goals.cost:
        share = rng.permutation(np.linspace(0, 1, starts))
        share[:corners] = 1
        least = float(goals.macs(smallest(goals.problem, np.zeros((1, len(goals.problem.space)), dtype=np.int64)))[0])
        most = float(bounds["max_macs"])
        bounds["max_macs"] = torch.as_tensor(least * (most / least) ** share, dtype=torch.float32)
    return torch.as_tensor(weights, dtype=torch.float32), bounds


def _climbed(goals: Goals, starts: int, steps: int, rng: np.random.Generator, progress: Progress) -> Codes:
    """All codes that the starts pass, each up the gradient of its own weights and within its own bounds."""
    weights, bounds = spread(goals, starts, rng)

    def score(x: Tensor) -> Tensor:
        scores, short = goals.scores(x)
        return (weights * scores).sum(1) - SHORTFALL_PENALTY * short

    origin = goals.problem.space.sample(starts, rng)
    x = ascend(goals.problem, score, bounds, origin, steps, progress)
    require_finite(x)
    flat = x.reshape(-1, x.shape[-1])
    return np.unique(snap_within(goals.problem, flat, np.tile(origin, (len(x), 1))), axis=0)


def _reached(goals: Goals, codes: Codes, known: Known | None) -> Codes:
    """Those of codes that keep the minimum values, or if none does, those that moves from the closest ones reach.

    None may be left where measured rows keep them.
    """
    _, short = goals.evaluated(codes)
    for _ in range(ROUNDS):
        if not short.all():
            break
        least = short.min()
        codes = codes[np.argsort(short, kind="stable")[:CLOSEST]]
        moved, _ = moves(goals.problem, codes)
        moved = moved[goals.budget.allows(moved)]
        codes = np.unique(np.concatenate([codes, moved]), axis=0)
        _, short = goals.evaluated(codes)
        if short.min() >= least:
            break
    kept = np.flatnonzero(short <= 0)
    if not len(kept) and (known is None or not len(known.codes)):
        closest = goals.predictor.predict(codes[[int(short.argmin())]]).mean[0]
        raise unreachable(goals.problem, closest)
    return codes[kept]


def _improved(goals: Goals, codes: Codes, rays: Reals, rng: np.random.Generator, progress: Progress) -> Codes:
    """The front of all codes that moves and crossing reach from `codes`, again and again."""
    points, _ = goals.evaluated(codes)
    expanded: set[bytes] = set()
    for done in range(ROUNDS):
        best = _kept(points, rays)
        codes, points = codes[best], points[best]
        fresh = np.array([code.tobytes() not in expanded for code in codes])
        if not fresh.any():
            break
        expanded.update(code.tobytes() for code in codes)
        single = free_moves(goals.problem, codes[fresh])
        if len(single.rows) > MOVES:
            single = single.only(rng.permutation(len(single.rows))[:MOVES])
        moved = goals.problem.space.moved(codes[fresh], single)
        mothers, fathers = codes[rng.integers(len(codes), size=(2, CROSSED))]
        crossed = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
        tried = np.unique(np.concatenate([moved, crossed]), axis=0)
        tried = tried[goals.budget.allows(tried)]
        tried = tried[rng.permutation(len(tried))[:TRIED]]
        found, short = goals.evaluated(tried)
        kept = np.flatnonzero(short <= 0)
        codes, points = np.concatenate([codes, tried[kept]]), np.concatenate([points, found[kept]])
        progress((done + 1) / ROUNDS)
    return codes[_kept(points, rays)]


def _kept(points: Reals, rays: Reals) -> NDArray[np.int64]:
    """The front of points, and if there are more than rays, of these the best along each."""
    best = np.flatnonzero(front(points))
    if len(best) > len(rays):
        best = best[Directions.towards(points[best], rays).winners(points[best])]
    return best


class _Thinned(NamedTuple):
    """Leaves of many points the `size` that dominate most."""

    rays: Reals
    size: int

    def __call__(self, points: Reals) -> NDArray[np.int64]:
        """Indices of points `(n, k)`, none of which dominates another."""
        best = _kept(points, self.rays)
        if len(best) > self.size:
            best = best[Directions.towards(points[best], self.rays).chosen(points[best], self.size)]
        return best


def _front(
    goals: Goals,
    codes: Codes,
    judge: Predictor | None,
    table: Table | None,
    known: Known | None,
    thinned: _Thinned,
    provenance: dict[str, Any],
) -> Front:
    """The front of codes and of measured rows, with what table or judge say."""
    weighed = np.empty((0, len(goals.objectives)))
    if known is not None and table is not None:
        weighed = _weighed(goals, table, known.codes)
        best = front(goals.with_cost(weighed, known.codes))
        codes = np.unique(np.concatenate([codes, known.codes[best]]), axis=0)
    unmeasured = replace(goals.problem, budget=replace(goals.budget, max_latency_ms=None))
    rows, columns, k = rows_of(unmeasured, codes, judge, table), goals.predictor.columns, len(goals.objectives)
    predicted = _values([row.predicted for row in rows], columns)
    predicted_scores, verified_scores = (
        goals.of_values(predicted),
        goals.of_values(_values([row.verified for row in rows], columns)),
    )
    scores = goals.evaluated(codes)[0][:, :k] if goals.cautious else predicted_scores.copy()
    kept = np.flatnonzero(meets_minimums(goals.problem, predicted, codes, known))
    if known is not None:
        places = {code.tobytes(): place for place, code in enumerate(known.codes)}
        for row, code in enumerate(codes):
            if code.tobytes() in places:
                scores[row] = weighed[places[code.tobytes()]]
    points = goals.with_cost(scores, codes)
    kept = kept[thinned(points[kept])]
    kept = kept[np.argsort(-points[kept, k] if goals.cost else -scores[kept].mean(axis=1), kind="stable")]
    reference = [REFERENCE] * k + [0.0] * goals.cost
    verified = None if np.isnan(verified_scores[kept]).any() else goals.with_cost(verified_scores, codes)[kept]
    return Front(
        rows=tuple(
            replace(
                rows[i],
                score=float(scores[i].mean()),
                predicted_score=float(predicted_scores[i].mean()),
                verified_score=None if np.isnan(verified_scores[i]).any() else float(verified_scores[i].mean()),
            )
            for i in kept
        ),
        objectives=goals.names,
        scores=scores[kept],
        predicted_scores=predicted_scores[kept],
        verified_scores=verified_scores[kept],
        hypervolume=hypervolume(points[kept], reference),
        verified_hypervolume=None if verified is None else hypervolume(verified, reference),
        baseline=None if known is None or table is None else _baseline(goals, known, judge, table, reference),
        provenance=provenance,
        seconds=0.0,
    )


def _measured(goals: Goals, table: Table, codes: Codes) -> Reals:
    """The objectives of measured codes by the table, `(n, k)`."""
    columns = goals.predictor.columns
    places = [j for j in goals.columns if columns[j] in table.columns]
    values = np.full((len(codes), len(columns)), np.nan)
    values[:, places] = table.lookup(codes, [columns[j] for j in places])
    return goals.of_values(values)


def _weighed(goals: Goals, table: Table, codes: Codes) -> Reals:
    """The objectives of measured codes by measurement and prediction together, `(n, k)`."""
    measured = _measured(goals, table, codes)
    return np.stack(
        [
            in_measured_order(
                measured[:, j], weighed_by(replace(goals.problem, objective=objective.plain()), codes, measured[:, j])
            )
            for j, objective in enumerate(goals.objectives)
        ],
        axis=1,
    )


def _baseline(
    goals: Goals, known: Known, judge: Predictor | None, table: Table, reference: list[float]
) -> FrontBaseline | None:
    """The front of the measured rows, by the table and by the judge."""
    if not len(known.codes):
        return None
    points = goals.with_cost(_measured(goals, table, known.codes), known.codes)
    best = front(points)
    judged = None
    if judge is not None:
        named = [goals.predictor.columns[j] for j in goals.columns]
        values = np.full((int(best.sum()), len(goals.predictor.columns)), np.nan)
        values[:, goals.columns] = verify(known.codes[best], named, judge).mean
        judged = hypervolume(goals.with_cost(goals.of_values(values), known.codes[best]), reference)
    return FrontBaseline(len(known.codes), int(best.sum()), hypervolume(points[best], reference), judged)


def _values(held: Sequence[Mapping[str, Value]], columns: Sequence[str]) -> Reals:
    """Means of values by column, `(n, m)`; NaN where there is none."""
    return np.array([[values[c].mean if c in values else np.nan for c in columns] for values in held])
