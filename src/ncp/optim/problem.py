"""A propagation's problem: what to score by, and how points and codes are kept within space, budget and freeze."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncp.optim.budget import Budget
from ncp.optim.objective import Objective
from ncp.predictors.base import Predictor
from ncp.spaces.arrays import Codes, Reals, chunks
from ncp.spaces.space import Moves, Space

Bound = float | Tensor
"""Of one cost: for all points, or one for each, `(n,)`."""

MARGIN = 1e-3
"""How far below a bound, as a share of it, a point that costs too much is aimed: then few have to be aimed twice."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What is wanted and allowed, of which predictor's codes, and which dimensions `(d,)` stay as they are."""

    predictor: Predictor
    objective: Objective
    budget: Budget
    frozen: NDArray[np.bool_]

    @property
    def space(self) -> Space:
        """The space of the codes."""
        return self.predictor.space

    def focused(self) -> Problem:
        """The same problem for steps alone: values of columns that the objective does not name may differ."""
        return replace(self, predictor=self.predictor.subset_output(self.objective.named(self.predictor.columns)))

    def score(self, x: Tensor) -> Tensor:
        """The objective of relaxed codes `(n, width)`, `(n,)`."""
        return self._values_and_score(x)[1]

    @torch.no_grad()
    def values_and_scores(self, codes: Codes) -> tuple[Reals, Reals]:
        """Predicted values `(n, m)` and objective `(n,)` of codes."""
        values, scores = np.empty((len(codes), len(self.predictor.columns))), np.empty(len(codes))
        for chunk in chunks(len(codes), 4096):
            mean, score = self._values_and_score(self.predictor.relaxed(codes[chunk]))
            values[chunk], scores[chunk] = mean.cpu().numpy(), score.cpu().numpy()
        return values, scores

    def _values_and_score(self, x: Tensor) -> tuple[Tensor, Tensor]:
        predictor = self.predictor
        mean, spread = predictor.moments(x) if self.objective.uncertainty_penalty else (predictor(x), None)
        return mean, self.objective.score(mean, spread, predictor.columns, predictor.location, predictor.unit)


def smallest(problem: Problem, codes: Codes) -> Codes:
    """The cheapest codes with the frozen values of `codes`, `(n, d)`: cost rises with every ordinal dimension."""
    least = np.array([dim.values[0] for dim in problem.space.dimensions])
    return np.where(problem.frozen, codes, least)


def snap_within(problem: Problem, x: Reals, origin: Codes) -> Codes:
    """Codes near points of the relaxed space, `(n, width)` to `(n, d)`, none of them above the budget.

    What is above it shrinks towards the smallest code; `origin` `(n, d)` holds the values of frozen dimensions.
    """
    space = problem.space
    codes = np.where(problem.frozen, origin, space.snap(x))
    if not problem.budget.bounds:
        return codes
    above = np.flatnonzero(~problem.budget.allows(codes))
    if not len(above):
        return codes
    least = smallest(problem, origin[above]).astype(np.float64)
    target = np.where(problem.frozen, origin[above], x[above])
    low, high = np.zeros((2, len(above), 1))
    high += 1
    best = least.astype(np.int64)
    for _ in range(12):  # cost rises with every dimension, so halving finds the border
        middle = (low + high) / 2
        tried = space.snap(least + middle * (target - least))
        fits = problem.budget.allows(tried)[:, None]
        best = np.where(fits, tried, best)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    codes[above] = best
    return codes


def within_budget(budget: Budget, bounds: Mapping[str, Bound], x: Tensor, floor: Tensor, span: Tensor) -> Tensor:
    """Move points that cost too much down the gradient of log cost, and what still does towards the floor.

    `bounds` are those of the budget, or others in their place, each one number or one per point.
    """
    if not bounds:
        return x
    logs = {name: b.log() if isinstance(b, Tensor) else np.log(b) for name, b in bounds.items()}
    with torch.enable_grad():
        for _ in range(3):
            leaf = x.detach().requires_grad_()
            excess = torch.stack([cost.log() - logs[name] for name, cost in budget.costs(leaf).items()]).amax(0)
            if not (excess > 0).any():
                return x.detach()
            (slope,) = torch.autograd.grad(excess.sum(), leaf)
            slope = slope * span
            aim = torch.where(excess > 0, excess.detach() + MARGIN, 0.0)
            length = aim / slope.square().sum(1).clamp_min(1e-12)
            x = torch.maximum(leaf.detach() - span * length[:, None] * slope, floor)
    fits = _fits(budget, bounds, x)
    if fits.all():
        return x
    low, high = x.new_zeros(len(x)), x.new_ones(len(x))
    for _ in range(10):
        middle = (low + high) / 2
        inside = _fits(budget, bounds, floor + (x - floor) * middle[:, None])
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return torch.where(fits[:, None], x, floor + (x - floor) * low[:, None])


def _fits(budget: Budget, bounds: Mapping[str, Bound], x: Tensor) -> Tensor:
    """Which points `(n, width)` are within the bounds, `(n,)`."""
    return torch.stack([cost <= bounds[name] for name, cost in budget.costs(x).items()]).all(0)


def on_simplices(space: Space, x: Tensor) -> Tensor:
    """Points whose categorical coordinates are the nearest on the simplex (Euclidean projection)."""
    x = x.clone()
    for coordinates in space.simplices:
        where = torch.as_tensor(coordinates, device=x.device)
        choice = x[:, where]
        ordered = choice.sort(dim=-1, descending=True).values
        excess = (ordered.cumsum(dim=-1) - 1) / torch.arange(1, where.shape[1] + 1, device=x.device)
        last = (ordered > excess).sum(dim=-1, keepdim=True) - 1
        x[:, where] = (choice - excess.gather(-1, last)).clamp_min(0)
    return x


def moves(problem: Problem, codes: Codes) -> tuple[Codes, NDArray[np.int64]]:
    """All single moves of codes `(n, d)`: the moved codes `(k, d)`, and the row that each comes from."""
    found = free_moves(problem, codes)
    return problem.space.moved(codes, found), found.rows


def free_moves(problem: Problem, codes: Codes) -> Moves:
    """All single moves of codes `(n, d)` in dimensions that are not frozen."""
    found = problem.space.moves(codes)
    return found.only(~problem.frozen[found.dimensions])


def per_coordinate(space: Space, dimensions: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask over dimensions as one over relaxed coordinates, `(d,)` to `(width,)`."""
    return np.repeat(dimensions, [dim.width for dim in space.dimensions])
