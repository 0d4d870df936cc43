"""Weights come back from every format that holds them, and nothing else comes of a file."""

import os
import pickle
import struct
import time
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
from torch._utils import _rebuild_parameter, _rebuild_tensor_v2

from ncp import DataError
from ncp.io import pickles
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
    """Names in their order, types and numbers; and each tensor in memory of its own."""
    assert list(got) == list(expected)
    assert len({tensor.untyped_storage().data_ptr() for tensor in got.values() if tensor.numel()}) == sum(
        tensor.numel() > 0 for tensor in got.values()
    )
    for key, tensor in expected.items():
        assert got[key].dtype == tensor.dtype
        assert got[key].is_contiguous()
        assert torch.equal(got[key], tensor)


net = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), head=nn.Linear(4, 2)))
state = net.state_dict()
optimizer = torch.optim.Adam(net.parameters())
for parameter in net.parameters():
    parameter.grad = torch.ones_like(parameter)
optimizer.step()


@FORMATS
@pytest.mark.parametrize("protocol", [2, 4])
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
def test_what_torch_saves_comes_back(read: Read, content: Any, modern: bool, protocol: int) -> None:
    same(read(saved(content, modern, pickle_protocol=protocol)), state)


@FORMATS
@pytest.mark.parametrize("dtype", list(weights._TYPES.values()), ids=list(weights._TYPES))
def test_every_type_comes_back(read: Read, dtype: torch.dtype, modern: bool) -> None:
    content = {"a": torch.tensor([[0, 1, 2], [3, 100, 1]]).to(dtype), "b": torch.tensor(1).to(dtype)}
    same(read(saved(content, modern)), content)


@FORMATS
def test_views_come_back_as_tensors_of_their_own(read: Read, modern: bool) -> None:
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


def test_weights_that_a_compiled_network_holds_twice_are_refused(read: Read) -> None:
    with pytest.raises(DataError, match=r"holds weights twice: with '_orig_mod\.' in their names and without"):
        read(save_safetensors({"a": torch.ones(2), "_orig_mod.a": torch.ones(2)}))


def test_a_file_by_its_name(tmp_path: Path) -> None:
    torch.save(state, tmp_path / "net.pth")  # the root of its archive is "net"
    same(read_weights(tmp_path / "net.pth"), state)
    same(read_weights(str(tmp_path / "net.pth")), state)


@given(share=st.floats(0, 1, exclude_max=True), kind=st.sampled_from(["zip", "legacy", "safetensors"]))
def test_every_cut_of_a_file_is_refused(read: Read, share: float, kind: str) -> None:
    whole = WHOLE[kind]
    with pytest.raises(DataError, match=r"Expected a whole file of weights in .* Got a damaged one"):
        read(whole[: int(share * len(whole))])


@given(
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    kind=st.sampled_from(["zip", "legacy", "safetensors"]),
)
def test_tampered_files_are_read_as_tensors_or_refused(read: Read, edits: list[tuple[float, int]], kind: str) -> None:
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
        (eval, "__builtin__.eval"),
        (torch.load, "torch.serialization.load"),
        (nn.Linear, "torch.nn.modules.linear.Linear"),
        (np.load, "numpy.load"),
        (torch._utils._rebuild_tensor, "torch._utils._rebuild_tensor"),
    ],
)
def test_whatever_else_is_called_is_refused_by_name(
    read: Read, tmp_path: Path, called: Any, name: str, modern: bool
) -> None:
    witness = tmp_path / "ran"
    written = saved({"state_dict": state, "more": Reduced(called, (f"touch {witness}",))}, modern)
    with pytest.raises(DataError, match=rf"Got the global '{name}'; nothing of it was run\. Do not open"):
        read(written)
    assert not witness.exists()


@FORMATS
def test_a_whole_network_is_refused_by_the_name_of_its_class(read: Read, modern: bool) -> None:
    with pytest.raises(DataError, match=r"Got the global 'torch\.nn\.modules\.container\.Sequential'; nothing"):
        read(saved(net, modern))


