"""Results that differ: cheaper codes beside the best one, and the choice of codes with an advantage of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ncp.cost import has_cost
from ncp.optim.feasible import Feasible
from ncp.optim.local_search import search_locally
from ncp.optim.problem import Problem
from ncp.optim.projection import Bound
from ncp.optim.propagation import Trajectory, require_finite
from ncp.optim.strategies import Continuous
from ncp.spaces.arrays import Codes, Reals, best_first, distinct

SHARES = (0.75, 0.5, 0.25)
"""Cheaper codes are searched for below these shares of the best code's multiply-adds."""
STARTS, STEPS, ROUNDS, KEPT = 16, 40, 2, 100
"""Of the search for cheaper codes: starts, most steps, rounds of local search, and codes where it begins."""
CHEAPER = 0.1
"""A code has an advantage over a better one if it needs fewer multiply-adds, by more than this share of them."""
GAIN = 0.1
"""Or if its value in a column of the objective is better, by at least this [standard deviations]."""
LOSS = 0.5
"""Codes whose objective is worse than the best one's by more than this have no advantage [standard deviations]."""
APART = 9
"""In a space without exact cost, further codes differ from every better one in at least d // APART dimensions."""


def cheaper_codes(problem: Problem, run: Trajectory, best: Codes, steps: int) -> Codes:
    """Good codes that cost less than the best one, `(n, d)`; none in a space without exact cost.

    These are the best codes of each cost that a search has visited. It seldom visits codes far below its budget, so a
    few of its starts are propagated within smaller budgets, too: all at once, by the strategy `continuous`.

    Args:
        problem: the predictor, the objective and the budget.
        run: the search.
        best: the best code, `(d,)`.
        steps: of the search; the cheaper codes take at most `STEPS`.
    """
    if not has_cost(problem.space):
        return best[None][:0]
    flat = run.codes.reshape(-1, run.codes.shape[-1])
    found = [_best_by_cost(problem, flat, run.scores.reshape(-1))]
    starts, macs = run.codes[0, :STARTS], int(problem.budget.counting.macs(best[None])[0])
    budgets = [replace(problem.budget, max_macs=share * macs) for share in SHARES]
    smaller = [Feasible(problem.space, budget, problem.feasible.frozen) for budget in budgets]
    smaller = [each for each in smaller if each.budget.allows(each.smallest(starts)).all()]
    if smaller:
        focused = problem.focused()
        visited = _visited(focused, smaller, starts, min(steps, STEPS))
        for feasible, codes in zip(smaller, visited, strict=True):
            scores = focused.scores(codes)
            found.append(_best_by_cost(problem, codes, scores))
            found.append(search_locally(focused.scores, feasible, codes[best_first(scores)[:KEPT]], ROUNDS))
    return np.concatenate(found)


def _visited(problem: Problem, smaller: Sequence[Feasible], starts: Codes, steps: int) -> list[Codes]:
    """The different codes that a propagation of the starts visits within each of some budgets, `(k, d)` each."""
    relaxed = problem.predictor.relaxed(np.tile(starts, (len(smaller), 1)))
    bounds: dict[str, Bound] = dict(problem.budget.bounds)
    most = [each.budget.bounds["max_macs"] for each in smaller]
    bounds["max_macs"] = relaxed.new_tensor(most).repeat_interleave(len(starts))
    path = Continuous().ascend(problem.score, smaller[0], relaxed, steps, bounds=bounds).x
    require_finite(path)
    parts = np.split(path, len(smaller), axis=1)
    snapped = (each.snap_path(part, starts) for each, part in zip(smaller, parts, strict=True))
    flat = [codes.reshape(-1, codes.shape[-1]) for codes in snapped]
    return [codes[distinct(codes)[0]] for codes in flat]


def _best_by_cost(problem: Problem, codes: Codes, scores: Reals) -> Codes:
    """The best of codes `(n, d)` in each interval of cost, `(k, d)`; neighbouring intervals differ by `CHEAPER`."""
    order = best_first(scores)
    intervals = np.floor(np.log(problem.budget.counting.macs(codes[order])) / -np.log1p(-CHEAPER))
    best: Codes = codes[order[np.unique(intervals, return_index=True)[1]]]
    return best


def different(problem: Problem, codes: Codes, values: Reals, top: int) -> list[int]:
    """The rows of the first `top` codes that have an advantage over every better one of them, in order.

    An advantage is a cost that is lower by more than `CHEAPER`, or a column of the objective that is better by `GAIN`,
    while the objective is worse than the best code's by at most `LOSS`. There may be fewer than `top` such codes:
    others would be much like a better one. In a space without exact cost no code is cheaper; there, codes are added
    that differ from all of these in many dimensions.

    Args:
        problem: its objective names the columns and the direction of each; its budget counts cost.
        codes: `(n, d)`, best first.
        values: their predicted values, `(n, m)`.
        top: most rows to return.
    """
    z, priced = _gains(problem, values), has_cost(problem.space)
    costs = problem.budget.counting.macs(codes) if priced else np.zeros(len(codes))
    weights = np.abs(list(problem.objective.weights.values()))
    good = (z[:1] - z) @ weights <= LOSS * weights.sum()
    chosen: list[int] = []
    for row in np.flatnonzero(good).tolist():
        cheaper = costs[row] < (1 - CHEAPER) * costs[chosen]
        if len(chosen) < top and (cheaper | (z[row] >= z[chosen] + GAIN).any(axis=1)).all():
            chosen.append(row)
    least = max(1, codes.shape[1] // APART)
    for row in () if priced else range(len(codes)):
        if len(chosen) < top and ((codes[chosen] != codes[row]).sum(axis=1) >= least).all():
            chosen.append(row)
    return sorted(chosen)


def _gains(problem: Problem, values: Reals) -> Reals:
    """Values `(n, m)` of the objective's columns in standard deviations, `(n, k)`; higher is better in each."""
    predictor, objective = problem.predictor, problem.objective
    places = objective.resolve(predictor.columns)
    signs = np.sign(list(objective.weights.values()))
    z: Reals = signs * values[:, places] / predictor.unit.double().cpu().numpy()[places]
    return z
