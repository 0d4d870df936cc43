"""Weights are read from every format, and reading them runs nothing."""

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
from ncp.network.weights import read_weights

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
