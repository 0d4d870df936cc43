"""Few changes of one code: what serves an objective best within so many dimensions of it."""

from __future__ import annotations

import numpy as np

from ncp.errors import InfeasibleError
from ncp.optim.problem import Problem
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, Reals, distinct

BEAM, REDUCED = 32, 32
"""Codes kept from round to round, and propagated ones that are led back to where they are near enough."""
SINGLY = 32
"""Changes that are taken back one at a time; of more that are too many, half are taken back at once."""
ROUNDS = 10
"""Most rounds of changing one dimension for another, once all changes are made."""
PENALTY = 100.0
"""Of a cost above the budget by a factor of e, in scores: an origin may be above it, and its edits on the way."""


def edited(problem: Problem, origin: Codes, most: int, found: Codes, progress: Progress = quiet) -> Codes:
    """Codes that differ from `origin` `(d,)` in at most `most` dimensions and are within the budget, best first.

    From the origin one dimension after another is changed, to any of its values. `found` `(n, d)`, where propagation
    led, gives up the changes that it needs least. What both come to is improved by changing one dimension for another.

    Raises:
        InfeasibleError: none is within the budget.
    """
    beam = origin[None]
    for done in range(most):
        beam = _best(problem, np.concatenate([beam, changed(problem, beam)]), BEAM)[0]
        progress((done + 1) / (2 * most + ROUNDS))
    near = _reduced(problem, origin, most, _best(problem, found, REDUCED)[0])
    beam, values = _best(problem, np.concatenate([beam, near]), BEAM)
    seen, seen_values = beam, values
    for done in range(ROUNDS):
        tried = changed(problem, beam)
        top = values[0]
        tried = tried[(tried != origin).sum(axis=1) <= most]
        beam, values = _best(problem, np.concatenate([beam, tried]), BEAM)
        seen, seen_values = np.concatenate([seen, beam]), np.concatenate([seen_values, values])
        progress((2 * most + done) / (2 * most + ROUNDS))
        if values[0] <= top + 1e-6:
            break
    allowed = problem.budget.allows(seen)
    if not allowed.any():
        raise InfeasibleError(
            f"No code within {most} changes of the origin was found within the budget. Allow more, or raise the budget."
        )
    seen = seen[allowed][np.argsort(-seen_values[allowed], kind="stable")]
    return seen[distinct(seen)[0]]


def changed(problem: Problem, codes: Codes) -> Codes:
    """All codes that differ from one of `codes` `(n, d)` in one dimension that is not frozen, each once."""
    every = [
        (j, value) for j, dim in enumerate(problem.space.dimensions) if not problem.frozen[j] for value in dim.values
    ]
    if not every:
        return codes[:0]
    positions, values = np.array(every).T
    tried = np.repeat(codes, len(every), axis=0)
    tried[np.arange(len(tried)), np.tile(positions, len(codes))] = np.tile(values, len(codes))
    return tried[distinct(tried)[0]]


def _reduced(problem: Problem, origin: Codes, most: int, codes: Codes) -> Codes:
    """Codes `(n, d)` that take values of the origin back, always those that cost least, until `most` differ."""
    codes = codes.copy()
    while len(far := np.flatnonzero((codes != origin).sum(axis=1) > most)):
        rows, places = np.nonzero(codes[far] != origin)
        tried = codes[far][rows]
        tried[np.arange(len(tried)), places] = origin[places]
        order = np.lexsort((-_values(problem, tried), rows))
        changes = np.bincount(rows)
        rank = np.arange(len(rows)) - np.repeat(np.cumsum(changes) - changes, changes)
        least = order[rank < np.maximum(1, (changes - most - SINGLY) // 2)[rows]]
        codes[far[rows[least]], places[least]] = origin[places[least]]
    return codes


def _best(problem: Problem, codes: Codes, size: int) -> tuple[Codes, Reals]:
    """The best `size` of codes, each once, best first, and what they are worth."""
    codes = codes[distinct(codes)[0]]
    values = _values(problem, codes)
    order = np.argsort(-values, kind="stable")[:size]
    return codes[order], values[order]


def _values(problem: Problem, codes: Codes) -> Reals:
    """Scores `(n,)`, less what a cost above the budget takes off."""
    _, scores = problem.values_and_scores(codes)
    bounds = problem.budget.bounds
    if bounds:
        costs = problem.budget.costs(codes)
        above = [np.log(np.asarray(costs[name]) / bound) for name, bound in bounds.items()]
        scores = scores - PENALTY * np.maximum(0, np.max(above, axis=0))
    return scores
