"""`ncp data cache`: show what is in the cache, and remove it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from ncp.cli.options import AsJson
from ncp.cli.output import print_json, say, show_table
from ncp.errors import ConfigError, DataError, counted, quoted
from ncp.progress import duration

GROUPS = ("tables", "upstream", "predictors", "tasks")
"""What users can name instead of single entries."""


@dataclass(frozen=True)
class Entry:
    """Something in the cache that can be removed by itself.

    Attributes:
        group: one of `GROUPS`.
        name: its name, as in `nas-bench-mr` or `tasks/1a2a00b77308`.
        what: what it is.
        paths: its files, or its folder.
        size: the size of all files [bytes].
        changed: when one of them was last written [s since the epoch].
    """

    group: str
    name: str
    what: str
    paths: tuple[Path, ...]
    size: int
    changed: float

    @classmethod
    def of(cls, group: str, name: str, what: str, paths: Sequence[Path]) -> Entry:
        """An entry, whose files are measured."""
        found = [each.lstat() for path in paths for each in _files(path)]
        changed = max((each.st_mtime for each in found), default=0.0)
        return cls(group, name, what, tuple(paths), sum(each.st_size for each in found), changed)


def cache(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help=f"What to show or remove: a name, or {', '.join(GROUPS)}."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove it; without NAME, everything.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before removing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is in the cache, or remove it.

    The cache has the published tables, the files that they were made of, predictors that searches have fitted on
    tables, and the decoded samples of tasks. Searches and trainings make again what they miss; ncp data fetch gets the
    tables. The variable NCP_CACHE names another folder.
    """
    from ncp.tables.sources import cache_dir

    if yes and not clear:
        raise ConfigError("--yes does nothing without --clear. Leave it out.")
    folder = cache_dir()
    found = _named(list(entries(folder)), name, folder)
    removed = clear and bool(found) and (yes or _confirmed(found, folder))
    if removed:
        remove(found, folder)
    if as_json:
        print_json({"folder": folder, "removed": removed, "entries": [_plain(each) for each in found]})
    elif removed:
        say(f"Removed: {', '.join(each.name for each in found)}")
    elif clear and found:
        say("Nothing was removed.")
    else:
        _show(found, folder)


def entries(folder: Path) -> Iterator[Entry]:
    """What is in a cache folder; files that this package does not write there are left out."""
    from ncp.optim.pair_files import cached_pairs
    from ncp.tables.cache import cached_downloads, cached_tables
    from ncp.tasks.decoded_folders import cached_samples

    for group, cached in zip(GROUPS, (cached_tables, cached_downloads, cached_pairs, cached_samples), strict=True):
        for each in cached(folder):
            yield Entry.of(group, *each)


def _files(path: Path) -> Iterator[Path]:
    """A file, or all files in a folder."""
    inside = path.rglob("*") if path.is_dir() else [path]
    yield from (each for each in inside if each.is_symlink() or each.is_file())


def _named(found: list[Entry], name: str | None, folder: Path) -> list[Entry]:
    """The entries with a name, or of a group.

    Raises:
        ConfigError: there is none.
    """
    if name is None:
        return found
    chosen = [each for each in found if name in (each.name, each.group)]
    if not chosen and name not in GROUPS:
        known = ", ".join(each.name for each in found) or "nothing"
        raise ConfigError(f"There is no {quoted(name)} in {folder}, which has {known}.")
    return chosen


def _confirmed(found: Sequence[Entry], folder: Path) -> bool:
    """Whether the user agrees.

    Raises:
        ConfigError: there is nobody to ask.
    """
    if not sys.stdin or not sys.stdin.isatty():
        raise ConfigError("--clear asks before it removes anything, which needs a terminal. Add --yes.")
    size = _megabytes(sum(each.size for each in found))
    typer.echo(", ".join(each.name for each in found), err=True)
    if any(each.group == "tasks" for each in found):
        typer.echo("Trainings that run need the samples of their tasks.", err=True)
    return typer.confirm(f"Remove {counted(len(found), 'entry', 'entries')}, {size}, from {folder}?", err=True)


def remove(found: Sequence[Entry], folder: Path) -> None:
    """Remove entries. A folder is renamed first, so that no reader takes what is left of it for whole.

    Raises:
        DataError: a path outside of the cache, because a folder in it is a link. Nothing is removed then.
    """
    paths = [path for each in found for path in each.paths]
    for path in paths:
        if not path.parent.resolve().is_relative_to(folder.resolve()):
            there = path.parent.resolve()
            raise DataError(f"{path.parent} is a link to {there}, outside of the cache. Remove it there.")
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            path = path.rename(path.with_name(f".{path.name}-{uuid4().hex[:8]}"))
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _plain(entry: Entry) -> dict[str, Any]:
    return {"name": entry.name, "what": entry.what, "paths": entry.paths, "bytes": entry.size, "changed": entry.changed}


def _show(found: Sequence[Entry], folder: Path) -> None:
    if found:
        now = time.time()
        rows = [[e.name, e.what, _megabytes(e.size), duration(max(now - e.changed, 0))] for e in found]
        show_table(["name", "what", "size", "age"], rows, keys=2)
    total = _megabytes(sum(each.size for each in found))
    say(f"{folder}: {counted(len(found), 'entry', 'entries')}, {total}")
    if found:
        say("ncp data cache --clear NAME removes one of them, or a group: " + ", ".join(GROUPS) + ".")
