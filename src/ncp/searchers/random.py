"""Random search, with which all other searchers are compared."""

from __future__ import annotations

from ncp.searchers.searcher import Searcher
from ncp.spaces.arrays import Codes, Reals


class Random(Searcher):
    """Draws codes uniformly."""

    name = "random"

    def ask(self) -> Codes:
        """One random code."""
        return self.draw(1)

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:
        """Does nothing."""
