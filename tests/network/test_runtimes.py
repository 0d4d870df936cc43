"""A network in every runtime computes what it computes in torch, and what a runtime lacks is refused at once."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import product
from typing import Any
from unittest.mock import MagicMock

import onnx
import pytest
import torch
from torch import Tensor

from ncp import Code, ConfigError, MissingExtraError, MultiResolutionNet
from ncp.cost import HEADS, Head
from ncp.extras import has_extra
from ncp.network.clip_net import ClipNet
from ncp.network.graph import onnx_graph
from ncp.network.pillar_net import PillarNet
from ncp.network.profile import Conditions, measure, profile
from ncp.network.runtimes import RUNTIMES, Forward, RuntimeName, prepare
from tests.network.test_inference import WIDE, lived
from tests.network.test_net import MIDDLE, SMALLEST, TASKS, error, maps_of

ROUNDED = 0.03
"""The largest accepted error of bfloat16, which keeps eight binary digits, after the layers of a network."""


def needs(name: RuntimeName) -> None:
    """Skip a test whose runtime is not installed; it is not imported here, see `ncp.network.runtimes`."""
    extra = RUNTIMES[name].extra
    if extra is not None and not has_extra(extra):
        pytest.skip(f"needs the extra {extra}")


def outputs(net: MultiResolutionNet, forward: Forward, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """What a prepared network returns, and what the network returns."""
    got = maps_of(forward(image))
    with torch.no_grad():
        expected = maps_of(net(image))
    assert [x.shape for x in got] == [x.shape for x in expected]
    assert {x.dtype for x in got} == {torch.float32}
    return got, expected


EVERY = [
    pytest.param(name, code, task, marks=[] if code is SMALLEST and task == "segmentation" else pytest.mark.slow)
    for name, code, task in product(RUNTIMES, (SMALLEST, MIDDLE), HEADS)
]


@pytest.mark.parametrize(("name", "code", "task"), EVERY)
def test_every_runtime_computes_the_same(name: RuntimeName, code: Code, task: Head) -> None:
    needs(name)
    net = lived(code, task, in_channels=4)
    for batch, size in ((1, (64, 96)), (2, (45, 70))):  # maps of odd sizes are resized
        forward = prepare(net, name, image_size=size, batch=batch)
        for seed in (0, 1):  # what a first call returned may not change in the second one
            image = torch.randn(batch, 4, *size, generator=torch.Generator().manual_seed(seed))
            got, expected = outputs(net, forward, image)
            first = [x.clone() for x in got]
            forward(image + 1)
            assert error(got, expected) < 1e-4
            assert all(torch.equal(x, y) for x, y in zip(got, first, strict=True))


@pytest.mark.parametrize("name", ["torch", pytest.param("openvino", marks=pytest.mark.slow)])
@pytest.mark.parametrize("code", [WIDE, pytest.param(MIDDLE, marks=pytest.mark.slow)], ids=["wide", "middle"])
@TASKS
def test_bfloat16_is_close(name: RuntimeName, code: Code, task: Head) -> None:
    needs(name)
    net = lived(code, task)
    try:
        forward = prepare(net, name, "bfloat16", image_size=(81, 90))
    except ConfigError as refused:
        pytest.skip(str(refused))
    got, expected = outputs(net, forward, torch.randn(1, 3, 81, 90))
    assert 1e-5 < error(got, expected) < ROUNDED  # closer would mean that float32 was computed


def test_bfloat16_rounds_weights_after_folding() -> None:
    """A batch norm that scales by a power of two is folded without any rounding."""
    net = lived(SMALLEST, "features")
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 0.0
            module.running_mean, module.running_var = torch.zeros_like(module.bias), torch.ones_like(module.bias) / 16
            module.weight.data.fill_(0.5)
            module.bias.data.zero_()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data = module.weight.data.bfloat16().float()
    fast = net.for_inference("bfloat16")
    convolutions = [x.weight for x in net.modules() if isinstance(x, torch.nn.Conv2d)]
    folded = [x for x in fast.parameters() if x.ndim == 4]
    assert len(folded) == len(convolutions)
    assert {x.dtype for x in folded} == {torch.bfloat16}
    assert all(torch.equal(x.float(), 2 * y) for x, y in zip(folded, convolutions, strict=True))


def test_clips_and_point_clouds_have_bfloat16_too() -> None:
    torch.manual_seed(0)
    clips, net = torch.randn(2, 3, 3, 40, 50), ClipNet(SMALLEST, num_classes=5).eval()
    with torch.no_grad():
        assert 1e-5 < error(net.for_inference("bfloat16")(clips), net(clips)) < ROUNDED
    fast = PillarNet(SMALLEST, grid=(48, 32)).for_inference("bfloat16")
    image = torch.randn(1, 64, 48, 32)
    assert fast.backbone(image).dtype == torch.float32
    assert next(fast.backbone.parameters()).dtype == torch.bfloat16
    assert next(fast.encoder.parameters()).dtype == torch.float32


@pytest.mark.parametrize("given", ["float16", "int8", None, torch.bfloat16])
def test_other_precisions_are_refused(given: Any) -> None:
    message = f"precision must be float32 or bfloat16. Got {given!r}."
    net = MultiResolutionNet(SMALLEST)
    for refuse in (net.for_inference, lambda x: prepare(net, "torch", x), lambda x: Conditions(precision=x)):
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            refuse(given)


@pytest.mark.parametrize("given", ["tvm", None, ["torch"]])
def test_other_runtimes_are_refused(given: Any) -> None:
    message = f"runtime must be one of torch, onnxruntime, openvino. Got {given!r}."
    for refuse in (lambda x: prepare(MultiResolutionNet(SMALLEST), x), lambda x: Conditions(runtime=x)):
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            refuse(given)


def test_onnxruntime_has_no_bfloat16() -> None:
    message = "precision must be float32 for onnxruntime. Got 'bfloat16'. bfloat16 needs torch or openvino."
    conditions = Conditions(image_size=(32, 32), runtime="onnxruntime", precision="bfloat16")
    net = MultiResolutionNet(SMALLEST)
    for refused in (
        lambda: prepare(net, "onnxruntime", "bfloat16"),
        conditions.require_runtime,
        lambda: profile(SMALLEST, conditions),
    ):
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            refused()


def test_openvino_has_bfloat16_where_the_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("openvino")
    core = MagicMock()
    core.get_property.return_value = ["FP32", "INT8"]
    monkeypatch.setattr("ncp.network.runtimes._core", lambda: core)
    with pytest.raises(ConfigError, match=r"^precision is bfloat16, but OpenVINO finds no instructions for it in this"):
        prepare(MultiResolutionNet(SMALLEST), "openvino", "bfloat16")
    RUNTIMES["openvino"].require("float32")


@pytest.mark.parametrize(("name", "package"), [("onnxruntime", "onnxruntime"), ("openvino", "openvino")])
def test_a_runtime_that_is_not_installed_is_named(
    name: RuntimeName, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    message = (
        rf"^The runtime {name} needs {package}\. Install the extra: pip install 'ncp-nas\[{RUNTIMES[name].extra}\]'"
    )
    for refused in (
        lambda: prepare(MultiResolutionNet(SMALLEST), name),
        lambda: profile(SMALLEST, Conditions(runtime=name)),
    ):
        with pytest.raises(MissingExtraError, match=message):
            refused()


def test_only_trainable_networks_of_images_are_prepared() -> None:
    net = MultiResolutionNet(SMALLEST)
    for other, message in (
        (net.for_inference(), "net must be a MultiResolutionNet, not its inference form"),
        (ClipNet(SMALLEST), "net must be a network of images. Got one of clips."),
        (PillarNet(SMALLEST, grid=(48, 32)), "Networks of point clouds are not exported"),
    ):
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
            prepare(other, "torch")  # type: ignore[arg-type]
    for wrong in ({"image_size": (1, 2, 3)}, {"image_size": 0}, {"image_size": 32.0}, {"batch": 0}):
        with pytest.raises(ConfigError, match=f"^{next(iter(wrong))} must be "):
            prepare(net, "torch", **wrong)  # type: ignore[arg-type]


def test_images_of_another_shape_are_refused() -> None:
    needs("onnxruntime")
    forward = prepare(MultiResolutionNet(SMALLEST), image_size=32)
    message = "The network was prepared for images (1, 3, 32, 32). Got (2, 3, 32, 32). Prepare it for this shape."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        forward(torch.zeros(2, 3, 32, 32))


@pytest.mark.parametrize("task", HEADS)
def test_the_graph_is_valid_and_names_its_outputs_as_exported_files(task: Head) -> None:
    net = MultiResolutionNet(SMALLEST, task=task)
    before = {name: (x.clone(), x.requires_grad) for name, x in net.state_dict(keep_vars=True).items()}
    with torch.inference_mode():
        graph = onnx_graph(net, (1, 3, 50, 64))
    onnx.checker.check_model(graph, full_check=True)
    names = ["stride4", "stride8", "stride16", "stride32"] if task == "features" else ["scores"]
    assert [x.name for x in graph.graph.output] == names
    assert [x.name for x in graph.graph.input] == ["image"]
    assert net.training
    after = net.state_dict(keep_vars=True)
    assert all(
        torch.equal(x, after[name]) and x_grad == after[name].requires_grad for name, (x, x_grad) in before.items()
    )


@pytest.mark.slow
def test_a_signal_is_handled_after_networks_in_openvino_have_ended() -> None:
    needs("openvino")
    program = f"""
