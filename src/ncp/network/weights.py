"""Load weights from files of torch or safetensors, without running anything that a file names."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ncp.errors import DataError, quoted
from ncp.io.files import as_path

LARGEST = 1 << 30
"""The size of the largest file that is read, and of the content of an archive [bytes]."""

_WRAPPERS = ("state_dict", "model")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the weights in a file of safetensors or of `torch.save` (with `weights_only=True`, which runs no code).

    Weights may be nested in a checkpoint, as `state_dict` or `model`. The prefixes `module.` (of data-parallel
    training) and `_orig_mod.` (of `torch.compile`) are removed from their names.

    >>> read_weights("weights.pth")["classifier.bias"].shape  # doctest: +SKIP
    torch.Size([50])

    Raises:
        DataError: the file cannot be read, is too large or damaged, holds objects other than plain data and tensors,
            or holds no weights.
    """
    file = as_path(path)
    try:
        content = _read(file)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"Cannot read the weights in {file}: {error.strerror or error}.") from error
    except Exception as error:  # torch and safetensors raise many types for damaged files
        raise _unreadable(file, str(error)) from None
    return _without_prefixes(file, _tensors(file, content))


def _read(file: Path) -> Any:
    """What a file holds, once its size is known to be moderate and an archive's checksums are right."""
    with file.open("rb") as opened:
        start = opened.read(9)
    _require_size(file, file.stat().st_size)
    if start[8:9] == b"{":
        return load_file(file)
    if is_zipfile(file):
        with ZipFile(file) as archive:
            _require_size(file, sum(entry.file_size for entry in archive.infolist()))
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"bad checksum of {damaged}")
    with warnings.catch_warnings(action="ignore"):  # torch warns of its own old formats
        return torch.load(file, map_location="cpu", weights_only=True)


def _unreadable(file: Path, reason: str) -> DataError:
    """An error from the message of torch or safetensors."""
    refused = re.search(r"GLOBAL (\S+)", reason)
    if refused:
        return DataError(
            f"{file} refers to {quoted(refused[1])}, so it is not read; nothing was run. If you trust the file, "
            "load it where it was made and save net.state_dict() alone."
        )
    short = reason.partition("WeightsUnpickler error:")[2].strip().partition("\n")[0] or reason
    return DataError(
        f"{file} is not a file of torch or safetensors, or it is damaged: {quoted(short)}. "
        "Download it again, or save it again with torch.save(net.state_dict(), file)."
    )


def _require_size(file: Path, size: int) -> None:
    if size > LARGEST:
        raise DataError(f"{file} holds more than {LARGEST} bytes, so it is not read.")


def _tensors(file: Path, content: Any) -> dict[str, Tensor]:
    """The weights in the content of a file, which may be nested in dicts."""
    for _ in _WRAPPERS:  # each may contain the other
        if isinstance(content, dict):
            content = next((content[name] for name in _WRAPPERS if isinstance(content.get(name), dict)), content)
    others = [key for key, value in content.items() if not _is_weight(value)] if isinstance(content, dict) else []
    if not isinstance(content, dict) or not content or others or not all(isinstance(key, str) for key in content):
        got = f"other data: {_first(others)}" if others else "no dict of tensors"
        raise DataError(
            f"Expected tensors by name in {file}, or in its {' or '.join(map(repr, _WRAPPERS))}. Got {got}. "
            "Save net.state_dict()."
        )
    return {key: value.detach() for key, value in content.items()}


def _is_weight(value: Any) -> bool:
    """Whether it is a plain tensor in memory: neither sparse nor quantised, nor one without numbers."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )


def _without_prefixes(file: Path, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights by their names in the network itself."""
    names = {key: key.replace("_orig_mod.", "") for key in weights}
    while weights and all(name.startswith("module.") for name in names.values()):
        names = {key: name.removeprefix("module.") for key, name in names.items()}
    if len(set(names.values())) < len(weights):
        raise DataError(f"{file} holds weights twice: with '_orig_mod.' in their names and without.")
    return {name: weights[key] for key, name in names.items()}


def load_weights(net: nn.Module, path: str | Path) -> None:
    """Load the weights of a file into a network; if anything does not fit, the network stays as it is.

    The file may lack `num_batches_tracked`. A network whose `task` is `features` ignores transform and classifier.

    Raises:
        DataError: a file that `read_weights` refuses, weights of another network, or weights that are not finite.
    """
    own = net.state_dict()
    for key, weight in fitting(net, read_weights(path), path).items():
        own[key].copy_(weight)


def fitting(net: nn.Module, weights: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """The weights of a file in the types that a network has, once names, shapes and values are known to fit.

    Raises:
        DataError: weights of another network, or weights that are not finite.
    """
    own = net.state_dict()
    if getattr(net, "task", None) == "features":
        weights = {k: weight for k, weight in weights.items() if not k.startswith(("transform.", "classifier."))}
    _require_names(path, weights, own)
    weights = {key: weights[key] for key in own if key in weights}
    for key, weight in weights.items():
        expected, got = tuple(own[key].shape), tuple(weight.shape)
        if expected != got:
            raise _misfit(path, key, expected, got)
        if weight.is_floating_point() != own[key].is_floating_point():
            raise DataError(f"Expected {own[key].dtype} as {quoted(key)} in {path}. Got {weight.dtype}.")
    weights = {key: weight.to(own[key].dtype) for key, weight in weights.items()}
    infinite = [key for key, weight in weights.items() if not weight.isfinite().all()]
    if infinite:
        raise DataError(f"{path} has weights that are not finite, in {_first(infinite)}. Use another file.")
    return weights


def _require_names(path: str | Path, weights: Collection[str], own: Collection[str]) -> None:
    """Refuse weights by other names than the network's."""
    missing = [key for key in own if key not in weights and not key.endswith(".num_batches_tracked")]
    unknown = [key for key in weights if key not in own]
    if not missing and not unknown:
        return
    said = [f"lacks {_first(missing)}"] if missing else []
    said += [f"has {_first(unknown)} in addition"] if unknown else []
    raise DataError(
        f"The weights in {path} are of another network: the file {' and '.join(said)}. "
        "Build the network with the code and the task that the weights were trained for."
    )


def _first(keys: Collection[str]) -> str:
    """The first three names, and the number of others."""
    names = ", ".join(quoted(key) for key in list(keys)[:3])
    return names if len(keys) <= 3 else f"{names} and {len(keys) - 3} more"


def _misfit(path: str | Path, key: str, expected: tuple[int, ...], got: tuple[int, ...]) -> DataError:
    """An error with the most likely reason of a wrong shape."""
    said = f"Expected {expected} as the shape of {quoted(key)} in {path}. Got {got}."
    if key.startswith("classifier.") and expected[1:] == got[1:]:
        return DataError("{said} Build the network with {field}={given}.", field="num_classes", given=got[0], said=said)
    if key == "downsamples.0.0.weight" and expected[0] == got[0] and expected[2:] == got[2:]:
        return DataError(f"{said} Build the network with in_channels={got[1]}.")
    return DataError(f"{said} The weights are of another code: build its network.")
