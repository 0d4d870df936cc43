"""The tables that are kept as files: write, load and check them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ncp.errors import DataError, quoted
from ncp.io.files import as_path, is_file, whole_file
from ncp.spaces.families import DEFAULT_TABLE, table_names
from ncp.tables.sources import DETECTION_CSV, PUBLISHED, UPSTREAM, Source, cache_dir, fetch
from ncp.tables.table import Table

_WAY = "Make it from published files with: ncp data import FOLDER; or download them with: ncp data fetch."


@dataclass(frozen=True)
class Stored:
    """What is known of a kept table; `problems` is empty where all is well."""

    name: str
    path: Path
    rows: int = 0
    columns: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    sha256: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        """Whether the file is there."""
        return bool(self.sha256 or self.problems)


def load_table(name: str | Path, root: str | Path | None = None) -> Table:
    """Load a benchmark's table, or one from a file.

    Args:
        name: `nas-bench-mr`, `nas-bench-201`, or the path of a file that `Table.to_parquet` wrote.
        root: the folder of the benchmarks' tables, if not the cache.

    Raises:
        DataError: a table that is not there, with the commands that make it, or a file that is none.
    """
    given = as_path(name, "table")
    if str(name) in table_names():
        path = _folder(root) / f"{name}.parquet"
        if not is_file(path):
            raise DataError(f"The table {name} is not there: no file {path}. {_WAY}")
        return Table.from_parquet(path)
    if not is_file(given):
        names = " or ".join(table_names())
        raise DataError(f"There is no file {quoted(str(given))}. Give the path of a table, or {names}.")
    return Table.from_parquet(given)


def import_folder(folder: str | Path, root: str | Path | None = None) -> tuple[Stored, ...]:
    """Turn a folder of published files into tables and keep them.

    Args:
        folder: what `convert` reads.
        root: where the tables go, if not into the cache.

    Returns:
        What was written.

    Raises:
        DataError: what `convert` refuses, or a root that cannot be written to.
    """
    from ncp.tables.published import convert

    read = convert(folder)
    for name, table in read.tables.items():
        path = _folder(root) / f"{name}.parquet"
        table.to_parquet(path)
        about = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "sources": {source.path: source.digest for source in read.sources[name]},
            "absent": [setting for setting in read.absent if setting not in table_names()],
            "notes": list(read.notes) if name == DEFAULT_TABLE else [],
        }
        with whole_file(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return tuple(stored(name, root) for name in read.tables)


def fetch_tables(
    root: str | Path | None = None,
    *,
    base: str = UPSTREAM,
    sources: tuple[Source, ...] = PUBLISHED,
    done: Callable[[Source], None] = lambda _: None,
) -> tuple[Stored, ...]:
    """Download the published files that are not there yet, and turn them into tables.

    Args:
        root: where the files (in its folder `upstream`) and the tables go, if not into the cache.
        base: the address of the published data folder, or of a copy.
        sources: which files.
        done: called after each file.

    Raises:
        DataError: no connection, a file that is not the published one, or a root that cannot be written to.
    """
    folder = _folder(root) / "upstream"
    fetch(folder, base=base, sources=sources, done=done)
    return import_folder(folder, root)


def stored(name: str, root: str | Path | None = None) -> Stored:
    """What is kept of a table, with every hash checked again.

    A user without a home folder has no tables; the notes say how to get a place for them.
    """
    try:
        path = _place(root) / f"{name}.parquet"
    except DataError as error:
        return Stored(name, Path(f"{name}.parquet"), notes=(str(error),))
    sha256 = ""
    try:
        if not is_file(_folder(root) / path.name):
            return Stored(name, path)
        table = Table.from_parquet(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        about = _about(path.with_suffix(".json"))
    except DataError as error:
        return Stored(name, path, sha256=sha256, problems=(str(error),))
    problems = []
    if about["sha256"] != sha256:
        problems.append(f"Expected SHA-256 {about['sha256']} for {path}. Got {sha256}. Import or fetch it again.")
    known = {source.path: source.digest for source in (*PUBLISHED, DETECTION_CSV)}
    problems += [
        f"Expected {path} to be made of published files. Got {quoted(file)}. Import or fetch it again."
        for file, digest in about["sources"].items()
        if known.get(file) != digest
    ]
    return Stored(
        name,
        path,
        len(table),
        table.columns,
        tuple(about["absent"]),
        sha256,
        about["sources"],
        tuple(about["notes"]),
        tuple(problems),
    )


def _place(root: str | Path | None) -> Path:
    return cache_dir() if root is None else as_path(root, "root")


def _folder(root: str | Path | None) -> Path:
    """Where the tables are kept, which is not a file."""
    folder = _place(root)
    if is_file(folder):
        advice = "Set the variable NCP_CACHE to a folder" if root is None else "Name a folder"
        raise DataError(f"{folder} is a file, so it cannot hold tables. {advice}.")
    return folder


def _about(path: Path) -> dict[str, Any]:
    """What was written beside a table: its hash, and what it was made of."""
    try:
        about = json.loads(path.read_bytes())
        kinds = {"sha256": str, "sources": dict, "absent": list, "notes": list}
        texts = [*about["absent"], *about["notes"], *about["sources"].values()]
        if all(isinstance(about[key], kind) for key, kind in kinds.items()) and all(isinstance(t, str) for t in texts):
            return dict(about)
        reason = "it holds something else"
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = quoted(str(error))
    raise DataError(f"Cannot read the hashes of a table in {path}: {reason}. Import or fetch the table again.")
