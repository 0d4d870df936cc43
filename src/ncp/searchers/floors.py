"""Floors: which codes keep them, and what to say where none does."""

from __future__ import annotations

import math

from ncp.errors import InfeasibleError
from ncp.problem import Problem
from ncp.space import Codes, Reals


def above_floors(problem: Problem, codes: Codes) -> Codes:
    """Those of codes `(n, d)` that the predictor sees above all floors of the objective, in their order.

    Raises:
        InfeasibleError: there is none.
    """
    if not problem.objective.at_least:
        return codes
    values, _ = problem.values_and_scores(codes)
    short = problem.objective.short(values, problem.predictor.columns, problem.predictor.unit.cpu().numpy())
    if (short > 0).all():
        raise unreachable(problem, values[short.argmin()])
    kept: Codes = codes[short <= 0]
    return kept


def unreachable(problem: Problem, closest: Reals) -> InfeasibleError:
    """That no code keeps the floors, with the values `(m,)` of the one that comes closest."""
    predictor, floors = problem.predictor, problem.objective.floors(problem.predictor.columns)
    bound = {1: "at least", -1: "at most"}
    sign = {j: -1 if predictor.columns[j] in predictor.minimised else 1 for j in floors}
    asked = " and ".join(f"{predictor.columns[j]} of {bound[sign[j]]} {floor:g}" for j, floor in floors.items())
    best = " and ".join(f"{predictor.columns[j]} {_down(closest[j], sign[j])}" for j in floors)
    return InfeasibleError(
        f"No code within the budget is predicted to have {asked}: the closest that was found has {best}. "
        "Lower the floors to that, or raise the budget."
    )


def _down(number: float, sign: int) -> str:
    """A number in five digits or so, never above itself; below, if the sign is -1."""
    digits = 4 - math.floor(math.log10(abs(number))) if number else 0
    return f"{sign * math.floor(sign * number * 10.0**digits) / 10.0**digits:.10g}"
