"""Search a Pareto front: hundreds of codes, none of which another dominates in all objectives and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ncp.numbers import as_count, as_seed
from ncp.optim.budget import Budget, as_budget
from ncp.optim.front import Front, FrontBaseline
from ncp.optim.judge import Pair, predictor_and_judge, verify
from ncp.optim.measured_rows import MeasuredRows, in_measured_order, meets_minimums, weighed_by
from ncp.optim.multi_objective import MultiObjectiveProblem, read_objectives
from ncp.optim.objective import SHORTFALL_PENALTY, Objective
from ncp.optim.problem import no_code_meets_minimums
from ncp.optim.projection import Bound
from ncp.optim.propagation import require_finite
from ncp.optim.result_rows import provenance_of, rows_of
from ncp.optim.results import Row, Value
from ncp.optim.scalarisations import REFERENCE, Directions
from ncp.optim.strategies import Continuous
from ncp.pareto import hypervolume, non_dominated
from ncp.predictors.predictor import Predictor
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes, Reals, best_first, crossed
from ncp.tables.table import Table
from ncp.threads import one_thread

FITTING = 0.6
"""The share of progress that fitting a predictor and a judge takes, if they have to be fitted."""
REACHING, CLOSEST = 15, 64
"""If no start met the minimum values: most rounds of moves towards them, and codes that each round moves."""


@dataclass(frozen=True)
class Refinement:
    """How thoroughly a front is refined by moves and crossover after the propagation.

    Attributes:
        rounds: most rounds.
        moves: most single moves of a round.
        crossed: codes of a round that are crossed from two others.
        tried: most codes of a round that are scored.
        directions: directions into the objectives; of a larger front, the best code along each is kept.
    """

    rounds: int = 15
    moves: int = 80_000
    crossed: int = 10_000
    tried: int = 20_000
    directions: int = 1000


REFINEMENT = Refinement()


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
    refinement: Refinement = REFINEMENT,
    progress: Progress = quiet,
) -> Front:
    """Find codes that trade several objectives and exact cost against each other.

    All starts move at once, each with its own weights of the objectives and its own bound on multiply-adds. All codes
    on their way are candidates. Single moves and crossover then refine the front.

    Args:
        objectives: tasks, columns or objectives, each to be maximised.
        budget: bounds on cost; no bounds when left out.
        predictor: as in `search`.
        judge: as in `search`.
        table: as in `search`.
        cost: whether fewer multiply-adds are an objective, too, if the space has exact cost.
        at_least: minimum values by column or task [raw units], which every returned code meets as measured or else as
            predicted; for a minimised column the largest value that is allowed.
        starts: how many codes move at once, drawn from the space.
        steps: most steps of each.
        size: most codes to return: those that dominate most.
        seed: of the starts, their weights and the crossover.
        refinement: how thoroughly the front is refined.
        progress: called with the share that is done.

    Raises:
        InfeasibleError: a budget below the smallest cost, or minimum values that no code met.
        ConfigError: objectives, minimum values or a budget that do not fit the predictor.
    """
    began = perf_counter()
    starts, steps, size = as_count(starts, "starts"), as_count(steps, "steps"), as_count(size, "size")
    seed, given, wanted = as_seed(seed), as_budget(budget), read_objectives(objectives)
    minimums = Objective(wanted[0].weights, at_least={} if at_least is None else at_least)
    pair = predictor_and_judge(predictor, judge, table, [*wanted, minimums], seed, share(progress, 0.0, FITTING))
    progress = share(progress, FITTING if pair.slow else 0.0, 1.0)
    problem = MultiObjectiveProblem.of(pair.predictor, wanted, given, cost, minimums.at_least)
    focused, rng = problem.focused(), np.random.default_rng(seed)
    codes = _propagated(focused, starts, steps, rng, share(progress, 0.0, 0.3))
    known = None if table is None else MeasuredRows.of(problem.single(), table)
    codes = _meeting_minimums(focused, codes, known)
    rays = np.abs(rng.normal(size=(max(refinement.directions, 2 * size), len(problem.reference))))
    if len(codes):
        codes = _refined(focused, codes, rays, refinement, rng, share(progress, 0.3, 0.95))
    settings = {"starts": starts, "steps": steps, "size": size, "seed": seed}
    provenance = _provenance(problem, given, pair, table, settings)
    found = _front(problem, codes, _Checks(pair.judge, table, known), rays, size, provenance)
    progress(1.0)
    return replace(found, seconds=perf_counter() - began)


def _provenance(
    problem: MultiObjectiveProblem, budget: Budget, pair: Pair, table: Table | None, settings: dict[str, Any]
) -> dict[str, Any]:
    """The request, with the budget as the caller gave it, and the predictor and judge that answered it."""
    return provenance_of(
        replace(problem.single(), feasible=replace(problem.feasible, budget=budget)),
        pair.judge,
        table,
        objectives={
            name: {"weights": dict(o.weights), "uncertainty_penalty": o.uncertainty_penalty}
            for name, o in zip(problem.names, problem.objectives, strict=True)
        },
        cost=problem.cost,
        at_least=dict(problem.minimums.at_least),
        reference=REFERENCE,
        **settings,
        predictor_source=pair.source,
    )


def weights_and_bounds(
    problem: MultiObjectiveProblem, starts: int, rng: np.random.Generator
) -> tuple[Reals, dict[str, NDArray[np.float64] | float]]:
    """The weights of every start's score, `(starts, k)`, and its bounds.

    Weights are drawn from the simplex. The first k starts have one objective each. Bounds on multiply-adds are spread
    evenly, in logarithms, between the smallest cost and the budget; the first k starts may use the whole budget.
    """
    k = len(problem.objectives)
    weights = rng.dirichlet(np.ones(k), starts)
    corners = min(k, starts)
    weights[:corners] = np.eye(k)[:corners]
    bounds: dict[str, NDArray[np.float64] | float] = dict(problem.feasible.budget.bounds)
    if problem.cost:
        share = rng.permutation(np.linspace(0, 1, starts))
        share[:corners] = 1
        smallest = problem.feasible.smallest(np.zeros((1, len(problem.feasible.space)), dtype=np.int64))
        least, most = float(problem.macs(smallest)[0]), float(problem.feasible.budget.bounds["max_macs"])
        bounds["max_macs"] = least * (most / least) ** share
    return weights, bounds


def _propagated(
    problem: MultiObjectiveProblem, starts: int, steps: int, rng: np.random.Generator, progress: Progress
) -> Codes:
    """All codes on the way of the starts, each up the gradient of its own weights and within its own bounds."""
    drawn, numbers = weights_and_bounds(problem, starts, rng)
    start = problem.feasible.space.sample(starts, rng)
    relaxed = problem.predictor.relaxed(start)
    weights = relaxed.new_tensor(drawn)
    bounds: dict[str, Bound] = {
        name: bound if isinstance(bound, float) else relaxed.new_tensor(bound) for name, bound in numbers.items()
    }

    def score(x: Tensor) -> Tensor:
        scores, short = problem.scores(x)
        return (weights * scores).sum(1) - SHORTFALL_PENALTY * short

    path = Continuous().ascend(score, problem.feasible, relaxed, steps, bounds=bounds, progress=progress)
    require_finite(path.x)
    codes = problem.feasible.snap_path(path.x, start)
    return np.unique(codes.reshape(-1, codes.shape[-1]), axis=0)


def _meeting_minimums(problem: MultiObjectiveProblem, codes: Codes, known: MeasuredRows | None) -> Codes:
    """The codes that meet the minimum values; if none does, those that single moves from the closest codes reach.

    There may be none if measured rows meet them.

    Raises:
        InfeasibleError: neither these codes nor measured rows meet them.
    """
    _, short = problem.points(codes)
    for _ in range(REACHING):
        if not short.all():
            break
        least = short.min()
        codes = codes[np.argsort(short, kind="stable")[:CLOSEST]]
        moved, _ = problem.feasible.moved(codes)
        moved = moved[problem.feasible.budget.allows(moved)]
        codes = np.unique(np.concatenate([codes, moved]), axis=0)
        _, short = problem.points(codes)
        if short.min() >= least:
            break
    kept = np.flatnonzero(short <= 0)
    if not len(kept) and (known is None or not len(known.codes)):
        closest = problem.predictor.predict(codes[[int(short.argmin())]]).mean[0]
        raise no_code_meets_minimums(problem.single(), closest)
    return codes[kept]


def _refined(
    problem: MultiObjectiveProblem,
    codes: Codes,
    rays: Reals,
    refinement: Refinement,
    rng: np.random.Generator,
    progress: Progress,
) -> Codes:
    """The front of all codes that moves and crossover reach from `codes`, round by round."""
    feasible = problem.feasible
    points, _ = problem.points(codes)
    expanded: set[bytes] = set()
    for done in range(refinement.rounds):
        best = _kept(points, rays)
        codes, points = codes[best], points[best]
        fresh = np.array([code.tobytes() not in expanded for code in codes])
        if not fresh.any():
            break
        expanded.update(code.tobytes() for code in codes)
        single = feasible.moves(codes[fresh])
        if len(single.rows) > refinement.moves:
            single = single.only(rng.permutation(len(single.rows))[: refinement.moves])
        moved = feasible.space.moved(codes[fresh], single)
        tried = np.unique(np.concatenate([moved, crossed(codes, refinement.crossed, rng)]), axis=0)
        tried = tried[feasible.budget.allows(tried)]
        tried = tried[rng.permutation(len(tried))[: refinement.tried]]
        found, short = problem.points(tried)
        kept = np.flatnonzero(short <= 0)
        codes, points = np.concatenate([codes, tried[kept]]), np.concatenate([points, found[kept]])
        progress((done + 1) / refinement.rounds)
    return codes[_kept(points, rays)]


def _kept(points: Reals, rays: Reals) -> NDArray[np.int64]:
    """The front of points; of a front larger than the number of rays, the best point along each ray."""
    best = np.flatnonzero(non_dominated(points))
    if len(best) > len(rays):
        best = best[Directions.towards(points[best], rays).winners(points[best])]
    return best


def _thinned(points: Reals, rays: Reals, size: int) -> NDArray[np.int64]:
    """The front of points `(n, k)`, or of a larger front the `size` points that dominate most."""
    best = _kept(points, rays)
    if len(best) > size:
        best = best[Directions.towards(points[best], rays).chosen(points[best], size)]
    return best


class _Checks(NamedTuple):
    """What checks and corrects predictions: a judge, a table, and the rows of the table that may be returned."""

    judge: Predictor | None
    table: Table | None
    known: MeasuredRows | None


class _Candidates(NamedTuple):
    """Codes that may be on the front, `(n, d)`, with their rows, predicted values `(n, m)` and objectives `(n, k)`."""

    codes: Codes
    rows: tuple[Row, ...]
    values: Reals
    scores: Reals
    predicted: Reals
    verified: Reals


def _candidates(problem: MultiObjectiveProblem, codes: Codes, checks: _Checks) -> _Candidates:
    """The codes and the front of the measured rows; measured rows are scored by measurement and prediction together."""
    judge, table, known = checks
    weighed = np.empty((0, len(problem.objectives)))
    if known is not None and table is not None:
        weighed = _weighed(problem, table, known.codes)
        best = non_dominated(problem.with_cost(weighed, known.codes))
        codes = np.unique(np.concatenate([codes, known.codes[best]]), axis=0)
    unmeasured = replace(problem.feasible, budget=replace(problem.feasible.budget, max_latency_ms=None))
    rows = rows_of(replace(problem.single(), feasible=unmeasured), codes, judge, table)
    columns = problem.predictor.columns
    values = _means([row.predicted for row in rows], columns)
    predicted = problem.scores_of_values(values)
    verified = problem.scores_of_values(_means([row.verified for row in rows], columns))
    scores = problem.points(codes)[0][:, : len(problem.objectives)] if problem.uncertain else predicted.copy()
    if known is not None:
        places = known.places(codes)
        scores[places >= 0] = weighed[places[places >= 0]]
    return _Candidates(codes, rows, values, scores, predicted, verified)


def _front(
    problem: MultiObjectiveProblem,
    codes: Codes,
    checks: _Checks,
    rays: Reals,
    size: int,
    provenance: dict[str, Any],
) -> Front:
    """The front of codes and of measured rows, at most `size` of them, cheapest first or else best first."""
    found, k = _candidates(problem, codes, checks), len(problem.objectives)
    points = problem.with_cost(found.scores, found.codes)
    kept = np.flatnonzero(meets_minimums(problem.single(), found.values, found.codes, checks.known))
    kept = kept[_thinned(points[kept], rays, size)]
    kept = kept[best_first(points[kept, k] if problem.cost else found.scores[kept].mean(axis=1))]
    reference = problem.reference
    scores, predicted, verified = found.scores[kept], found.predicted[kept], found.verified[kept]
    rows = [
        replace(
            found.rows[i],
            score=float(found.scores[i].mean()),
            predicted_score=float(found.predicted[i].mean()),
            verified_score=None if np.isnan(found.verified[i]).any() else float(found.verified[i].mean()),
        )
        for i in kept
    ]
    checked = None if np.isnan(verified).any() else problem.with_cost(verified, found.codes[kept])
    return Front(
        rows=tuple(rows),
        objectives=problem.names,
        scores=scores,
        predicted_scores=predicted,
        verified_scores=verified,
        hypervolume=hypervolume(points[kept], reference),
        verified_hypervolume=None if checked is None else hypervolume(checked, reference),
        baseline=_baseline(problem, checks),
        provenance=provenance,
        seconds=0.0,
    )


def _measured(problem: MultiObjectiveProblem, table: Table, codes: Codes) -> Reals:
    """The objectives of measured codes by the table, `(n, k)`."""
    columns = problem.predictor.columns
    places = [j for j in problem.columns if columns[j] in table.columns]
    values = np.full((len(codes), len(columns)), np.nan)
    values[:, places] = table.lookup(codes, [columns[j] for j in places])
    return problem.scores_of_values(values)


def _weighed(problem: MultiObjectiveProblem, table: Table, codes: Codes) -> Reals:
    """The objectives of measured codes by measurement and prediction together, `(n, k)`."""
    measured = _measured(problem, table, codes)
    return np.stack(
        [
            in_measured_order(measured[:, j], weighed_by(problem.single(objective.plain()), codes, measured[:, j]))
            for j, objective in enumerate(problem.objectives)
        ],
        axis=1,
    )


def _baseline(problem: MultiObjectiveProblem, checks: _Checks) -> FrontBaseline | None:
    """The front of the measured rows, by the table and by the judge."""
    reference, (judge, table, known) = problem.reference, checks
    if known is None or table is None or not len(known.codes):
        return None
    points = problem.with_cost(_measured(problem, table, known.codes), known.codes)
    best = non_dominated(points)
    judged = None
    if judge is not None:
        named = [problem.predictor.columns[j] for j in problem.columns]
        values = np.full((int(best.sum()), len(problem.predictor.columns)), np.nan)
        values[:, problem.columns] = verify(known.codes[best], named, judge).mean
        judged = hypervolume(problem.with_cost(problem.scores_of_values(values), known.codes[best]), reference)
    return FrontBaseline(len(known.codes), int(best.sum()), hypervolume(points[best], reference), judged)


def _means(values: Sequence[Mapping[str, Value]], columns: Sequence[str]) -> Reals:
    """Means of values by column, `(n, m)`; NaN for columns without a value."""
    return np.array([[row[c].mean if c in row else np.nan for c in columns] for row in values])