def test_a_plain_pickle_runs_nothing(read: Read, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Got the global 'posix\.system'"):
        read(pickle.dumps(Reduced(os.system, (f"touch {tmp_path / 'ran'}",))))
    with pytest.raises(DataError, match="a pickle without the numbers that torch puts before it"):
        read(pickle.dumps({"a": 1}))
    assert not (tmp_path / "ran").exists()


class Identified:
    """Pickled as an id."""

    def __init__(self, *identity: Any) -> None:
        self.identity = identity


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: object) -> Any:
        return value.identity if isinstance(value, Identified) else None


def pickled(content: object) -> bytes:
    """A pickle, in protocol 2, with ids."""
    file = BytesIO()
    _Pickler(file, 2).dump(content)
    return file.getvalue()


def archive(content: object, entries: Mapping[str, bytes] = {"data/0": b"\0" * 16}) -> bytes:
    """The format of today, by hand."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("net/data.pkl", pickled(content))
        for name, data in entries.items():
            written.writestr(f"net/{name}", data)
    return file.getvalue()


def legacy(content: object, keys: object = ("0",), storages: bytes = struct.pack("<q16x", 4)) -> bytes:
    """The format before 1.6, by hand."""
    keys = list(keys) if isinstance(keys, tuple) else keys
    return b"".join(map(pickled, (0x1950A86A20F9469CFC6C, 1001, {}, content, keys))) + storages


def storage(kind: Any = torch.FloatStorage, key: Any = "0", count: Any = 4, *more: Any) -> Identified:
    """The id of four numbers."""
    return Identified("storage", kind, key, "cuda:0", count, *more)


def tensor(
    place: Any = None, offset: Any = 0, size: Any = (4,), stride: Any = (1,), *more: Any, call: Any = _rebuild_tensor_v2
) -> Reduced:
    """A tensor, part by part."""
    return Reduced(call, (storage() if place is None else place, offset, size, stride, False, OrderedDict(), *more))


def test_files_by_hand(read: Read) -> None:
    same(read(archive({"a": tensor()})), {"a": torch.zeros(4)})
    same(read(legacy({"a": tensor(storage(torch.FloatStorage, "0", 4, None))})), {"a": torch.zeros(4)})
    same(read(archive({"a": tensor(None, 1, (3,))})), {"a": torch.zeros(3)})


@pytest.mark.parametrize("file", [archive, legacy])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (tensor(None, 1), "a tensor that reaches beyond its storage"),
        (tensor(None, 0, (5,)), "a tensor that reaches beyond its storage"),
        (tensor(None, 0, (2, 2), (3, 1)), "a tensor that reaches beyond its storage"),
        (tensor(None, 0, (3,), (2,)), "a tensor that reaches beyond its storage"),
        (tensor(None, 4, (), ()), "a tensor that reaches beyond its storage"),
        (tensor(None, 5, (0,), (1,)), "a tensor that reaches beyond its storage"),
        (tensor(None, -1), "a tensor with a strange place"),
        (tensor(None, True), "a tensor with a strange place"),
        (tensor(None, 0, (-1,)), "a tensor with a strange place"),
        (tensor(None, 3, (2,), (-1,)), "a tensor with a strange place"),
        (tensor(None, 0, (1 << 62,), (0,)), "a tensor with a strange place"),
        (tensor(None, 0, [4]), "a tensor with a strange place"),
        (tensor(None, 0, (1,) * 33, (1,) * 33), "a tensor with a strange place"),
        (tensor("0"), "a tensor with a strange place"),
        (tensor(None, 0, (1 << 30,), (0,)), "tensors of more than 1073741824 bytes"),
        (tensor(None, 0, (1 << 30, 1 << 30, 0), (0, 0, 0)), "tensors of more than 1073741824 bytes"),
        (
            tensor(storage(torch.DoubleStorage), 0, (4,), (1,)),
            "bytes where its tensors name|a storage of another length",
        ),
        (tensor(storage("FloatStorage")), "an id that is not a storage's"),
        (tensor(storage(OrderedDict)), "an id that is not a storage's"),
        (tensor(storage(key=0)), "an id that is not a storage's"),
        (tensor(storage(count=-1)), "an id that is not a storage's"),
        (tensor(storage(count=1 << 40)), "an id that is not a storage's"),
        (tensor(storage(torch.FloatStorage, "0", 4, ("1", 0, 4))), "an id that is not a storage's"),
        (tensor(Identified("module", "a", "b", "c", 1)), "an id that is not a storage's"),
        (tensor(Identified(0)), "an id that is not a storage's"),
        ([tensor(), tensor(storage(torch.IntStorage))], "a storage of two types or lengths"),
        ([tensor(), tensor(storage(count=3))], "a storage of two types or lengths"),
        (Reduced(_rebuild_parameter, ([], True, {})), "a parameter that is no tensor"),
        (torch.FloatStorage, "a type instead of data"),
        (Reduced(torch.FloatStorage, (4,)), "a call of what is no known function"),
        (tensor(call=torch._utils._rebuild_qtensor), "the global 'torch._utils._rebuild_qtensor'"),
        (tensor(storage(torch.ComplexFloatStorage)), "the global 'torch.ComplexFloatStorage'"),
        ({None: 1}, "a dict with keys that are no texts"),
        ({(1, 2): 1}, "a dict with keys that are no texts"),
        ({0.5: 1}, "a dict with keys that are no texts"),
    ],
)
def test_tensors_that_are_not_what_torch_writes_are_refused(
    read: Read, file: Callable[[object], bytes], value: object, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        read(file({"a": value}))


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"", "it starts like no file"),
        (b"<html>", "it starts like no file"),
        (b"\x80\x02", "pickle exhausted"),
        (archive({"a": tensor()}, {}), r"There is no item named .*net/data/0"),
        (archive({"a": tensor()}, {"data/0": bytes(12)}), "a storage of 12 bytes where its tensors name 16"),
        (archive({"a": tensor()}, {"data/0": bytes(20)}), "a storage of 20 bytes where its tensors name 16"),
        (archive({"a": tensor()}, {"data/0": bytes(16), "byteorder": b"middle"}), "neither little nor big"),
        (archive({"a": tensor()}, {"data/0": bytes(16), "more/data.pkl": b"N."}), "or with several"),
        (WHOLE["zip"].replace(b"data.pkl", b"data.pkk"), "without the data.pkl"),
        (legacy({"a": tensor()}, ()), "other storages than its tensors name"),
        (legacy({"a": tensor()}, ("1",)), "other storages than its tensors name"),
        (legacy({"a": tensor()}, ("0", "0")), "other storages than its tensors name"),
        (legacy({"a": tensor()}, {"0": 1}), "other storages than its tensors name"),
        (legacy({"a": tensor()}, [0]), "other storages than its tensors name"),
        (legacy({"a": tensor()}, ("0",), struct.pack("<q16x", 3)), "a storage of another length"),
        (legacy({"a": tensor()}, ("0",), struct.pack("<q15x", 4)), "a storage of another length"),
        (legacy({"a": tensor()}, ("0",), struct.pack("<q17x", 4)), "the end does not fit"),
        (save_safetensors(LITTLE) + b"\0", "a damaged one"),
    ],
)
def test_files_whose_parts_do_not_fit(read: Read, written: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read(written)


def test_the_order_of_bytes(read: Read) -> None:
    numbers = np.array([1.5, -2.0, 3.25, 0.0])
    for order, name in (("<", b"little"), (">", b"big")):
        entries = {"data/0": numbers.astype(f"{order}f4").tobytes(), "byteorder": name}
        same(read(archive({"a": tensor()}, entries)), {"a": torch.tensor(numbers).float()})


def bomb(change: Callable[[zipfile.ZipFile], object], **options: Any) -> bytes:
    """An archive whose directory is changed before it is written."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", **options) as written:
        written.writestr("net/data.pkl", pickled({"a": tensor()}))
        written.writestr("net/data/0", bytes(16))
        change(written)
    return file.getvalue()


