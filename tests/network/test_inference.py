"""A network made fast computes what the network does, by both ways of filtering, and leaves it as it was."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import conv2d

from ncp import MULTIRES, Code
from ncp.cost import HEADS, Head
from ncp.network import inference, winograd
from ncp.network.layers import Convolution, convolve
from ncp.network.net import MultiResolutionNet
from tests.network.test_net import MIDDLE, SMALLEST, TASKS, error, maps_of

WIDE = Code.parse("104_96-1_1_1_96-1_2_1_1_104_96-1_3_1_1_1_96_128_8-1_4_1_1_1_1_112_96_48_8-96")
LARGE = Code.parse("128_128-1_1_2_128-1_2_2_1_128_128-1_3_1_1_1_128_128_128-1_4_1_1_1_1_128_128_128_128-128")
LARGEST = Code([max(dim.values) for dim in MULTIRES.dimensions])
RANDOM = [Code(row) for row in MULTIRES.sample(1, np.random.default_rng(0)).tolist()]


def lived(code: Code, task: Head, seed: int = 0, **options: Any) -> MultiResolutionNet:
    """A network whose batch norms have left where they began."""
    torch.manual_seed(seed)
    net = MultiResolutionNet(code, task=task, num_classes=7, **options)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


@pytest.fixture
def ways() -> Iterator[Counter[str]]:
    """How many convolutions went which way."""
    taken: Counter[str] = Counter()

    def noted(name: str, way: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def through(*args: Any, **options: Any) -> Tensor:
            taken[name] += 1
            return way(*args, **options)

        return through

    with (
        patch.object(winograd, "convolve", noted("winograd", winograd.convolve)),
        patch.object(inference, "convolve", noted("direct", convolve)),
        patch.object(inference, "conv2d", noted("direct", conv2d)),
    ):
        yield taken


def both(net: MultiResolutionNet, fast: Callable[[Tensor], Tensor | list[Tensor]], image: Tensor) -> float:
    """The error of the fast network."""
    with torch.no_grad():
        expected = net(image)
    got = fast(image)
    assert not any(x.requires_grad for x in maps_of(got))
    return error(got, expected)


@pytest.mark.parametrize(
    "code", [SMALLEST, MIDDLE, *(pytest.param(code, marks=pytest.mark.slow) for code in RANDOM)], ids=str
)
@TASKS
def test_it_computes_the_same(code: Code, task: Head) -> None:
    net = lived(code, task)
    fast = net.for_inference()
    for shape in ((1, 3, 32, 64), (2, 3, 45, 71), (3, 3, 1, 1)):
        assert both(net, fast, torch.randn(shape)) < 1e-3


NETS = {task: (net, net.for_inference()) for task in HEADS for net in [lived(SMALLEST, task, in_channels=5)]}


@given(st.sampled_from(HEADS), st.integers(1, 4), st.integers(1, 130), st.integers(1, 130), st.integers(0, 1000))
def test_it_computes_the_same_at_any_size(task: Head, n: int, height: int, width: int, seed: int) -> None:
    image = torch.randn(n, 5, height, width, generator=torch.Generator().manual_seed(seed))
    before = image.clone()
    assert both(*NETS[task], image) < 1e-4
    assert torch.equal(image, before)


@pytest.mark.parametrize("code", [WIDE, LARGE], ids=["wide", "large"])
@pytest.mark.parametrize(
    "size", [(76, 81), *(pytest.param(size, marks=pytest.mark.slow) for size in ((77, 80), (128, 130)))], ids=str
)
@TASKS
def test_wide_convolutions_of_large_maps_go_by_winograd(
    code: Code, task: Head, size: tuple[int, int], ways: Counter[str]
) -> None:
    net, expected = lived(code, task), Counter[str]()

    def note(module: nn.Conv2d, _: Any, output: Tensor) -> None:
        wide = module.kernel_size == (3, 3) and module.stride == (1, 1) and min(module.weight.shape[:2]) >= 96
        expected["winograd" if wide and output[0, 0].numel() >= 400 else "direct"] += 1

    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module is not getattr(net, "classifier", None):
            module.register_forward_hook(note)
    assert both(net, net.for_inference(), torch.randn(1, 3, *size)) < 1e-3
    expected["direct"] += 3 * (task == "segmentation")  # its transform goes branch by branch
    assert ways == expected
    assert ("winograd" in ways) == (size != (76, 81))  # a pixel fewer than it takes


@pytest.mark.slow
@TASKS
def test_the_largest(task: Head, ways: Counter[str]) -> None:
    net = lived(LARGEST, task)
    assert both(net, net.for_inference(), torch.randn(2, 3, 128, 96)) < 1e-3
    assert min(ways["winograd"], ways["direct"]) > 50


@pytest.mark.parametrize("code", [MIDDLE, WIDE], ids=["middle", "wide"])
@TASKS
def test_it_is_precise_in_double_precision(code: Code, task: Head, ways: Counter[str]) -> None:
    net = lived(code, task).double()
    assert both(net, net.for_inference(), torch.randn(1, 3, 81, 90, dtype=torch.float64)) < 1e-9
    assert ("winograd" in ways) == (code is WIDE)


@TASKS
def test_a_copy_may_be_moved(task: Head, ways: Counter[str]) -> None:
    net = lived(WIDE, task)
    fast, image = net.for_inference(), torch.randn(1, 3, 81, 90)
    with torch.no_grad():
        expected = [x.double() for x in maps_of(net(image))]
    got = maps_of(fast.double()(image.double()))
    assert all(x.dtype == torch.float64 for x in got)
    assert error(got, expected) < 1e-4
    assert ways.pop("winograd") > 0
    got = maps_of(fast.bfloat16()(image.bfloat16()))
    assert all(x.dtype == torch.bfloat16 for x in got)
    assert error([x.double() for x in got], expected) < 0.1
    assert "winograd" not in ways


def test_a_network_on_another_device_stays_there() -> None:
    fast = lived(WIDE, "segmentation").to("meta").for_inference()
    assert all(x.device.type == "meta" for x in fast.state_dict().values())
    y = fast(torch.empty(2, 3, 81, 90, device="meta"))
    assert isinstance(y, Tensor)
    assert (y.shape, y.device.type) == ((2, 7, 21, 23), "meta")


def test_a_copy_on_another_device_drops_its_filters() -> None:
    fast = lived(WIDE, "features").for_inference()
    held = [module.filters for module in fast.modules() if isinstance(module, inference.Folded)]
    assert any(filters is not None for filters in held)
    gone = [module.filters for module in fast.to("meta").modules() if isinstance(module, inference.Folded)]
    assert gone == [None] * len(held)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("code", [SMALLEST, MIDDLE, WIDE], ids=str)
@TASKS
def test_it_computes_the_same_on_a_gpu(code: Code, task: Head, ways: Counter[str]) -> None:
    net = lived(code, task)
    with torch.no_grad():
        image = torch.randn(2, 3, 81, 90)
        expected = maps_of(net(image))
    moved, made_there = net.for_inference().to("cuda"), net.to("cuda").for_inference()
    ways.clear()
    with torch.backends.cudnn.flags(allow_tf32=False), torch.no_grad():
        for there in (moved, made_there, net):
            assert error([x.cpu() for x in maps_of(there(image.to("cuda")))], expected) < 1e-4
    assert set(ways) == {"direct"}


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@TASKS
def test_the_network_is_left_as_it_was(task: Head, training: bool) -> None:
    net = lived(WIDE, task).train(training)
    net.features[0].requires_grad_(False)

    def facts() -> dict[str, Any]:
        return {
            **{name: (p.requires_grad, p.stride(), p.data_ptr(), p._version) for name, p in net.named_parameters()},
            **{name: (b.stride(), b.data_ptr(), b._version) for name, b in net.named_buffers()},
            **{f"{name} trains": module.training for name, module in net.named_modules()},
        }

    before, facts_before = {key: tensor.clone() for key, tensor in net.state_dict().items()}, facts()
    fast = net.for_inference()
    with torch.no_grad():
        expected = net.eval()(torch.ones(1, 3, 50, 60))
    net.train(training)
    for _ in range(2):
        assert error(fast(torch.ones(1, 3, 50, 60)), expected) < 1e-3
    assert facts() == facts_before
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


@TASKS
def test_it_shares_nothing_and_does_not_learn(task: Head) -> None:
    net = lived(SMALLEST, task)
    fast = net.for_inference()
    assert (fast.code, fast.task, fast.feature_info) == (net.code, net.task, net.feature_info)
    assert not any(module.training for module in fast.modules())
    assert not any(parameter.requires_grad for parameter in fast.parameters())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    filters = [parameter for parameter in fast.parameters() if parameter.ndim == 4]
    assert all(parameter.is_contiguous(memory_format=torch.channels_last) for parameter in filters)
    image = torch.rand(1, 3, 40, 50, requires_grad=True)
    before = fast(image)
    for tensor in net.state_dict().values():
        tensor.zero_()
    assert error(fast(image), before) == 0
    assert error(fast.train()(image), before) == 0
    assert not any(x.requires_grad for x in maps_of(before))


@TASKS
def test_running_statistics_are_folded(task: Head) -> None:
    torch.manual_seed(0)
    net = MultiResolutionNet(SMALLEST, task=task, num_classes=3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        maps = maps_of(net(3 + torch.randn(4, 3, 48, 48)))
        torch.stack([x.square().mean() for x in maps]).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    fast = net.for_inference()
    assert net.training
    assert both(net.eval(), fast, 3 + torch.randn(2, 3, 60, 40)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("task", ["features", "classification", "segmentation"])
def test_it_compiles_to_one_graph(task: Head) -> None:
    net = lived(WIDE, task)
    fast, image = net.for_inference(), torch.randn(2, 3, 81, 90)
    torch.compiler.reset()
    compiled = torch.compile(fast, backend="eager", fullgraph=True)
    assert error(compiled(image), fast(image)) < 1e-5
    assert both(net, compiled, image) < 1e-3


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("task", ["segmentation", "features"])
def test_maps_kept_by_hooks_do_not_change(fast: bool, task: Head) -> None:
    """Features are often extracted by forward hooks: nothing is added to or rectified in what a layer has returned."""
    net = lived(MIDDLE, task)
    held: list[tuple[Tensor, Tensor]] = []

    def hold(module: nn.Module, given: Any, output: Any) -> None:  # noqa: ARG001
        held.extend((x, x.clone()) for x in maps_of(output))

    model = net.for_inference() if fast else net
    for module in model.modules():
        module.register_forward_hook(hold)
    with torch.no_grad():
        model(torch.randn(1, 3, 32, 64))
    assert len(held) > 100
    assert all(torch.equal(now, then) for now, then in held)


@pytest.mark.parametrize("size", [(9, 1), (16, 2), (64, 2)])
@pytest.mark.parametrize("mixed", [True, False])
def test_narrow_maps_train_in_bfloat16(size: tuple[int, int], mixed: bool) -> None:
    """In bfloat16 with AMX, oneDNN 3.12 itself returns uninitialised numbers for them, and such gradients."""
    torch.manual_seed(0)
    layer, x = Convolution(3, 64, 64, stride=2), torch.randn(4, 64, *size).bfloat16().float()
    layer.weight.data = layer.weight.data.bfloat16().float()
    exact = layer(x)
    (slope,) = torch.autograd.grad(exact.square().sum(), layer.weight)
    if not mixed:
        layer, x = layer.bfloat16(), x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        y = layer(x)
    (found,) = torch.autograd.grad(y.float().square().sum(), layer.weight)
    assert y.dtype == torch.bfloat16
    assert error(y.float(), exact) < 0.02
    assert error(found.float(), slope) < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_under_autocast_narrow_maps_have_the_type_of_others(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = Convolution(3, 64, 64, stride=2).to(dtype)
    folded = inference.Folded(layer, nn.BatchNorm2d(64).to(dtype).eval())
    wide, narrow = torch.randn(4, 64, 16, 8, dtype=dtype), torch.randn(4, 64, 16, 2, dtype=dtype)
    with torch.no_grad():
        exact = layer(narrow), folded(narrow)
        with torch.autocast("cpu", torch.bfloat16):
            found = layer(narrow), folded(narrow)
            assert {x.dtype for x in found} == {layer(wide).dtype} == {folded(wide).dtype}
    assert all(error(x.to(dtype), y) < 0.02 for x, y in zip(found, exact, strict=True))
