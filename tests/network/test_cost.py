"""Costs are those of the network that is built: counted layer by layer as it runs, to the unit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import ncp
from ncp.cost import HEADS, Counting, Head
from ncp.network.net import MultiResolutionNet
from tests.strategies import codes

SMALLEST, LARGEST = ([f(dim.values) for dim in ncp.MULTIRES.dimensions] for f in (min, max))
sides = st.integers(1, 16).map(lambda n: 32 * n)


@contextmanager
def shapes() -> Iterator[None]:
    """A device of shapes without numbers; what takes long there, and changes none, is left out."""
    with (
        patch("torch.nn.init.kaiming_normal_"),
        patch("torch.nn.init.kaiming_uniform_"),
        patch("torch.nn.functional.batch_norm", lambda x, *_: x),
        torch.device("meta"),
    ):
        yield


def counted(net: nn.Module, image: Tensor) -> int:
    """Multiply-adds of an image, from what convolutions and batch norms give as they run."""
    total = 0

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            inputs = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
            total += output.numel() * (inputs + (module.bias is not None))
        elif isinstance(module, nn.BatchNorm2d):
            total += 2 * output.numel()
        else:
            assert not list(module.parameters(recurse=False))

    hooks = [module.register_forward_hook(count) for module in net.modules()]
    with torch.no_grad():
        net(image)
    for hook in hooks:
        hook.remove()
    return total


def assert_cost(code: Any, height: int, width: int, classes: int, task: Head) -> None:
    with shapes():
        net = MultiResolutionNet(code, num_classes=classes, task=task).eval()
        ran = counted(net, torch.empty(1, 3, height, width))
    learnt = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    assert ncp.params(code, classes, task).tolist() == [learnt]
    assert ncp.macs(code, (height, width), classes, task).tolist() == [ran]


@pytest.mark.slow
@given(codes, sides, sides, st.integers(1, 1000), st.sampled_from(HEADS))
@settings(max_examples=12)
def test_costs_are_those_of_the_network(code: ncp.Code, height: int, width: int, classes: int, task: Head) -> None:
    assert_cost(code, height, width, classes, task)


@pytest.mark.parametrize("task", HEADS)
@pytest.mark.parametrize("code", [SMALLEST, LARGEST], ids=["smallest", "largest"])
def test_the_ends_of_the_space(code: list[int], task: Head) -> None:
    assert_cost(code, 32, 512, 19, task)


@pytest.mark.slow
@pytest.mark.parametrize("task", HEADS)
def test_costs_of_three_hundred_networks(task: Head) -> None:
    rng = np.random.default_rng(HEADS.index(task))
    for code in ncp.MULTIRES.sample(100, rng):
        height, width = (32 * rng.integers(1, 33, size=2)).tolist()
        assert_cost(code, height, width, int(rng.integers(1, 1001)), task)


@pytest.mark.parametrize("task", HEADS)
def test_a_count_on_numbers_is_the_same(task: Head) -> None:
    net = MultiResolutionNet(SMALLEST, num_classes=19, task=task).eval()
    assert ncp.macs(SMALLEST, (64, 96), 19, task).tolist() == [counted(net, torch.zeros(1, 3, 64, 96))]


@pytest.mark.parametrize("task", HEADS)
@pytest.mark.parametrize("strides", [(2, 2), (2, 1)])
def test_other_channels_and_strides(task: Head, strides: tuple[int, int]) -> None:
    counting = Counting((64, 96), 19, task, 64, strides)
    net = MultiResolutionNet(SMALLEST, num_classes=19, task=task, in_channels=64, stem_strides=strides).eval()
    assert counting.params(SMALLEST).tolist() == [sum(parameter.numel() for parameter in net.parameters())]
    assert counting.macs(SMALLEST).tolist() == [counted(net, torch.zeros(1, 64, 64, 96))]
