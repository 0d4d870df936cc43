"""Objectives: names, weights, minimum values, scores, and the messages about them."""

import copy
import json
import pickle
import re
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ncp import MULTIRES, Budget, ConfigError, Objective
from ncp.optim.objective import as_objective
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
def test_a_task_name_means_its_first_column(names: list[str], places: list[int]) -> None:
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
def test_a_wrong_name_is_answered_with_the_closest(name: str, hint: str) -> None:
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
def test_a_bad_uncertainty_penalty_is_refused(uncertainty_penalty: Any) -> None:
    with pytest.raises(ConfigError, match=r"^uncertainty_penalty must be zero or a positive number\. Got "):
        Objective({"seg": 1.0}, uncertainty_penalty=uncertainty_penalty)


@pytest.mark.parametrize(
    ("minimums", "expected"),
    [
        ("seg=76", "at_least must give minimum values by column, such as {'seg/mIoU': 76}. Got 'seg=76'."),
        ({"seg": float("nan")}, "at_least must give every column a finite number. Got {'seg': nan}."),
        ({"seg": "76"}, "at_least must give every column a finite number. Got {'seg': '76'}."),
        ({"seg": True}, "at_least must give every column a finite number. Got {'seg': True}."),
    ],
)
def test_bad_minimum_values_are_refused(minimums: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        Objective({"seg": 1.0}, at_least=minimums)


def test_minimum_values_by_hand() -> None:
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
def test_anything_else_as_an_objective_is_refused(asked: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        as_objective(asked)
    assert caught.value.field in ("objective", "weights")


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
def test_scores_of_arrays_and_tensors_agree_and_only_ratios_of_weights_matter(
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
