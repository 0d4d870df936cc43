"""Regularised evolution: the oldest of the population dies (Real et al., 2019)."""

from __future__ import annotations

from collections import deque

import numpy as np

from ncp.searchers.base import Searcher
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space


class Evolution(Searcher):
    """Mutates the best of a few drawn from the population.

    Args:
        space: of the codes.
        rng: of everything random.
        pool: the codes that may be asked for.
        population: codes that live.
        tournament: of so many of them the best is the parent.
    """

    name = "evolution"

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        pool: Codes | None = None,
        population: int = 50,
        tournament: int = 10,
    ) -> None:
        super().__init__(space, rng, pool)
        self.tournament = tournament
        self.living: deque[tuple[float, Codes]] = deque(maxlen=population)

    def ask(self) -> Codes:
        """One code: random until the population is full."""
        if len(self.living) < (self.living.maxlen or 0):
            return self.draw(1)
        drawn = self.rng.choice(len(self.living), size=self.tournament, replace=False)
        _, parent = max((self.living[i] for i in drawn), key=lambda each: each[0])
        return self.space.mutated(parent, self.rng)[None]

    def tell(self, codes: Codes, scores: Reals) -> None:
        """The told codes are born; as many of the oldest die."""
        self.living.extend(zip(scores.tolist(), codes, strict=True))
