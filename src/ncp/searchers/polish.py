"""A local search by exchanges: one move pays for another, so that a binding budget is no dead end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ncp.problem import Problem, free_moves
from ncp.space import Codes, Moves, Reals, distinct

BEAM, FIRST, SECOND = 8, 512, 25_000
"""Codes kept from round to round, first moves that a second one follows, and second moves that are tried.

A network has fewer moves, so all of its pairs are tried.
"""


def polish(problem: Problem, codes: Codes, rounds: int = 20) -> Codes:
    """Codes no worse than the best of `codes` `(n, d)`: the best of all that one or two moves reach, again and again.

    Every code within the budget that was among the best `BEAM` of a round is returned, best first.
    """
    beam, scores = _best(problem, codes)
    seen, seen_scores = beam, scores
    for _ in range(rounds):
        single = free_moves(problem, beam)
        first = problem.space.moved(beam, single)
        reached = problem.values_and_scores(first)[1]
        second = _second(problem, first, _highest(reached, FIRST), single, reached, reached - scores[single.rows])
        top = scores[0]
        beam, scores = _best(problem, np.concatenate([beam, first, second]))
        seen, seen_scores = np.concatenate([seen, beam]), np.concatenate([seen_scores, scores])
        if scores[0] <= top + 1e-6:
            break
    order = np.argsort(-seen_scores, kind="stable")
    return seen[order]


def _second(
    problem: Problem, first: Codes, followed: NDArray[np.int64], single: Moves, reached: Reals, gain: Reals
) -> Codes:
    """What a second move makes of the `followed` ones of the codes `first`, the most hopeful ones if there are many.

    Two moves of a code are hoped to gain what both gain alone.
    """
    second = free_moves(problem, first[followed])
    if len(second.rows) > SECOND:
        most = max(len(dim.values) for dim in problem.space.dimensions)
        gains = np.zeros((single.rows.max() + 1, len(problem.space), most))
        gains[single] = gain
        of = followed[second.rows]
        hoped = reached[of] + gains[single.rows[of], second.dimensions, second.targets]
        second = second.only(_highest(hoped, SECOND))
    return problem.space.moved(first[followed], second)


def _best(problem: Problem, codes: Codes) -> tuple[Codes, Reals]:
    """The best `BEAM` distinct codes within the budget, best first, and their scores."""
    allowed = codes[distinct(codes)[0]]
    allowed = allowed[problem.budget.allows(allowed)]
    _, scores = problem.values_and_scores(allowed)
    order = np.argsort(-scores, kind="stable")[:BEAM]
    return allowed[order], scores[order]


def _highest(numbers: Reals, most: int) -> NDArray[np.int64]:
    """Where the highest numbers are, at most so many, best first."""
    return np.argsort(-numbers, kind="stable")[:most]
