"""What a front is asked for: several objectives, exact cost, and floors below which no code counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncp.cost import has_cost
from ncp.errors import ConfigError
from ncp.optim.budget import Budget
from ncp.optim.objective import Objective, as_objective
from ncp.optim.problem import Problem
from ncp.predictors.base import Predictor
from ncp.spaces.arrays import Codes, Reals, chunks


@dataclass(frozen=True, eq=False)
class Goals:
    """What a front is of: several objectives, perhaps exact cost, and floors.

    Attributes:
        problem: predictor, budget, and an objective with all columns that are wanted, and the floors.
        objectives: k of them.
        cost: whether multiply-adds count.
    """

    problem: Problem
    objectives: tuple[Objective, ...]
    cost: bool

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        objectives: Sequence[Objective],
        budget: Budget,
        cost: bool,
        at_least: Mapping[str, float],
    ) -> Goals:
        """Goals that fit the predictor and can be met, as far as the budget goes."""
        columns = predictor.columns
        space = predictor.space
        if any(objective.at_least for objective in objectives):
            raise ConfigError(
                "Minimum values hold for the whole front, so give them as {at_least}, not in one of the {field}.",
                field="objectives",
                given=list(objectives),
            )
        places = [j for objective in objectives for j in objective.resolve(columns)]
        united = Objective({columns[j]: 1.0 for j in dict.fromkeys(places)}, at_least=at_least)
        cost = cost and has_cost(space)
        least, most = (np.array([[dim.values[end] for dim in space.dimensions]]) for end in (0, -1))
        budget.require(space, least)
        if cost and budget.max_macs is None:
            dearest = budget.counting.macs(most)
            budget = replace(budget, max_macs=float(dearest[0]))
        problem = Problem(predictor, united, budget, np.zeros(len(space), dtype=bool))
        goals = cls(problem, tuple(objectives), cost)
        names = goals.names
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(
                "{field} must differ. Got {twice} twice.", field="objectives", given=names, twice=twice[0]
            )
        return goals

    @property
    def predictor(self) -> Predictor:
        """Whose values count."""
        return self.problem.predictor

    @property
    def budget(self) -> Budget:
        """What is allowed; of multiply-adds there is always a bound where they count."""
        return self.problem.budget

    @property
    def columns(self) -> list[int]:
        """Places of the columns that are wanted or have a floor."""
        return self.problem.objective.named(self.predictor.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the objectives: a column, or weights and columns."""
        return tuple(_name(objective, self.predictor.columns) for objective in self.objectives)

    @property
    def cautious(self) -> bool:
        """Whether some objective is."""
        return any(objective.uncertainty_penalty for objective in self.objectives)

    def focused(self) -> Goals:
        """The same goals for the search alone, as `Problem.focused`."""
        return replace(self, problem=self.problem.focused())

    def scores(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of relaxed codes `(n, width)`: the objectives `(n, k)`, and how far below the floors they are `(n,)`."""
        predictor = self.predictor
        mean, spread = predictor.moments(x) if self.cautious else (predictor(x), None)
        return self._scores(mean, spread), self._short(mean)

    @torch.no_grad()
    def evaluated(self, codes: Codes) -> tuple[Reals, Reals]:
        """Of codes: points `(n, k)`, with cost `(n, k + 1)`, in which more is better; and how far below floors."""
        found = [self.scores(self.predictor.relaxed(codes[chunk])) for chunk in chunks(len(codes), 4096)]
        scores, short = (np.concatenate([each.double().numpy() for each in both]) for both in zip(*found, strict=True))
        return self.with_cost(scores, codes), short

    def with_cost(self, scores: Reals, codes: Codes) -> Reals:
        """Scores `(n, k)`, and beside them, where cost counts, the powers of ten from multiply-adds to the budget."""
        if not self.cost:
            return scores
        return np.column_stack([scores, np.log10(self.budget.max_macs or 1.0) - np.log10(self.macs(codes))])

    def macs(self, codes: Codes) -> NDArray[np.int64]:
        """Multiply-adds as the budget counts them."""
        counted: NDArray[np.int64] = self.budget.counting.macs(codes)
        return counted

    def of_values(self, values: Reals) -> Reals:
        """The objectives `(n, k)`, without caution, of raw values `(n, m)` of the predictor's columns."""
        plain = [replace(objective, uncertainty_penalty=0.0) for objective in self.objectives]
        return replace(self, objectives=tuple(plain))._scores(torch.as_tensor(values), None).numpy()

    def _scores(self, mean: Tensor, spread: Tensor | None) -> Tensor:
        predictor = self.predictor
        about = predictor.columns, predictor.location, predictor.unit
        return torch.stack([objective.score(mean, spread, *about) for objective in self.objectives], dim=1)

    def _short(self, mean: Tensor) -> Tensor:
        short: Tensor = self.problem.objective.shortfall(mean.double(), self.predictor.columns, self.predictor.unit)
        return short


def read_objectives(objectives: Any) -> tuple[Objective, ...]:
    """Objectives, each of which may be given as `as_objective` takes it: by the name of a task or column, say."""
    given = [] if isinstance(objectives, (str, Mapping)) or not isinstance(objectives, Sequence) else objectives
    if not given:
        raise ConfigError(
            "{field} must be a list of tasks, columns or objectives, such as ['seg', 'video']. Got {given}.",
            field="objectives",
            given=objectives,
        )
    return tuple(as_objective(one) for one in given)


def _name(objective: Objective, columns: Sequence[str]) -> str:
    """What an objective is called: `seg/mIoU`, `-video/top1`, `1 seg/mIoU + 2 video/top1`."""
    named = [columns[j] for j in objective.resolve(columns)]
    if len(named) == 1:
        return ("-" if next(iter(objective.weights.values())) < 0 else "") + named[0]
    return " + ".join(f"{weight:g} {name}" for weight, name in zip(objective.weights.values(), named, strict=True))
