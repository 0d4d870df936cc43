"""Network coding propagation: gradients of a predictor, followed into the code (section 3.3 of the paper)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncp.cost import has_cost, macs
from ncp.errors import CodeError, ConfigError, DataError
from ncp.numbers import as_count, as_items, as_seed, require_type
from ncp.optim.budget import Budget, as_budget
from ncp.optim.objective import Objective, as_objective
from ncp.optim.problem import Bound, Problem, moves, on_simplices, per_coordinate, smallest, snap_within, within_budget
from ncp.predictors.base import Predictor
from ncp.predictors.mlp import Mlp
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, Reals, distinct
from ncp.spaces.space import Space
from ncp.threads import one_thread

Strategy = Literal["continuous", "winner-takes-all", "paper"]

STEP, LAST_STEP, FULL = 0.06, 0.01, 70
"""Length of the first and last of `FULL` steps of `continuous`, in shares of a dimension's range; fewer are longer."""
SHOWN = 8
"""Most names of dimensions that a message lists."""
PAPER_STEP, PAPER_COST = 3.0, 0.5
"""The paper's learning rate, and its weight of the predicted cost."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where a propagation went. Step 0 is the start; every code is within the budget.

    Attributes:
        space: what the codes belong to.
        columns: m names of the values.
        x: relaxed codes, `(steps, starts, width)`.
        codes: the codes nearest to them within the budget, `(steps, starts, d)`.
        values: predicted values of `codes` in raw units, `(steps, starts, m)`.
        scores: the objective of `codes`, `(steps, starts)`.
    """

    space: Space
    columns: tuple[str, ...]
    x: Reals
    codes: Codes
    values: Reals
    scores: Reals

    def best(self, k: int) -> Codes:
        """The k codes of highest score, each once, best first, `(<= k, d)`.

        Raises:
            ConfigError: k is not an integer, or below 1.
        """
        k = as_count(k, "k")
        codes, scores = self.codes.reshape(-1, len(self.space)), self.scores.reshape(-1)
        first, _ = distinct(codes)
        best: Codes = codes[first[np.argsort(-scores[first], kind="stable")[:k]]]
        return best


@one_thread()
def propagate(
    predictor: Predictor,
    objective: Objective | str | Sequence[str] | Mapping[str, float],
    start: Any,
    *,
    budget: Budget | None = None,
    strategy: Strategy = "continuous",
    steps: int = 70,
    freeze: str | Iterable[str] = (),
    seed: int = 0,
    progress: Progress = quiet,
) -> Trajectory:
    """Edit codes step by step so that the predictor's values serve the objective better, within the budget.

    Args:
        predictor: whose gradients are followed.
        objective: what is wanted: an objective, a task or column, several of them, or weights by column.
        start: one code or many, `(n, d)`; all of them move at once.
        budget: what is allowed; nothing is bounded where it is left out.
        strategy: `continuous` follows the gradient through the relaxed space, projected on the budget;
            `winner-takes-all` makes the best single move of one grid step, per unit of cost where the budget binds;
            `paper` is the original loop, whose predicted cost is part of the objective.
        steps: most steps, the start counted.
        freeze: names of dimensions that keep their values, as in `space.names`.
        seed: taken for callers that pass one everywhere; nothing here is random.
        progress: called with the share that is done.

    Raises:
        CodeError: a start outside the space, or a name that is no dimension.
        ConfigError: an unknown strategy, a number of steps or a seed that is not a whole number, or caution or minimum
            values with the strategy `paper`, which follows neither.
        DataError: predictions that are not finite.
        InfeasibleError: a budget below the smallest cost.
    """
    steps, _ = as_count(steps, "steps"), as_seed(seed)
    objective, budget = as_objective(objective), as_budget(budget)
    require_type(predictor, Predictor, "predictor", "a predictor, from ncp.fit_predictor or ncp.load_predictor")
    require_strategy(strategy, objective)
    objective.require_direction(predictor.columns, predictor.minimised)
    space, codes = predictor.space, predictor.space.codes(start)
    if not len(codes):
        raise CodeError("{field} must hold at least one code.", field="start", given=start)
    whole = Problem(predictor, objective, budget, frozen_dimensions(space, freeze))
    problem = whole.focused()
    names = [name for name, kept in zip(space.names, problem.frozen, strict=True) if kept]
    problem.budget.require(space, smallest(problem, codes), names)
    x = STRATEGIES[strategy](problem, codes, steps, progress)
    require_finite(x)
    steps_done, starts, width = x.shape
    origin = np.broadcast_to(codes, (steps_done, *codes.shape)).reshape(-1, len(space))
    snapped = snap_within(problem, x.reshape(-1, width), origin)
    first, which = distinct(snapped)
    values, scores = whole.values_and_scores(snapped[first])
    require_finite(values)
    require_finite(scores)
    return Trajectory(
        space,
        predictor.columns,
        x,
        snapped.reshape(steps_done, starts, -1),
        values[which].reshape(steps_done, starts, -1),
        scores[which].reshape(steps_done, starts),
    )


