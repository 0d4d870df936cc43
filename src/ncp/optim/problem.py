"""An optimisation problem: the score of codes under a predictor and an objective, and the codes that are allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ncp.errors import InfeasibleError
from ncp.optim.budget import Budget
from ncp.optim.feasible import Feasible
from ncp.optim.objective import Objective
from ncp.predictors.predictor import Predictor
from ncp.spaces.arrays import Codes, Reals, chunks
from ncp.spaces.space import Space

Score = Callable[[Tensor], Tensor]
"""Scores `(n,)` of relaxed codes `(n, width)`, each row for itself; higher is better."""
CodeScore = Callable[[Codes], Reals]
"""Scores `(n,)` of codes `(n, d)`."""
BATCH = 4096
"""Codes that a predictor computes at once."""


@dataclass(frozen=True, eq=False)
class Problem:
    """An objective under a predictor, to be maximised over the codes that are allowed.

    Attributes:
        predictor: computes the values of codes.
        objective: scores the values.
        feasible: the codes that are allowed.
    """

    predictor: Predictor
    objective: Objective
    feasible: Feasible

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        objective: Objective,
        budget: Budget | None = None,
        freeze: str | Iterable[str] = (),
    ) -> Problem:
        """The problem within a budget, with some dimensions frozen by name.

        Raises:
            CodeError: a name that is not a dimension.
        """
        return cls(predictor, objective, Feasible.of(predictor.space, budget, freeze))

    @property
    def space(self) -> Space:
        """The space of the codes."""
        return self.feasible.space

    @property
    def budget(self) -> Budget:
        """The bounds on cost."""
        return self.feasible.budget

    def focused(self) -> Problem:
        """The same scores, faster: the predictor may give other values for columns that the objective does not name."""
        return replace(self, predictor=self.predictor.subset_output(self.objective.named(self.predictor.columns)))

    def score(self, x: Tensor) -> Tensor:
        """The objective `(n,)` of relaxed codes `(n, width)`; gradients flow."""
        return self._values_and_score(x)[1]

    def scores(self, codes: Codes) -> Reals:
        """The objective `(n,)` of codes `(n, d)`."""
        return scores_of(self.score, self.predictor, codes)

    @torch.no_grad()
    def values_and_scores(self, codes: Codes) -> tuple[Reals, Reals]:
        """Predicted values `(n, m)` in raw units and the objective `(n,)` of codes `(n, d)`."""
        values, scores = np.empty((len(codes), len(self.predictor.columns))), np.empty(len(codes))
        for chunk in chunks(len(codes), BATCH):
            mean, score = self._values_and_score(self.predictor.relaxed(codes[chunk]))
            values[chunk], scores[chunk] = mean.cpu().numpy(), score.cpu().numpy()
        return values, scores

    def _values_and_score(self, x: Tensor) -> tuple[Tensor, Tensor]:
        predictor = self.predictor
        mean, std = predictor.moments(x) if self.objective.uncertainty_penalty else (predictor(x), None)
        return mean, self.objective.score(mean, std, predictor.columns, predictor.location, predictor.unit)


@torch.no_grad()
def scores_of(score: Score, predictor: Predictor, codes: Codes) -> Reals:
    """Scores `(n,)` of codes `(n, d)`, in batches, relaxed in the predictor's precision and on its device."""
    scores = np.empty(len(codes))
    for chunk in chunks(len(codes), BATCH):
        scores[chunk] = score(predictor.relaxed(codes[chunk])).cpu().numpy()
    return scores


def no_code_meets_minimums(problem: Problem, closest: Reals | None) -> InfeasibleError:
    """The error of a search that found no code with the minimum values.

    Args:
        problem: its objective has the minimum values.
        closest: predicted values `(m,)` of the code that comes closest; None if every code is measured to be worse.
    """
    predictor, minimums = problem.predictor, problem.objective.minimums(problem.predictor.columns)
    minimised = {j: predictor.columns[j] in predictor.minimised for j in minimums}
    wanted = " and ".join(
        f"{predictor.columns[j]} of {'at most' if minimised[j] else 'at least'} {minimum:g}"
        for j, minimum in minimums.items()
    )
    found = "all that were found are measured to be worse"
    if closest is not None:
        best = " and ".join(
            f"{predictor.columns[j]} {-_rounded_down(-closest[j]) if minimised[j] else _rounded_down(closest[j]):.10g}"
            for j in minimums
        )
        found = f"the closest that was found has {best}"
    return InfeasibleError(
        f"No code within the budget is measured or predicted to have {wanted}: {found}. "
        "Ask for less, or raise the budget."
    )


def _rounded_down(number: float) -> float:
    """A number in about five digits, never above itself."""
    digits = 4 - math.floor(math.log10(abs(number))) if number else 0
    rounded: float = math.floor(number * 10.0**digits) / 10.0**digits
    return rounded
