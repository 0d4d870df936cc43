"""Weights from files of torch and safetensors, read without running anything that stands in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from ncp.errors import DataError, quoted
from ncp.io import pickles
from ncp.io.pickles import Dialect, Global, RefusedError, contents, explained, load

LARGEST = 1 << 30
"""Bytes of the largest file that is read, and of the tensors in it together."""

MOST = 100_000
"""Entries of the largest archive: one per storage, and a few more."""

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # torch's, at the start of files from before 1.6
_WRAPPERS = ("state_dict", "model")
_DAMAGE = (SafetensorError, BadZipFile, EOFError, RuntimeError)  # the last two come of zipfile, too
_Fetch = Callable[[str], bytes | memoryview]  # the bytes of a storage, by its key


@dataclass(frozen=True)
class _Storage:
    """Numbers of one type in a row, which lie elsewhere in the file."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor that is still to be taken from its storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _StorageType(Global):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the weights that a file of safetensors holds, or one of `torch.save`, in its format of today or before 1.6.

    Where they stand among other things, as `state_dict` or `model`, those are left out; so are the prefix `module.`,
    which training on several devices puts before every name, and `_orig_mod.`, which `torch.compile` puts into names.
    Pickles are read as in `ncp.io.pickles`.

    >>> read_weights("weights.pth")["classifier.bias"].shape  # doctest: +SKIP
    torch.Size([50])

    Raises:
        DataError: a file that is not there, too large, damaged, or holds anything but plain data and tensors, or no
            weights; what it names is not imported.
    """
    with explained(path, "file of weights", "weights and plain data", *_DAMAGE):
        data = contents(path, LARGEST)
        if data[8:9] == b"{":
            weights = load_safetensors(data)
        elif data.startswith(b"PK\3\4"):
            weights = _tensors(path, *_zipped(data))
        elif data.startswith(b"\x80"):
            weights = _tensors(path, *_legacy(data))
        else:
            raise ValueError("it starts like no file of torch or safetensors")
    return _unwrapped(path, weights)


def _unwrapped(path: str | Path, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights by the names of the network itself, not of what it was wrapped in."""
    names = {key: key.replace("_orig_mod.", "") for key in weights}
    while weights and all(name.startswith("module.") for name in names.values()):
        names = {key: name.removeprefix("module.") for key, name in names.items()}
    if len(set(names.values())) < len(weights):
        raise DataError(f"{path} holds weights twice: with '_orig_mod.' in their names and without.")
    return {name: weights[key] for key, name in names.items()}


def load_weights(net: nn.Module, path: str | Path) -> None:
    """Give a network the weights that a file holds, all of them or, where anything does not fit, none.

    Counts of batches may be absent. A network whose `task` is `features` leaves out transform and classifier.

    Raises:
        DataError: a file that `read_weights` refuses, weights of another network, or some that are not finite.
    """
    weights, own = read_weights(path), net.state_dict()
    if getattr(net, "task", None) == "features":
        weights = {k: weight for k, weight in weights.items() if not k.startswith(("transform.", "classifier."))}
    absent = [key for key in own if key not in weights and not key.endswith(".num_batches_tracked")]
    strange = [key for key in weights if key not in own]
    if absent or strange:
        parts = [f"without {_first(absent)}"] * bool(absent) + [f"with {_first(strange)}"] * bool(strange)
        raise DataError(
            f"Expected weights by the names of the network in {path}. Got a file {' and '.join(parts)}. "
            "Build the network with the code and the task that the weights were trained for."
        )
    weights = {key: weights[key] for key in own if key in weights}
    for key, weight in weights.items():
        expected, got = tuple(own[key].shape), tuple(weight.shape)
        if expected != got:
            raise _misfit(path, key, expected, got)
        if weight.is_floating_point() != own[key].is_floating_point():
            raise DataError(f"Expected {own[key].dtype} as {quoted(key)} in {path}. Got {weight.dtype}.")
    weights = {key: weight.to(own[key]) for key, weight in weights.items()}
    infinite = [key for key, weight in weights.items() if not weight.isfinite().all()]
    if infinite:
        raise DataError(f"Expected finite weights in {path}. Got others in {_first(infinite)}. Take another file.")
    for key, weight in weights.items():
        own[key].copy_(weight)