def require_strategy(strategy: Any, objective: Objective) -> None:
    """Refuse a strategy that does not exist, or one that would ignore a part of the objective.

    Raises:
        ConfigError: with the strategies that there are, or what would be ignored.
    """
    if not isinstance(strategy, str) or strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ConfigError("{field} must be one of {known}. Got {given}.", field="strategy", given=strategy, known=known)
    if strategy == "paper" and (objective.uncertainty_penalty or objective.at_least):
        ignored = "uncertainty_penalty" if objective.uncertainty_penalty else "at_least"
        raise ConfigError(
            f"The {{field}} paper follows the predicted values alone. Leave out {{{ignored}}}, or choose another.",
            field="strategy",
            given=strategy,
        )


def require_finite(numbers: Reals) -> None:
    """Refuse what a damaged predictor computes.

    Raises:
        DataError: infinity or NaN.
    """
    if not np.isfinite(numbers).all():
        raise DataError("The predictor computes NaN or infinity: its weights are damaged. Train it again.")


def _continuous(problem: Problem, codes: Codes, steps: int, progress: Progress) -> Reals:
    """Ascent of the objective within the budget."""
    return ascend(problem, problem.score, problem.budget.bounds, codes, steps, progress)


def ascend(
    problem: Problem,
    score: Callable[[Tensor], Tensor],
    bounds: Mapping[str, Bound],
    codes: Codes,
    steps: int,
    progress: Progress = quiet,
) -> Reals:
    """Ascent by Adam's steps in shares of each dimension's range, projected on box, simplices and budget.

    Args:
        problem: its predictor, its budget and what is frozen.
        score: what rises: relaxed codes `(n, width)` to `(n,)`, each row for itself.
        bounds: by the names of `Budget.bounds`, each one number or one per code.
        codes: the starts, `(n, d)`.
        steps: how many, the start counted.
        progress: called with the share that is done.

    Returns:
        Relaxed codes `(steps, n, width)`.
    """
    space = problem.space
    start = problem.predictor.relaxed(codes)
    low, high = start.new_tensor(space.bounds)
    span, frozen = high - low, torch.as_tensor(per_coordinate(space, problem.frozen), device=start.device)
    floor = torch.where(frozen, start, low)

    def place(x: Tensor) -> Tensor:
        x = torch.where(frozen, start, on_simplices(space, x.clamp(low, high)))
        return within_budget(problem.budget, bounds, x, floor, torch.where(frozen, 0.0, span))

    x, first, second = place(start), torch.zeros_like(start), torch.zeros_like(start)
    record = [x]
    for step in range(1, steps):
        leaf = x.requires_grad_()
        (gradient,) = torch.autograd.grad(score(leaf).sum(), leaf)
        gradient = gradient * span
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient.square()
        direction = (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-8)
        length = (STEP + (LAST_STEP - STEP) * step / steps) * max(1.0, FULL / steps)
        x = place(x.detach() + length * span * direction)
        record.append(x)
        progress((step + 1) / steps)
    return torch.stack(record).detach().cpu().double().numpy()


