"""Which codes and relaxed points a search may visit: within the space and the budget, with frozen dimensions kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncp.errors import CodeError
from ncp.numbers import as_items
from ncp.optim.budget import Budget, as_budget
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Moves, Space

Bound = float | Tensor
"""A bound on one cost: one number for all points, or one per point, `(n,)`."""

MARGIN = 1e-3
"""A point above a bound is moved to this share below it, since one linear step rarely lands exactly on the bound."""
DESCENTS, HALVINGS, SNAP_HALVINGS = 3, 10, 12
"""Linear steps below a bound, and halvings of the way to the smallest code for points and for codes that are still
above it."""
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
        """What a budget allows in a space when some dimensions are frozen by name.

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


class Projection:
    """Projects relaxed points on the box, the simplices of categorical dimensions and the budget.

    Args:
        feasible: the codes that are allowed.
        start: relaxed codes `(n, width)`, whose frozen coordinates every projected point keeps.
        bounds: by the names of `Budget.bounds`; those of the budget when left out.
    """

    def __init__(self, feasible: Feasible, start: Tensor, bounds: Mapping[str, Bound] | None = None) -> None:
        self.space, self.budget, self.start = feasible.space, feasible.budget, start
        self.bounds: Mapping[str, Bound] = feasible.budget.bounds if bounds is None else bounds
        self.low, self.high = start.new_tensor(self.space.bounds)
        self.span = self.high - self.low
        self.frozen = torch.as_tensor(per_coordinate(self.space, feasible.frozen), device=start.device)
        self.floor = torch.where(self.frozen, start, self.low)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Projected points `(n, width)`, and which of `x` were above a bound, `(n,)`."""
        x = torch.where(self.frozen, self.start, on_simplices(self.space, x.clamp(self.low, self.high)))
        if not self.bounds:
            return x, torch.zeros(len(x), dtype=torch.bool, device=x.device)
        return self._within_bounds(x)

    def _within_bounds(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Move points above a bound down the gradient of log cost, then, if need be, straight to the smallest code."""
        span = torch.where(self.frozen, 0.0, self.span)
        active = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        with torch.enable_grad():
            for _ in range(DESCENTS):
                leaf = x.detach().requires_grad_()
                excess = self._log_excess(leaf)
                active |= excess.detach() > 0
                if not (excess > 0).any():
                    return x.detach(), active
                (slope,) = torch.autograd.grad(excess.sum(), leaf)
                slope = slope * span
                aim = torch.where(excess > 0, excess.detach() + MARGIN, 0.0)
                length = aim / slope.square().sum(1).clamp_min(1e-12)
                x = torch.maximum(leaf.detach() - span * length[:, None] * slope, self.floor)
        fits = self._fits(x)
        if fits.all():
            return x, active
        low, high = x.new_zeros(len(x)), x.new_ones(len(x))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            inside = self._fits(self.floor + (x - self.floor) * middle[:, None])
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        return torch.where(fits[:, None], x, self.floor + (x - self.floor) * low[:, None]), active

    def _log_excess(self, x: Tensor) -> Tensor:
        """The largest logarithm of a cost over its bound, `(n,)`: positive above the budget."""
        costs = self.budget.costs(x)
        logs = {name: b.log() if isinstance(b, Tensor) else np.log(b) for name, b in self.bounds.items()}
        return torch.stack([cost.log() - logs[name] for name, cost in costs.items()]).amax(0)

    def _fits(self, x: Tensor) -> Tensor:
        """Which points `(n, width)` are within the bounds, `(n,)`."""
        return torch.stack([cost <= self.bounds[name] for name, cost in self.budget.costs(x).items()]).all(0)


def on_simplices(space: Space, x: Tensor) -> Tensor:
    """Points whose categorical coordinates are projected on their simplices, `(n, width)`.

    The Euclidean projection by sorting of Duchi et al., ICML 2008.
    """
    x = x.clone()
    for coordinates in space.simplices:
        where = torch.as_tensor(coordinates, device=x.device)
        choice = x[:, where]
        ordered = choice.sort(dim=-1, descending=True).values
        excess = (ordered.cumsum(dim=-1) - 1) / torch.arange(1, where.shape[1] + 1, device=x.device)
        last = (ordered > excess).sum(dim=-1, keepdim=True) - 1
        x[:, where] = (choice - excess.gather(-1, last)).clamp_min(0)
    return x


def per_coordinate(space: Space, dimensions: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask over dimensions as one over relaxed coordinates, `(d,)` to `(width,)`."""
    return np.repeat(dimensions, [dim.width for dim in space.dimensions])


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
                "{field} must name dimensions. Got {given}. There is {close}.",
                field="freeze",
                given=name,
                close=", ".join(known[:SHOWN]) + (", .." if len(known) > SHOWN else ""),
            )
    return np.isin(space.names, given)
