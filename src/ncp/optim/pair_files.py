"""Where predictors and judges that were fitted on a table lie in the cache; to list them, torch need not be loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from ncp.tables.sources import SHORT, Cached

FOLDER = "predictors"
"""Their folder in the cache."""
ROLES = ("search", "judge")
"""The names of a pair's two files."""
DIGITS = 32
"""Digits of the digest that names a pair."""


def pair_file(digest: str, role: str) -> str:
    """The name of a file of a pair."""
    return f"{digest}.{role}.safetensors"


def cached_pairs(folder: Path) -> Iterator[Cached]:
    """The pairs in a cache folder. Files with other names are left out."""
    pairs: dict[str, list[Path]] = {}
    for path in sorted((folder / FOLDER).glob(pair_file("*", "*"))):
        digest, role, *_ = path.name.split(".")
        if path.name == pair_file(digest, role) and role in ROLES and re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", digest):
            pairs.setdefault(digest, []).append(path)
    for digest, paths in pairs.items():
        yield Cached(f"{FOLDER}/{digest[:SHORT]}", f"fitted on {_columns(paths[0])}", tuple(paths))


def _columns(path: Path) -> str:
    """The columns of a predictor, which say what table it was fitted on."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return ", ".join(json.loads(file.metadata()["ncp"])["columns"])
    except (SafetensorError, OSError, LookupError, TypeError, ValueError):
        return "an unknown table"
