"""The propagation of the paper: Ding et al., Learning Versatile Neural Architectures by Propagating Network Codes.

ICLR 2022, section 3.3. Plain gradient ascent on standardised codes, whose cost is a part of the score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ncp.cost import has_cost, macs
from ncp.errors import ConfigError
from ncp.numbers import as_number
from ncp.optim.objective import Objective
from ncp.optim.problem import Problem
from ncp.optim.projection import per_coordinate
from ncp.optim.strategies import Route, Strategy
from ncp.predictors.mlp import Mlp
from ncp.predictors.predictor import Predictor
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes


@dataclass(frozen=True)
class Paper(Strategy):
    """The paper's loop: plain ascent on the predicted values minus the cost, clipped to the box.

    It follows neither an uncertainty penalty nor minimum values.

    Args:
        rate: learning rate.
        cost: weight of the standardised cost, which the paper's predictor predicts and other predictors compute.

    Raises:
        ConfigError: a rate that is not a positive number, or a weight that is not a number.
    """

    rate: float = 3.0
    cost: float = 0.5

    name: ClassVar[str] = "paper"

    def __post_init__(self) -> None:
        as_number(self.rate, "rate", above=0)
        as_number(self.cost, "cost")

    def require(self, objective: Objective) -> None:
        """Refuse an uncertainty penalty and minimum values.

        Raises:
            ConfigError: an objective with one of them.
        """
        if objective.uncertainty_penalty or objective.at_least:
            ignored = "uncertainty_penalty" if objective.uncertainty_penalty else "at_least"
            raise ConfigError(
                f"The {{field}} paper follows the predicted values alone. Leave out {{{ignored}}}, or choose another.",
                field="strategy",
                given=self.name,
            )

    def follow(self, problem: Problem, start: Codes, steps: int, progress: Progress = quiet) -> Route:
        """Ascend from codes `(n, d)`; the budget only applies when the path is snapped to codes."""
        predictor, space = problem.predictor, problem.space
        columns = problem.objective.resolve(predictor.columns)
        x = predictor.inputs.standardised(predictor.relaxed(start))
        weights = x.new_tensor(list(problem.objective.weights.values()))
        weights = weights / weights.abs().sum() * predictor.unit[columns].sign()  # minimised columns go down
        low, high = predictor.inputs.standardised(x.new_tensor(space.bounds))
        frozen = torch.as_tensor(per_coordinate(space, problem.feasible.frozen), device=x.device)
        scores_and_cost = _scores_and_cost(predictor)
        record = [x]
        for step in range(1, steps):
            leaf = x.detach().requires_grad_()
            scores, cost = scores_and_cost(leaf)
            wanted = (scores[:, columns] @ weights - self.cost * cost).sum()
            (gradient,) = torch.autograd.grad(wanted, leaf)
            x = (leaf + self.rate * torch.where(frozen, 0.0, gradient)).clamp(low, high).detach()
            record.append(x)
            progress((step + 1) / steps)
        path = predictor.inputs.restored(torch.stack(record)).detach().cpu().double().numpy()
        if not np.isfinite(path).all():
            return Route(path, np.zeros(path.shape[:2], dtype=bool), np.zeros(len(start), dtype=bool))
        active = ~problem.budget.allows(space.snap(path.reshape(-1, space.width))).reshape(path.shape[:2])
        return Route(path, active, np.zeros(len(start), dtype=bool))


def _scores_and_cost(predictor: Predictor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Scores `(n, m)` and standardised cost `(n,)` of standardised codes `(n, width)`.

    The paper's predictor predicts its cost. For other predictors it is exact, in standard deviations over the space.
    """
    core = predictor.core
    if isinstance(core, Mlp) and core.auxiliary:
        m = len(predictor.columns)

        def predicted(x: Tensor) -> tuple[Tensor, Tensor]:
            outputs = core.outputs(x)
            return outputs[:, :m], outputs[:, m]

        return predicted
    space = predictor.space
    typical = space.sample(1000, np.random.default_rng(0))
    deviation = float(macs(typical).std()) if has_cost(space) else 1.0

    def exact(x: Tensor) -> tuple[Tensor, Tensor]:
        codes = predictor.inputs.restored(x)
        cost = macs(codes) / deviation if has_cost(space) else x.new_zeros(len(x))
        return predictor.latent(codes), cost

    return exact