def _winner_takes_all(problem: Problem, codes: Codes, steps: int, progress: Progress) -> Reals:
    """One dimension per step: the single move that gains most, per unit of cost where the budget binds."""
    space = problem.space
    current = snap_within(problem, space.relax(codes), codes)
    _, scores = problem.values_and_scores(current)
    record, moving = [current], np.arange(len(current))
    for step in range(1, steps):
        moved, rows = moves(problem, current[moving])
        allowed = problem.budget.allows(moved)
        first, which = distinct(moved)
        gain = problem.values_and_scores(moved[first])[1][which] - scores[moving][rows]
        binds = np.zeros(len(moving), dtype=bool)
        binds[rows[~allowed & (gain > 0)]] = True
        merit = np.where(allowed & (gain > 1e-9), gain, -np.inf)
        if binds.any():
            merit = np.where(binds[rows], _per_cost(problem.budget, merit, moved, current[moving][rows]), merit)
        order = np.lexsort((-merit, rows))
        winners = order[np.unique(rows[order], return_index=True)[1]]
        winners = winners[merit[winners] > -np.inf]
        current = current.copy()
        changed = moving[rows[winners]]
        current[changed] = moved[winners]
        scores[changed] += gain[winners]
        record.append(current)
        moving = changed
        progress((step + 1) / steps)
        if not len(moving):
            break
    return np.stack([space.relax(c) for c in record])


def _paper(problem: Problem, codes: Codes, steps: int, progress: Progress) -> Reals:
    """The original loop: plain ascent on the wanted scores minus half the predicted cost, clipped to the box."""
    predictor, space = problem.predictor, problem.space
    columns = problem.objective.resolve(predictor.columns)
    x = (predictor.relaxed(codes) - predictor.centre) / predictor.deviation
    weights = x.new_tensor(list(problem.objective.weights.values()))
    weights = weights / weights.abs().sum() * predictor.unit[columns].sign()  # a small value may be the better one
    low, high = (x.new_tensor(space.bounds) - predictor.centre) / predictor.deviation
    frozen = torch.as_tensor(per_coordinate(space, problem.frozen), device=x.device)
    cost = _paper_cost(predictor)
    record = [x]
    for step in range(1, steps):
        leaf = x.detach().requires_grad_()
        scores, cost_score = cost(leaf)
        wanted = (scores[:, columns] @ weights - PAPER_COST * cost_score).sum()
        (gradient,) = torch.autograd.grad(wanted, leaf)
        x = (leaf + PAPER_STEP * torch.where(frozen, 0.0, gradient)).clamp(low, high).detach()
        record.append(x)
        progress((step + 1) / steps)
    return (torch.stack(record) * predictor.deviation + predictor.centre).cpu().double().numpy()


STRATEGIES: dict[str, Callable[[Problem, Codes, int, Progress], Reals]] = {
    "continuous": _continuous,
    "winner-takes-all": _winner_takes_all,
    "paper": _paper,
}


def _paper_cost(predictor: Predictor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Scores and the standardised cost of standardised codes: predicted by the paper's own predictor, else exact."""
    if isinstance(predictor, Mlp) and predictor.auxiliary:
        m = len(predictor.columns)

        def predicted(x: Tensor) -> tuple[Tensor, Tensor]:
            outputs = predictor.outputs(x)
            return outputs[:, :m], outputs[:, m]

        return predicted
    space = predictor.space
    typical = space.sample(1000, np.random.default_rng(0))
    deviation = float(macs(typical).std()) if has_cost(space) else 1.0

    def exact(x: Tensor) -> tuple[Tensor, Tensor]:
        codes = x * predictor.deviation + predictor.centre
        cost = macs(codes) / deviation if has_cost(space) else x.new_zeros(len(x))
        return predictor.latent(codes), cost

    return exact


def _per_cost(budget: Budget, gain: Reals, moved: Codes, before: Codes) -> Reals:
    """Gain per share of the budget that a move takes; a move that takes none comes before all others."""
    new, old = budget.costs(moved), budget.costs(before)
    taken = np.max([(new[name] - old[name]) / bound for name, bound in budget.bounds.items()], axis=0)
    return np.where(gain > 0, gain / np.maximum(taken, 1e-12), gain)


def frozen_dimensions(space: Space, names: str | Iterable[str]) -> NDArray[np.bool_]:
    """Which dimensions `(d,)` are named; one text is one name.

    Raises:
        CodeError: a name that is no dimension, with the closest one.
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