def _first(keys: Collection[str]) -> str:
    """A few names, and how many there are."""
    names = ", ".join(quoted(key) for key in list(keys)[:3])
    return names if len(keys) <= 3 else f"{names} and {len(keys) - 3} more"


def _misfit(path: str | Path, key: str, expected: tuple[int, ...], got: tuple[int, ...]) -> DataError:
    """An error that says what a shape most likely means."""
    said = f"Expected {expected} as the shape of {quoted(key)} in {path}. Got {got}."
    if key.startswith("classifier.") and expected[1:] == got[1:]:
        return DataError("{said} Build the network with {field}={given}.", field="num_classes", given=got[0], said=said)
    if key == "downsamples.0.0.weight" and expected[0] == got[0] and expected[2:] == got[2:]:
        return DataError(f"{said} Build the network with in_channels={got[1]}.")
    return DataError(f"{said} These are the weights of another code: build its network.")


def _zipped(data: bytes) -> tuple[Any, _Fetch, str]:
    """The format of today, in an archive that compresses nothing: what its pickle says, and its storages."""
    if data.count(b"PK\1\2") > MOST:  # before zipfile makes an object of each
        raise RefusedError(f"an archive of more than {MOST} entries")
    archive = ZipFile(BytesIO(data))
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise RefusedError("an archive with two entries of one name")
    if any(entry.compress_type != ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise RefusedError("an archive with compressed or encrypted entries")
    if sum(max(entry.file_size, entry.compress_size) for entry in entries) > len(data):
        raise RefusedError("an archive whose entries are larger than the file")
    roots = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ValueError("an archive without the data.pkl that torch writes, or with several")

    def fetch(name: str) -> bytes:
        return archive.read(roots[0] + name)

    order = fetch("byteorder") if f"{roots[0]}byteorder" in names else b"little"
    if order not in (b"little", b"big"):
        raise ValueError("neither little nor big as the order of bytes")
    content = load(BytesIO(fetch("data.pkl")[: pickles.LARGEST]), _dialect({}))
    return content, lambda key: fetch(f"data/{key}"), "<" if order == b"little" else ">"


def _legacy(data: bytes) -> tuple[Any, _Fetch, str]:
    """The format before 1.6: five pickles, then the storages in the order of the last, always little endian."""
    stream, named = BytesIO(data[: pickles.LARGEST]), dict[str, _Storage]()

    def following() -> Any:
        return load(stream, _dialect(named), last=False)

    if following() != _MAGIC or following() != _PROTOCOL:
        raise ValueError("a pickle without the numbers that torch puts before it")
    _, content, keys = following(), following(), following()
    if type(keys) is not list or not all(type(key) is str for key in keys) or sorted(keys) != sorted(named):
        raise RefusedError("other storages than its tensors name")
    places, place = {}, stream.tell()
    for key in keys:
        start = place + 8
        place = start + named[key].count * named[key].dtype.itemsize
        if int.from_bytes(data[start - 8 : start], "little") != named[key].count or place > len(data):
            raise ValueError("a storage of another length than its tensors name")
        places[key] = memoryview(data)[start:place]
    if place != len(data):
        raise ValueError("the end does not fit")
    return content, places.__getitem__, "<"


def _tensors(path: str | Path, content: Any, fetch: _Fetch, order: str) -> dict[str, Tensor]:
    """The weights among what a pickle says, each in memory of its own."""
    views = _found(path, content)
    sizes = (math.prod(max(side, 1) for side in view.size) * view.storage.dtype.itemsize for view in views.values())
    if sum(sizes) > LARGEST:
        raise RefusedError(f"tensors of more than {LARGEST} bytes")
    storages = {each: _numbers(each, fetch(each.key), order) for each in {view.storage for view in views.values()}}
    strided = {k: torch.as_strided(storages[v.storage], v.size, v.stride, v.offset) for k, v in views.items()}
    return {key: tensor.clone(memory_format=torch.contiguous_format) for key, tensor in strided.items()}


def _found(path: str | Path, content: Any) -> Mapping[str, _View]:
    """The weights among what a pickle holds."""
    for _ in _WRAPPERS:  # one may stand in the other
        if type(content) is dict:
            content = next((content[name] for name in _WRAPPERS if type(content.get(name)) is dict), content)
    strays = [key for key, value in content.items() if type(value) is not _View] if type(content) is dict else []
    if type(content) is not dict or not content or strays or not all(type(key) is str for key in content):
        got = f"other things as {_first(strays)}" if strays else "no dict of tensors"
        raise DataError(
            f"Expected tensors by their names in {path}, or in its {' or '.join(map(repr, _WRAPPERS))}. Got {got}. "
            "Save net.state_dict()."
        )
    return content


def _numbers(storage: _Storage, data: bytes | memoryview, order: str) -> Tensor:
    width = storage.dtype.itemsize
    if len(data) != storage.count * width:
        raise RefusedError(f"a storage of {len(data)} bytes where its tensors name {storage.count * width}")
    words = torch.from_numpy(np.frombuffer(data, f"{order}i{width}").astype(f"i{width}"))  # a copy, in our own order
    return words != 0 if storage.dtype is torch.bool else words.view(storage.dtype)


def _dialect(named: dict[str, _Storage]) -> Dialect:
    """What torch writes, each name standing for a function of ours; the storages of ids are noted in `named`."""

    def storage(identity: Any) -> _Storage:
        if type(identity) is not tuple or not (len(identity) == 5 or (len(identity) == 6 and identity[5] is None)):
            raise RefusedError("an id that is not a storage's")
        word, kind, key, _, count = identity[:5]  # without the device
        if word != "storage" or type(kind) is not _StorageType or type(key) is not str or not _are_sizes((count,)):
            raise RefusedError("an id that is not a storage's")
        found = _Storage(key, kind.dtype, count)
        if named.setdefault(key, found) != found:
            raise RefusedError("a storage of two types or lengths")
        return found

    return Dialect(_GLOBALS, _leave_out, storage, numbered=True)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, _gradient: Any, _hooks: Any) -> _View:
    if type(storage) is not _Storage or not _are_sizes((offset,)) or not _are_sizes(size) or not _are_sizes(stride):
        raise RefusedError("a tensor with a strange place in its storage")
    last = sum((side - 1) * step for side, step in zip(size, stride, strict=True))  # of another length: damaged
    if offset + (0 if 0 in size else last + 1) > storage.count:
        raise RefusedError("a tensor that reaches beyond its storage")
    return _View(storage, offset, size, stride)


def _parameter(tensor: Any, _gradient: Any, _hooks: Any) -> _View:
    if type(tensor) is not _View:
        raise RefusedError("a parameter that is no tensor")
    return tensor


def _leave_out(target: Any, state: Any) -> None:
    """The attributes of a dict: torch notes versions of modules there."""
    if type(target) is not dict or type(state) is not dict:
        raise RefusedError("a state for what is no dict")


def _are_sizes(values: Any) -> bool:
    return type(values) is tuple and len(values) <= 32 and all(type(n) is int and 0 <= n <= LARGEST for n in values)


_TYPES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
_GLOBALS = {
    ("collections", "OrderedDict"): Global(lambda: {}),  # noqa: PIE807 (dict would take arguments)
    ("torch._utils", "_rebuild_tensor_v2"): Global(_tensor),
    ("torch._utils", "_rebuild_parameter"): Global(_parameter),
    **{("torch", f"{name}Storage"): _StorageType(dtype) for name, dtype in _TYPES.items()},
}
