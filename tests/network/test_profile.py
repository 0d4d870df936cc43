"""Measuring: what is refused at once, what a profile's numbers add up to, and how times are taken."""

import json
import re
from dataclasses import asdict, replace
from functools import cache
from time import sleep
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ncp import MULTIRES, Code, ConfigError, macs, params
from ncp.cost import HEADS, Head
from ncp.network.profile import STAGE_NAMES, Conditions, Latency, Profile, latency, measure, processor, profile

SMALLEST = Code([dim.values[0] for dim in MULTIRES.dimensions])
MIDDLE = Code.parse("24_40-2_1_1_48-1_2_2_1_32_56-2_3_1_1_2_16_40_72-1_4_1_2_1_1_24_32_48_64-96")
WIDE = Code([dim.values[1 if len(dim.values) == 4 else 9] for dim in MULTIRES.dimensions])
SIZE, BATCH, CLASSES = (32, 64), 3, 7
TASKS = pytest.mark.parametrize("task", HEADS)
NO_GPU = not torch.cuda.is_available()


@cache
def profiled(task: Head, size: tuple[int, int] = SIZE, batch: int = BATCH) -> Profile:
    """A quick profile of the network in the middle."""
    return profile(MIDDLE, Conditions(task, CLASSES, size, batch), seconds=0.01)


