"""Network coding propagation: gradients of a predictor, followed into the code (section 3.3 of the paper)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ncp.errors import CodeError, ConfigError, DataError
from ncp.numbers import as_count, require_type
from ncp.optim.budget import Budget
from ncp.optim.objective import Objective, as_objective
from ncp.optim.paper import Paper
from ncp.optim.problem import Problem
from ncp.optim.strategies import Continuous, Strategy, WinnerTakesAll
from ncp.predictors.predictor import Predictor
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, CodesLike, Reals, best_distinct, distinct
from ncp.spaces.space import Space
from ncp.threads import one_thread

StrategyName = Literal["continuous", "winner-takes-all", "paper"]
STRATEGIES: dict[str, type[Strategy]] = {strategy.name: strategy for strategy in (Continuous, WinnerTakesAll, Paper)}
"""Every strategy by its name."""


class Ending(StrEnum):
    """How one start's trajectory ended."""

    CONVERGED = "converged"
    """Its code did not change over the last tenth of the steps (two at least)."""
    OUT_OF_STEPS = "out of steps"
    """Its code still changed: more steps may lead further."""
    NO_MOVE_LEFT = "no move left"
    """No single move within the budget raises the score."""


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """Where a propagation went. Step 0 is the start; every code is within the budget.

    Attributes:
        space: of the codes.
        columns: m names of the values.
        x: relaxed codes, `(steps, starts, width)`.
        codes: the codes nearest to them within the budget, `(steps, starts, d)`.
        values: predicted values of `codes` in raw units, `(steps, starts, m)`.
        scores: the objective of `codes`, `(steps, starts)`.
        endings: how the trajectory of every start ended.
        budget_active: at how many steps the budget kept a start from going further, `(starts,)`.
    """

    space: Space
    columns: tuple[str, ...]
    x: Reals
    codes: Codes
    values: Reals
    scores: Reals
    endings: tuple[Ending, ...]
    budget_active: NDArray[np.int64]

    def __repr__(self) -> str:
        steps, starts = self.scores.shape
        ended = ", ".join(f"{count} {ending}" for ending, count in Counter(self.endings).most_common())
        active = self.budget_active.sum() / (steps * starts)
        return (
            f"Trajectory({starts} starts, {steps} steps, best score {self.scores.max():.3f}; ended: {ended}; "
            f"budget active at {active:.0%} of the steps)"
        )

    def best(self, k: int) -> Codes:
        """The k codes of highest score, each once, best first, `(<= k, d)`.

        Raises:
            ConfigError: k is not an integer, or below 1.
        """
        codes = self.codes.reshape(-1, len(self.space))
        best: Codes = codes[best_distinct(codes, self.scores.reshape(-1), as_count(k, "k"))]
        return best


@one_thread()
def propagate(
    predictor: Predictor,
    objective: Objective | str | Sequence[str] | Mapping[str, float],
    start: CodesLike,
    *,
    budget: Budget | None = None,
    strategy: Strategy | StrategyName = "continuous",
    steps: int = 70,
    freeze: str | Iterable[str] = (),
    progress: Progress = quiet,
) -> Trajectory:
    """Edit codes step by step so that the predictor's values serve the objective better, within the budget.

    Args:
        predictor: whose gradients are followed.
        objective: an objective, a task or column, several of them, or weights by column.
        start: one code or many, `(n, d)`; all of them move at once.
        budget: bounds on cost; no bounds when left out.
        strategy: an object, or its name for its default parameters. `ncp.Continuous` follows the gradient through the
            relaxed space, projected on the budget; `ncp.WinnerTakesAll` makes the best single move of one grid step,
            per unit of cost where the budget binds; `ncp.Paper` is the original loop, with cost in its score.
        steps: most steps, the start counted.
        freeze: names of dimensions that keep their values, as in `space.names`.
        progress: called with the share that is done.

    Raises:
        CodeError: a start outside the space, or a name that is not a dimension.
        ConfigError: an unknown strategy, a number of steps that is not a positive integer, or an uncertainty penalty or
            minimum values with the strategy `paper`, which follows neither.
        DataError: predictions that are not finite.
        InfeasibleError: a budget below the smallest cost.
    """
    steps, objective, strategy = as_count(steps, "steps"), as_objective(objective), as_strategy(strategy)
    require_type(predictor, Predictor, "predictor", "a predictor, from ncp.fit_predictor or ncp.load_predictor")
    strategy.require(objective)
    objective.require_direction(predictor.columns, predictor.minimised)
    codes = predictor.space.codes(start)
    if not len(codes):
        raise CodeError("{field} must hold at least one code.", field="start", given=start)
    problem = Problem.of(predictor, objective, budget, freeze)
    problem.feasible.require(codes)
    return follow(problem, strategy, codes, steps, progress)


def follow(problem: Problem, strategy: Strategy, start: Codes, steps: int, progress: Progress = quiet) -> Trajectory:
    """Propagate the codes `start` `(n, d)` of a problem whose budget is feasible.

    Raises:
        DataError: predictions that are not finite.
    """
    path = strategy.follow(problem.focused(), start, steps, progress)
    require_finite(path.x)
    codes = problem.feasible.snap_path(path.x, start)
    steps, starts, d = codes.shape
    flat = codes.reshape(-1, d)
    first, which = distinct(flat)
    values, scores = problem.values_and_scores(flat[first])
    require_finite(values)
    require_finite(scores)
    return Trajectory(
        problem.space,
        problem.predictor.columns,
        path.x,
        codes,
        values[which].reshape(steps, starts, -1),
        scores[which].reshape(steps, starts),
        _endings(codes, path.stuck),
        path.active.sum(axis=0),
    )


def _endings(codes: Codes, stuck: NDArray[np.bool_]) -> tuple[Ending, ...]:
    """How the trajectory of every start ended, from its codes `(steps, starts, d)`."""
    last = max(2, len(codes) // 10)
    settled = (codes[-last - 1 :] == codes[-1]).all(axis=(0, 2)) & (len(codes) > last)
    named = np.select([stuck, settled], [Ending.NO_MOVE_LEFT, Ending.CONVERGED], Ending.OUT_OF_STEPS)
    return tuple(Ending(name) for name in named.tolist())


def as_strategy(given: Any) -> Strategy:
    """A strategy from itself or its name.

    Raises:
        ConfigError: anything else, with the names of all strategies.
    """
    if isinstance(given, Strategy):
        return given
    if not isinstance(given, str) or given not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ConfigError("{field} must be one of {known}. Got {given}.", field="strategy", given=given, known=known)
    return STRATEGIES[given]()


def require_finite(numbers: Reals) -> None:
    """Refuse the output of a damaged predictor.

    Raises:
        DataError: infinity or NaN.
    """
    if not np.isfinite(numbers).all():
        raise DataError("The predictor computes NaN or infinity: its weights are damaged. Train it again.")