import signal
from ncp.network.net import MultiResolutionNet
from ncp.network.runtimes import prepare
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
first, second = (prepare(MultiResolutionNet("{SMALLEST}"), "openvino", image_size=32) for _ in range(2))
del first
del second
signal.raise_signal(signal.SIGUSR1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout, done.stderr) == (0, "handled\n", "")


@pytest.mark.slow
def test_openvino_does_not_report_that_it_was_imported() -> None:
    needs("openvino")
    program = (
        "import sys; from ncp.network.runtimes import _core; print(_core().available_devices);"
        "assert 'openvino' in sys.modules; assert 'openvino_telemetry' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    assert "CPU" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_latencies_are_measured_in_the_runtime(name: RuntimeName, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(name)
    conditions = Conditions(image_size=(33, 50), batch=2, runtime=name)
    shapes: list[tuple[int, ...]] = []
    kind = type(RUNTIMES[name])
    prepared = kind.prepared

    def noted(self: Any, net: Any, shape: Any, precision: Any) -> Any:
        shapes.append(tuple(shape))
        assert torch.get_num_threads() == conditions.threads
        return prepared(self, net, shape, precision)

    monkeypatch.setattr(kind, "prepared", noted)
    found = measure(SMALLEST, conditions, 0.0)
    assert (found.batch, found.runs) == (2, 5)
    assert found.median > 0
    assert shapes == [(2, 3, 33, 50)]
    profiled = profile(SMALLEST, conditions, seconds=0.0)
    own = profile(SMALLEST, replace(conditions, runtime="torch"), seconds=0.0)
    assert shapes[1:] == [(1, 3, 33, 50), (2, 3, 33, 50)]
    assert [each.batch for each in profiled.latencies] == [1, 2]
    assert profiled.peak_bytes is None
    assert [replace(stage, milliseconds=None) for stage in own.stages] == list(profiled.stages)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_other_runtimes_are_measured_on_processors_only() -> None:
    message = "runtime must be torch on cuda. Got 'openvino', which is measured on processors only."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Conditions(device="cuda", runtime="openvino")
