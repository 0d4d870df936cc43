"""Weights are loaded from every format, and loading them runs nothing."""

import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from ncp import DataError
from ncp.network import weights
from ncp.network.net import MultiResolutionNet
from ncp.network.weights import load_weights, read_weights

SMALL = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"

Read = Callable[[bytes], dict[str, Tensor]]
FORMATS = pytest.mark.parametrize("modern", [True, False], ids=["zip", "legacy"])


def saved(content: object, modern: bool = True, **options: Any) -> bytes:
    """What `torch.save` writes."""
    file = BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=modern, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    file = tmp_path_factory.mktemp("weights") / "file.pth"

    def read_bytes(content: bytes) -> dict[str, Tensor]:
        file.write_bytes(content)
        return read_weights(file)

    return read_bytes


def same(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Equal names in their order, types and numbers."""
    assert list(got) == list(expected)
    for key, tensor in expected.items():
        assert got[key].dtype == tensor.dtype
        assert not got[key].requires_grad
        assert torch.equal(got[key], tensor)


net = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), head=nn.Linear(4, 2)))
state = net.state_dict()
optimizer = torch.optim.Adam(net.parameters())
for parameter in net.parameters():
    parameter.grad = torch.ones_like(parameter)
optimizer.step()


@FORMATS
@pytest.mark.parametrize(
    "content",
    [
        state,
        dict(state),
        net.state_dict(keep_vars=True),
        {"state_dict": state, "epoch": 3, "optimizer": optimizer.state_dict(), "best": torch.tensor(0.5)},
        {"model": state, "arch": "small", "seen": [1, (2.5, None, True)]},
        {"model": {"state_dict": state}},
        {"state_dict": {"model": state}},
        {"model": "small", "state_dict": state},
        {f"module.{key}": value for key, value in state.items()},
        {"state_dict": OrderedDict((f"module.{key}", value) for key, value in state.items())},
        {f"_orig_mod.{key}": value for key, value in state.items()},
        {f"module._orig_mod.{key}": value for key, value in state.items()},
        {f"_orig_mod.module.{key}": value for key, value in state.items()},
        {f"module.module.{key}": value for key, value in state.items()},
        {key.replace("0.", "0._orig_mod.", 1): value for key, value in state.items()},
    ],
    ids=[
        *("state", "dict", "parameters", "wrapped", "model", "twice", "inside", "named", "module", "wrapped-module"),
        *("compiled", "module-compiled", "compiled-module", "module-module", "compiled-part"),
    ],
)
def test_what_torch_saves_comes_back(read: Read, content: Any, modern: bool) -> None:
    same(read(saved(content, modern)), state)


@FORMATS
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_every_type_comes_back(read: Read, dtype: torch.dtype, modern: bool) -> None:
    content = {"a": torch.tensor([[0, 1, 2], [3, 100, 1]]).to(dtype), "b": torch.tensor(1).to(dtype)}
    same(read(saved(content, modern)), content)


@FORMATS
def test_views_come_back(read: Read, modern: bool) -> None:
    whole = torch.arange(24.0).reshape(2, 3, 4)
    content = {
        "whole": whole,
        "again": whole,
        "transposed": whole.permute(2, 0, 1),
        "part": whole[1, 1:, ::2],
        "expanded": torch.ones(1).expand(5),
        "number": whole[1, 2, 3],
        "empty": whole[:, :0],
        "none": torch.zeros(0, 3),
    }
    same(read(saved(content, modern)), content)


def test_safetensors_come_back(read: Read) -> None:
    content = {key: value.contiguous() for key, value in state.items()} | {"half": torch.ones(3).half()}
    got = read(save_safetensors(content))
    same({key: got[key] for key in content}, content)
    same(read(save_safetensors({"module.a": torch.ones(2)})), {"a": torch.ones(2)})


def test_weights_with_and_without_the_prefix_of_torch_compile_are_refused(read: Read) -> None:
    with pytest.raises(DataError, match=r"holds weights twice: with '_orig_mod\.' in their names and without"):
        read(save_safetensors({"a": torch.ones(2), "_orig_mod.a": torch.ones(2)}))


def test_a_file_by_its_name(tmp_path: Path) -> None:
    torch.save(state, tmp_path / "net.pth")  # the root of its archive is "net"
    same(read_weights(tmp_path / "net.pth"), state)
    same(read_weights(str(tmp_path / "net.pth")), state)


@given(share=st.floats(0, 1, exclude_max=True), kind=st.sampled_from(["zip", "legacy", "safetensors"]))
def test_every_cut_of_a_file_is_refused(read: Read, share: float, kind: str) -> None:
    whole = WHOLE[kind]
    with pytest.raises(DataError):
        read(whole[: int(share * len(whole))])


@given(
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    kind=st.sampled_from(["zip", "legacy", "safetensors"]),
)
def test_changed_files_are_read_as_tensors_or_refused(read: Read, edits: list[tuple[float, int]], kind: str) -> None:
    content = bytearray(WHOLE[kind])
    for share, byte in edits:
        content[int(share * len(content))] = byte
    with suppress(DataError):
        assert all(type(tensor) is Tensor for tensor in read(bytes(content)).values())


LITTLE = {"a": torch.arange(3.0), "b": torch.ones(2, 2).half()}
WHOLE = {"zip": saved(LITTLE), "legacy": saved(LITTLE, modern=False), "safetensors": save_safetensors(LITTLE)}


class Reduced:
    """Pickled as a call."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


@FORMATS
@pytest.mark.parametrize(
    ("called", "name"),
    [
        (os.system, "posix.system"),
        (eval, "eval"),
        (torch.load, "torch.serialization.load"),
        (nn.Linear, "torch.nn.modules.linear.Linear"),
        (np.load, "numpy.load"),
    ],
)
def test_other_functions_are_refused_by_name(read: Read, tmp_path: Path, called: Any, name: str, modern: bool) -> None:
    witness = tmp_path / "ran"
    written = saved({"state_dict": state, "more": Reduced(called, (f"touch {witness}",))}, modern)
    with pytest.raises(DataError, match=rf"refers to '{name}', so it is not read; nothing was run\. If you trust"):
        read(written)
    assert not witness.exists()


@FORMATS
def test_other_pickle_protocols_are_refused(read: Read, modern: bool) -> None:
    with pytest.raises(DataError, match=r"Unsupported operand .* save it again with torch\.save\(net"):
        read(saved(state, modern, pickle_protocol=4))


@FORMATS
def test_a_whole_network_is_refused_by_the_name_of_its_class(read: Read, modern: bool) -> None:
    with pytest.raises(DataError, match=r"refers to 'torch\.nn\.modules\.container\.Sequential', so it is not read"):
        read(saved(net, modern))


def test_a_plain_pickle_runs_nothing(read: Read, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"refers to 'posix\.system'"):
        read(pickle.dumps(Reduced(os.system, (f"touch {tmp_path / 'ran'}",)), 2))
    with pytest.raises(DataError, match="is not a file of torch or safetensors"):
        read(pickle.dumps({"a": 1}))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(2, 2).to_sparse(),
        torch.empty(1 << 40, device="meta"),
    ],
    ids=["sparse", "meta"],
)
def test_tensors_of_other_kinds_are_refused(read: Read, tensor: Tensor) -> None:
    with pytest.raises(DataError, match="Got other data: 'b'"):
        read(saved({"a": torch.ones(1), "b": tensor}))


