"""A multi-objective problem: several objectives and exact cost, within minimum values and a budget."""

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
from ncp.optim.feasible import Feasible
from ncp.optim.objective import Objective, as_objective
from ncp.optim.problem import BATCH, Problem
from ncp.optim.scalarisations import REFERENCE
from ncp.predictors.predictor import Predictor
from ncp.spaces.arrays import Codes, Reals, chunks


@dataclass(frozen=True, eq=False)
class MultiObjectiveProblem:
    """Several objectives under a predictor, to be maximised at once, and perhaps exact cost to be minimised.

    Attributes:
        predictor: computes the values of codes.
        objectives: k of them, without minimum values.
        minimums: an objective with the columns of all objectives and the minimum values.
        feasible: the codes that are allowed; with `cost` its budget bounds multiply-adds.
        cost: whether fewer multiply-adds are an objective, too.
    """

    predictor: Predictor
    objectives: tuple[Objective, ...]
    minimums: Objective
    feasible: Feasible
    cost: bool

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        objectives: Sequence[Objective],
        budget: Budget,
        cost: bool,
        at_least: Mapping[str, float],
    ) -> MultiObjectiveProblem:
        """The problem, checked against the predictor; with `cost`, the largest network's cost bounds multiply-adds.

        Raises:
            ConfigError: an objective with minimum values, or two objectives that are the same.
            InfeasibleError: a budget below the smallest cost.
        """
        columns, space = predictor.columns, predictor.space
        if any(objective.at_least for objective in objectives):
            raise ConfigError(
                "Minimum values hold for the whole front, so give them as {at_least}, not in one of the {field}.",
                field="objectives",
                given=list(objectives),
            )
        places = [j for objective in objectives for j in objective.resolve(columns)]
        minimums = Objective({columns[j]: 1.0 for j in dict.fromkeys(places)}, at_least=at_least)
        smallest, largest = (np.array([[dim.values[end] for dim in space.dimensions]]) for end in (0, -1))
        budget.require(space, smallest)
        cost = cost and has_cost(space)
        if cost and budget.max_macs is None:
            budget = replace(budget, max_macs=float(budget.counting.macs(largest)[0]))
        problem = cls(predictor, tuple(objectives), minimums, Feasible.of(space, budget), cost)
        names = problem.names
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(
                "{field} must differ. Got {twice} twice.", field="objectives", given=names, twice=twice[0]
            )
        return problem

    @property
    def columns(self) -> list[int]:
        """The places among the predictor's columns of those that have a weight or a minimum value."""
        return self.minimums.named(self.predictor.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The objectives' names: a column, or weights and columns."""
        return tuple(_name(objective, self.predictor.columns) for objective in self.objectives)

    @property
    def uncertain(self) -> bool:
        """Whether an objective has an uncertainty penalty, so that predictions need their standard deviations."""
        return any(objective.uncertainty_penalty for objective in self.objectives)

    @property
    def reference(self) -> list[float]:
        """The reference point of hypervolumes, `(k,)`, or `(k + 1,)` with cost."""
        return [REFERENCE] * len(self.objectives) + ([0.0] if self.cost else [])

    def single(self, objective: Objective | None = None) -> Problem:
        """The problem of one objective; of all columns and the minimum values when left out."""
        return Problem(self.predictor, self.minimums if objective is None else objective, self.feasible)

    def focused(self) -> MultiObjectiveProblem:
        """The same problem, faster: the predictor may give other values for columns that no objective names."""
        return replace(self, predictor=self.predictor.subset_output(self.columns))

    def scores(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The objectives `(n, k)` of relaxed codes `(n, width)`, and how far they are below the minimums, `(n,)`."""
        predictor = self.predictor
        mean, std = predictor.moments(x) if self.uncertain else (predictor(x), None)
        scores = self._scores(mean, std, predictor.location, predictor.unit)
        shortfall: Tensor = self.minimums.shortfall(mean.double(), predictor.columns, predictor.unit)
        return torch.stack(scores, dim=1), shortfall

    @torch.no_grad()
    def points(self, codes: Codes) -> tuple[Reals, Reals]:
        """Points `(n, k)`, or `(n, k + 1)` with cost, to be maximised; and how far below the minimums they are."""
        found = [self.scores(self.predictor.relaxed(codes[chunk])) for chunk in chunks(len(codes), BATCH)]
        scores, short = (
            np.concatenate([each.double().cpu().numpy() for each in both]) for both in zip(*found, strict=True)
        )
        return self.with_cost(scores, codes), short

    def with_cost(self, scores: Reals, codes: Codes) -> Reals:
        """Scores `(n, k)` and, where cost counts, the powers of ten between multiply-adds and the budget."""
        if not self.cost:
            return scores
        return np.column_stack([scores, np.log10(self.feasible.budget.max_macs or 1.0) - np.log10(self.macs(codes))])

    def macs(self, codes: Codes) -> NDArray[np.int64]:
        """Multiply-adds as the budget counts them."""
        counted: NDArray[np.int64] = self.feasible.budget.counting.macs(codes)
        return counted

    def scores_of_values(self, values: Reals) -> Reals:
        """The objectives `(n, k)`, without uncertainty penalties, of raw values `(n, m)` of the predictor's columns."""
        location, unit = (x.cpu().numpy() for x in (self.predictor.location, self.predictor.unit))
        return np.stack(self._scores(values, None, location, unit), axis=1)

    def _scores(self, mean: Any, std: Any, location: Any, unit: Any) -> list[Any]:
        """The objectives of values, arrays or tensors; without an uncertainty penalty where `std` is None."""
        return [objective.score(mean, std, self.predictor.columns, location, unit) for objective in self.objectives]


def read_objectives(objectives: Any) -> tuple[Objective, ...]:
    """Objectives from a list, each in any form that `as_objective` takes.

    Raises:
        ConfigError: anything but a list with at least one objective.
    """
    given = [] if isinstance(objectives, (str, Mapping)) or not isinstance(objectives, Sequence) else objectives
    if not given:
        raise ConfigError(
            "{field} must be a list of tasks, columns or objectives, such as ['seg', 'video']. Got {given}.",
            field="objectives",
            given=objectives,
        )
    return tuple(as_objective(one) for one in given)


def _name(objective: Objective, columns: Sequence[str]) -> str:
    """The name of an objective: `seg/mIoU`, `-video/top1`, `1 seg/mIoU + 2 video/top1`."""
    named = [columns[j] for j in objective.resolve(columns)]
    if len(named) == 1:
        return ("-" if next(iter(objective.weights.values())) < 0 else "") + named[0]
    return " + ".join(f"{weight:g} {name}" for weight, name in zip(objective.weights.values(), named, strict=True))
