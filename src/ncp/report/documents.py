"""Read the json files that commands wrote."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

from ncp.errors import DataError
from ncp.optim.results import FORMAT

Kind = Literal["search", "pareto", "compare", "train"]
KEYS: dict[Kind, set[str]] = {
    "pareto": {"provenance", "rows", "hypervolume"},
    "search": {"provenance", "rows", "gap"},
    "compare": {"provenance", "best", "standings", "optimum"},
    "train": {"columns", "split", "kind"},
}
"""Keys by which a document tells which command wrote it."""
LARGEST_FILE = 1 << 28
"""Bytes of the largest file that is read."""


def read_document(path: str | Path) -> tuple[Kind, dict[str, Any]]:
    """Read the file that a command wrote, and find out which command it was.

    Raises:
        DataError: the file cannot be read, no command wrote it, or another version did.
    """
    wanted = "Expected result.json, pareto.json, compare.json or metrics.json of a command."
    read = read_json(path, wanted)
    for kind, keys in KEYS.items():
        if isinstance(read, dict) and keys <= read.keys():
            require_format(path, read, kind)
            return kind, read
    raise DataError(f"{wanted} Got {path}, which is none of them.")


def require_format(path: str | Path, document: Any, kind: Kind) -> None:
    """Refuse a document of another version.

    Raises:
        DataError: the document has another format.
    """
    if document.get("format") != FORMAT:
        raise DataError(
            f"{path} was written by another version of ncp: its format is {document.get('format')}, and this version "
            f"reads {FORMAT}. Run ncp {kind} again."
        )


def read_json(path: str | Path, wanted: str) -> Any:
    """Read a json file whose numbers are all finite.

    Args:
        path: of the file.
        wanted: a sentence that says what the file should be.

    Raises:
        DataError: the file cannot be read, is too large, or is not such json.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)  # a device can be endless, whatever its size says
        if len(data) > LARGEST_FILE:
            raise DataError(f"{wanted} Got more than {LARGEST_FILE} bytes: {path}.")
        return json.loads(data.decode(), parse_float=_finite, parse_constant=_finite)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{wanted} Got {path}: {reason}.") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number
