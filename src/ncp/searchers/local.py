"""Local search: to the best neighbour, and from a random code again when none is better."""

from __future__ import annotations

import numpy as np

from ncp.searchers.base import Searcher
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space


class Local(Searcher):
    """Asks for all neighbours of a code, in random order, and goes to the best of them."""

    name = "local"

    def __init__(self, space: Space, rng: np.random.Generator, pool: Codes | None = None) -> None:
        super().__init__(space, rng, pool)
        self.best: tuple[float, Codes] | None = None
        self.near: list[tuple[float, Codes]] = []
        self.waiting: list[Codes] = []

    def ask(self) -> Codes:
        """One code."""
        if self.best is None:
            return self.draw(1)
        return self.waiting.pop()[None] if self.waiting else self.draw(1)

    def tell(self, codes: Codes, scores: Reals) -> None:
        """After the last neighbour, move or start again."""
        self.near += zip(scores.tolist(), codes, strict=True)
        if self.waiting:
            return
        found = max(self.near, key=lambda each: each[0])
        better = self.best is None or found[0] > self.best[0]
        self.best, self.near = (found if better else None), []
        if better:
            neighbours = self.space.neighbours(found[1])
            self.waiting = list(neighbours[self.rng.permutation(len(neighbours))])
