"""Files of trained networks build the same network anywhere, and nothing else is built from any file."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import ncp
from ncp import ConfigError, DataError
from ncp.network.clip_net import ClipNet
from ncp.network.net import MultiResolutionNet
from ncp.network.network_file import LONGEST, read_whole_weights, save_network
from ncp.network.pillar_net import Maps, PillarNet
from tests.network.test_net import SMALLEST
from tests.network.test_pillar_net import GRID, pillars

NAMES = ["road", "sky", "Straße"]
METADATA = {"task": "roads", "kind": "segmentation", "classes": NAMES, "mean": (0.5, 0.4, 0.3), "image_size": [64, 96]}
NETWORKS: dict[str, tuple[Callable[[], Any], Any]] = {
    "classification": (lambda: MultiResolutionNet(SMALLEST, num_classes=3), torch.randn(2, 3, 64, 64)),
    "segmentation": (
        lambda: MultiResolutionNet(SMALLEST, task="segmentation", num_classes=3, in_channels=5, stem_strides=(2, 1)),
        torch.randn(2, 5, 32, 32),
    ),
    "features": (lambda: MultiResolutionNet(SMALLEST, task="features"), torch.randn(2, 3, 64, 64)),
    "clips": (lambda: ClipNet(SMALLEST, num_classes=3), torch.randn(2, 3, 3, 32, 32)),
    "pillars": (lambda: PillarNet(SMALLEST, anchors=2, grid=GRID), pillars()),
}
KINDS = pytest.mark.parametrize("kind", NETWORKS)


@cache
def trained(kind: str) -> tuple[Any, Any]:
    """A network whose batch norms have seen its input, and that input."""
    torch.manual_seed(0)
    make, given = NETWORKS[kind]
    net = make()
    net(given)
    return net.eval(), given


def outputs(net: nn.Module, given: Any) -> list[Tensor]:
    with torch.no_grad():
        found = net(given)
    return list(found) if isinstance(found, (list, Maps)) else [found]


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Tensor]], Any]) -> Path:
    """The file with another description or other weights."""
    with path.open("rb") as file:
        about = json.loads(json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]["ncp"])
    weights = load_file(path)
    del about["sha256"]  # a file of an earlier version, or of somebody who knows what is changed
    change(about, weights)
    save_file(weights, path, {"ncp": json.dumps(about)})
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save_network(trained("segmentation")[0], path, METADATA)
    return path


@KINDS
def test_a_file_builds_the_same_network(tmp_path: Path, kind: str) -> None:
    net, given = trained(kind)
    save_network(net, tmp_path / "net.safetensors", METADATA)
    state = torch.get_rng_state()
    loaded = ncp.load_network(tmp_path / "net.safetensors")
    assert torch.equal(torch.get_rng_state(), state)
    assert type(loaded) is type(net)
    assert not loaded.training
    assert (loaded.code, loaded.classes) == (SMALLEST, tuple(NAMES))
    assert loaded.metadata == METADATA | {"mean": [0.5, 0.4, 0.3]}
    assert all(torch.equal(a, b) for a, b in zip(outputs(loaded, given), outputs(net, given), strict=True))
    assert [p.requires_grad for p in loaded.parameters()] == [p.requires_grad for p in net.parameters()]
    fast = loaded.for_inference()
    assert fast.classes == tuple(NAMES)
    for a, b in zip(outputs(fast, given), outputs(net, given), strict=True):
        assert (a - b).abs().max() <= 1e-3 * b.abs().max()
    save_network(loaded, tmp_path / "again.safetensors", loaded.metadata)
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "net.safetensors").read_bytes()


@KINDS
def test_the_backbone_of_every_file(tmp_path: Path, kind: str) -> None:
    net, _ = trained(kind)
    save_network(net, tmp_path / "net.safetensors", METADATA)
    backbone = MultiResolutionNet.from_file(tmp_path / "net.safetensors", task="features")
    whole = net.backbone if kind == "pillars" else net
    assert (type(backbone), backbone.task) == (MultiResolutionNet, "features")
    assert backbone.feature_info == whole.feature_info
    image = torch.randn(1, backbone.in_channels, 48, 64)
    with torch.no_grad():
        expected, found = whole.maps(image), backbone(image)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_the_task_is_that_of_the_file(saved: Path) -> None:
    net = MultiResolutionNet.from_file(saved)
    assert (net.task, net.num_classes, net.in_channels, net.stem_strides) == ("segmentation", 3, 5, (2, 1))
    assert MultiResolutionNet.from_file(saved, task="segmentation").task == "segmentation"
    for other in ("classification", "seg"):
        message = f"task must be features, or segmentation as in the file. Got {other!r}."
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            MultiResolutionNet.from_file(saved, task=other)  # type: ignore[arg-type]


def test_a_file_of_another_class_names_it(tmp_path: Path) -> None:
    save_network(trained("clips")[0], tmp_path / "clips", {})
    assert type(ClipNet.from_file(tmp_path / "clips")) is ClipNet
    assert ncp.load_network(tmp_path / "clips").classes is None
    with pytest.raises(DataError, match=r"clips has a ClipNet\. Load it with ncp\.load_network, or its backbone alone"):
        MultiResolutionNet.from_file(tmp_path / "clips")


def test_weights_of_a_file_are_not_those_on_the_disk(saved: Path) -> None:
    """A file that is written again does not change a network that was loaded."""
    net = ncp.load_network(saved)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    data = bytearray(saved.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    saved.write_bytes(data)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


def test_the_inference_form_is_not_saved(tmp_path: Path) -> None:
    for kind in ("classification", "clips", "pillars"):
        with pytest.raises(ConfigError, match=r"^net must be a network, not its inference form\.$"):
            save_network(trained(kind)[0].for_inference(), tmp_path / "net", {})
    assert not list(tmp_path.iterdir())


def test_weights_of_foreign_networks_are_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    foreign = nn.Linear(3, 2)
    save_network(foreign, tmp_path / "net", METADATA)
    assert torch.equal(load_file(tmp_path / "net")["weight"], foreign.weight)
    with pytest.raises(DataError, match=r"is not one of this package, so it cannot be built from the file\."):
        ncp.load_network(tmp_path / "net")


CHANGES: dict[str, tuple[Callable[[dict[str, Any], dict[str, Tensor]], Any], str]] = {
    "format": (lambda about, _: about.update(format=2), r"has the format 2\. This version of ncp reads format 1\."),
    "boolean": (lambda about, _: about.update(format=True), r"has the format True\."),
    "no format": (lambda about, _: about.pop("format"), r"has the format None\."),
    "key": (lambda about, _: about.update(more=1), "does not say properly how its network is built"),
    "list": (lambda about, _: about.update(network=[]), "does not say properly how its network is built"),
    "prefix": (lambda about, _: about["network"].update(prefix=1), "does not say properly how its network is built"),
    "class": (lambda about, _: about["network"].update({"class": "os.system"}), r"network of the kind 'os\.system'"),
    "metadata": (lambda about, _: about.update(metadata=[]), "does not say properly how its network is built"),
    "names": (lambda about, _: about["metadata"].update(classes=[1, 2, 3]), "say properly the names of its classes"),
    "fewer names": (lambda about, _: about["metadata"].update(classes=["a"]), "names 1 classes, but its network has 3"),
    "code": (lambda about, _: about["network"]["arguments"].update(code="8"), "cannot be built: Expected 31 integers"),
    "channels": (lambda about, _: about["network"]["arguments"].update(in_channels=0), "from 1 to 4096"),
    "other channels": (
        lambda about, _: about["network"]["arguments"].update(in_channels=6),
        "Expected .* as the shape",
    ),
    "argument": (lambda about, _: about["network"]["arguments"].update(x=1), "its arguments are of another version"),
    "more classes": (
        lambda about, _: about["network"]["arguments"].update(num_classes=1 << 20),
        "larger than its weights",
    ),
    "missing": (lambda _, weights: weights.pop("features.0.fuse_layers.0.0.1.bias"), "are of another network"),
    "count": (lambda _, weights: weights.pop("downsamples.0.1.num_batches_tracked"), "lacks 'downsamples"),
    "nan": (lambda _, weights: weights["classifier.bias"].fill_(torch.nan), "weights that are not finite"),
}


def test_one_changed_bit_is_noticed(saved: Path, tmp_path: Path) -> None:
    """In the weights, or in a description that still can be read."""
    whole = saved.read_bytes()
    data = 8 + int.from_bytes(whole[:8], "little")
    for place in (data, data + 1, (data + len(whole)) // 2, len(whole) - 1, whole.index(b"roads"), whole.index(b"0.4")):
        changed = bytearray(whole)
        changed[place] ^= 1
        (tmp_path / "changed").write_bytes(changed)
        for read in (ncp.load_network, MultiResolutionNet.from_file, read_whole_weights):
            with pytest.raises(DataError, match="changed is damaged: its content differs from what was saved"):
                read(tmp_path / "changed")
    ncp.load_network(saved)


def test_files_without_a_digest_are_read(saved: Path) -> None:
    """Those of earlier versions."""
    before = MultiResolutionNet.from_file(saved).state_dict()
    after = MultiResolutionNet.from_file(rewritten(saved, lambda *_: None)).state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    assert read_whole_weights(saved).keys() == before.keys()


@pytest.mark.parametrize("name", CHANGES)
def test_changed_files_are_refused(saved: Path, name: str) -> None:
    change, message = CHANGES[name]
    with pytest.raises(DataError, match=message):
        ncp.load_network(rewritten(saved, change))


def test_other_files_are_refused(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(DataError, match=r"^Cannot read the weights in .*none: No such file or directory\.$"):
        ncp.load_network(tmp_path / "none")
    half = tmp_path / "half"
    half.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    with pytest.raises(DataError, match="or it is damaged"):
        ncp.load_network(half)
    net = trained("classification")[0]
    torch.save(net.state_dict(), tmp_path / "torch")
    save_file(net.state_dict(), tmp_path / "bare")
    for name in ("torch", "bare"):
        with pytest.raises(DataError, match=r"does not say of which network\. Give its code, too: "):
            ncp.load_network(tmp_path / name)
    for name, text in {"long": " " * (LONGEST + 1), "no json": "{", "deep": "[" * 100_000}.items():
        save_file(net.state_dict(), tmp_path / name, {"ncp": text})
        with pytest.raises(DataError, match=r"more than 16777216 characters|does not say properly"):
            ncp.load_network(tmp_path / name)