def test_archives_of_another_kind_are_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    def larger(written: zipfile.ZipFile) -> None:
        written.filelist[1].file_size = written.filelist[1].compress_size = 1 << 40

    def nested(written: zipfile.ZipFile) -> None:
        for entry in written.filelist:
            entry.file_size = entry.compress_size = 200

    def twice(written: zipfile.ZipFile) -> None:
        written.filelist.append(written.filelist[1])

    def secret(written: zipfile.ZipFile) -> None:
        written.filelist[1].flag_bits |= 1

    same(read(bomb(lambda _: None)), {"a": torch.zeros(4)})
    for written, reason in (
        (bomb(larger), "an archive whose entries are larger than the file"),
        (bomb(nested), "an archive whose entries are larger than the file"),
        (bomb(twice), "an archive with two entries of one name"),
        (bomb(secret), "an archive with compressed or encrypted entries"),
        (bomb(lambda _: None, compression=zipfile.ZIP_DEFLATED), "an archive with compressed or encrypted entries"),
    ):
        with pytest.raises(DataError, match=f"Got {reason}; nothing of it was run"):
            read(written)
    monkeypatch.setattr(weights, "MOST", 1)
    with pytest.raises(DataError, match="an archive of more than 1 entries"):
        read(bomb(lambda _: None))


