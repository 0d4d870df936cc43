"""Local search: move to the best neighbour, and restart from a random code when no neighbour is better."""

from __future__ import annotations

import numpy as np

from ncp.searchers.searcher import Searcher
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space


class Local(Searcher):
    """Evaluates all neighbours of a code in random order, and moves to the best of them."""

    name = "local"

    def __init__(self, space: Space, rng: np.random.Generator, pool: Codes | None = None) -> None:
        super().__init__(space, rng, pool)
        self.best: tuple[float, Codes] | None = None
        self.neighbours: list[tuple[float, Codes]] = []
        self.waiting: list[Codes] = []

    def ask(self) -> Codes:
        """The next neighbour, or a random code after a restart."""
        if self.best is None or not self.waiting:
            return self.draw(1)
        return self.waiting.pop()[None]

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:
        """Collect the scores of neighbours; after the last one, move or restart."""
        self.neighbours += zip(scores.tolist(), codes, strict=True)
        if self.waiting:
            return
        found = max(self.neighbours, key=lambda each: each[0])
        better = self.best is None or found[0] > self.best[0]
        self.best, self.neighbours = (found if better else None), []
        if better:
            neighbours = self.space.neighbours(found[1])
            self.waiting = list(neighbours[self.rng.permutation(len(neighbours))])
