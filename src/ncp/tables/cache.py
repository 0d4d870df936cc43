"""The cache of benchmark tables: load, import, download and check them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from ncp.errors import DataError, quoted
from ncp.io.files import as_path, is_file, write_json
from ncp.spaces.families import DEFAULT_TABLE, table_names
from ncp.tables.sources import DETECTION_CSV, DOWNLOADS, PUBLISHED, UPSTREAM, Cached, Source, cache_dir, fetch
from ncp.tables.table import Table

SHIPPED_TABLE = "mini"
"""The table that ships with the package: small networks that were trained for it."""
_TRAINED_HERE = "It ships with the package; docs/mini.md describes it."
_ADVICE = "Download it with `ncp data fetch`, or import the published files with `ncp data import FOLDER`."


@dataclass(frozen=True)
class TableStatus:
    """The state of a benchmark's table in the cache.

    Attributes:
        name: the benchmark.
        path: the table's file.
        rows: the number of rows.
        columns: the names of the columns.
        absent: published settings that were not imported.
        sha256: the hash of the file; empty if there is none.
        sources: the published files that the table was made of, and their hashes.
        notes: remarks of the import.
        problems: what is wrong; empty if the table is good.
    """

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
        """Whether the file exists."""
        return bool(self.sha256 or self.problems)


def load_table(name: str | Path, root: str | Path | None = None) -> Table:
    """Load a benchmark's table, or one from a file.

    Args:
        name: `mini`, which ships with the package; `nas-bench-mr` or `nas-bench-201`, which have to be fetched; or the
            path of a file that `Table.to_parquet` wrote.
        root: the folder of the fetched tables; the cache when left out.

    Raises:
        DataError: the table does not exist (the message says how to get it), or the file is not a table.
    """
    given = as_path(name, "table")
    if str(name) == SHIPPED_TABLE:
        return Table.from_parquet(_shipped())
    if str(name) in table_names():
        path = _folder(root) / f"{name}.parquet"
        if not is_file(path):
            raise DataError(f"The table {name} does not exist: there is no file {path}. {_ADVICE}")
        return Table.from_parquet(path)
    if not is_file(given):
        names = " or ".join((SHIPPED_TABLE, *table_names()))
        raise DataError(f"There is no file {quoted(str(given))}. Give the path of a table, or {names}.")
    return Table.from_parquet(given)


def import_folder(folder: str | Path, root: str | Path | None = None) -> tuple[TableStatus, ...]:
    """Turn a folder of published files into tables in the cache.

    Args:
        folder: see `read_published`.
        root: the folder of the tables; the cache when left out.

    Returns:
        The status of each table.

    Raises:
        DataError: `read_published` refuses the folder, or the root cannot be written to.
    """
    from ncp.tables.published import read_published

    read = read_published(folder)
    for name, table in read.tables.items():
        path = _folder(root) / f"{name}.parquet"
        table.to_parquet(path)
        about = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "sources": {source.path: source.digest for source in read.sources[name]},
            "absent": [setting for setting in read.absent if setting not in table_names()],
            "notes": list(read.notes) if name == DEFAULT_TABLE else [],
        }
        write_json(path.with_suffix(".json"), about)
    return tuple(table_status(name, root) for name in read.tables)


def fetch_tables(
    root: str | Path | None = None,
    *,
    base: str = UPSTREAM,
    sources: tuple[Source, ...] = PUBLISHED,
    done: Callable[[Source], None] = lambda _: None,
) -> tuple[TableStatus, ...]:
    """Download the missing published files, and turn them into tables in the cache.

    Args:
        root: the folder of the tables, and of the files in its folder `upstream`; the cache when left out.
        base: the address of the published data folder, or of a copy.
        sources: the files to download.
        done: called after each file.

    Raises:
        DataError: no connection, a file with another hash, or a root that cannot be written to.
    """
    folder = _folder(root) / DOWNLOADS
    fetch(folder, base=base, sources=sources, done=done)
    return import_folder(folder, root)


def cached_tables(folder: Path) -> Iterator[Cached]:
    """The tables in a cache folder."""
    for name in table_names():
        paths = tuple(path for ending in (".parquet", ".json") if is_file(path := folder / f"{name}{ending}"))
        if paths:
            yield Cached(name, "published table", paths)


def cached_downloads(folder: Path) -> Iterator[Cached]:
    """The downloaded files in a cache folder, which tables were made of; they are one entry."""
    paths = tuple(path for source in PUBLISHED if is_file(path := folder / DOWNLOADS / source.path))
    if paths:
        yield Cached(DOWNLOADS, "published files", paths)


def is_installed(name: str, root: str | Path | None = None) -> bool:
    """Whether there is a file of a benchmark's table, without reading it; False without a home folder.

    Raises:
        DataError: the root is a file.
    """
    try:
        _root(root)
    except DataError:
        return False
    return is_file(_folder(root) / f"{name}.parquet")


def table_status(name: str, root: str | Path | None = None) -> TableStatus:
    """Read a table in the cache and compare all hashes.

    Without a home folder there is no cache; the notes then say what to set.
    """
    if name == SHIPPED_TABLE:
        table, digest = load_table(name), hashlib.sha256(_shipped().read_bytes()).hexdigest()
        return TableStatus(name, _shipped(), len(table), table.columns, sha256=digest, notes=(_TRAINED_HERE,))
    try:
        path = _root(root) / f"{name}.parquet"
    except DataError as error:
        return TableStatus(name, Path(f"{name}.parquet"), notes=(str(error),))
    sha256 = ""
    try:
        if not is_file(_folder(root) / path.name):
            return TableStatus(name, path)
        table = Table.from_parquet(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        about = _about(path.with_suffix(".json"))
    except DataError as error:
        return TableStatus(name, path, sha256=sha256, problems=(str(error),))
    problems = []
    if about["sha256"] != sha256:
        problems.append(f"Expected SHA-256 {about['sha256']} for {path}. Got {sha256}. Import or fetch it again.")
    known = {source.path: source.digest for source in (*PUBLISHED, DETECTION_CSV)}
    problems += [
        f"{path} was made of {quoted(file)}, which is not the published file. Import or fetch it again."
        for file, digest in about["sources"].items()
        if known.get(file) != digest
    ]
    return TableStatus(
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


def _shipped() -> Path:
    """The file of the table that ships with the package."""
    return Path(str(files("ncp") / "assets" / f"{SHIPPED_TABLE}.parquet"))


def _root(root: str | Path | None) -> Path:
    return cache_dir() if root is None else as_path(root, "root")


def _folder(root: str | Path | None) -> Path:
    """The folder of the tables.

    Raises:
        DataError: it is a file.
    """
    folder = _root(root)
    if is_file(folder):
        advice = "Set the variable NCP_CACHE to a folder" if root is None else "Name a folder"
        raise DataError(f"{folder} is a file, so it cannot hold tables. {advice}.")
    return folder


def _about(path: Path) -> dict[str, Any]:
    """The file beside a table, with its hash and its sources."""
    try:
        about = json.loads(path.read_bytes())
        kinds = {"sha256": str, "sources": dict, "absent": list, "notes": list}
        texts = [*about["absent"], *about["notes"], *about["sources"].values()]
        if all(isinstance(about[key], kind) for key, kind in kinds.items()) and all(isinstance(t, str) for t in texts):
            return dict(about)
        reason = "unexpected content"
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = quoted(str(error))
    raise DataError(f"Cannot read the hashes of a table from {path}: {reason}. Import or fetch the table again.")
