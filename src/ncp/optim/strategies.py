"""Strategies of propagation: how codes move to a higher score. The paper's own loop is in `ncp.optim.paper`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncp.numbers import as_count, as_number
from ncp.optim.budget import Budget
from ncp.optim.feasible import Feasible
from ncp.optim.objective import Objective
from ncp.optim.problem import Problem, Score
from ncp.optim.projection import Bound, Projection
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, Reals, distinct, ranks_within

LEAST_GAIN = 1e-9
"""A move must raise the score by more than this, which rounding errors do not."""


class Route(NamedTuple):
    """Where a strategy led n starts.

    Attributes:
        x: relaxed codes, `(steps, n, width)`; the first are the starts.
        active: at which steps the budget kept a start from going further, `(steps, n)`.
        stuck: the starts that have no move left which raises their score, `(n,)`.
    """

    x: Reals
    active: NDArray[np.bool_]
    stuck: NDArray[np.bool_]


class Strategy(ABC):
    """How codes move to a higher score. Its text is its name, with parameters if they are not the default ones."""

    name: ClassVar[str]

    @abstractmethod
    def follow(self, problem: Problem, start: Codes, steps: int, progress: Progress = quiet) -> Route:
        """Move codes `(n, d)` for at most `steps` steps, the start counted."""

    def require(self, objective: Objective) -> None:  # noqa: B027 (most strategies follow every objective)
        """Refuse an objective that this strategy would only follow in part.

        Raises:
            ConfigError: with the part.
        """

    def __str__(self) -> str:
        return self.name if self == type(self)() else repr(self)


@dataclass(frozen=True)
class Continuous(Strategy):
    """Follow the gradient of the score through the relaxed space, projected on the budget.

    Steps have Adam's direction (Kingma and Ba, ICLR 2015; second moment 0.99, since there are only some 70 steps).
    Lengths are shares of each dimension's range.

    Args:
        step: length of the first step.
        last: length of the last step; lengths in between fall linearly.
        full: with fewer steps than this, all are longer by the same factor, so that codes get equally far.

    Raises:
        ConfigError: a length that is not a positive number, or a number of steps that is not a positive integer.
    """

    step: float = 0.06
    last: float = 0.01
    full: int = 70

    name: ClassVar[str] = "continuous"

    def __post_init__(self) -> None:
        as_number(self.step, "step", above=0)
        as_number(self.last, "last", above=0)
        as_count(self.full, "full")

    def follow(self, problem: Problem, start: Codes, steps: int, progress: Progress = quiet) -> Route:
        """Ascend the problem's score from codes `(n, d)`."""
        return self.ascend(problem.score, problem.feasible, problem.predictor.relaxed(start), steps, progress=progress)

    def ascend(
        self,
        score: Score,
        feasible: Feasible,
        start: Tensor,
        steps: int,
        *,
        bounds: Mapping[str, Bound] | None = None,
        progress: Progress = quiet,
    ) -> Route:
        """Ascend any score within what is feasible.

        Args:
            score: what to raise.
            feasible: space, budget and frozen dimensions.
            start: relaxed codes `(n, width)`; everything is computed in their precision and on their device.
            steps: how many, the start counted.
            bounds: by the names of `Budget.bounds`, each one number or one per start; the budget's when left out.
            progress: called with the share that is done.
        """
        project = Projection(feasible, start, bounds)
        span = project.span
        x, above = project(start)
        first, second = torch.zeros_like(start), torch.zeros_like(start)
        record, active = [x], [above]
        for step in range(1, steps):
            leaf = x.requires_grad_()
            (gradient,) = torch.autograd.grad(score(leaf).sum(), leaf)
            gradient = gradient * span
            first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient.square()
            direction = (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-8)
            length = (self.step + (self.last - self.step) * step / steps) * max(1.0, self.full / steps)
            x, above = project(x.detach() + length * span * direction)
            record.append(x)
            active.append(above)
            progress((step + 1) / steps)
        path = torch.stack(record).detach().cpu().double().numpy()
        return Route(path, torch.stack(active).cpu().numpy(), np.zeros(len(start), dtype=bool))


@dataclass(frozen=True)
class WinnerTakesAll(Strategy):
    """Make the best single move per step, until none raises the score.

    Where the budget forbids a move that would raise the score, the best move is the one that gains most per share of
    the budget that it costs.
    """

    name: ClassVar[str] = "winner-takes-all"

    def follow(self, problem: Problem, start: Codes, steps: int, progress: Progress = quiet) -> Route:
        """Move codes `(n, d)` by one grid step or choice at a time."""
        feasible, space = problem.feasible, problem.space
        current = feasible.snap(space.relax(start), start)
        scores = problem.scores(current)
        record, active = [current], [~feasible.budget.allows(start)]
        moving = np.arange(len(current))
        for step in range(1, steps):
            moved, rows = feasible.moved(current[moving])
            allowed = feasible.budget.allows(moved)
            first, which = distinct(moved)
            gain = problem.scores(moved[first])[which] - scores[moving][rows]
            binds = np.zeros(len(moving), dtype=bool)
            binds[rows[~allowed & (gain > 0)]] = True
            merit = np.where(allowed & (gain > LEAST_GAIN), gain, -np.inf)
            if binds.any():
                per_cost = _per_cost(feasible.budget, merit, moved, current[moving][rows])
                merit = np.where(binds[rows], per_cost, merit)
            winners = np.flatnonzero((ranks_within(rows, merit) == 0) & (merit > -np.inf))
            changed = moving[rows[winners]]
            current = current.copy()
            current[changed] = moved[winners]
            scores[changed] += gain[winners]
            record.append(current)
            active.append(np.isin(np.arange(len(current)), moving[binds]))
            moving = changed
            progress((step + 1) / steps)
            if not len(moving):
                break
        stuck = np.isin(np.arange(len(current)), moving, invert=True)
        return Route(np.stack([space.relax(codes) for codes in record]), np.stack(active), stuck)


def _per_cost(budget: Budget, gain: Reals, moved: Codes, before: Codes) -> Reals:
    """Gain per share of the budget that a move takes; a gain that costs nothing comes before all others."""
    new, old = budget.costs(moved), budget.costs(before)
    taken = np.max([(new[name] - old[name]) / bound for name, bound in budget.bounds.items()], axis=0)
    return np.where(gain > 0, gain / np.maximum(taken, 1e-12), gain)
