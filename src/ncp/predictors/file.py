"""Predictor files: tensors as safetensors, with a description in json in the same file, so that both stay together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, contiguous_format

from ncp.errors import DataError, quoted
from ncp.io.files import is_file, whole_file

FORMAT = 5
"""Rises with every change of what a file contains, or of what a predictor computes from it, such as its features."""
HINT = "Train one: ncp train-predictor --table TABLE."
DAMAGE = (
    SafetensorError,
    OSError,
    RuntimeError,  # also RecursionError
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
)
"""What reading a damaged file, or building a predictor from it, may raise."""


def write(path: str | Path, description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a predictor's tensors and its description in the present format.

    Raises:
        DataError: a path that cannot be written to.
    """
    copies = {name: tensor.cpu().clone(memory_format=contiguous_format) for name, tensor in tensors.items()}
    about = {**description, "format": FORMAT}
    about["sha256"] = _digest(about, copies)
    with whole_file(path) as temporary:
        save_file(copies, temporary, metadata={"ncp": json.dumps(about)})


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The description and the tensors that `write` wrote to a file.

    Raises:
        DataError: no such file, a file of another format, or one that was changed after it was written.
    """
    if not is_file(path):
        raise DataError(f"There is no predictor file {path}. {HINT}")
    try:
        with safe_open(path, framework="pt") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {})["ncp"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        found, digest, expected = about["format"], about["sha256"], _digest(about, tensors)
    except DAMAGE as error:
        raise damaged(path, error) from error
    if found != FORMAT:
        raise DataError(f"{path} has the format {quoted(found)}. This version reads format {FORMAT}. {HINT}")
    if digest != expected:
        raise damaged(path, ValueError("its content is not what was written"))
    return about, tensors


def damaged(path: Path, error: Exception) -> DataError:
    """The error to raise for a file from which no predictor can be built."""
    return DataError(f"{path} is not a complete predictor file: {quoted(str(error))[1:-1]}. {HINT}")


def _digest(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the description and of all numbers, because safetensors has no checksum."""
    digest = sha256(json.dumps({key: value for key, value in about.items() if key != "sha256"}).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
