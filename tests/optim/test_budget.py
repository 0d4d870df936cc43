"""Budgets: which codes they allow, and the messages about budgets that no code meets."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncp import CELL201, MULTIRES, Budget, Code, ConfigError, InfeasibleError, LatencyModel, macs, params
from ncp.cli.flags import flag
from ncp.cost import HEADS, Head
from ncp.optim.budget import as_budget
from tests.latencies import CONDITIONS, latency_model
from tests.strategies import generators

SMALLEST = np.array([[dim.values[0] for dim in MULTIRES.dimensions]])
LARGEST = np.array([[dim.values[-1] for dim in MULTIRES.dimensions]])


@pytest.mark.parametrize("asked", [4e9, "4e9", {"max_macs": 4e9}, Budget])
def test_anything_else_as_a_budget_is_refused(asked: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"^budget must be an ncp\.Budget, such as ncp\.Budget\(max_macs=4e9\)\. Got "
    ):
        as_budget(asked)
    assert as_budget(None) == Budget()


@pytest.mark.parametrize("name", ["max_macs", "max_params", "max_latency_ms"])
@pytest.mark.parametrize("bound", [0, -1.0, float("nan"), float("inf"), "4e9", [1e9], True])
def test_a_bound_is_a_positive_number(name: str, bound: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} must be a positive number\. Got .+\.$") as caught:
        Budget(**{name: bound})
    assert caught.value.field == name
    assert caught.value.given is bound


def test_a_bound_on_latency_needs_a_latency_model() -> None:
    message = "max_latency_ms needs a latency model. Run `ncp profile --calibrate cpu.json` once, then pass latency."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Budget(max_macs=1e9, max_latency_ms=5.0)
    assert Budget(latency=latency_model()).bounds == {}
    assert Budget(max_latency_ms=5, latency=latency_model()).bounds == {"max_latency_ms": 5.0}


def test_costs_are_counted_for_the_networks_whose_latency_was_measured() -> None:
    plain, here = Budget(max_macs=1e9), Budget(max_macs=1e9, max_latency_ms=5, latency=latency_model())
    assert (plain.image_size, plain.classes, plain.task) == (128, 50, "classification")
    assert (here.image_size, here.classes, here.task) == ((64, 64), 50, "classification")
    np.testing.assert_array_equal(here.costs(LARGEST)["max_macs"], macs(LARGEST, 64))
    assert Budget(image_size=64, classes=10, latency=latency_model()).classes == 10
    known = latency_model()
    odd = LatencyModel(replace(CONDITIONS, image_size=(60, 97)), known.machine, known.codes, known.milliseconds)
    assert Budget(latency=odd).image_size == (64, 128)  # the model counts at multiples of 32, too


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"image_size": (64, 128)},
            "latency was measured at 64 x 64 pixels, but image_size is 64 x 128 pixels. Leave out image_size, or "
            "calibrate at that size.",
        ),
        (
            {"task": "segmentation"},
            "latency was measured with the head classification, but task is segmentation. Leave out task, or calibrate "
            "with that head.",
        ),
    ],
)
def test_other_networks_than_those_of_the_latency_model_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Budget(latency=latency_model(), **given)


@pytest.mark.parametrize("given", [{"image_size": 100}, {"image_size": (64, 0)}, {"classes": 0}, {"classes": True}])
def test_image_size_and_classes_are_checked_at_once(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"Got {re.escape(repr(next(iter(given.values()))))}\.$"):
        Budget(**given)


@pytest.mark.parametrize("task", ["seg", "", 1])
def test_an_unknown_task_is_refused_at_once(task: Any) -> None:
    message = f"task must be one of classification, segmentation, features. Got {task!r}."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Budget(max_macs=1e9, task=task)


@given(generators, st.sampled_from(HEADS))
def test_a_budget_counts_the_network_of_its_task(rng: np.random.Generator, task: Head) -> None:
    codes = MULTIRES.sample(20, rng)
    exact = macs(codes, (64, 96), 19, task), params(codes, 19, task)
    bounds = [int(np.median(cost)) for cost in exact]
    budget = Budget(max_macs=bounds[0], max_params=bounds[1], image_size=(64, 96), classes=19, task=task)
    for form in (codes, torch.as_tensor(codes), torch.as_tensor(codes).double()):
        for cost, expected in zip(budget.costs(form).values(), exact, strict=True):
            assert cost.tolist() == expected.tolist()
    np.testing.assert_array_equal(budget.allows(codes), (exact[0] <= bounds[0]) & (exact[1] <= bounds[1]))
    others = [other for other in HEADS if other != task]
    assert all(macs(codes[0], (64, 96), 19, other) != exact[0][0] for other in others)


def test_the_task_decides_what_a_budget_allows() -> None:
    dearest = int(macs(LARGEST, task="segmentation").item())
    assert Budget(max_macs=dearest, task="segmentation").allows(LARGEST).all()
    assert not Budget(max_macs=dearest - 1, task="segmentation").allows(LARGEST).any()
    assert Budget(max_macs=dearest - 1, task="classification").allows(LARGEST).all()
    least = int(macs(SMALLEST, task="features").item())
    Budget(max_macs=least, task="features").require(MULTIRES, SMALLEST)
    with pytest.raises(InfeasibleError, match=r"^max_macs = .* is below the cost of every code\."):
        Budget(max_macs=least, task="classification").require(MULTIRES, SMALLEST)


@pytest.mark.parametrize("budget", [Budget(), Budget(max_macs=1e9)])
def test_one_code_gives_one_answer_and_many_give_one_each(budget: Budget) -> None:
    code = Code(LARGEST[0].tolist())
    allowed = not budget.bounds
    for one in (LARGEST[0], LARGEST[0].tolist(), code, str(code)):
        assert budget.allows(one).shape == ()
        assert bool(budget.allows(one)) == allowed
    for many in (LARGEST, LARGEST.tolist(), [code], [str(code)]):
        assert budget.allows(many).tolist() == [allowed]
    assert budget.allows([code, SMALLEST[0].tolist()]).tolist() == [allowed, True]


def test_a_budget_without_bounds_allows_everything() -> None:
    assert Budget().bounds == {}
    assert Budget().allows(LARGEST).all()
    Budget().require(CELL201, np.zeros((1, 6), dtype=np.int64))


@given(generators)
def test_a_budget_allows_the_codes_that_cost_at_most_its_bounds(rng: np.random.Generator) -> None:
    codes = MULTIRES.sample(20, rng)
    both = Budget(
        max_macs=int(np.median(macs(codes, 224, 10))),
        max_params=int(np.median(params(codes, 10))),
        image_size=224,
        classes=10,
    )
    expected = (macs(codes, 224, 10) <= both.max_macs) & (params(codes, 10) <= both.max_params)
    np.testing.assert_array_equal(both.allows(codes), expected)
    exact = Budget(max_macs=int(macs(codes[:1])[0]))
    assert exact.allows(codes[:1]).all()
    assert not Budget(max_macs=int(macs(codes[:1])[0]) - 1).allows(codes[:1]).any()


@settings(max_examples=20)
@given(generators)
def test_a_budget_allows_the_codes_whose_latency_is_at_most_its_bound(rng: np.random.Generator) -> None:
    codes, model = MULTIRES.sample(20, rng), latency_model()
    bound = float(np.quantile(model(codes), 0.6)) * (1 + 1e-9)
    np.testing.assert_array_equal(Budget(max_latency_ms=bound, latency=model).allows(codes), model(codes) <= bound)
    all_three = Budget(
        max_macs=int(np.quantile(macs(codes, 64), 0.7)),
        max_params=int(np.quantile(params(codes), 0.7)),
        max_latency_ms=bound,
        latency=model,
    )
    known = macs(codes, 64), params(codes), model(codes)
    within = [macs(codes, 64) <= all_three.max_macs, params(codes) <= all_three.max_params, model(codes) <= bound]
    np.testing.assert_array_equal(all_three.allows(codes), np.all(within, axis=0))
    for cost, expected in zip(all_three.costs(codes).values(), known, strict=True):
        np.testing.assert_array_equal(cost, expected)


def test_costs_of_tensors_equal_costs_of_codes() -> None:
    budget = Budget(max_macs=1e9, max_params=1e6, max_latency_ms=5.0, latency=latency_model())
    arrays, tensors = budget.costs(LARGEST), budget.costs(torch.as_tensor(LARGEST).double())
    for name, array in arrays.items():
        assert float(tensors[name][0]) == pytest.approx(array[0], rel=1e-12)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (
            Budget(max_macs=5e6),
            "max_macs = 5000000 is below the cost of every code. Raise max_macs to at least 10850000.",
        ),
        (
            Budget(max_params=1000),
            "max_params = 1000 is below the cost of every code. Raise max_params to at least 21330.",
        ),
        (
            Budget(max_macs=1e9, max_params=1000),
            "max_params = 1000 is below the cost of every code. Raise max_params to at least 21330.",
        ),
    ],
)
def test_an_impossible_budget_names_the_smallest_cost(budget: Budget, message: str) -> None:
    with pytest.raises(InfeasibleError, match=f"^{re.escape(message)}$"):
        budget.require(MULTIRES, SMALLEST)


def test_an_impossible_latency_names_the_smallest() -> None:
    model = latency_model()
    with pytest.raises(
        InfeasibleError, match=r"^max_latency_ms = 0\.001 is below the cost of every code\. Raise "
    ) as refused:
        Budget(max_latency_ms=0.001, latency=model).require(MULTIRES, SMALLEST)
    advised = float(refused.value.worded(flag).rpartition("Raise --max-latency-ms to at least ")[2].removesuffix("."))
    assert model(SMALLEST).item() <= advised < 1.001 * model(SMALLEST).item()
    Budget(max_latency_ms=advised, latency=model).require(MULTIRES, SMALLEST)


@settings(max_examples=20)
@given(generators.map(lambda rng: MULTIRES.sample(3, rng)))
def test_the_latency_that_the_message_suggests_is_enough(codes: np.ndarray[Any, Any]) -> None:
    model = latency_model()
    with pytest.raises(InfeasibleError) as refused:
        Budget(max_macs=1e12, max_latency_ms=float(model(codes).max()) * 0.999, latency=model).require(MULTIRES, codes)
    advice = re.search(r"Raise max_latency_ms to at least ([\d.]+)\.$", str(refused.value))
    assert advice
    Budget(max_latency_ms=float(advice[1]), latency=model).require(MULTIRES, codes)


def test_the_message_names_frozen_dimensions() -> None:
    message = (
        r"is below the cost of every code with i1, o frozen\. Raise max_macs to at least 10850000, or freeze less\.$"
    )
    with pytest.raises(InfeasibleError, match=message):
        Budget(max_macs=5e6).require(MULTIRES, SMALLEST, ["i1", "o"])


@given(generators.map(lambda rng: MULTIRES.sample(2, rng)), st.integers(1, 60), st.integers(1, 60))
def test_the_bound_that_the_message_suggests_is_enough(codes: np.ndarray[Any, Any], height: int, width: int) -> None:
    size = (32 * height, 32 * width)
    with pytest.raises(InfeasibleError) as refused:
        Budget(max_macs=int(macs(codes, size).max()) - 1, image_size=size).require(MULTIRES, codes)
    advice = re.search(r"Raise --max-gmacs to at least ([\d.]+)\.$", refused.value.worded(flag))
    assert advice
    Budget(max_macs=float(advice[1]) * 1e9, image_size=size).require(MULTIRES, codes)


def test_a_budget_needs_a_space_with_exact_cost() -> None:
    with pytest.raises(ConfigError, match=r"^Budgets work only for NAS-Bench-MR networks\. .* leave out max_params\.$"):
        Budget(max_params=1e9).require(CELL201, np.zeros((1, 6), dtype=np.int64))
