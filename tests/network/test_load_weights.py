"""A network takes the weights of a file that fit it; others change nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ncp import DataError
from ncp.network.net import MultiResolutionNet
from ncp.network.weights import load_weights

SMALL = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
FORMATS = pytest.mark.parametrize("modern", [True, False], ids=["zip", "legacy"])


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in state.items()}


@FORMATS
@pytest.mark.parametrize("number", ["net0", "net1", "net2"])
def test_published_networks_compute_what_they_did(shared: Path, tmp_path: Path, number: str, modern: bool) -> None:
    with np.load(shared / "parity" / f"{number}.npz") as file:
        stored = dict(file)
    state = {key.removeprefix("weight/"): torch.from_numpy(v) for key, v in stored.items() if key.startswith("weight/")}
    torch.save({"state_dict": state}, tmp_path / "net.pth", _use_new_zipfile_serialization=modern)
    code, task, classes = stored["vector"].tolist(), stored["task"].item(), stored["num_classes"].item()
    built = MultiResolutionNet(code, task=task, num_classes=classes)
    assert built.load_published(tmp_path / "net.pth") is built
    with torch.no_grad():
        got = built.eval()(torch.from_numpy(stored["input"]))
    expected = torch.from_numpy(stored["output"])
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_a_network_takes_its_weights(tmp_path: Path) -> None:
    written = MultiResolutionNet(SMALL, num_classes=5)
    for name, content in {
        "plain": written.state_dict(),
        "without": {k: v for k, v in written.state_dict().items() if not k.endswith("num_batches_tracked")},
        "double": {k: v.double() if v.is_floating_point() else v for k, v in written.state_dict().items()},
    }.items():
        torch.save(content, tmp_path / name)
        built = MultiResolutionNet(SMALL, num_classes=5)
        load_weights(built, tmp_path / name)
        assert list(built.state_dict()) == list(written.state_dict())
        for key, value in built.state_dict().items():
            assert torch.equal(value, written.state_dict()[key])
        assert all(parameter.requires_grad for parameter in built.parameters())


def test_a_backbone_leaves_out_the_head(tmp_path: Path) -> None:
    written = MultiResolutionNet(SMALL, task="segmentation", num_classes=19)
    torch.save(written.state_dict(), tmp_path / "net.pth")
    backbone = MultiResolutionNet(SMALL, task="features").load_published(tmp_path / "net.pth")
    assert torch.equal(backbone.downsamples[0][0].weight, written.downsamples[0][0].weight)  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda: MultiResolutionNet(SMALL, num_classes=7),
            r"Expected \(5, 8, 1, 1\) as the shape of 'classifier\.weight' in .*net\.pth\. Got \(7, 8, 1, 1\)\. "
            r"Build the network with num_classes=7\.",
        ),
        (
            lambda: MultiResolutionNet(SMALL, num_classes=5, in_channels=64),
            r"Expected \(8, 3, 3, 3\) as the shape of 'downsamples\.0\.0\.weight' in .*Got \(8, 64, 3, 3\)\. "
            r"Build the network with in_channels=64\.",
        ),
        (
            lambda: MultiResolutionNet(SMALL.replace("-1_1_1_8-", "-1_1_1_16-"), num_classes=5),
            r"Expected \(8, 8, 3, 3\) as the shape of 'features\.0\.fuse_layers\.0\.0\.0\.weight' in .*"
            r"Got \(16, 8, 3, 3\)\. The weights are of another code: build its network\.",
        ),
        (
            lambda: MultiResolutionNet(SMALL.replace("-1_1_1_8-", "-1_1_2_8-"), num_classes=5),
            r"the file has 'features\.1\.branches\.0\.1\.conv1\.weight', .*\.bn1\.weight', .* and 9 more in addition\. "
            r"Build the network with the code and the task that the weights were trained for\.",
        ),
        (
            lambda: MultiResolutionNet(SMALL, task="features"),
            r"the file lacks 'transform\.0\.weight', 'transform\.1\.weight', 'transform\.1\.bias' and 4 more\. ",
        ),
        (lambda: {"a": torch.ones(1)}, r"the file lacks .* and \d+ more and has 'a' in addition\. Build the network"),
        (
            lambda: changed("classifier.bias", lambda bias: bias.fill_(float("nan"))),
            r"net\.pth has weights that are not finite, in 'classifier\.bias'\. Use another file\.",
        ),
        (
            lambda: changed("classifier.bias", lambda bias: bias.double().fill_(1e300)),
            r"net\.pth has weights that are not finite, in 'classifier\.bias'\.",
        ),
        (
            lambda: changed("classifier.bias", lambda bias: bias.to(torch.int8)),
            r"Expected torch\.float32 as 'classifier\.bias' in .*net\.pth\. Got torch\.int8\.",
        ),
    ],
    ids=["classes", "channels", "widths", "blocks", "backbone", "strange", "nan", "overflow", "integers"],
)
def test_weights_of_another_network_change_nothing(
    tmp_path: Path, change: Callable[[], MultiResolutionNet | dict[str, Tensor]], message: str
) -> None:
    written = change()
    torch.save(written if isinstance(written, dict) else written.state_dict(), tmp_path / "net.pth")
    built = MultiResolutionNet(SMALL, num_classes=5)
    before = copied(built.state_dict())
    with pytest.raises(DataError, match=message):
        built.load_published(tmp_path / "net.pth")
    assert all(torch.equal(value, before[key]) for key, value in built.state_dict().items())


def changed(key: str, change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    state = copied(MultiResolutionNet(SMALL, num_classes=5).state_dict())
    state[key] = change(state[key])
    return state


def test_a_damaged_file_changes_nothing(tmp_path: Path) -> None:
    built = MultiResolutionNet(SMALL, num_classes=5)
    before = copied(built.state_dict())
    torch.save(MultiResolutionNet(SMALL, num_classes=5).state_dict(), tmp_path / "net.pth")
    whole = (tmp_path / "net.pth").read_bytes()
    place = whole.index(b"net/data/5")
    (tmp_path / "net.pth").write_bytes(whole[: place + 200] + bytes([whole[place + 200] ^ 1]) + whole[place + 201 :])
    with pytest.raises(DataError, match="bad checksum of"):
        built.load_published(tmp_path / "net.pth")
    assert all(torch.equal(value, before[key]) for key, value in built.state_dict().items())
