"""Results that differ: which codes have an advantage of their own, and that cheaper ones are found."""

import numpy as np
import pytest

import ncp
from ncp.optim.alternatives import CHEAPER, GAIN, LOSS, different
from ncp.optim.problem import Problem
from tests.predictors.fitted import fitted


def chosen_one_by_one(problem: Problem, codes: np.ndarray, values: np.ndarray) -> list[int]:
    """The rule in plain words, code by code: the oracle."""
    unit = problem.predictor.unit.tolist()
    names = problem.predictor.columns
    signs = {
        names[j]: w for j, w in zip(problem.objective.resolve(names), problem.objective.weights.values(), strict=True)
    }
    macs = [int(ncp.macs(code).item()) for code in codes]
    kept: list[int] = []
    total = sum(abs(weight) for weight in signs.values())
    for row in range(len(codes)):
        losses = [
            w * (values[0, names.index(n)] - values[row, names.index(n)]) / unit[names.index(n)]
            for n, w in signs.items()
        ]
        has_advantage = sum(losses) / total <= LOSS
        for better in kept:
            cheaper = macs[row] < (1 - CHEAPER) * macs[better]
            gains = [
                (1 if weight > 0 else -1)
                * (values[row, names.index(n)] - values[better, names.index(n)])
                / unit[names.index(n)]
                for n, weight in signs.items()
            ]
            has_advantage &= cheaper or max(gains) >= GAIN
        if has_advantage:
            kept.append(row)
    return kept


@pytest.mark.parametrize("weights", [{"seg": 1.0}, {"seg": 1.0, "video": 2.0}, {"seg": 1.0, "video": -1.0}])
def test_every_chosen_code_is_cheaper_or_better_at_something(weights: dict[str, float]) -> None:
    problem = Problem.of(fitted("ensemble"), ncp.Objective(weights))
    codes = ncp.MULTIRES.sample(300, np.random.default_rng(0))
    values, scores = problem.values_and_scores(codes)
    order = np.argsort(-scores, kind="stable")
    codes, values = codes[order], values[order]
    expected = chosen_one_by_one(problem, codes, values)
    assert 2 <= len(expected) < 150
    assert different(problem, codes, values, len(expected)) == expected
    assert different(problem, codes, values, 1) == [0]
    assert different(problem, codes, values, len(expected) + 5) == expected


def test_a_space_without_cost_gets_codes_that_differ_in_many_dimensions() -> None:
    predictor = fitted("gp", "mixed")
    problem = Problem.of(predictor, ncp.Objective({predictor.columns[0]: 1.0}))
    low, high = (np.array([dim.values[k] for dim in predictor.space.dimensions]) for k in (0, -1))
    codes = np.stack([low, low, low, high, low])
    values = np.zeros((5, len(predictor.columns)))
    assert different(problem, codes, values, 2) == [0, 3]
    assert different(problem, codes, values, 4) == [0, 3]


@pytest.mark.slow
def test_a_search_finds_cheaper_codes_that_are_nearly_as_good() -> None:
    options = {"budget": ncp.Budget(max_macs=4e9), "starts": 32, "steps": 30}
    rows = ncp.search(["seg", "video"], **options).rows
    assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)
    assert rows[0].code == ncp.search(["seg", "video"], **options, top=1).best.code
    first = rows[0]
    assert first.macs is not None
    half = [row for row in rows if row.macs is not None and row.macs <= first.macs / 2]
    assert half
    within = ncp.search(["seg", "video"], **options | {"budget": ncp.Budget(max_macs=first.macs / 2)}, top=1).best
    assert max(row.score for row in half) >= within.score - 0.1