def test_changed_bytes_in_an_archive_are_noticed(read: Read) -> None:
    content = bytearray(saved({"a": torch.arange(3000.0)}))
    content[content.index(b"archive/data/0") + 6000] ^= 1
    with pytest.raises(DataError, match=r"it is damaged: .*bad checksum of archive/data/0"):
        read(bytes(content))


def test_a_view_beyond_its_numbers_is_refused(read: Read) -> None:
    class Beyond:
        def __reduce__(self) -> Any:
            storage = torch.ones(4)._typed_storage()
            return torch._utils._rebuild_tensor_v2, (storage, 2, (3,), (1,), False, OrderedDict())

    with pytest.raises(DataError, match="is not a file of torch or safetensors, or it is damaged: "):
        read(saved({"a": Beyond()}))


def test_large_files_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.pth").open("wb") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(DataError, match=f"large.pth holds more than {weights.LARGEST} bytes, so it is not read"):
        read_weights(tmp_path / "large.pth")


def test_an_archive_that_unpacks_to_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "LARGEST", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"N.")
        archive.writestr("net/data/0", bytes(1 << 24))
    assert (tmp_path / "bomb.pth").stat().st_size < 1 << 16
    with pytest.raises(DataError, match=r"bomb.pth holds more than 1048576 bytes"):
        read_weights(tmp_path / "bomb.pth")


@FORMATS
@pytest.mark.parametrize(
    ("content", "got"),
    [
        ({}, "no dict of tensors"),
        ({"state_dict": {}}, "no dict of tensors"),
        ([torch.ones(1)], "no dict of tensors"),
        (torch.ones(1), "no dict of tensors"),
        ({"epoch": 3, "weights": {"a": torch.ones(1)}}, "other data: 'epoch', 'weights'"),
        ({"a": torch.ones(1), "b": None}, "other data: 'b'"),
        ({"model": {str(n): n for n in range(5)}}, "other data: '0', '1', '2' and 2 more"),
    ],
)
def test_files_without_weights(read: Read, content: object, got: str, modern: bool) -> None:
    with pytest.raises(DataError, match=rf"or in its 'state_dict' or 'model'\. Got {got}\. Save net\.state_dict"):
        read(saved(content, modern))


def test_a_dict_that_contains_itself(read: Read) -> None:
    content: dict[str, Any] = {}
    content["model"] = content
    with pytest.raises(DataError, match="other data: 'model'"):
        read(saved(content))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot read the weights in .*none.pth: No such file"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(DataError, match="Is a directory"):
        read_weights(tmp_path)


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
    whole = saved(MultiResolutionNet(SMALL, num_classes=5).state_dict())
    place = whole.index(b"archive/data/5")
    (tmp_path / "net.pth").write_bytes(whole[: place + 200] + bytes([whole[place + 200] ^ 1]) + whole[place + 201 :])
    with pytest.raises(DataError, match="bad checksum of"):
        built.load_published(tmp_path / "net.pth")
    assert all(torch.equal(value, before[key]) for key, value in built.state_dict().items())
