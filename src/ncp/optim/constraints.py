"""Minimum values: which codes keep them, and what to say where none does."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ncp.errors import InfeasibleError
from ncp.optim.known import Known
from ncp.optim.problem import Problem
from ncp.spaces.arrays import Codes, Reals


def meets_minimums(problem: Problem, values: Reals, codes: Codes, known: Known | None) -> NDArray[np.bool_]:
    """Which codes keep the minimum values of the objective, `(n,)`: as they were measured, else by prediction.

    Args:
        problem: its objective has the minimum values.
        values: predicted values, `(n, m)`.
        codes: `(n, d)`.
        known: what was measured.

    Raises:
        InfeasibleError: there is none.
    """
    if not problem.objective.at_least:
        return np.ones(len(values), dtype=bool)
    short = problem.objective.shortfall(values, problem.predictor.columns, problem.predictor.unit.cpu().numpy())
    kept: NDArray[np.bool_] = short <= 0
    worse = np.zeros(len(codes), dtype=bool)
    if known is not None:
        worse = known.worse_than_minimum(codes)
        kept = (kept | known.holds(codes)) & ~worse
    if not kept.any():
        closest = None if worse.all() else values[int(np.where(worse, np.inf, short).argmin())]
        raise unreachable(problem, closest)
    return kept


def unreachable(problem: Problem, closest: Reals | None) -> InfeasibleError:
    """That no code keeps the minimum values, with the predicted values `(m,)` of the one that comes closest, if any."""
    predictor, floors = problem.predictor, problem.objective.minimums(problem.predictor.columns)
    bound = {1: "at least", -1: "at most"}
    sign = {j: -1 if predictor.columns[j] in predictor.minimised else 1 for j in floors}
    asked = " and ".join(f"{predictor.columns[j]} of {bound[sign[j]]} {floor:g}" for j, floor in floors.items())
    found = "all that were found are measured to be worse"
    if closest is not None:
        best = " and ".join(f"{predictor.columns[j]} {_down(closest[j], sign[j])}" for j in floors)
        found = f"the closest that was found has {best}"
    return InfeasibleError(
        f"No code within the budget is measured or predicted to have {asked}: {found}. "
        "Ask for less, or raise the budget."
    )


def _down(number: float, sign: int) -> str:
    """A number in five digits or so, never above itself; below, if the sign is -1."""
    digits = 4 - math.floor(math.log10(abs(number))) if number else 0
    return f"{sign * math.floor(sign * number * 10.0**digits) / 10.0**digits:.10g}"
