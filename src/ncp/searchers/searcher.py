"""The interface of all searchers: ask for codes, then tell their scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space


class Searcher(ABC):
    """Proposes codes and learns from their scores.

    Args:
        space: of the codes.
        rng: the source of all random numbers.
        pool: the codes that can be evaluated, `(n, d)`; None if these are the whole space, or too many to list.

    Attributes:
        listed: how many proposals were chosen from a list of all codes.
        propagated: how many proposals were found by propagation, because there are too many codes to list.
    """

    name: ClassVar[str]
    listed: int = 0
    propagated: int = 0

    def __init__(self, space: Space, rng: np.random.Generator, pool: Codes | None = None) -> None:
        self.space, self.rng, self.pool = space, rng, pool

    @abstractmethod
    def ask(self) -> Codes:
        """Propose the next codes, `(k, d)`, at least one."""

    @abstractmethod
    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:
        """Learn the scores `(k,)` of codes `(k, d)`; more is better.

        The codes are the proposed ones, or other codes that were evaluated in their place. `values` `(k, m)` are m
        columns that add up to the scores; None if the scores are no such sum.
        """

    def draw(self, n: int) -> Codes:
        """`n` random codes of the pool, or of the space without a pool."""
        if self.pool is None:
            return self.space.sample(n, self.rng)
        return self.pool[self.rng.integers(len(self.pool), size=n)]
