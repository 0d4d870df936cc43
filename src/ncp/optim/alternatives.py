"""Results that differ: cheaper codes beside the best one, and the choice of codes with an advantage of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ncp.cost import has_cost
from ncp.optim.feasible import Feasible
from ncp.optim.local_search import search_locally
from ncp.optim.problem import Problem
from ncp.optim.propagation import Trajectory, follow
from ncp.optim.strategies import Strategy
from ncp.spaces.arrays import Codes, Reals, best_first

SHARES = (0.75, 0.5, 0.25)
"""Cheaper codes are searched for below these shares of the best code's multiply-adds."""
STARTS, STEPS, ROUNDS, KEPT = 16, 40, 2, 100
"""Of the search for cheaper codes: starts, most steps, rounds of local search, and propagated codes that it keeps."""
CHEAPER = 0.1
"""A code has an advantage over a better one if it needs fewer multiply-adds, by more than this share of them."""
GAIN = 0.1
"""Or if its value in a column of the objective is better, by at least this [standard deviations]."""
LOSS = 0.5
"""Codes whose objective is worse than the best one's by more than this have no advantage [standard deviations]."""
APART = 9
"""Further codes differ from every better one in at least d // APART dimensions, if there are enough such codes."""


def cheaper_codes(problem: Problem, strategy: Strategy, run: Trajectory, best: Codes, steps: int) -> Codes:
    """Good codes that cost less than the best one, `(n, d)`; none in a space without exact cost.

    These are the best codes of each cost that a search has visited. It seldom visits codes far below its budget, so a
    few of its starts are propagated within smaller budgets, too.

    Args:
        problem: the predictor, the objective and the budget.
        strategy: as in `propagate`.
        run: the search.
        best: the best code, `(d,)`.
        steps: as in `propagate`.
    """
    if not has_cost(problem.space):
        return best[None][:0]
    found = [_best_by_cost(problem, run)]
    starts, macs = run.codes[0, :STARTS], int(problem.budget.counting.macs(best[None])[0])
    for share in SHARES:
        budget = replace(problem.budget, max_macs=share * macs)
        feasible = Feasible(problem.space, budget, problem.feasible.frozen)
        if budget.allows(feasible.smallest(starts)).all():
            smaller = replace(problem, feasible=feasible)
            visited = follow(smaller, strategy, starts, min(steps, STEPS))
            score = smaller.focused().scores
            found += [_best_by_cost(smaller, visited), search_locally(score, feasible, visited.best(KEPT), ROUNDS)]
    return np.concatenate(found)


def _best_by_cost(problem: Problem, run: Trajectory) -> Codes:
    """The best code of a search in each interval of cost, `(k, d)`; neighbouring intervals differ by `CHEAPER`."""
    codes, scores = run.codes.reshape(-1, run.codes.shape[-1]), run.scores.reshape(-1)
    order = best_first(scores)
    intervals = np.floor(np.log(problem.budget.counting.macs(codes[order])) / -np.log1p(-CHEAPER))
    best: Codes = codes[order[np.unique(intervals, return_index=True)[1]]]
    return best


def different(problem: Problem, codes: Codes, values: Reals, top: int) -> list[int]:
    """The rows of the first `top` codes that have an advantage over every better one of them, in order.

    An advantage is a cost that is lower by more than `CHEAPER`, or a column of the objective that is better by `GAIN`,
    while the objective is worse than the best code's by at most `LOSS`. If there are too few such codes, others are
    added that differ from all of these in many dimensions, and then the best of the rest.

    Args:
        problem: its objective names the columns and the direction of each; its budget counts cost.
        codes: `(n, d)`, best first.
        values: their predicted values, `(n, m)`.
        top: how many rows to return; fewer if there are fewer codes.
    """
    z = _gains(problem, values)
    costs = problem.budget.counting.macs(codes) if has_cost(problem.space) else np.zeros(len(codes))
    weights = np.abs(list(problem.objective.weights.values()))
    good = (z[:1] - z) @ weights <= LOSS * weights.sum()
    chosen: list[int] = []
    for row in np.flatnonzero(good).tolist():
        cheaper = costs[row] < (1 - CHEAPER) * costs[chosen]
        if len(chosen) < top and (cheaper | (z[row] >= z[chosen] + GAIN).any(axis=1)).all():
            chosen.append(row)
    least = max(1, codes.shape[1] // APART)
    for row in range(len(codes)):
        if len(chosen) < top and ((codes[chosen] != codes[row]).sum(axis=1) >= least).all():
            chosen.append(row)
    others = sorted(set(range(len(codes))) - set(chosen))
    return sorted([*chosen, *others[: top - len(chosen)]])


def _gains(problem: Problem, values: Reals) -> Reals:
    """Values `(n, m)` of the objective's columns in standard deviations, `(n, k)`; higher is better in each."""
    predictor, objective = problem.predictor, problem.objective
    places = objective.resolve(predictor.columns)
    signs = np.sign(list(objective.weights.values()))
    z: Reals = signs * values[:, places] / predictor.unit.double().cpu().numpy()[places]
    return z
