"""Export files compute what the network does, cost what it costs, and are refused with the reason."""

import logging
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from ncp import Code, ConfigError, DataError, MissingExtraError, MultiResolutionNet, macs
from ncp.cost import HEADS
from ncp.network.export import ENDINGS, OPSET, TOLERANCE, export
from ncp.network.inference import InferenceNet

TEXT = "8_16-1_1_1_8-1_2_1_1_16_8-1_3_1_1_1_8_24_8-1_4_1_1_1_1_8_16_8_32-16"
CLASSES = 7
SCORES = {"classification": (1, 1), "segmentation": (16, 24)}
MAPS = {"stride4": (8, 16, 24), "stride8": (16, 8, 12), "stride16": (8, 4, 6), "stride32": (32, 2, 3)}


def trained(**options: Any) -> MultiResolutionNet:
    """A network in training mode, whose batch norms have seen images."""
    torch.manual_seed(0)
    net = MultiResolutionNet(TEXT, num_classes=CLASSES, **options)
    net(torch.randn(4, net.in_channels, 64, 64) + 1)
    return net


def runner(path: Path) -> Callable[[Tensor], list[Tensor]]:
    """What computes with a file, by the libraries that others have."""
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda image: [torch.from_numpy(output) for output in session.run(None, {"image": image.numpy()})]
    module = torch.export.load(path).module()
    return lambda image: listed(module(image))


def contents(path: Path) -> list[bytes]:
    """What a file holds, or, of an archive, the files in it."""
    if not zipfile.is_zipfile(path):
        return [path.read_bytes()]
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist()]


def listed(outputs: Any) -> list[Tensor]:
    return outputs if isinstance(outputs, list) else [outputs]


def same(net: MultiResolutionNet, run: Callable[[Tensor], list[Tensor]], *shape: int) -> bool:
    image = torch.randn(shape) + 1
    with torch.no_grad():
        pairs = list(zip(listed(net(image)), run(image), strict=True))
    return all(a.shape == b.shape and (a - b).abs().max() <= TOLERANCE * a.abs().max() for a, b in pairs)


def uncounted(net: MultiResolutionNet, height: int, width: int) -> int:
    """What the table's counting adds to convolutions: two per output of a batch norm, and the classifier's bias."""
    counts: list[int] = []
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _, __, y: counts.append(2 * y.numel()))
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            module.register_forward_hook(lambda _, __, y: counts.append(y.numel()))
    net(torch.zeros(1, 3, height, width))
    return sum(counts)


PAIRS = [(task, kind) for task in HEADS for kind in ENDINGS]


def some_slow(*fast: tuple[str, str]) -> Any:
    """All pairs of task and format, of which the fast suite tries some: an export takes seconds."""
    marks = [() if pair in fast else pytest.mark.slow for pair in PAIRS]
    return pytest.mark.parametrize(
        ("task", "kind"), [pytest.param(*pair, marks=mark) for pair, mark in zip(PAIRS, marks, strict=True)]
    )


@some_slow()
def test_a_fixed_size(tmp_path: Path, task: str, kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    net = trained(task=task)
    before = {key: weight.clone() for key, weight in net.state_dict().items()}
    path = tmp_path / "folder" / f"net{ENDINGS[kind]}"
    exported = export(net, str(path), format=kind, image_size=(64, 96))
    assert net.training
    assert all(weight.requires_grad for weight in net.parameters())
    assert all(torch.equal(weight, before[key]) for key, weight in net.state_dict().items())
    assert list(path.parent.iterdir()) == [path]
    assert (exported.path, exported.format) == (path, kind)
    assert exported.opset == (OPSET if kind == "onnx" else None)
    assert exported.inputs == {"image": ("batch", 3, 64, 96)}
    maps = MAPS if task == "features" else {"scores": (CLASSES, *SCORES[task])}
    assert exported.outputs == {name: ("batch", *shape) for name, shape in maps.items()}
    assert exported.macs == macs(Code.parse(TEXT), (64, 96), CLASSES, task).item()  # type: ignore[call-overload]
    assert 0 <= exported.difference <= 1e-5
    net.eval()
    assert all(same(net, runner(path), batch, 3, 64, 96) for batch in (1, 2, 5))
    assert exported.macs - exported.graph_macs == uncounted(net, 64, 96)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not any(word in part for part in contents(path) for word in (b"site-packages", str(Path.cwd()).encode()))


@some_slow()
def test_a_dynamic_size(tmp_path: Path, task: str, kind: Any) -> None:
    net = trained(task=task)
    path = tmp_path / f"net{ENDINGS[kind]}"
    exported = export(net, path, format=kind, image_size=(64, 96), dynamic_size=True)
    assert exported.inputs == {"image": ("batch", 3, "32*h", "32*w")}
    by_stride = {f"stride{32 // n}": ("batch", MAPS[f"stride{32 // n}"][0], *ends(n)) for n in (8, 4, 2, 1)}
    scores = ("batch", CLASSES, *((1, 1) if task == "classification" else ends(8)))
    assert exported.outputs == (by_stride if task == "features" else {"scores": scores})
    net.eval()
    run = runner(path)
    assert all(
        same(net, run, n, 3, *size) for n, size in ((1, (64, 64)), (2, (96, 64)), (3, (64, 224)), (1, (160, 96)))
    )
    assert exported.macs is not None
    assert exported.macs - exported.graph_macs == uncounted(net, 64, 96)


def ends(factor: int) -> tuple[str, str]:
    return (f"{factor}*h", f"{factor}*w") if factor > 1 else ("h", "w")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"task": "classification"}, (33, 50)),
        ({"task": "segmentation"}, (1, 1)),
        ({"task": "features", "in_channels": 64}, (32, 48)),
    ],
)
def test_macs_is_none_where_it_does_not_count(tmp_path: Path, options: dict[str, Any], size: tuple[int, int]) -> None:
    net = trained(**options)
    exported = export(net, tmp_path / "net.pt2", format="torch", image_size=size)
    assert exported.macs is None
    assert exported.graph_macs > 0
    assert same(net.eval(), runner(exported.path), 2, net.in_channels, *size)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENDINGS)
