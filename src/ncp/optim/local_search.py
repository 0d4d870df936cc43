"""Local search: the best codes that few changes reach, from many codes or near one.

`search_locally` follows moves of one grid step and pairs of them, so that one move can pay for another and a binding
budget is no dead end. `search_near` counts changed dimensions, each to any value, and may pass codes above the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ncp.errors import InfeasibleError
from ncp.optim.budget import Budget
from ncp.optim.feasible import Feasible
from ncp.optim.problem import CodeScore
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes, Reals, best_distinct, best_first, distinct, ranks_within
from ncp.spaces.space import Moves

LEAST_GAIN = 1e-6
"""A round must raise the best score by more than this, or the search ends."""
BEAM, FIRST = 8, 512
"""`search_locally`: codes kept from round to round, and first moves that a second one follows."""
PAIRS, TRIED = 25_000, 4096
"""`search_locally` tries all pairs of moves if there are at most `PAIRS`, and otherwise the best `TRIED` of them."""
NEAR_BEAM, REDUCED = 32, 32
"""`search_near`: codes kept from round to round, and propagated codes that are led back to the origin."""
SINGLY = 32
"""`search_near` takes up to this many changes back one at a time; of more changes, half at once."""
NEAR_ROUNDS = 10
"""`search_near`: most rounds of changing one dimension for another, once all changes are made."""
COST_PENALTY = 100.0
"""Score taken off per unit of log cost above the budget: more than any objective gains. It is soft, since the origin
and the codes on the way may be above the budget."""


class _Beam(NamedTuple):
    """The best codes of a round, `(n, d)`, best first, and their scores `(n,)`."""

    codes: Codes
    scores: Reals


def search_locally(score: CodeScore, feasible: Feasible, codes: Codes, rounds: int = 20) -> Codes:
    """Improve codes by single moves and pairs of moves, until none raises the best score.

    Args:
        score: what to raise.
        feasible: which codes are allowed.
        codes: where to begin, `(n, d)`; at least one is within the budget.
        rounds: most rounds.

    Returns:
        All codes that were among the best `BEAM` of a round, best first. None is above the budget.
    """
    unknown = np.empty(0)

    def improved(beam: _Beam) -> _Beam:
        tried, known = _one_or_two_moves_away(score, feasible, beam)
        return _best(score, tried, BEAM, known, feasible.budget)

    seen = _climb(_best(score, codes, BEAM, unknown, feasible.budget), improved, rounds, quiet)
    return seen.codes[best_first(seen.scores)]


def search_near(
    score: CodeScore, feasible: Feasible, origin: Codes, most: int, found: Codes, progress: Progress = quiet
) -> Codes:
    """Find the best codes that differ from one code in few dimensions.

    One dimension of the origin after another is changed. Codes that were found elsewhere take back the changes that
    they need least. Both are then improved by changing one dimension for another.

    Args:
        score: what to raise.
        feasible: which codes are allowed.
        origin: the code, `(d,)`; it may be above the budget.
        most: in how many dimensions a code may differ from it.
        found: codes from elsewhere, `(n, d)`.
        progress: called with the share that is done.

    Returns:
        Codes within the budget, each once, best first.

    Raises:
        InfeasibleError: every code that was tried is above the budget.
    """
    free = ~feasible.frozen

    def penalised(codes: Codes) -> Reals:
        return score(codes) - COST_PENALTY * _log_excess(feasible.budget, codes)

    def improved(beam: _Beam) -> _Beam:
        tried = feasible.space.changed(beam.codes, free)
        tried = tried[(tried != origin).sum(axis=1) <= most]
        return _best(penalised, np.concatenate([beam.codes, tried]), NEAR_BEAM)

    codes = origin[None]
    for done in range(most):
        codes = _best(penalised, np.concatenate([codes, feasible.space.changed(codes, free)]), NEAR_BEAM).codes
        progress(0.5 * (done + 1) / most)
    near = _reduced(penalised, origin, most, _best(penalised, found, REDUCED).codes)
    beam = _best(penalised, np.concatenate([codes, near]), NEAR_BEAM)
    seen = _climb(beam, improved, NEAR_ROUNDS, share(progress, 0.5, 1.0))
    allowed = feasible.budget.allows(seen.codes)
    if not allowed.any():
        raise InfeasibleError(
            "No code within {given} changes of the origin was found within the budget. Raise {field}, or the budget.",
            field="max_changes",
            given=most,
        )
    codes, scores = seen.codes[allowed], seen.scores[allowed]
    best: Codes = codes[best_distinct(codes, scores)]
    return best


def _climb(beam: _Beam, improved: Callable[[_Beam], _Beam], rounds: int, progress: Progress) -> _Beam:
    """Improve a beam until its best score no longer rises; returns all codes that were in it."""
    seen = [beam]
    for done in range(rounds):
        top = beam.scores[0]
        beam = improved(beam)
        seen.append(beam)
        progress((done + 1) / rounds)
        if beam.scores[0] <= top + LEAST_GAIN:
            break
    codes, scores = zip(*seen, strict=True)
    return _Beam(np.concatenate(codes), np.concatenate(scores))


def _best(score: CodeScore, codes: Codes, size: int, known: Reals | None = None, budget: Budget | None = None) -> _Beam:
    """The best `size` different codes, within the budget if one is given; `known` are scores of the first codes."""
    rows = distinct(codes)[0]
    if budget is not None:
        rows = rows[budget.allows(codes[rows])]
    known = np.empty(0) if known is None else known
    new = rows >= len(known)
    scores = np.empty(len(rows))
    scores[~new] = known[rows[~new]]
    scores[new] = score(codes[rows[new]])
    order = best_first(scores)[:size]
    return _Beam(codes[rows[order]], scores[order])


def _one_or_two_moves_away(score: CodeScore, feasible: Feasible, beam: _Beam) -> tuple[Codes, Reals]:
    """The beam, all codes one move away, and codes two moves away; and the scores of the first two of these.

    Where there are too many pairs of moves, those are tried whose two moves gain most when each is made alone.
    """
    single = feasible.moves(beam.codes)
    first = feasible.space.moved(beam.codes, single)
    reached = score(first)
    followed = best_first(reached)[:FIRST]  # also those above the budget: a second move may pay for them
    double = feasible.moves(first[followed])
    if len(double.rows) > PAIRS:
        gains = _by_move(feasible, single, reached - beam.scores[single.rows], len(beam.codes))
        before = followed[double.rows]
        expected = reached[before] + gains[single.rows[before], double.dimensions, double.targets]
        double = double.only(best_first(expected)[:TRIED])
    second = feasible.space.moved(first[followed], double)
    return np.concatenate([beam.codes, first, second]), np.concatenate([beam.scores, reached])


def _by_move(feasible: Feasible, moves: Moves, numbers: Reals, codes: int) -> Reals:
    """Numbers of moves by code, dimension and target; zero where there is no such move."""
    dimensions = feasible.space.dimensions
    table = np.zeros((codes, len(dimensions), max(len(dim.values) for dim in dimensions)))
    table[moves] = numbers
    return table


def _reduced(score: CodeScore, origin: Codes, most: int, codes: Codes) -> Codes:
    """Codes `(n, d)` that take values of the origin back, those that cost least score, until `most` differ."""
    codes = codes.copy()
    while len(far := np.flatnonzero((codes != origin).sum(axis=1) > most)):
        rows, places = np.nonzero(codes[far] != origin)
        tried = codes[far][rows]
        tried[np.arange(len(tried)), places] = origin[places]
        changes = np.bincount(rows)
        at_once = np.maximum(1, (changes - most - SINGLY) // 2)
        least = ranks_within(rows, score(tried)) < at_once[rows]
        codes[far[rows[least]], places[least]] = origin[places[least]]
    return codes


def _log_excess(budget: Budget, codes: Codes) -> Reals:
    """The largest logarithm of a cost over its bound, `(n,)`; zero within the budget."""
    if not budget.bounds:
        return np.zeros(len(codes))
    costs = budget.costs(codes)
    above = [np.log(np.asarray(costs[name]) / bound) for name, bound in budget.bounds.items()]
    excess: Reals = np.maximum(0, np.max(above, axis=0))
    return excess
