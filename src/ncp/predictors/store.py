"""Predictors on disk: weights as safetensors, with a description in json in the same file, so that both are whole."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, contiguous_format

from ncp.errors import DataError
from ncp.files import whole_file
from ncp.predictors.base import Predictor
from ncp.predictors.kinds import KINDS
from ncp.space import Space

FORMAT = 2
"""Rises with every change of what a file holds or of what a predictor makes of it, such as its features."""
SHIPPED = ("nas-bench-mr",)
"""Names of the predictors that come with the package, each with its judge."""


def save(predictor: Predictor, path: str | Path) -> None:
    """Write a predictor; what `load_predictor` reads gives the same values to the last bit.

    Raises:
        DataError: a path that cannot be written to.
    """
    description = {
        "format": FORMAT,
        "kind": predictor.kind,
        "columns": predictor.columns,
        "space": predictor.space.to_dict(),
        "shape": predictor.shape,
    }
    tensors = {name: tensor.clone(memory_format=contiguous_format) for name, tensor in predictor.state_dict().items()}
    description["sha256"] = _digest(tensors)
    with whole_file(path) as temporary:
        save_file(tensors, temporary, metadata={"ncp": json.dumps(description)})


def load_predictor(name: str | Path) -> Predictor:
    """Read a predictor that `save` wrote, or by the name `nas-bench-mr` the one that comes with the package.

    Raises:
        DataError: no such file, or one that is not a whole predictor.
    """
    if str(name) not in SHIPPED:
        return _read(Path(name))
    predictor = _read(_shipped(str(name), "search"))
    predictor.shipped = str(name)
    return predictor


def load_judge(name: str = "nas-bench-mr") -> Predictor:
    """Read the judge that comes with a shipped predictor: of another family, fitted on rows which that has not seen."""
    return _read(_shipped(name, "judge"))


def _digest(tensors: dict[str, Tensor]) -> str:
    """Of all numbers and their names: a file may be whole and yet not what was written."""
    digest = sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _shipped(name: str, role: str) -> Path:
    return Path(str(files("ncp") / "assets" / f"{name}.{role}.safetensors"))


def _read(path: Path) -> Predictor:
    hint = "Train one: ncp train --config FILE."
    if not path.is_file():
        raise DataError(f"Expected a predictor's file, or the name {' or '.join(SHIPPED)}. Got {path}. {hint}")
    try:
        with safe_open(path, framework="pt") as file:
            description: dict[str, Any] = json.loads((file.metadata() or {})["ncp"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if description["format"] != FORMAT:
            raise DataError(f"Expected a predictor of format {FORMAT}. Got {description['format']} in {path}. {hint}")
        if description["sha256"] != _digest(tensors):
            raise ValueError("numbers that are not those that were written")
        space = Space.from_dict(description["space"])
        predictor = KINDS[description["kind"]].build(space, description["columns"], **description["shape"])
        predictor.seen = tensors["seen"]
        for prefix, module in predictor.named_modules():
            if isinstance(module, Predictor) and prefix:
                module.seen = tensors[f"{prefix}.seen"]
        predictor.load_state_dict(tensors)
    except (SafetensorError, AttributeError, LookupError, TypeError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"Expected a whole predictor in {path}. Got: {error}. {hint}") from error
    return predictor.requires_grad_(False).eval()