def shapes_of(code: Code, conditions: Conditions) -> list[tuple[tuple[int, ...], ...]]:
    """The shapes of each stage's maps, from the code alone: a convolution of stride 2 halves a side and rounds up."""
    sides = [conditions.image_size]
    for _ in range(5):
        sides.append((-(-sides[-1][0] // 2), -(-sides[-1][1] // 2)))
    n, stages, sides = conditions.batch, code.stages, sides[2:]
    stem = ((n, code.stem[1], *sides[0]),)
    maps = [tuple((n, c, *side) for c, side in zip(stage.channels, sides, strict=False)) for stage in stages]
    heads = {
        "classification": ((n, conditions.classes, 1, 1),),
        "segmentation": ((n, conditions.classes, *sides[0]),),
        "features": maps[-1],
    }
    return [stem, *maps, heads[conditions.task]]


def bytes_of(tensors: Any) -> int:
    """Of all these tensors."""
    return sum(x.nbytes for x in tensors)


class Kept(TorchDispatchMode):
    """Keeps every memory that operations return, so that none of it is used again."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        for x in tree_leaves(results):
            if isinstance(x, Tensor):
                self.memory[x.untyped_storage().data_ptr()] = x.untyped_storage()
        return results


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"task": "detection"},
            "task must be one of classification, segmentation, features. Got 'detection'.",
        ),
        ({"task": None}, "task must be one of classification, segmentation, features. Got None."),
        ({"classes": 0}, "classes must be an integer, from 1 to 1048576. Got 0."),
        ({"classes": 2.0}, "classes must be an integer, from 1 to 1048576. Got 2.0."),
        ({"classes": True}, "classes must be an integer, from 1 to 1048576. Got True."),
        ({"device": "tpu"}, "device must be cpu or cuda. Got 'tpu'."),
        ({"device": ["cpu"]}, "device must be cpu or cuda. Got ['cpu']."),
        ({"batch": 0}, "batch must be a positive integer. Got 0."),
        ({"batch": True}, "batch must be a positive integer. Got True."),
        ({"batch": "8"}, "batch must be a positive integer. Got '8'."),
        ({"threads": -1}, "threads must be a positive integer. Got -1."),
        ({"threads": 1.0}, "threads must be a positive integer. Got 1."),
        ({"image_size": 224}, "image_size must be a pair, height and width. Got 224."),
        ({"image_size": (1, 2, 3)}, "image_size must be a pair, height and width. Got (1, 2, 3)."),
        ({"image_size": (0, 32)}, "image_size must be a positive integer. Got 0."),
        ({"image_size": (32, 32.0)}, "image_size must be a positive integer. Got 32."),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Conditions(**given)


@pytest.mark.skipif(not NO_GPU, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_at_once() -> None:
    message = "device is cuda, but torch finds no GPU. Use cpu."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Conditions(device="cuda")


@TASKS
def test_the_stages_add_up_to_the_exact_cost(task: Head) -> None:
    found = profiled(task)
    assert [stage.name for stage in found.stages] == list(STAGE_NAMES)
    assert sum(stage.macs or 0 for stage in found.stages) == macs(MIDDLE, SIZE, CLASSES, task).item()
    assert sum(stage.params for stage in found.stages) == params(MIDDLE, CLASSES, task).item()
    head = found.stages[-1]
    assert (head.macs == head.params == 0) == (task == "features")
    assert all(stage.macs and stage.params for stage in found.stages[:-1])


@pytest.mark.parametrize("stage", [1, *(pytest.param(stage, marks=pytest.mark.slow) for stage in (2, 3, 4))])
def test_a_module_more_costs_in_its_own_stage_alone(stage: int) -> None:
    more = list(MIDDLE.vector)
    more[MULTIRES.names.index(f"b{stage}")] += 1
    conditions = Conditions("classification", CLASSES, SIZE, BATCH)
    before, after = profiled("classification"), profile(Code(more), conditions, seconds=0.01)
    for number, (old, new) in enumerate(zip(before.stages, after.stages, strict=True)):
        assert old.macs is not None
        assert new.macs is not None
        assert (new.macs > old.macs) == (new.params > old.params) == (number == stage)
        assert number == stage or (new.macs, new.params) == (old.macs, old.params)


@TASKS
@pytest.mark.parametrize("size", [pytest.param(SIZE, marks=pytest.mark.slow), (33, 50)])
def test_shapes_are_those_of_the_maps(task: Head, size: tuple[int, int]) -> None:
    found = profiled(task, size)
    assert [stage.shapes for stage in found.stages] == shapes_of(MIDDLE, found.conditions)


@pytest.mark.parametrize("size", [(64, 50), (33, 50)])
def test_multiply_adds_are_not_counted_at_other_sizes(size: tuple[int, int]) -> None:
    found = profiled("classification", size)
    assert [stage.macs for stage in found.stages] == [None] * len(STAGE_NAMES)
    assert sum(stage.params for stage in found.stages) == params(MIDDLE, CLASSES).item()


def test_latencies_of_one_image_and_of_the_batch() -> None:
    found = profiled("classification")
    assert [each.batch for each in found.latencies] == [1, BATCH]
    assert [each.batch for each in profiled("classification", SIZE, 1).latencies] == [1]
    for each in found.latencies:
        assert each.runs >= 5
        assert 0 < each.median <= each.p90
    assert all(stage.milliseconds > 0 for stage in found.stages)
    assert found.code == str(MIDDLE)
    assert found.processor == processor("cpu") == processor("cpu").strip() != ""
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["stages"][0]["shapes"] == [[BATCH, 40, 8, 16]]


@TASKS
def test_peak_memory_is_weights_and_the_maps_alive_at_once(task: Head) -> None:
    found = profiled(task)
    net, images = found.conditions.network(MIDDLE), found.conditions.images()
    held = bytes_of((*net.parameters(), *net.buffers(), images))
    largest = max(sum(4 * int(np.prod(shape)) for shape in stage.shapes) for stage in found.stages)
    with Kept() as kept:
        net(images)
    together = sum(memory.nbytes() for memory in kept.memory.values())
    assert held + largest <= found.peak_bytes <= held + together
    assert found.peak_bytes - held < together / 3  # most maps are gone when the last one is made


@pytest.mark.slow
def test_what_maps_take_grows_with_the_batch() -> None:
    one, three = (profiled("segmentation", SIZE, batch) for batch in (1, BATCH))
    net = one.conditions.network(MIDDLE)
    held = bytes_of((*net.parameters(), *net.buffers()))
    assert three.peak_bytes - held == BATCH * (one.peak_bytes - held)


@pytest.mark.slow
@pytest.mark.alone
def test_a_larger_network_takes_longer_and_more_memory() -> None:
    conditions = Conditions(image_size=(64, 64))
    small, large = (profile(code, conditions, seconds=0.05) for code in (SMALLEST, WIDE))
    assert large.latencies[0].median > 2 * small.latencies[0].median
    assert large.peak_bytes > 10 * small.peak_bytes
    longer = [b.milliseconds > a.milliseconds for a, b in zip(small.stages, large.stages, strict=True)]
    assert all(longer[1:5])


def test_a_forward_that_sleeps_is_timed() -> None:
    calls: list[int] = []

    def forward() -> None:
        calls.append(len(calls))
        sleep(0.02)

    found = latency(forward, 4, Conditions(), seconds=0.0)
    assert (found.batch, found.runs) == (4, 5)
    assert len(calls) == 3 + found.runs  # the first three do not count
    assert 20 <= found.median <= found.p90


def test_the_time_given_is_spent_and_no_more_than_a_thousand_runs() -> None:
    found = latency(lambda: sleep(0.005), 1, Conditions(), seconds=0.1)
    assert 5 <= found.runs <= 20
    assert latency(lambda: None, 1, Conditions(), seconds=60).runs == 1000


def test_a_slow_fifth_of_the_runs_shows_in_the_tail() -> None:
    pauses = iter([0.0] * 5 + [0.06, 0.0, 0.0])
    found = latency(lambda: sleep(next(pauses)), 1, Conditions(), seconds=0.0)
    assert found.median < found.p90
    assert found.p90 > 0.6 * 60  # six tenths of the way from the fourth to the slowest of five


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_number_of_threads_is_set_and_restored(
    error: type[BaseException] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []

    def forward(images: Tensor) -> None:
        seen.append((torch.get_num_threads(), tuple(images.shape)))
        if error is not None and len(seen) == 5:
            raise error

    monkeypatch.setattr(Conditions, "network", lambda *_: forward)
    before = torch.get_num_threads()
    monkeypatch.setattr("os.cpu_count", lambda: before + 1)
    conditions = Conditions(image_size=(8, 9), batch=2, threads=before + 1)
    if error is None:
        assert isinstance(measure(SMALLEST, conditions, 0.0), Latency)
    else:
        with pytest.raises(error):
            measure(SMALLEST, conditions, 0.0)
    assert set(seen) == {(before + 1, (2, 3, 8, 9))}
    assert torch.get_num_threads() == before


def test_a_profile_restores_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        profile(SMALLEST, Conditions(image_size=(32, 32)), seconds=0.0)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(NO_GPU, reason="needs a GPU")
def test_a_gpu_measures_the_same_network() -> None:
    here = profiled("segmentation")
    there = profile(MIDDLE, replace(here.conditions, device="cuda"), seconds=0.05)
    assert there.processor == torch.cuda.get_device_name()
    for ours, theirs in zip(here.stages, there.stages, strict=True):
        assert replace(ours, milliseconds=0.0) == replace(theirs, milliseconds=0.0)
    assert [each.batch for each in there.latencies] == [1, BATCH]
    weights = bytes_of(here.conditions.network(MIDDLE).parameters())
    assert there.peak_bytes > weights
