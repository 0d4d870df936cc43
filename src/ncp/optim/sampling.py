"""Draw codes at random, within a budget."""

from __future__ import annotations

import numpy as np

from ncp.errors import ConfigError
from ncp.numbers import as_count, as_seed
from ncp.optim.budget import Budget
from ncp.optim.feasible import Feasible
from ncp.spaces.arrays import Codes, distinct
from ncp.spaces.space import Space

ATTEMPTS = 100
"""How many times as many codes are drawn before the space counts as too small."""
CHUNK = 256
"""Codes that are drawn at once, so that the first codes do not depend on how many are asked for."""


def sample_codes(space: Space, count: int, budget: Budget | None = None, seed: int = 0) -> Codes:
    """Draw different codes, `(count, d)`.

    Each code is drawn uniformly. While it exceeds the budget, it is moved towards the smallest code, each time to a
    random point of the way. So costs spread below the budget instead of gathering at it. More codes of the same seed
    begin with the same codes.

    Args:
        space: the space.
        count: the number of codes.
        budget: bounds on their cost.
        seed: the same seed draws the same codes.

    Raises:
        ConfigError: the space has too few codes within the budget, or a space without exact cost has a budget.
        InfeasibleError: no code meets the budget.
    """
    count, rng = as_count(count, "sample"), np.random.default_rng(as_seed(seed))
    feasible = Feasible.of(space, budget)
    least = feasible.smallest(space.sample(1, rng))
    feasible.require(least)
    found = np.empty((0, len(space)), dtype=np.int64)
    for _ in range(ATTEMPTS * -(-count // CHUNK)):
        found = np.concatenate([found, _drawn(feasible, least, CHUNK, rng)])
        found = found[distinct(found)[0]][:count]
        if len(found) == count:
            return found
    raise ConfigError(
        "{field} asks for {given} different codes, but only {found} were found within the budget.",
        field="sample",
        given=count,
        found=len(found),
    )


def _drawn(feasible: Feasible, least: Codes, count: int, rng: np.random.Generator) -> Codes:
    space, budget = feasible.space, feasible.budget
    codes = space.sample(count, rng)
    origin, target, way = space.relax(least), space.relax(codes), np.ones((count, 1))
    while len(above := np.flatnonzero(~budget.allows(codes))):
        way[above] *= rng.random((len(above), 1))
        codes[above] = space.snap(origin + way[above] * (target[above] - origin))
    return codes
