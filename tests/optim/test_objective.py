"""What is wanted and what is allowed: names, weights, scores, budgets, and the messages about them."""

import copy
import json
import pickle
import re
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncp import CELL201, MULTIRES, Budget, Code, ConfigError, InfeasibleError, Objective, macs, params
from ncp.cli.names import flag
from ncp.cost import HEADS, Head
from ncp.optim.objective import as_budget, as_objective
from tests.latencies import latency_model
from tests.strategies import generators

COLUMNS = ("seg/mIoU", "seg/mAcc", "cls-50-1000/top1", "cls-50-1000/top5", "video/top1")
SMALLEST = np.array([[dim.values[0] for dim in MULTIRES.dimensions]])
LARGEST = np.array([[dim.values[-1] for dim in MULTIRES.dimensions]])


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["seg"], [0]),
        (["seg/mAcc"], [1]),
        (["video", "seg/mIoU"], [4, 0]),
        (["cls-50-1000", "cls-50-1000/top5"], [2, 3]),
        (list(COLUMNS), [0, 1, 2, 3, 4]),
    ],
)
def test_a_task_stands_for_its_first_column(names: list[str], places: list[int]) -> None:
    objective = Objective(dict.fromkeys(names, 1.0))
    assert objective.resolve(COLUMNS) == places
    assert objective.resolve(list(COLUMNS)) == places


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("seg/mIou", "Did you mean 'seg/mIoU'?"),
        ("SEG/MIOU", "Did you mean 'seg/mIoU'?"),
        ("VIDEO", "Did you mean 'video'?"),
        ("vidoe", "Did you mean 'video'?"),
        ("cls-50-100", "Did you mean 'cls-50-1000'?"),
        ("", f"There are {', '.join(COLUMNS)}."),
        ("{field}\n", f"There are {', '.join(COLUMNS)}."),
    ],
)
def test_a_wrong_name_is_told_the_closest(name: str, hint: str) -> None:
    expected = f"objective has no task or column {name!r}. {hint}"
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        Objective({name: 1.0}).resolve(COLUMNS)


def test_a_column_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^objective must name every column once\. Got \['seg', 'seg/mIoU'\]\.$"):
        Objective({"seg": 1.0, "seg/mIoU": 2.0}).resolve(COLUMNS)


@pytest.mark.parametrize(
    "weights",
    [
        *({}, None, "seg", ["seg"], {"seg": 0.0}, {"seg": 1.0, "video": 0}),
        *({"seg": weight} for weight in (float("nan"), float("inf"), "1", None, [1.0])),
    ],
)
def test_bad_weights_are_refused(weights: Any) -> None:
    with pytest.raises(
        ConfigError,
        match=r"^weights must give (at least one column a weight|every column a finite number that is not zero)",
    ):
        Objective(weights)


@pytest.mark.parametrize("uncertainty_penalty", [-0.1, float("nan"), float("inf"), "much", None])
def test_bad_caution_is_refused(uncertainty_penalty: Any) -> None:
    with pytest.raises(ConfigError, match=r"^uncertainty_penalty must be zero or a positive number\. Got "):
        Objective({"seg": 1.0}, uncertainty_penalty=uncertainty_penalty)


@pytest.mark.parametrize(
    ("floors", "expected"),
    [
        ("seg=76", "at_least must give minimum values by column, such as {'seg/mIoU': 76}. Got 'seg=76'."),
        ({"seg": float("nan")}, "at_least must give every column a finite number. Got {'seg': nan}."),
        ({"seg": "76"}, "at_least must give every column a finite number. Got {'seg': '76'}."),
        ({"seg": True}, "at_least must give every column a finite number. Got {'seg': True}."),
    ],
)
def test_bad_floors_are_refused(floors: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        Objective({"seg": 1.0}, at_least=floors)


def test_floors_by_hand() -> None:
    objective = Objective({"video": 1.0}, at_least={"seg": 76, "cls-50-1000/top5": 2, "video": 0.5})
    assert objective.minimums(COLUMNS) == {0: 76.0, 3: 2.0, 4: 0.5}
    assert objective.named(COLUMNS) == [4, 0, 3]
    location, unit = np.zeros(5), np.array([2.0, 1, 1, -0.5, 0.1])  # the fourth column is minimised
    mean = np.array([[76.0, 0, 0, 2.0, 0.5], [75.0, 0, 0, 1.0, 0.6], [80.0, 0, 0, 3.0, 0.4]])
    assert objective.shortfall(mean, COLUMNS, unit) == pytest.approx([0, 0.5, 2 + 1])
    assert objective.score(mean, None, COLUMNS, location, unit) == pytest.approx([5, 6 - 5, 4 - 30])
    with pytest.raises(ConfigError, match=r"^at_least must name every column once\. Got \['seg', 'seg/mIoU'\]"):
        Objective({"video": 1.0}, at_least={"seg": 1, "seg/mIoU": 2}).minimums(COLUMNS)


VALUES = [
    (Objective({"seg": 1, "video": 2}, 0.5, {"seg": 76}), Objective({"video": 2.0, "seg": 1.0}, 0.5, {"seg": 76.0})),
    (Objective({"seg": np.float32(1)}, np.float64(0)), Objective({"seg": 1})),
    (
        Budget(max_macs=np.int64(4e9), image_size=[64, np.int64(96)], classes=np.int32(7)),
        Budget(4e9, None, (64, 96), 7),
    ),
    (Budget(), Budget(None)),
]


@pytest.mark.parametrize(("value", "same"), VALUES)
def test_objectives_and_budgets_are_values(value: Any, same: Any) -> None:
    assert value == same
    assert hash(value) == hash(same)
    for copied in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):  # noqa: S301
        assert copied == value
        assert hash(copied) == hash(value)
    plain = json.loads(json.dumps({k: v for k, v in asdict(value).items() if k != "latency"}))
    assert type(value)(**plain) == value
    assert value != replace(
        value, **({"uncertainty_penalty": 9.0} if isinstance(value, Objective) else {"max_params": 1})
    )


