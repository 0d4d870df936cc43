"""Regularised evolution: the oldest code of the population dies (Real et al., 2019)."""

from __future__ import annotations

from collections import deque

import numpy as np

from ncp.searchers.searcher import Searcher
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space


class Evolution(Searcher):
    """Mutates the best code of a random sample of the population.

    Args:
        space: of the codes.
        rng: the source of all random numbers.
        pool: the codes that can be evaluated.
        population: size of the population.
        tournament: size of the sample, whose best code is mutated.
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
        self.population, self.tournament = population, tournament
        self.living: deque[tuple[float, Codes]] = deque(maxlen=population)

    def ask(self) -> Codes:
        """One code: a random one until the population is full."""
        if len(self.living) < self.population:
            return self.draw(1)
        drawn = self.rng.choice(len(self.living), size=self.tournament, replace=False)
        _, parent = max((self.living[i] for i in drawn), key=lambda each: each[0])
        return self.space.mutated(parent, self.rng)[None]

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:
        """Add the codes to the population; the oldest leave it when it is full."""
        self.living.extend(zip(scores.tolist(), codes, strict=True))
