"""Strategies are values with parameters, and a trajectory says how every start ended."""

import re
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

import ncp
from ncp import MULTIRES, Budget, ConfigError, Continuous, Objective, Ordinal, Paper, Space, WinnerTakesAll
from ncp.optim.front_search import Refinement, pareto_search
from ncp.optim.local_search import search_locally
from ncp.optim.problem import Problem
from ncp.optim.propagation import STRATEGIES, as_strategy
from tests.predictors.fitted import fitted

SEG = Objective({"seg": 1.0})
START = MULTIRES.sample(6, np.random.default_rng(0))
SMALLEST = np.array([dim.values[0] for dim in MULTIRES.dimensions])


def test_a_strategy_is_a_value_that_its_name_stands_for() -> None:
    for name, kind in STRATEGIES.items():
        assert as_strategy(name) == kind()
        assert str(kind()) == name
        one, other = (ncp.propagate(fitted("mlp"), SEG, START, strategy=s, steps=3) for s in (kind(), name))  # type: ignore[arg-type]
        np.testing.assert_array_equal(one.x, other.x)
    given = Continuous(step=0.1)
    assert as_strategy(given) is given
    assert str(given) == "Continuous(step=0.1, last=0.01, full=70)"
    assert hash(given) == hash(Continuous(step=0.1))


def test_parameters_are_used() -> None:
    low, high = MULTIRES.bounds

    def first_step(**options: Any) -> float:
        x = ncp.propagate(fitted("ensemble"), SEG, START, strategy=Continuous(**options), steps=2).x
        return float((np.abs(x[1] - x[0]) / (high - low)).max())

    assert first_step(step=0.02, last=0.02, full=1) == pytest.approx(0.02, rel=1e-3)
    assert first_step(step=0.02, last=0.02, full=10) == pytest.approx(0.1, rel=1e-3)
    cheap, dear = (
        ncp.macs(ncp.propagate(fitted("mlp"), SEG, START, strategy=Paper(cost=cost), steps=20).codes[-1]).mean()
        for cost in (5.0, 0.0)
    )
    assert cheap < dear
    near, far = (ncp.propagate(fitted("mlp"), SEG, START, strategy=Paper(rate=rate), steps=2).x for rate in (0.1, 1))
    assert np.abs(near[1] - near[0]).sum() < np.abs(far[1] - far[0]).sum()


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (Continuous, {"step": 0}, "step must be a finite number above 0. Got 0."),
        (Continuous, {"last": float("nan")}, "last must be a finite number above 0. Got nan."),
        (Continuous, {"full": 0}, "full must be an integer, 1 or more. Got 0."),
        (Paper, {"rate": -1}, "rate must be a finite number above 0. Got -1."),
        (Paper, {"cost": "x"}, "cost must be a finite number. Got 'x'."),
    ],
)
def test_bad_parameters_are_refused(kind: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        kind(**given)


def test_a_search_records_the_parameters_of_its_strategy() -> None:
    options: dict[str, Any] = {"predictor": fitted("mlp", "mixed"), "starts": 2, "steps": 2, "top": 1}
    for strategy, text in (
        (WinnerTakesAll(), "winner-takes-all"),
        ("paper", "paper"),
        (Paper(rate=1), "Paper(rate=1, cost=0.5)"),
    ):
        assert ncp.search("seg", strategy=strategy, **options).provenance["strategy"] == text  # type: ignore[arg-type]


def test_a_winner_ends_with_no_move_left_or_out_of_steps() -> None:
    space = Space([Ordinal("a", range(5)), Ordinal("b", range(5))])
    codes = np.array([[a, b] for a in range(5) for b in range(5)])
    predictor = ncp.fit_predictor(codes, codes.sum(axis=1, keepdims=True), ["t/sum"], space=space, kind="gp")
    run = ncp.propagate(predictor, "t", [[4, 4], [3, 4], [0, 0]], strategy="winner-takes-all", steps=3)
    assert run.endings == ("no move left", "no move left", "out of steps")
    assert run.budget_active.tolist() == [0, 0, 0]
    assert repr(run).endswith("ended: 2 no move left, 1 out of steps; budget active at 0% of the steps)")
    longer = ncp.propagate(predictor, "t", [0, 0], strategy="winner-takes-all", steps=20)
    assert longer.endings == ("no move left",)
    assert len(longer.x) < 20


@pytest.mark.parametrize("strategy", ["continuous", "paper"])
def test_a_start_converges_when_its_code_no_longer_changes(strategy: Any) -> None:
    run = ncp.propagate(fitted("ensemble"), SEG, START, strategy=strategy, steps=30)
    for ending, path in zip(run.endings, run.codes.swapaxes(0, 1), strict=True):
        assert (ending == "converged") == (path[-4:] == path[-1]).all()
    frozen = ncp.propagate(fitted("ensemble"), SEG, START, strategy=strategy, steps=3, freeze=MULTIRES.names)
    assert set(frozen.endings) == {"converged"}
    assert set(ncp.propagate(fitted("ensemble"), SEG, START, strategy=strategy, steps=1).endings) == {"out of steps"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_is_counted_at_how_many_steps_the_budget_was_active(strategy: Any) -> None:
    free = ncp.propagate(fitted("ensemble"), SEG, START, strategy=strategy, steps=10)
    assert (free.budget_active == 0).all()
    budget = Budget(max_macs=float(ncp.macs(SMALLEST)[0]))
    tight = ncp.propagate(fitted("ensemble"), SEG, START, strategy=strategy, steps=10, budget=budget)
    assert (tight.budget_active >= 1).all()
    assert (tight.budget_active <= len(tight.x)).all()
    wide = ncp.propagate(fitted("ensemble"), SEG, START, strategy=strategy, steps=10, budget=Budget(max_macs=1e11))
    assert (wide.budget_active == 0).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["mlp", "ensemble", "gp"])
def test_tensors_are_on_the_predictors_device(strategy: Any, kind: str) -> None:
    options: dict[str, Any] = {"budget": Budget(max_macs=2e9), "strategy": strategy, "steps": 3}
    expected = ncp.propagate(fitted(kind), SEG, START, **options)
    with torch.device("meta"):  # a tensor that is made without a device cannot be mixed with the predictor's
        run = ncp.propagate(fitted(kind), SEG, START, **options)
    np.testing.assert_array_equal(run.codes, expected.codes)


def test_searches_compute_on_the_predictors_device() -> None:
    few: dict[str, Any] = {"starts": 4, "steps": 2, "size": 10}
    budget, refinement = Budget(max_macs=2e9), Refinement(rounds=1, tried=50, crossed=20, directions=20)
    problem = Problem.of(fitted("ensemble"), SEG, budget)
    with torch.device("meta"):
        result = pareto_search(
            ["seg", "video"],
            predictor=fitted("ensemble"),
            budget=budget,
            at_least={"seg": 50},
            refinement=refinement,
            **few,
        )
        local = search_locally(problem.scores, problem.feasible, SMALLEST[None], rounds=1)
    assert len(result.rows) > 1
    assert len(local) > 1


def test_a_predictor_in_double_precision_is_followed_in_double_precision() -> None:
    predictor = deepcopy(fitted("ensemble")).double()
    single = ncp.propagate(fitted("ensemble"), SEG, START, steps=3).x
    double = ncp.propagate(predictor, SEG, START, budget=Budget(max_macs=2e9), steps=3).x
    assert (single == single.astype(np.float32)).all()
    assert (double[1:] != double[1:].astype(np.float32)).any()