def test_large_files_and_pickles_are_not_read(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "large.pth").open("wb") as opened:
        opened.truncate(1 << 40)
    monkeypatch.setattr(weights, "LARGEST", 1 << 20)
    with pytest.raises(DataError, match=r"of at most 1048576 bytes in .*large.pth. Got a larger one"):
        read_weights(tmp_path / "large.pth")
    with pytest.raises(DataError, match="tensors of more than 1048576 bytes"):
        read(archive({str(n): tensor(None, 0, (1 << 14,), (0,)) for n in range(17)}))
    monkeypatch.setattr(pickles, "LARGEST", 20)
    for content in WHOLE["zip"], WHOLE["legacy"]:
        with pytest.raises(DataError, match="a damaged one"):
            read(content)


@FORMATS
def test_keys_that_would_collide_do_not(read: Read, modern: bool) -> None:
    colliding = {n * ((1 << 61) - 1): None for n in range(2000)}  # hash alike
    start = time.perf_counter()
    same(read(saved({"state_dict": LITTLE, "optimizer": colliding}, modern)), LITTLE)
    assert time.perf_counter() - start < 5


@FORMATS
@pytest.mark.parametrize(
    ("content", "got"),
    [
        ({}, "no dict of tensors"),
        ({"state_dict": {}}, "no dict of tensors"),
        ([torch.ones(1)], "no dict of tensors"),
        (torch.ones(1), "no dict of tensors"),
        ({"epoch": 3, "weights": {"a": torch.ones(1)}}, "other things as 'epoch', 'weights'"),
        ({"a": torch.ones(1), "b": None}, "other things as 'b'"),
        ({"model": {str(n): n for n in range(5)}}, "other things as '0', '1', '2' and 2 more"),
    ],
)
def test_files_without_weights(read: Read, content: object, got: str, modern: bool) -> None:
    with pytest.raises(DataError, match=rf"or in its 'state_dict' or 'model'\. Got {got}\. Save net\.state_dict"):
        read(saved(content, modern))


def test_a_file_that_holds_itself(read: Read) -> None:
    content: dict[str, Any] = {}
    content["model"] = content
    with pytest.raises(DataError, match="other things as 'model'"):
        read(saved(content))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a file of weights in .*none.pth. Got: No such file"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(DataError, match="Got: Is a directory"):
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
            r"Got \(16, 8, 3, 3\)\. These are the weights of another code: build its network\.",
        ),
        (
            lambda: MultiResolutionNet(SMALL.replace("-1_1_1_8-", "-1_1_2_8-"), num_classes=5),
            r"Got a file with 'features\.1\.branches\.0\.1\.conv1\.weight', .*\.bn1\.weight', .*\.bias' and 9 more\. "
            r"Build the network with the code and the task that the weights were trained for\.",
        ),
        (
            lambda: MultiResolutionNet(SMALL, task="features"),
            r"Got a file without 'transform\.0\.weight', 'transform\.1\.weight', 'transform\.1\.bias' and 4 more\. ",
        ),
        (lambda: {"a": torch.ones(1)}, r"Got a file without .* and \d+ more and with 'a'\. Build the network"),
        (
            lambda: changed("classifier.bias", lambda bias: bias.fill_(float("nan"))),
            r"Expected finite weights in .*net\.pth\. Got others in 'classifier\.bias'\. Take another file\.",
        ),
        (
            lambda: changed("classifier.bias", lambda bias: bias.double().fill_(1e300)),
            r"Expected finite weights in .*net\.pth\. Got others in 'classifier\.bias'\.",
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
    with pytest.raises(DataError, match="Bad CRC-32"):
        built.load_published(tmp_path / "net.pth")
    assert all(torch.equal(value, before[key]) for key, value in built.state_dict().items())
