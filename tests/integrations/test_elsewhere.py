"""The programs of docs/use-elsewhere.md run with stand-ins of the other libraries, and gradients reach the backbone."""

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

import ncp
from ncp.network.export import export
from ncp.network.network_file import save_network
from tests.integrations import stand_ins

PAGE = Path(__file__).parents[2] / "docs" / "use-elsewhere.md"
CODE = "16_8-1_1_1_24-1_2_1_1_16_8-1_3_1_1_1_8_16_24-1_4_1_1_1_1_32_24_16_8-8"
CHANNELS, STRIDES = [32, 24, 16, 8], [4, 8, 16, 32]


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The other libraries, replaced by stand-ins."""
    made = stand_ins.modules()
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, name, module)
    return made


def program(title: str, folder: Path) -> dict[str, Any]:
    """What a program of the page defines; its long code is replaced by a small one."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    [found] = [block for block in blocks if block.startswith(f"# {title}\n")]
    path = folder / "program.py"
    path.write_text(re.sub(r'"16_112-[\d_-]+"', f'"{CODE}"', found).replace("96, 128, 128, 56", "32, 24, 16, 8"))
    return runpy.run_path(str(path))


def require_gradients(net: Any) -> None:
    """The first convolution has a gradient that is not zero everywhere."""
    first = next(net.parameters())
    assert first.grad is not None
    assert first.grad.abs().max() > 0


def test_pytorch(tmp_path: Path) -> None:
    made = program("PyTorch", tmp_path)
    assert (made["channels"], made["strides"]) == (CHANNELS, STRIDES)


def test_mmsegmentation(libraries: dict[str, ModuleType], tmp_path: Path) -> None:
    registry = libraries["mmseg.registry"].MODELS
    program("ncp_backbone.py", tmp_path)
    model = program("configuration of mmsegmentation", tmp_path)["model"]
    registry.known["UPerHead"] = stand_ins.UPerHead
    backbone, head = registry.build(model["backbone"]), registry.build(model["decode_head"])
    before = next(backbone.parameters()).clone()
    backbone.init_weights()
    assert (next(backbone.parameters()) == before).all()
    scores = head(backbone(stand_ins.image()))
    assert scores.shape == (2, 19, 16, 16)
    scores.sum().backward()
    require_gradients(backbone)


def test_mmsegmentation_with_trained_weights(libraries: dict[str, ModuleType], tmp_path: Path) -> None:
    trained = ncp.MultiResolutionNet(CODE, num_classes=3)
    save_network(trained, tmp_path / "weights.safetensors", {})
    program("ncp_backbone.py", tmp_path)
    config = {"type": "NcpBackbone", "weights": tmp_path / "weights.safetensors"}
    backbone = libraries["mmseg.registry"].MODELS.build(config)
    assert (next(backbone.parameters()) == next(trained.parameters())).all()


@pytest.mark.usefixtures("libraries")
def test_torchvision(tmp_path: Path) -> None:
    net = program("torchvision", tmp_path)["NcpFpn"](CODE, out_channels=12)
    maps = net(stand_ins.image())
    assert net.out_channels == 12
    assert {name: tuple(x.shape) for name, x in maps.items()} == {
        str(k): (2, 12, 64 // stride, 64 // stride) for k, stride in enumerate(STRIDES)
    }
    maps["0"].sum().backward()
    require_gradients(net)


def test_detectron2(libraries: dict[str, ModuleType], tmp_path: Path) -> None:
    made = program("detectron2", tmp_path)
    build = libraries["detectron2.modeling"].BACKBONE_REGISTRY.known["build_ncp_fpn_backbone"]
    net = build(SimpleNamespace(MODEL=SimpleNamespace(FPN=SimpleNamespace(OUT_CHANNELS=10))), None)
    shapes = made["NcpBackbone"](CODE).output_shape()
    assert [(shape.channels, shape.stride) for shape in shapes.values()] == list(zip(CHANNELS, STRIDES, strict=True))
    maps = net(stand_ins.image())
    assert {name: tuple(x.shape) for name, x in maps.items()} == {
        f"p{k}": (2, 10, 64 // 2**k, 64 // 2**k) for k in range(2, 7)
    }
    maps["p2"].sum().backward()
    require_gradients(net)


@pytest.mark.usefixtures("libraries")
def test_timm(tmp_path: Path) -> None:
    program("ncp_timm.py", tmp_path)
    net = stand_ins.create_model("ncp_middle", num_classes=7, in_chans=None, drop_rate=0.1, drop_path_rate=None)
    assert net.num_classes == 7
    scores = net(stand_ins.image())
    assert scores.shape == (2, 7)
    scores[:, 0].sum().backward()
    require_gradients(net)


@pytest.mark.slow
def test_onnx_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = ncp.MultiResolutionNet(CODE, task="features").eval()
    monkeypatch.chdir(tmp_path)
    export(backbone, "backbone.onnx", image_size=(512, 1024))
    finest, coarsest = program("ONNX Runtime", tmp_path)["maps"]
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, 512, 1024))
    assert abs(finest - maps[0].numpy()).max() < 1e-4
    assert abs(coarsest - maps[3].numpy()).max() < 1e-4
