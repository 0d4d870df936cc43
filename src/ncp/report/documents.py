"""Read the json files that commands wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from ncp.errors import DataError
from ncp.io.files import read_json
from ncp.optim.results import require_format

Kind = Literal["search", "pareto", "compare", "train-predictor"]
KEYS: dict[Kind, set[str]] = {
    "pareto": {"provenance", "rows", "hypervolume"},
    "search": {"provenance", "rows", "gap"},
    "compare": {"provenance", "best", "standings", "optimum"},
    "train-predictor": {"columns", "split", "kind"},
}
"""Keys that show which command wrote a document."""


def read_document(path: str | Path) -> tuple[Kind, dict[str, Any]]:
    """Read a file that a command wrote, and find out which command it was.

    Raises:
        DataError: the file cannot be read, no command wrote it, or another version did.
    """
    read = read_json(path)
    for kind, keys in KEYS.items():
        if isinstance(read, dict) and keys <= read.keys():
            require_format(path, read, kind)
            return kind, read
    raise DataError(
        f"{path} was not written by ncp search, pareto, compare or train-predictor. Name their result.json, "
        "pareto.json, compare.json or metrics.json."
    )