def test_other_strides_in_double_precision(tmp_path: Path, kind: Any) -> None:
    net = trained(task="segmentation", stem_strides=(2, 1)).double()
    exported = export(net, tmp_path / f"net{ENDINGS[kind]}", format=kind, image_size=(48, 32), dynamic_size=True)
    assert exported.inputs == {"image": ("batch", 3, "16*h", "16*w")}
    assert exported.macs is not None
    assert net.classifier.weight.dtype == torch.float64
    assert exported.macs - exported.graph_macs == uncounted(net.float().eval(), 48, 32)
    assert same(net.float().eval(), runner(exported.path), 3, 3, 80, 48)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("net.onnx", {"format": "tensorrt"}, "format must be onnx or torch. Got 'tensorrt'."),
        ("net.onnx", {"format": ["onnx"]}, "format must be onnx or torch. Got ['onnx']."),
        ("net.pt2", {}, "Expected a file ending in .onnx for the format onnx. Got 'net.pt2'."),
        ("net", {}, "Expected a file ending in .onnx for the format onnx. Got 'net'."),
        ("net.pt", {"format": "torch"}, "Expected a file ending in .pt2 for the format torch. Got 'net.pt'."),
        *(
            (
                "net.onnx",
                {"image_size": size},
                f"Expected integers from 1 to 65536 as height and width of the image. Got {size!r}.",
            )
            for size in (0, (0, 64), -32, 32.0, True, (64,), (64, 64, 64), "64", 1 << 17)
        ),
        *(
            (
                "net.onnx",
                {"image_size": size, "dynamic_size": True},
                f"Expected multiples of 32 from 64 to 65536 as height and width of the image. Got {size!r}. "
                "Other sizes can only be fixed.",
            )
            for size in (0, 32, 100, (64, 32), (96, 100))
        ),
    ],
)
def test_refusals(tmp_path: Path, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        export(MultiResolutionNet(TEXT), tmp_path / name, **options)
    assert str(caught.value) == message
    assert not list(tmp_path.iterdir())


def test_the_inference_form_is_refused(tmp_path: Path) -> None:
    fast = MultiResolutionNet(TEXT).for_inference()
    assert isinstance(fast, InferenceNet)
    with pytest.raises(ConfigError) as caught:
        export(fast, tmp_path / "net.onnx")  # type: ignore[arg-type]
    assert str(caught.value) == "net must be a MultiResolutionNet, not its inference form. Got 'InferenceNet'."


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"Cannot write .*net\.onnx: File exists\. Choose another path"):
        export(MultiResolutionNet(TEXT), tmp_path / "file" / "net.onnx")


@pytest.mark.slow
def test_a_file_with_other_outputs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("onnx", "onnxruntime", "onnxscript"):  # torch needs none of them
        monkeypatch.setitem(sys.modules, package, None)
    net = trained()
    with torch.no_grad():
        assert net.classifier.bias is not None
        net.classifier.bias[0] = torch.nan
    (tmp_path / "net.pt2").write_text("before")
    with pytest.raises(DataError, match=r"differ by nan of the largest output, more than 0\.001\. Check that"):
        export(net, tmp_path / "net.pt2", format="torch", image_size=32)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("net.pt2", "before")]


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(torch.export, "export", None)  # it takes seconds, and is not begun
    with pytest.raises(MissingExtraError, match=rf"A network in ONNX needs {package}\. .*'ncp-nas\[export\]'"):
        export(MultiResolutionNet(TEXT), tmp_path / "net.onnx", image_size=32)
    assert not list(tmp_path.iterdir())
