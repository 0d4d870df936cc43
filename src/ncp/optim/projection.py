"""Projection of relaxed points: onto the box, the simplices of categorical dimensions, and the budget."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncp.optim.feasible import Feasible
from ncp.spaces.space import Space

Bound = float | Tensor
"""A bound on one cost: one number for all points, or one per point, `(n,)`."""

MARGIN = 1e-3
"""A point above a bound is moved to this share below it, since one linear step rarely lands exactly on the bound."""
DESCENTS = 3
"""Most linear steps towards a bound."""
HALVINGS = 10
"""Halvings of the way from the smallest code to a point that is above a bound after these steps."""


class Projection:
    """Projects relaxed points onto the box, the simplices of categorical dimensions and the budget.

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
