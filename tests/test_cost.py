"""Costs are exact: against the network's layers, against every published row, and between arrays and tensors."""

import re
import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ncp import MULTIRES, Code, CodeError, ConfigError, Ordinal, Space, macs, params
from ncp.cost import (
    HEADS,
    LARGEST_IMAGE,
    MOST_CHANNELS,
    MOST_CLASSES,
    MOST_FRAMES,
    Counting,
    Head,
    has_cost,
    macs_by_part,
)
from ncp.io.pickles import read_pickle
from tests.strategies import codes, generators

SMALLEST, LARGEST = ([min(dim.values) for dim in MULTIRES.dimensions], [max(dim.values) for dim in MULTIRES.dimensions])
sides = st.integers(1, 40).map(lambda n: 32 * n)
tasks = st.sampled_from(HEADS)


def units(
    code: Code, height: int, width: int, task: Head = "classification", channels: int = 3, second: int = 2
) -> Iterator[tuple[int, int, int, int]]:
    """Every convolution that a batch norm follows: kernel, channels in and out, output pixels.

    Written from the description of the network, layer by layer, with none of the polynomial's terms.
    """

    def pixels(stride: int) -> int:
        """The pixels of a map, given its stride after a stem with strides 2 and 2."""
        scale = 1 if stride == 2 else 2 // second
        return (scale * height // stride) * (scale * width // stride)

    setting = code.setting
    i1, i2 = setting["input_channel"]
    yield 3, channels, i1, pixels(2)
    yield 3, i1, i2, pixels(4)
    before = [i2]
    for branches, blocks, channels in setting["network_setting"]:
        for i in range(branches):
            if i >= len(before):  # a new branch comes of the output before it
                yield 3, channels[i - 1], channels[i], pixels(4 * 2**i)
                continue
            if i - 1 >= 0:  # from the finer neighbour, with stride 2
                yield 3, before[i - 1], channels[i], pixels(4 * 2**i)
            yield 3, before[i], channels[i], pixels(4 * 2**i)
            if i + 1 < len(before):  # from the coarser neighbour, upsampled after its batch norm
                yield 1, before[i + 1], channels[i], pixels(4 * 2 ** (i + 1))
        for k in range(branches):
            for _ in range(blocks[k]):
                yield 3, channels[k], channels[k], pixels(4 * 2**k)
                yield 3, channels[k], channels[k], pixels(4 * 2**k)
        before = channels
    if task != "features":
        yield 1, sum(before), setting["last_channel"], pixels(4 if task == "segmentation" else 32)


@given(codes, sides, sides, st.integers(1, 1000), tasks, st.integers(1, 100), st.sampled_from([1, 2]))
def test_the_polynomials_sum_the_networks_layers(
    code: Code, height: int, width: int, classes: int, task: Head, channels: int, second: int
) -> None:
    layers = list(units(code, height, width, task, channels, second))
    classifier = 0 if task == "features" else code.head * classes + classes
    answers = (height // (2 * second)) * (width // (2 * second)) if task == "segmentation" else 1
    expected_macs = sum(k * k * a * c * pixels + 2 * c * pixels for k, a, c, pixels in layers) + answers * classifier
    expected_params = sum(k * k * a * c + 2 * c for k, a, c, _ in layers) + classifier
    counting = Counting((height, width), classes, task, channels, (2, second))
    assert_counted(counting, code, expected_macs, expected_params)
    if second == 2:
        assert macs(code, (height, width), classes, task, channels).tolist() == [expected_macs]
        assert params(code, classes, task, channels).tolist() == [expected_params]


@given(codes, sides, st.integers(1, 1000), st.integers(1, MOST_FRAMES))
def test_a_clip_is_frames_and_a_head_over_three_of_them(code: Code, side: int, classes: int, frames: int) -> None:
    *layers, (_, a, c, pixels) = units(code, side, side)
    classifier = code.head * classes + classes
    image = sum(k * k * a * c * pixels + 2 * c * pixels for k, a, c, pixels in layers)
    expected = frames * (image + (3 * a + 2) * c * pixels) + classifier
    learnt = sum(k * k * a * c + 2 * c for k, a, c, _ in layers) + (3 * a + 2) * c + classifier
    assert_counted(Counting(side, classes, frames=frames), code, expected, learnt)


def assert_counted(counting: Counting, code: Code, macs: int, params: int) -> None:
    """Arrays and tensors give these costs."""
    for form in (code.vector, torch.tensor([code.vector]), torch.tensor([code.vector], dtype=torch.float64)):
        assert counting.macs(form).tolist() == [macs]
        assert counting.params(form).tolist() == [params]


def test_strides_of_two_and_one_take_multiples_of_sixteen() -> None:
    layers = units(Code(SMALLEST), 496, 432, "segmentation", 64, 1)
    expected = sum(k * k * a * c * pixels + 2 * c * pixels for k, a, c, pixels in layers) + 248 * 216 * (8 + 1) * 72
    assert Counting((496, 432), 72, "segmentation", 64, (2, 1)).macs(SMALLEST).item() == expected
    with pytest.raises(ConfigError, match=r"^image_size must be a multiple of 16 from 16 to 65536, "):
        Counting(8, stem_strides=(2, 1))


def test_every_published_row_to_the_unit(shared: Path) -> None:
    rows = read_pickle(shared / "data" / "nas-bench-mr" / "seg" / "trainval.pkl")
    assert len(rows) == 2507
    vectors = np.array([row["embedding"] for row in rows])
    assert macs(vectors).tolist() == [round(row["flops"] * 1e9) for row in rows]
    assert params(vectors).tolist() == [round(row["params"] * 1e6) for row in rows]


@given(generators, sides, sides, st.integers(1, 1000), tasks)
def test_tensors_equal_arrays(rng: np.random.Generator, height: int, width: int, classes: int, task: Head) -> None:
    rows = MULTIRES.sample(6, rng)
    size = (height, width)
    expected = macs(rows, size, classes, task), params(rows, classes, task)
    for dtype in (torch.int64, torch.int32, torch.uint8, torch.float64):
        tensor = torch.tensor(rows, dtype=dtype)
        got = macs(tensor, size, classes, task), params(tensor, classes, task)
        for cost, exact in zip(got, expected, strict=True):
            assert cost.dtype == (torch.float64 if dtype == torch.float64 else torch.int64)
            assert cost.tolist() == exact.tolist()
    for dtype in (torch.float32, torch.bfloat16):  # bfloat16 holds every multiple of 8 up to 128
        cost = macs(torch.tensor(rows, dtype=dtype), size, classes, task)
        assert cost.dtype == torch.float32
        np.testing.assert_allclose(cost, expected[0], rtol=1e-5)


@pytest.mark.parametrize("shape", [(27,), (1, 27), (2, 3, 27), (0, 27), (2, 0, 27)])
@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
def test_tensors_keep_their_leading_shape(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    rows = MULTIRES.sample(int(np.prod(shape[:-1])), np.random.default_rng(0))
    tensor = torch.tensor(rows, dtype=dtype).reshape(shape)
    for cost, exact in ((macs(tensor), macs(rows)), (params(tensor), params(rows))):
        assert cost.shape == shape[:-1]
        assert cost.flatten().tolist() == exact.tolist()


def test_arrays_have_one_cost_per_code() -> None:
    rows = MULTIRES.sample(3, np.random.default_rng(0))
    many = [Code(row) for row in rows.tolist()]
    for cost in (macs, params):
        expected = [cost(row).item() for row in rows]
        for given_codes in (rows, rows.tolist(), rows.astype(float), rows.astype(np.uint8), many):
            assert cost(given_codes).dtype == np.int64
            assert cost(given_codes).tolist() == expected
        assert cost(many[0]).tolist() == expected[:1]
        assert cost([]).shape == (0,)


def test_classes_and_pixels_scale_the_cost() -> None:
    rows = MULTIRES.sample(50, np.random.default_rng(0))
    head = rows[:, -1]
    assert (macs(rows, classes=51) - macs(rows, classes=50) == head + 1).all()
    assert (params(rows, classes=51) - params(rows, classes=50) == head + 1).all()
    classifier = (head + 1) * 50
    assert (macs(rows, 256) - classifier == 4 * (macs(rows, 128) - classifier)).all()
    assert (macs(rows, (64, 256)) == macs(rows, (256, 64))).all()
    assert (macs(rows, (64, 256)) == macs(rows, 128)).all()
    assert (macs(rows, np.int32(128)) == macs(rows, [128, 128])).all()


@given(generators, sides, sides, st.integers(1, 1000))
def test_tasks_differ_by_their_heads(rng: np.random.Generator, height: int, width: int, classes: int) -> None:
    rows, size, fine, coarse = MULTIRES.sample(6, rng), (height, width), height * width // 16, height * width // 1024
    head, merged = rows[:, -1], rows[:, -5:-1].sum(axis=1)
    at_pixel, classifier = head * (merged + 2), (head + 1) * classes
    classify, segment, bare = (macs(rows, size, classes, task) for task in HEADS)
    assert (classify == macs(rows, size, classes)).all()
    assert (classify - bare == coarse * at_pixel + classifier).all()
    assert (segment - bare == fine * (at_pixel + classifier)).all()
    assert (bare == macs(rows, size, task="features")).all()
    classify, segment, bare = (params(rows, classes, task) for task in HEADS)
    assert (classify == params(rows, classes)).all()
    assert (classify == segment).all()
    assert (classify - bare == at_pixel + classifier).all()
    assert (bare == params(rows, task="features")).all()


@given(generators, sides, sides)
def test_the_parts_sum_to_the_whole(rng: np.random.Generator, height: int, width: int) -> None:
    rows = MULTIRES.sample(4, rng)
    classifier = (rows[:, -1] + 1) * 50
    for given_codes in (rows, torch.tensor(rows), torch.tensor(rows, dtype=torch.float64)):
        parts = macs_by_part(given_codes, (height, width))
        assert len(parts) == 16
        assert all(part.shape == (4,) and (part > 0).all() for part in parts)
        assert (sum(parts).tolist() + classifier).tolist() == macs(rows, (height, width)).tolist()
    one = rows[0].copy()
    one[4] = 8 if one[4] > 8 else 16  # c1 enters the first stage's branch and fusion, and the second's fusion
    changed = [i for i, (a, b) in enumerate(zip(macs_by_part(rows[0]), macs_by_part(one), strict=True)) if a != b]
    assert changed == [1, 2, 5]


@pytest.mark.parametrize("task", HEADS)
def test_the_largest_costs_are_exact(task: Head) -> None:
    layers = list(units(Code(LARGEST), LARGEST_IMAGE, LARGEST_IMAGE, task))
    answers = {"classification": 1, "segmentation": (LARGEST_IMAGE // 4) ** 2, "features": 0}[task]
    for classes in (MOST_CLASSES, 1 << 15):
        exact = sum(k * k * a * c * p + 2 * c * p for k, a, c, p in layers) + answers * 129 * classes
        assert exact < 2**63
        assert macs(LARGEST, LARGEST_IMAGE, classes, task).item() == exact
    assert exact < 2**53
    assert macs(torch.tensor(LARGEST, dtype=torch.float64), LARGEST_IMAGE, classes, task).item() == exact


@given(generators)
def test_every_dimension_adds_to_the_cost(rng: np.random.Generator) -> None:
    (row,) = MULTIRES.sample(1, rng)
    near = MULTIRES.neighbours(row)
    larger = (near > row).any(axis=1)
    for cost in (macs, params):
        assert ((cost(near) > cost(row)) == larger).all()
        assert (cost(SMALLEST) <= cost(row)).all()
        assert (cost(row) <= cost(LARGEST)).all()


@pytest.mark.parametrize("task", HEADS)
@pytest.mark.parametrize("cost", [macs, params])
def test_gradcheck(cost: Any, task: Head) -> None:
    rng = np.random.default_rng(0)
    low, high = torch.tensor(MULTIRES.bounds)
    relaxed = (low + torch.tensor(rng.random((3, 27))) * (high - low)).requires_grad_()
    assert torch.autograd.gradcheck(partial(cost, task=task), relaxed, eps=1e-2, rtol=1e-6)


@given(generators, st.integers(0, 26))
def test_gradients_are_central_differences(rng: np.random.Generator, position: int) -> None:
    """Central differences are exact up to rounding, because no variable has a power above two."""
    relaxed = torch.tensor(MULTIRES.sample(4, rng), dtype=torch.float64, requires_grad=True)
    step = torch.zeros(27, dtype=torch.float64)
    step[position] = 0.5
    for cost in (macs, params):
        (gradient,) = torch.autograd.grad(cost(relaxed).sum(), relaxed)
        with torch.no_grad():
            difference = cost(relaxed + step) - cost(relaxed - step)
        np.testing.assert_allclose(gradient[:, position], difference, rtol=1e-12)


def test_many_codes_take_bounded_memory() -> None:
    rows = MULTIRES.sample(200_000, np.random.default_rng(0))
    tracemalloc.start()
    try:
        total = macs(rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - total.nbytes < 8 * 2**20
    assert total[[0, 16_383, 16_384, -1]].tolist() == [macs(rows[i]).item() for i in (0, 16_383, 16_384, -1)]


def test_networks_have_a_cost() -> None:
    assert has_cost(Space(MULTIRES.dimensions))
    assert not has_cost(Space([Ordinal("c", [8, 16])]))


@pytest.mark.parametrize(
    "size",
    [
        0,
        -32,
        16,
        31,
        48,
        100,
        128.0,
        True,
        None,
        "128",
        (128,),
        (128, 144),
        [128, 128, 3],
        (128, [128]),
        LARGEST_IMAGE + 32,
    ],
)
def test_invalid_image_sizes_are_refused(size: Any) -> None:
    message = f"image_size must be a multiple of 32 from 32 to 65536, or a pair of them. Got {size!r}."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        macs(SMALLEST, image_size=size)


@pytest.mark.parametrize("classes", [0, -1, 50.0, True, None, "50", MOST_CLASSES + 1])
def test_invalid_numbers_of_classes_are_refused(classes: Any) -> None:
    message = f"classes must be an integer, from 1 to 1048576. Got {classes!r}."
    for cost in (macs, params):
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            cost(SMALLEST, classes=classes)


@pytest.mark.parametrize("task", ["Classification", "seg", "", None, 1, ["features"]])
def test_invalid_tasks_are_refused(task: Any) -> None:
    message = f"task must be one of classification, segmentation, features. Got {task!r}."
    for cost, form in ((macs, SMALLEST), (params, SMALLEST), (macs, torch.tensor(SMALLEST, dtype=torch.float64))):
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            cost(form, task=task)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (SMALLEST[:-1], "Expected 27 integers per code. Got 26."),
        ([9, *SMALLEST[1:]], "Expected a multiple of 8 from 8 to 128 for i1. Got 9."),
        (
            "96_128",
            "Expected 31 integers in 6 groups joined by '-'. Got 2 in 1 group in '96_128'. "
            "The groups must have 2, 4, 6, 8, 10 and 1 integers. These have 2.",
        ),
        (torch.tensor([[9, *SMALLEST[1:]]] * 2), "Expected a multiple of 8 from 8 to 128 for i1. Got 9 in row 0."),
        (torch.ones(2, 27, dtype=torch.bool), "Expected codes of integers. Got True."),
        (torch.ones(2, 26), "Expected a tensor (..., 27). Got one of shape (2, 26)."),
        (torch.tensor(8.0), "Expected a tensor (..., 27). Got one of shape ()."),
    ],
)
def test_invalid_codes_have_no_cost(bad: Any, message: str) -> None:
    for cost in (macs, params):
        with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
            cost(bad)


def test_counting_counts_like_the_functions() -> None:
    counting, codes = Counting((64, 96), 19, "segmentation"), MULTIRES.sample(5, np.random.default_rng(0))
    np.testing.assert_array_equal(counting.macs(codes), macs(codes, (64, 96), 19, "segmentation"))
    np.testing.assert_array_equal(counting.params(codes), params(codes, 19, "segmentation"))
    assert Counting([64, 96], np.int64(19)) == Counting((64, 96), 19)  # type: ignore[arg-type]
    strided = Counting([64, 96], stem_strides=[2, 1])  # type: ignore[arg-type]
    assert hash(strided) == hash(Counting((64, 96), stem_strides=(2, 1)))
    wrong = {"image_size": 100, "classes": 0, "task": "seg", "in_channels": 0, "stem_strides": (1, 1), "frames": 0}
    for field, value in wrong.items():
        with pytest.raises(ConfigError, match=f"^{field} must be"):
            Counting(**{field: value})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^in_channels must be an integer, from 1 to 4096\. Got 4097\.$"):
        macs(codes, in_channels=4097)
    with pytest.raises(ConfigError, match=r"^frames needs the task classification, .* Got segmentation\.$"):
        Counting(task="segmentation", frames=8)


def test_the_largest_clip_is_counted_without_overflow() -> None:
    layers = list(units(Code(LARGEST), LARGEST_IMAGE, LARGEST_IMAGE, "features", MOST_CHANNELS, 1))
    per_frame = sum(k * k * a * c * pixels + 2 * c * pixels for k, a, c, pixels in layers)
    head = (3 * 512 + 2) * 128 * (LARGEST_IMAGE // 16) ** 2
    exact = MOST_FRAMES * (per_frame + head) + 129 * MOST_CLASSES
    assert exact < 2**63
    counting = Counting(LARGEST_IMAGE, MOST_CLASSES, "classification", MOST_CHANNELS, (2, 1), MOST_FRAMES)
    assert counting.macs(LARGEST).item() == exact
