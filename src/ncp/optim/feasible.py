"""Which codes a search may visit: within the space and the budget, with frozen dimensions kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from ncp.errors import CodeError
from ncp.numbers import as_items
from ncp.optim.budget import Budget, as_budget
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Moves, Space

SNAP_HALVINGS = 12
"""Halvings of the way from the smallest code to a code above the budget."""
SHOWN = 8
"""Most names of dimensions that a message lists."""


@dataclass(frozen=True, eq=False)
class Feasible:
    """The codes that are allowed.

    Attributes:
        space: of the codes.
        budget: bounds on their cost.
        frozen: which dimensions keep the values of a start, `(d,)`.
    """

    space: Space
    budget: Budget
    frozen: NDArray[np.bool_]

    @classmethod
    def of(cls, space: Space, budget: Budget | None = None, freeze: str | Iterable[str] = ()) -> Feasible:
        """The codes of a space that a budget allows, with some dimensions frozen by name.

        Raises:
            CodeError: a name that is not a dimension, with the closest one.
        """
        return cls(space, as_budget(budget), frozen_dimensions(space, freeze))

    @property
    def frozen_names(self) -> tuple[str, ...]:
        """Names of the frozen dimensions."""
        return tuple(name for name, frozen in zip(self.space.names, self.frozen, strict=True) if frozen)

    def smallest(self, start: Codes) -> Codes:
        """The cheapest codes with the frozen values of `start`, `(n, d)`: cost rises with every ordinal dimension."""
        least = np.array([dim.values[0] for dim in self.space.dimensions])
        return np.where(self.frozen, start, least)

    def require(self, start: Codes) -> None:
        """Refuse a budget that no code with the frozen values of `start` `(n, d)` meets.

        Raises:
            InfeasibleError: with the smallest cost.
            ConfigError: a space without exact cost.
        """
        self.budget.require(self.space, self.smallest(start), self.frozen_names)

    def moves(self, codes: Codes) -> Moves:
        """All single moves of codes `(n, d)` in dimensions that are not frozen, whatever they cost."""
        found = self.space.moves(codes)
        return found.only(~self.frozen[found.dimensions])

    def moved(self, codes: Codes) -> tuple[Codes, NDArray[np.int64]]:
        """The codes `(k, d)` that all single moves lead to, and the row of `codes` that each comes from, `(k,)`."""
        found = self.moves(codes)
        return self.space.moved(codes, found), found.rows

    def snap(self, x: Reals, start: Codes) -> Codes:
        """Allowed codes near relaxed points, `(n, width)` to `(n, d)`.

        A point whose nearest code exceeds the budget is drawn towards the smallest code until its nearest code is
        allowed. Cost rises with every dimension, so halving finds the border.

        Args:
            x: relaxed points `(n, width)`.
            start: codes `(n, d)` whose frozen values are kept.
        """
        codes = np.where(self.frozen, start, self.space.snap(x))
        above = np.flatnonzero(~self.budget.allows(codes))
        if not len(above):
            return codes
        least = self.smallest(start[above]).astype(np.float64)
        target = np.where(self.frozen, start[above], x[above])
        low, high = np.zeros((len(above), 1)), np.ones((len(above), 1))
        best = least.astype(np.int64)
        for _ in range(SNAP_HALVINGS):
            middle = (low + high) / 2
            tried = self.space.snap(least + middle * (target - least))
            fits = self.budget.allows(tried)[:, None]
            best = np.where(fits, tried, best)
            low, high = np.where(fits, middle, low), np.where(fits, high, middle)
        codes[above] = best
        return codes

    def snap_path(self, x: Reals, start: Codes) -> Codes:
        """Allowed codes near the points of a path, `(steps, n, width)` to `(steps, n, d)`; `start` as in `snap`."""
        steps, n, width = x.shape
        every_start = np.broadcast_to(start, (steps, *start.shape)).reshape(steps * n, -1)
        return self.snap(x.reshape(-1, width), every_start).reshape(steps, n, -1)


def frozen_dimensions(space: Space, names: str | Iterable[str]) -> NDArray[np.bool_]:
    """Which dimensions `(d,)` are among `names`, which may also be a single name.

    Raises:
        CodeError: a name that is not a dimension, with the closest one.
    """
    given = [names] if isinstance(names, str) else as_items(names, "freeze", "names of dimensions")
    for name in given:
        if not isinstance(name, str) or name not in space.names:
            known: Sequence[str] = get_close_matches(str(name), space.names, n=1) or space.names
            raise CodeError(
                "{field} must name dimensions of the space, such as {close}. Got {given}.",
                field="freeze",
                given=name,
                close=", ".join(known[:SHOWN]) + (", .." if len(known) > SHOWN else ""),
            )
    return np.isin(space.names, given)
