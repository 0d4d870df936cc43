"""Where the decoded samples of tasks lie in the cache; to list them, torch need not be loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ncp.errors import DataError
from ncp.io.files import read_json
from ncp.tables.sources import SHORT, Cached

FOLDER = "tasks"
"""Their folder in the cache."""
DIGITS = 24
"""Digits of the digest that names the folder of one task's samples."""
ABOUT = "about.json"
"""What a folder has: the kind of the task, the folder of the data, and its hash."""


def cached_samples(folder: Path) -> Iterator[Cached]:
    """The decoded samples in a cache folder, one entry per task and size. Folders with other names are left out."""
    for path in sorted((folder / FOLDER).glob("*")):
        if path.is_dir() and re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", path.name):
            yield Cached(f"{FOLDER}/{path.name[:SHORT]}", _origin(path), (path,))


def _origin(path: Path) -> str:
    """The folder of the data; it is not known of samples that earlier versions decoded."""
    try:
        about = read_json(path / ABOUT)
        return f"{about['kind']}: {about['folder']}"
    except (DataError, LookupError, TypeError):
        return "samples of a task"
