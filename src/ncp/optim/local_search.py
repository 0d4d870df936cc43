"""A local search by exchanges: one move pays for another, so that a binding budget is no dead end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ncp.optim.problem import Problem, free_moves
from ncp.spaces.arrays import Codes, Reals, distinct
from ncp.spaces.space import Moves

BEAM, FIRST = 8, 512
"""Codes kept from round to round, and first moves that are followed by a second one."""
PAIRS, HOPED = 25_000, 4096
"""How many pairs of moves are all tried, as those of a network are; and how many are tried where there are more."""


def polish(problem: Problem, codes: Codes, rounds: int = 20) -> Codes:
    """Codes no worse than the best of `codes` `(n, d)`: the best of all that one or two moves reach, again and again.

    Every code within the budget that was among the best `BEAM` of a round is returned, best first.
    """
    nothing = np.empty(0)
    beam, scores = _best(problem, codes, nothing)
    seen, seen_scores = beam, scores
    for _ in range(rounds):
        top = scores[0]
        tried, known = _tried(problem, beam, scores)
        beam, scores = _best(problem, tried, known)
        seen, seen_scores = np.concatenate([seen, beam]), np.concatenate([seen_scores, scores])
        if scores[0] <= top + 1e-6:
            break
    return seen[_highest(seen_scores)]


def _tried(problem: Problem, beam: Codes, scores: Reals) -> tuple[Codes, Reals]:
    """What no move, one or two make of the `beam`; and the scores of the first of these, as far as they are known.

    Two moves are hoped to gain what each gains alone: if there are many pairs, the most hopeful ones are tried.
    """
    single = free_moves(problem, beam)
    first = problem.space.moved(beam, single)
    reached = problem.values_and_scores(first)[1]
    followed = _highest(reached)[:FIRST]  # those over the budget too: the second move may pay for them
    double = free_moves(problem, first[followed])
    if len(double.rows) > PAIRS:
        gains = _by_move(problem, single, reached - scores[single.rows], len(beam))
        of = followed[double.rows]
        hoped = reached[of] + gains[single.rows[of], double.dimensions, double.targets]
        double = double.only(_highest(hoped)[:HOPED])
    second = problem.space.moved(first[followed], double)
    return np.concatenate([beam, first, second]), np.concatenate([scores, reached])


def _by_move(problem: Problem, moves: Moves, numbers: Reals, codes: int) -> Reals:
    """Numbers of moves by code, dimension and target, zero where there is no such move."""
    table = np.zeros((codes, len(problem.space), max(len(dim.values) for dim in problem.space.dimensions)))
    table[moves] = numbers
    return table


def _best(problem: Problem, codes: Codes, known: Reals) -> tuple[Codes, Reals]:
    """The best `BEAM` distinct codes within the budget, best first, and their scores; `known` are the first scores."""
    rows = distinct(codes)[0]
    rows = rows[problem.budget.allows(codes[rows])]
    new = rows >= len(known)
    scores = np.empty(len(rows))
    scores[~new] = known[rows[~new]]
    scores[new] = problem.values_and_scores(codes[rows[new]])[1]
    order = _highest(scores)[:BEAM]
    return codes[rows[order]], scores[order]


def _highest(numbers: Reals) -> NDArray[np.int64]:
    """Where the numbers are, from the highest to the lowest."""
    return np.argsort(-numbers, kind="stable")
