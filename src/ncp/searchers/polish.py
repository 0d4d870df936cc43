"""A local search by exchanges: one move pays for another, so that a binding budget is no dead end."""

from __future__ import annotations

import numpy as np

from ncp.problem import Problem, moves
from ncp.space import Codes, Reals

BEAM, FIRST = 8, 512
"""Codes kept from round to round, and first moves that are followed by a second one."""


def polish(problem: Problem, codes: Codes, rounds: int = 20) -> Codes:
    """Codes no worse than the best of `codes` `(n, d)`: the best of all that one or two moves reach, again and again.

    Every code within the budget that was among the best `BEAM` of a round is returned, best first.
    """
    beam, scores = _best(problem, codes)
    seen, seen_scores = beam, scores
    for _ in range(rounds):
        first, _ = moves(problem, beam)
        if len(first) > FIRST:  # those over the budget too: the second move may pay for them
            first = first[np.argsort(-problem.values_and_scores(first)[1])[:FIRST]]
        second, _ = moves(problem, first)
        top = scores[0]
        beam, scores = _best(problem, np.concatenate([beam, first, second]))
        seen, seen_scores = np.concatenate([seen, beam]), np.concatenate([seen_scores, scores])
        if scores[0] <= top + 1e-6:
            break
    order = np.argsort(-seen_scores, kind="stable")
    return seen[order]


def _best(problem: Problem, codes: Codes) -> tuple[Codes, Reals]:
    """The best `BEAM` distinct codes within the budget, best first, and their scores."""
    allowed = np.unique(codes, axis=0)
    allowed = allowed[problem.budget.allows(allowed)]
    _, scores = problem.values_and_scores(allowed)
    order = np.argsort(-scores, kind="stable")[:BEAM]
    return allowed[order], scores[order]