@pytest.mark.parametrize(
    ("asked", "weights"),
    [("seg", {"seg": 1}), (["seg", "video"], {"seg": 1, "video": 1}), ({"seg": 2}, {"seg": 2}), (("a",), {"a": 1})],
)
def test_an_objective_by_its_names(asked: Any, weights: dict[str, float]) -> None:
    assert as_objective(asked) == Objective(weights)
    assert as_objective(as_objective(asked)) == Objective(weights)


@pytest.mark.parametrize("asked", [None, 3, [], {}, ["seg", 1], ["seg", "seg"], b"seg", {1: 1.0}, {"seg": "x"}])
def test_what_is_no_objective_is_refused(asked: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        as_objective(asked)
    assert caught.value.field in ("objective", "weights")


@pytest.mark.parametrize("asked", [4e9, "4e9", {"max_macs": 4e9}, Budget])
def test_what_is_no_budget_is_refused(asked: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"^budget must be an ncp\.Budget, such as ncp\.Budget\(max_macs=4e9\)\. Got "
    ):
        as_budget(asked)
    assert as_budget(None) == Budget()


def test_a_negative_weight_of_a_minimised_column_is_refused() -> None:
    objective = Objective({"seg": 1.0, "video": -1.0})
    objective.require_direction(COLUMNS, ["seg/mIoU"])
    with pytest.raises(
        ConfigError, match=r"^Small values of video/top1 are better, so its weight in objective must be"
    ):
        objective.require_direction(COLUMNS, ["video/top1"])


def test_weights_cannot_be_changed_from_outside() -> None:
    given_weights = {"seg": 1}
    objective = Objective(given_weights)
    given_weights["video"] = 5
    assert dict(objective.weights) == {"seg": 1.0}
    with pytest.raises(TypeError):
        objective.weights["seg"] = 2.0  # type: ignore[index]
    with pytest.raises(TypeError):
        objective.weights |= {"seg": 2.0}  # type: ignore[misc, operator]
    assert objective == Objective({"seg": 1.0})


def test_a_score_by_hand() -> None:
    objective = Objective({"seg": 3.0, "video/top1": -1.0}, uncertainty_penalty=2.0)
    mean, std = np.array([[72.0, 0, 0, 0, 0.5]]), np.array([[0.5, 9, 9, 9, 0.2]])
    location, unit = np.array([70.0, 0, 0, 0, 0.4]), np.array([2.0, 1, 1, 1, 0.1])
    expected = 0.75 * 1.0 - 0.25 * 1.0
    assert objective.score(mean, None, COLUMNS, location, unit) == pytest.approx([expected])
    cautious = expected - 2 * (0.75 * 0.25 + 0.25 * 2.0)
    assert objective.score(mean, std, COLUMNS, location, unit) == pytest.approx([cautious])


@given(
    generators,
    st.dictionaries(st.sampled_from(COLUMNS), st.floats(-5, 5).filter(lambda w: abs(w) > 1e-2), min_size=1),
    st.floats(0, 3),
    st.floats(0.1, 10),
)
def test_scores_of_arrays_and_tensors_agree_and_do_not_depend_on_the_weights_size(
    rng: np.random.Generator, weights: dict[str, float], uncertainty_penalty: float, factor: float
) -> None:
    mean, std = rng.normal(size=(2, 3, 4, 5))
    std, location, unit = np.abs(std), rng.normal(size=5), rng.uniform(0.1, 3, size=5)
    objective = Objective(weights, uncertainty_penalty=uncertainty_penalty)
    array = objective.score(mean, std, COLUMNS, location, unit)
    assert array.shape == (3, 4)
    tensor = objective.score(*map(torch.as_tensor, (mean, std)), COLUMNS, *map(torch.as_tensor, (location, unit)))
    np.testing.assert_allclose(tensor.numpy(), array, rtol=1e-12, atol=1e-12)
    scaled = Objective(
        {name: factor * weight for name, weight in weights.items()}, uncertainty_penalty=uncertainty_penalty
    )
    np.testing.assert_allclose(scaled.score(mean, std, COLUMNS, location, unit), array, rtol=1e-9, atol=1e-9)
    assert (array <= Objective(weights).score(mean, std, COLUMNS, location, unit) + 1e-12).all()


def test_gradients_of_a_score_flow() -> None:
    mean = torch.zeros(2, 5, requires_grad=True)
    Objective({"seg": 1.0, "video": -3.0}).score(
        mean, None, COLUMNS, torch.zeros(5), torch.full((5,), 2.0)
    ).sum().backward()
    assert mean.grad is not None
    np.testing.assert_allclose(mean.grad[0].numpy(), [0.125, 0, 0, 0, -0.375])


@pytest.mark.parametrize("name", ["max_macs", "max_params", "max_latency_ms"])
@pytest.mark.parametrize("bound", [0, -1.0, float("nan"), float("inf"), "4e9", [1e9], True])
def test_a_bound_is_a_positive_number(name: str, bound: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} must be a positive number\. Got .+\.$") as caught:
        Budget(**{name: bound})
    assert caught.value.field == name
    assert caught.value.given is bound


def test_a_bound_on_latency_needs_what_predicts_it() -> None:
    message = "max_latency_ms needs a latency model. Run `ncp profile --calibrate cpu.json` once, then pass latency."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Budget(max_macs=1e9, max_latency_ms=5.0)
    assert Budget(latency=latency_model()).bounds == []
    assert Budget(max_latency_ms=5, latency=latency_model()).bounds == [5.0]


@pytest.mark.parametrize("given", [{"image_size": 100}, {"image_size": (64, 0)}, {"classes": 0}, {"classes": True}])
def test_what_cost_is_counted_for_is_checked_at_once(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"Got {re.escape(repr(next(iter(given.values()))))}\.$"):
        Budget(**given)


@pytest.mark.parametrize("task", ["seg", "", None, 1])
def test_a_task_that_is_none_is_refused_at_once(task: Any) -> None:
    message = f"Expected one of classification, segmentation, features as the task. Got {task!r}."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Budget(max_macs=1e9, task=task)


@given(generators, st.sampled_from(HEADS))
def test_a_budget_counts_the_network_of_its_task(rng: np.random.Generator, task: Head) -> None:
    codes = MULTIRES.sample(20, rng)
    exact = macs(codes, (64, 96), 19, task), params(codes, 19, task)
    bounds = [int(np.median(cost)) for cost in exact]
    budget = Budget(max_macs=bounds[0], max_params=bounds[1], image_size=(64, 96), classes=19, task=task)
    for form in (codes, torch.as_tensor(codes), torch.as_tensor(codes).double()):
        for cost, expected in zip(budget.costs(form), exact, strict=True):
            assert cost.tolist() == expected.tolist()
    np.testing.assert_array_equal(budget.allows(codes), (exact[0] <= bounds[0]) & (exact[1] <= bounds[1]))
    others = [other for other in HEADS if other != task]
    assert all(macs(codes[0], (64, 96), 19, other) != exact[0][0] for other in others)


def test_a_task_may_be_what_a_budget_forbids() -> None:
    dearest = int(macs(LARGEST, task="segmentation").item())
    assert Budget(max_macs=dearest, task="segmentation").allows(LARGEST).all()
    assert not Budget(max_macs=dearest - 1, task="segmentation").allows(LARGEST).any()
    assert Budget(max_macs=dearest - 1, task="classification").allows(LARGEST).all()
    least = int(macs(SMALLEST, task="features").item())
    Budget(max_macs=least, task="features").require(MULTIRES, SMALLEST)
    with pytest.raises(InfeasibleError, match=r"^max_macs = .* is below the cost of every code\."):
        Budget(max_macs=least, task="classification").require(MULTIRES, SMALLEST)


@pytest.mark.parametrize("budget", [Budget(), Budget(max_macs=1e9)])
def test_one_code_is_allowed_or_not_and_many_are_each(budget: Budget) -> None:
    code = Code(LARGEST[0].tolist())
    allowed = not budget.bounds
    for one in (LARGEST[0], LARGEST[0].tolist(), code, str(code)):
        assert budget.allows(one).shape == ()
        assert bool(budget.allows(one)) == allowed
    for many in (LARGEST, LARGEST.tolist(), [code], [str(code)]):
        assert budget.allows(many).tolist() == [allowed]
    assert budget.allows([code, SMALLEST[0].tolist()]).tolist() == [allowed, True]


def test_a_budget_without_bounds_allows_everything() -> None:
    assert Budget().bounds == []
    assert Budget().allows(LARGEST).all()
    Budget().require(CELL201, np.zeros((1, 6), dtype=np.int64))


@given(generators)
def test_allowed_is_what_costs_no_more_than_the_bounds(rng: np.random.Generator) -> None:
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
def test_allowed_is_what_takes_no_longer_than_the_bound(rng: np.random.Generator) -> None:
    codes, model = MULTIRES.sample(20, rng), latency_model()
    bound = float(np.quantile(model(codes), 0.6)) * (1 + 1e-9)
    np.testing.assert_array_equal(Budget(max_latency_ms=bound, latency=model).allows(codes), model(codes) <= bound)
    all_three = Budget(
        max_macs=int(np.quantile(macs(codes), 0.7)),
        max_params=int(np.quantile(params(codes), 0.7)),
        max_latency_ms=bound,
        latency=model,
    )
    within = [macs(codes) <= all_three.max_macs, params(codes) <= all_three.max_params, model(codes) <= bound]
    np.testing.assert_array_equal(all_three.allows(codes), np.all(within, axis=0))
    for cost, expected in zip(all_three.costs(codes), (macs(codes), params(codes), model(codes)), strict=True):
        np.testing.assert_array_equal(cost, expected)


def test_costs_of_tensors_are_those_of_codes() -> None:
    budget = Budget(max_macs=1e9, max_params=1e6, max_latency_ms=5.0, latency=latency_model())
    for array, tensor in zip(budget.costs(LARGEST), budget.costs(torch.as_tensor(LARGEST).double()), strict=True):
        assert float(tensor[0]) == pytest.approx(array[0], rel=1e-12)


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
    advised = float(refused.value.said(flag).rpartition("Raise --max-latency-ms to at least ")[2].removesuffix("."))
    assert model(SMALLEST).item() <= advised < 1.001 * model(SMALLEST).item()
    Budget(max_latency_ms=advised, latency=model).require(MULTIRES, SMALLEST)


@settings(max_examples=20)
@given(generators.map(lambda rng: MULTIRES.sample(3, rng)))
def test_the_latency_that_the_message_advises_is_enough(codes: np.ndarray[Any, Any]) -> None:
    model = latency_model()
    with pytest.raises(InfeasibleError) as refused:
        Budget(max_macs=1e12, max_latency_ms=float(model(codes).max()) * 0.999, latency=model).require(MULTIRES, codes)
    advice = re.search(r"Raise max_latency_ms to at least ([\d.]+)\.$", str(refused.value))
    assert advice
    Budget(max_latency_ms=float(advice[1]), latency=model).require(MULTIRES, codes)


def test_what_is_frozen_is_named_as_a_reason() -> None:
    message = (
        r"is below the cost of every code with i1, o frozen\. Raise max_macs to at least 10850000, or freeze less\.$"
    )
    with pytest.raises(InfeasibleError, match=message):
        Budget(max_macs=5e6).require(MULTIRES, SMALLEST, ["i1", "o"])


@given(generators.map(lambda rng: MULTIRES.sample(2, rng)), st.integers(1, 60), st.integers(1, 60))
def test_what_the_message_advises_is_enough(codes: np.ndarray[Any, Any], height: int, width: int) -> None:
    size = (32 * height, 32 * width)
    with pytest.raises(InfeasibleError) as refused:
        Budget(max_macs=int(macs(codes, size).max()) - 1, image_size=size).require(MULTIRES, codes)
    advice = re.search(r"Raise --max-gmacs to at least ([\d.]+)\.$", refused.value.said(flag))
    assert advice
    Budget(max_macs=float(advice[1]) * 1e9, image_size=size).require(MULTIRES, codes)


def test_a_budget_needs_a_space_with_costs() -> None:
    with pytest.raises(ConfigError, match=r"^Budgets work only for NAS-Bench-MR networks\. .* leave out max_params\.$"):
        Budget(max_params=1e9).require(CELL201, np.zeros((1, 6), dtype=np.int64))
