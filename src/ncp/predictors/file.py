"""Predictors on disk: weights as safetensors, with a description in json in the same file, so that both are whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, contiguous_format

from ncp.errors import DataError, quoted
from ncp.io.files import as_path, is_file, whole_file
from ncp.predictors.base import Predictor
from ncp.predictors.fitting import KINDS
from ncp.spaces.space import Space

FORMAT = 3
"""Rises with every change of what a file holds or of what a predictor makes of it, such as its features."""
SHIPPED = ("nas-bench-mr",)
"""Names of the predictors that come with the package, each with its judge."""


def save(predictor: Predictor, path: str | Path) -> None:
    """Write a predictor; what `load_predictor` reads gives the same values to the last bit.

    Raises:
        DataError: a path that cannot be written to.
    """
    tensors = {name: tensor.cpu() for name, tensor in predictor.state_dict().items()}
    description = {
        "kind": predictor.kind,
        "columns": predictor.columns,
        "space": predictor.space.to_dict(),
        "shape": predictor.shape,
    }
    write_tensors(tensors, description, path)


def write_tensors(tensors: Mapping[str, Tensor], description: Mapping[str, Any], path: str | Path) -> None:
    """Write a predictor's tensors and its description in the present format."""
    copies = {name: tensor.clone(memory_format=contiguous_format) for name, tensor in tensors.items()}
    about = {**description, "format": FORMAT}
    about["sha256"] = _digest(about, copies)
    with whole_file(path) as temporary:
        save_file(copies, temporary, metadata={"ncp": json.dumps(about)})


def load_predictor(name: str | Path) -> Predictor:
    """Read a predictor that `save` wrote, or by the name `nas-bench-mr` the one that comes with the package.

    Raises:
        DataError: no such file, or one that is not a whole predictor.
    """
    path = as_path(name, "predictor")
    if str(name) not in SHIPPED:
        return _read(path)
    predictor = _read(_shipped(str(name), "search"))
    predictor.shipped = str(name)
    return predictor


def load_judge(name: str = "nas-bench-mr") -> Predictor:
    """Read the judge that comes with a shipped predictor: of another family, fitted on rows which that has not seen.

    Raises:
        DataError: a name of no shipped predictor.
    """
    if not isinstance(name, str) or name not in SHIPPED:
        raise DataError(f"No judge is called {quoted(name)}. There is one for {' and '.join(SHIPPED)}.")
    return _read(_shipped(name, "judge"))


def _digest(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Of the description and of all numbers: a file may be whole and yet not what was written."""
    digest = sha256(json.dumps({key: value for key, value in about.items() if key != "sha256"}).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _shipped(name: str, role: str) -> Path:
    return Path(str(files("ncp") / "assets" / f"{name}.{role}.safetensors"))


def _read(path: Path) -> Predictor:
    hint = "Train one: ncp train --config FILE."
    if not is_file(path):
        raise DataError(f"There is no predictor's file {path}, and the name is not {' or '.join(SHIPPED)}. {hint}")
    try:
        with safe_open(path, framework="pt") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {})["ncp"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if about["format"] != FORMAT:
            raise DataError(
                f"{path} has the format {quoted(about['format'])}. This version reads format {FORMAT}. {hint}"
            )
        if about["sha256"] != _digest(about, tensors):
            raise ValueError("it does not hold what was written")
        columns = about["columns"]
        named = isinstance(columns, list) and all(isinstance(name, str) and name for name in columns)
        if not named or len(set(columns)) < len(columns):
            raise ValueError(f"its columns are {quoted(columns)}, and not different texts")
        predictor = KINDS[about["kind"]].build(Space.from_dict(about["space"]), columns, **about["shape"])
        predictor.seen = tensors["seen"]
        for prefix, module in predictor.named_modules():
            if isinstance(module, Predictor) and prefix:
                module.seen = tensors[f"{prefix}.seen"]
        predictor.load_state_dict(tensors)
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(f"{path} is no whole predictor: {quoted(str(error))[1:-1]}. {hint}") from error
    return predictor.requires_grad_(False).eval()


_DAMAGE = (
    *(SafetensorError, OSError, RuntimeError, RecursionError),
    *(AttributeError, LookupError, TypeError, ValueError, OverflowError, MemoryError),
)
