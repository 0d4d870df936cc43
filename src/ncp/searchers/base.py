"""What every searcher is: ask it for codes, tell it their scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space


class Searcher(ABC):
    """Proposes codes and learns from the scores that it is told.

    Args:
        space: of the codes.
        rng: of everything random.
        pool: the codes that may be asked for `(n, d)`; None where that is the whole space, or too many to list.

    Attributes:
        listed: proposals so far that were chosen from a list of all codes.
        propagated: proposals so far that were found by propagation, since there are too many codes to list.
    """

    name: ClassVar[str]
    listed: int = 0
    propagated: int = 0

    def __init__(self, space: Space, rng: np.random.Generator, pool: Codes | None = None) -> None:
        self.space, self.rng, self.pool = space, rng, pool

    @abstractmethod
    def ask(self) -> Codes:
        """Codes to be scored next, `(k, d)`, one at least."""

    @abstractmethod
    def tell(self, codes: Codes, scores: Reals) -> None:
        """Scores `(k,)`, more is better, of codes `(k, d)`: those that were asked for, or others that stood nearest."""

    def draw(self, n: int) -> Codes:
        """`n` codes at random, of the pool or else of the space."""
        if self.pool is None:
            return self.space.sample(n, self.rng)
        return self.pool[self.rng.integers(len(self.pool), size=n)]
