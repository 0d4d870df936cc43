"""A network that is compiled for images of one shape computes the same, there and elsewhere."""

import copy
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from ncp import Code, ConfigError, MultiResolutionNet
from ncp.cost import HEADS, Head
from ncp.network.clip_net import ClipNet
from ncp.network.inference import PRECISIONS, InferenceNet, Precision
from tests.network.test_inference import LARGE, WIDE, lived
from tests.network.test_net import MIDDLE, SMALLEST, TASKS, error, maps_of

CLOSE: dict[Precision, float] = {"float32": 1e-4, "bfloat16": 0.03}
"""The largest accepted errors, relative to the largest output."""


def both(net: MultiResolutionNet, fast: InferenceNet, *shape: int, seed: int = 0) -> float:
    """The error of the fast network."""
    image = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return error(fast(image), net(image))


EVERY = [
    pytest.param(code, task, precision, marks=[] if code is SMALLEST else pytest.mark.slow)
    for code, task, precision in product((SMALLEST, MIDDLE, WIDE), HEADS, PRECISIONS)
]


@pytest.mark.parametrize(("code", "task", "precision"), EVERY)
def test_it_computes_the_same(code: Code, task: Head, precision: Precision) -> None:
    net = lived(code, task, in_channels=4)
    fast = net.for_inference(precision, torch.zeros(2, 4, 81, 90))
    assert fast.compiled is not None
    assert fast.state_dict().keys() == net.for_inference(precision).state_dict().keys()
    for seed in (0, 1):
        assert both(net, fast, 2, 4, 81, 90, seed=seed) < CLOSE[precision]
    for shape in ((1, 4, 81, 90), (2, 4, 64, 32)):  # not compiled
        assert both(net, fast, *shape) < CLOSE[precision]


@pytest.mark.slow
@TASKS
def test_it_computes_the_same_at_odd_sizes(task: Head) -> None:
    net = lived(SMALLEST, task)
    for precision, height, width in product(PRECISIONS, (1, 5, 33, 100, 300), (1, 6, 20, 40)):
        fast = net.for_inference(precision, torch.zeros(1, 3, height, width))
        assert both(net, fast, 1, 3, height, width) < 2 * CLOSE[precision], (precision, height, width)


def test_narrow_maps_are_computed_in_bfloat16_too() -> None:
    """In bfloat16 with AMX, oneDNN 3.12 itself returns uninitialised numbers for some of them."""
    net = lived(SMALLEST, "features")
    for shape in ((1, 3, 150, 8), (2, 3, 300, 20)):
        assert both(net, net.for_inference("bfloat16"), *shape) < CLOSE["bfloat16"]
        assert both(net, net.for_inference("bfloat16", torch.zeros(*shape)), *shape) < CLOSE["bfloat16"]


def test_what_it_returned_does_not_change() -> None:
    fast = lived(SMALLEST, "features").for_inference(example=torch.zeros(1, 3, 64, 64))
    maps = maps_of(fast(torch.ones(1, 3, 64, 64)))
    before = [x.clone() for x in maps]
    fast(torch.zeros(1, 3, 64, 64))
    assert all(torch.equal(x, y) for x, y in zip(maps, before, strict=True))
    with torch.inference_mode():
        assert error(fast(torch.ones(1, 3, 64, 64)), before) == 0


def test_copies_and_moved_networks_are_not_compiled() -> None:
    net = lived(SMALLEST, "classification")
    fast = net.for_inference(example=torch.zeros(1, 3, 64, 64))
    assert fast.compiled is not None
    for other in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):  # noqa: S301
        assert other.compiled is None
        assert both(net, other, 1, 3, 64, 64) < 1e-4
    assert fast.compiled is not None
    image = torch.randn(1, 3, 64, 64)
    assert error(fast.double()(image.double()), net(image).double()) < 1e-4
    assert fast.compiled is None


def test_clips_are_compiled_too() -> None:
    torch.manual_seed(0)
    net, clips = ClipNet(SMALLEST, num_classes=5).eval(), torch.randn(2, 3, 3, 40, 50)
    for precision in PRECISIONS:
        fast = net.for_inference(precision, clips)
        assert fast.compiled is not None
        with torch.no_grad():
            assert error(fast(clips), net(clips)) < CLOSE[precision]


def test_new_weights_are_used() -> None:
    net, other = lived(SMALLEST, "classification"), lived(SMALLEST, "classification", seed=1)
    fast = net.for_inference(example=torch.zeros(1, 3, 64, 64))
    fast.load_state_dict(other.for_inference().state_dict())
    assert both(other, fast, 1, 3, 64, 64) < 1e-4


def test_threads_compile_and_compute_at_the_same_time() -> None:
    net, image = lived(SMALLEST, "classification"), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = net(image)

    def work(_: int) -> float:
        fast = net.for_inference(example=image)
        assert fast.compiled is not None
        return max(error(found, expected) for found in ThreadPoolExecutor(2).map(fast, [image] * 4))

    assert max(ThreadPoolExecutor(2).map(work, range(4))) < 1e-4
    assert not torch.jit.onednn_fusion_enabled()


def test_other_compilers_see_a_network_that_is_not_compiled() -> None:
    net, image = lived(SMALLEST, "classification"), torch.randn(1, 3, 64, 64)
    fast = net.for_inference(example=image)
    torch.compiler.reset()
    whole = torch.compile(fast, backend="eager", fullgraph=True)
    with torch.no_grad():
        assert error(whole(image), net(image)) < 1e-4


def test_without_torchscript_the_network_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("not today")

    monkeypatch.setattr(torch.jit, "freeze", fail)
    net = lived(SMALLEST, "classification")
    fast = net.for_inference(example=torch.zeros(1, 3, 64, 64))
    assert fast.compiled is None
    assert both(net, fast, 1, 3, 64, 64) < 1e-4


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_graphs_are_freed() -> None:
    """Otherwise a calibration, which compiles hundreds of networks, would fill the memory."""
    program = f"""
import ctypes, gc, torch
from ncp import MultiResolutionNet
net, image = MultiResolutionNet("{LARGE}").eval(), torch.zeros(1, 3, 64, 64)
def memory():
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(open("/proc/self/statm").read().split()[1]) * 4096
before = []
for _ in range(4):
    net.for_inference(example=image)
    before.append(memory())
weights = sum(p.nbytes for p in net.parameters())
assert before[-1] - before[0] < weights, (before, weights)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (224, "example must be a tensor. Got 224."),
        (
            torch.zeros(1, 5, 32, 32),
            "Expected images (n, 3, height, width), of at least 1 x 1 pixel. Got (1, 5, 32, 32).",
        ),
        (torch.zeros(1, 3, 32, 32, device="meta"), "example and the network must be on the CPU: networks are compiled"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.float64), "example must be of torch.float32. Got torch.float64."),
    ],
    ids=["number", "channels", "place", "type"],
)
def test_other_examples_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        MultiResolutionNet(SMALLEST).for_inference(example=given)


def test_oneDNN_is_used_only_while_compiling() -> None:  # noqa: N802
    before = torch.jit.onednn_fusion_enabled()
    MultiResolutionNet(SMALLEST).for_inference(example=torch.zeros(1, 3, 32, 32))
    assert torch.jit.onednn_fusion_enabled() == before
