"""The search near a code stays within its number of changes and the budget, and is no worse than a greedy one."""

import numpy as np
import pytest

from ncp import Budget, ConfigError, InfeasibleError, Objective, macs, search
from ncp.optim.local_search import search_near
from ncp.optim.problem import Problem
from ncp.spaces.arrays import Codes
from tests.predictors.fitted import SPACES, fitted

WANTED = Objective({"seg/mIoU": 1.0, "video": 0.5})


def problem(space: str, budget: Budget | None = None) -> Problem:
    return Problem.of(fitted("ensemble", space), WANTED, budget)


def greedy(given: Problem, origin: Codes, most: int) -> float:
    """The score after making the best single change, `most` times."""
    code = origin[None]
    for _ in range(most):
        tried = given.space.changed(code, ~given.feasible.frozen)
        tried = tried[given.budget.allows(tried) & ((tried != origin).sum(axis=1) <= most)]
        code = tried[[given.scores(tried).argmax()]]
    return float(given.scores(code)[0])


@pytest.mark.parametrize("space", ["cell201", "mixed", "twelve"])
@pytest.mark.parametrize("most", [1, 3])
def test_it_is_no_worse_than_the_best_change_after_another(space: str, most: int) -> None:
    given = problem(space)
    origin, *found = SPACES[space].sample(9, np.random.default_rng(2))
    codes = search_near(given.scores, given.feasible, origin, most, np.array(found))
    assert ((codes != origin).sum(axis=1) <= most).all()
    assert len(np.unique(codes, axis=0)) == len(codes)
    scores = given.scores(codes)
    assert (np.diff(scores) <= 1e-6).all()
    assert scores[0] >= greedy(given, origin, most) - 1e-6


@pytest.mark.slow
def test_a_search_changes_few_dimensions_of_a_code_within_the_budget() -> None:
    predictor, space = fitted("ensemble"), SPACES["multires"]
    costs = macs(codes := space.sample(50, np.random.default_rng(4)))
    origin = codes[np.argsort(costs)[25]]
    budget = Budget(max_macs=float(macs(origin[None])[0]) * 0.9)  # the origin itself exceeds it
    asked = {"budget": budget, "predictor": predictor, "origin": origin, "starts": 4, "steps": 3}
    result = search(WANTED, max_changes=4, **asked)  # type: ignore[arg-type]
    vectors = np.array([row.vector for row in result.rows])
    assert (vectors != origin).sum(axis=1).max() <= 4
    assert macs(vectors).max() <= budget.max_macs  # type: ignore[operator]
    assert result.provenance["max_changes"] == 4
    far = Budget(max_macs=float(costs.min()) / 3)
    with pytest.raises(InfeasibleError, match="No code within 1 changes of the origin was found within the budget"):
        search(WANTED, max_changes=1, **(asked | {"budget": far}))  # type: ignore[arg-type]


def test_max_changes_needs_an_origin_and_a_number() -> None:
    for options in (
        {"max_changes": 3},
        {"max_changes": 0, "origin": SPACES["multires"].sample(1, np.random.default_rng(0))},
    ):
        with pytest.raises(
            ConfigError,
            match=r"^max_changes (counts changes of origin: give a code there|must be an integer, 1 or more)",
        ):
            search(WANTED, predictor=fitted("ensemble"), **options)  # type: ignore[arg-type]
