"""`ncp data`: the benchmark's tables."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.options import AsJson
from ncp.cli.output import print_json, say, show_table
from ncp.errors import ConfigError, DataError, printable
from ncp.io.files import is_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncp.tables.cache import Stored

app = typer.Typer(help="Get, list and check the benchmarks' tables.", no_args_is_help=True)

Root = Annotated[
    Path | None, typer.Option("--root", metavar="FOLDER", help="Where the tables are kept, if not in the cache.")
]


@app.command("import")
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|FILE",
            help="The published data: SETTING/trainval.pkl, search_list.txt. Or a table of your own: csv or parquet.",
        ),
    ],
    space: Annotated[
        str | None,
        typer.Option("--space", metavar="NAME|FILE", help="Of your own table: multires, cell201, or a file."),
    ] = None,
    codes: Annotated[
        str | None,
        typer.Option(
            "--codes",
            metavar="COLUMNS",
            help="Where the code stands: a,b,c, or 'edge*', or one column of text; the names of the space if left out.",
        ),
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            "--values",
            metavar="COLUMNS",
            help="What was measured: acc,latency:min (:min where small is better); all that is left if left out.",
        ),
    ] = None,
    drop_bad: Annotated[
        bool, typer.Option("--drop-bad", help="Leave out rows of your own table that are not good, and count them.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where your own table goes; if left out, here.")
    ] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Turn a folder of published files, or a file of your own, into tables."""
    if space is not None:
        _import_file(source, space, codes, values, drop_bad, out, as_json)
        return
    if is_file(source):
        raise ConfigError(
            f"Expected the space of your own table, --space FILE or --space cell201. Got none for {source}. "
            "Write a line per dimension, such as 'op: [skip, conv]' or 'width: {from: 8, to: 128, step: 8}'."
        )
    if codes is not None or values is not None or out is not None or drop_bad:
        raise ConfigError(
            f"Expected a file of your own for --codes, --values, --drop-bad and --out. Got the folder {source}."
        )
    from ncp.tables.cache import import_folder

    _show(import_folder(source, root), as_json)


@app.command()
def fetch(
    base: Annotated[
        str | None,
        typer.Option("--from", metavar="ADDRESS", help="Where the data folder is, if not at GitHub's; hashes decide."),
    ] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Download the published files, check them, and turn them into tables."""
    from rich.console import Console
    from rich.progress import Progress

    from ncp.tables.cache import fetch_tables
    from ncp.tables.sources import PUBLISHED, UPSTREAM

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Downloading", total=len(PUBLISHED))
        tables = fetch_tables(
            root,
            base=base or UPSTREAM,
            done=lambda source: progress.update(task, advance=1, description=source.path),
        )
    _show(tables, as_json)


@app.command("list")
def list_(root: Root = None, as_json: AsJson = False) -> None:
    """Show which tables are there, with their rows, columns and hashes."""
    _show(_all(root), as_json)


@app.command()
def check(root: Root = None, as_json: AsJson = False) -> None:
    """Read every table again and compare every hash; exit 2 if something is wrong."""
    tables = _all(root)
    _show(tables, as_json)
    problems = [problem for table in tables for problem in table.problems]
    if problems:
        raise DataError("\n".join(problems))
    if not any(table.present for table in tables):
        raise DataError(
            "There is no table yet. Make it from published files with: ncp data import FOLDER; or download them with: "
            "ncp data fetch."
        )


def _import_file(
    source: Path, space: str, codes: str | None, values: str | None, drop_bad: bool, out: Path | None, as_json: bool
) -> None:
    from ncp.spaces.named import load_space
    from ncp.tables.own import import_file

    names, minimised = _wanted(values)
    brought = import_file(
        source,
        space=load_space(space),
        codes=[name.strip() for name in codes.split(",")] if codes is not None and "," in codes else codes,
        values=names,
        minimised=minimised,
        drop_bad=drop_bad,
        out=out,
    )
    table = brought.table
    if as_json:
        print_json(
            {
                "path": str(brought.path),
                "rows": len(table),
                "columns": list(table.columns),
                "minimised": list(table.minimised),
                "code_columns": list(brought.code_columns),
                "rows_in_file": brought.rows,
                "left_out": dict(brought.left_out),
            }
        )
        return
    left_out = [f"{count} ({reason})" for reason, count in brought.left_out.items()]
    shown = [f"{name} (small is better)" if name in table.minimised else name for name in table.columns]
    lines = [
        f"{brought.path}: {len(table)} rows, {len(table.space)} dimensions, {len(shown)} columns: {', '.join(shown)}",
        f"codes from {', '.join(brought.code_columns)}",
        f"left out of {brought.rows} rows: {', '.join(left_out) or 'none'}",
        *_next(table.columns, str(brought.path)),
    ]
    typer.echo("\n".join(map(printable, lines)))


def _next(columns: Sequence[str], path: str) -> list[str]:
    """What to do with a new table, as commands for a shell."""
    value = path if re.fullmatch(r"[\w./-]+\.parquet", path) else json.dumps(path)  # --set reads YAML
    wanted = ",".join(column for column in columns if not set(column) & {",", ":"})
    commands = [
        ["ncp", "train", "--config", "FILE", "--set", f"data.table={value}"],
        ["ncp", "search", "--tasks", wanted, "--table", path],
        ["ncp", "compare", "--objective", wanted, "--table", path],
    ]
    return [f"{'next:' if number == 0 else '     '} {shlex.join(words)}" for number, words in enumerate(commands)]


def _wanted(values: str | None) -> tuple[list[str] | None, list[str]]:
    """The columns of `acc,latency:min`, and which of them are minimised."""
    if values is None:
        return None, []
    parts = [part.strip() for part in values.split(",")]
    minimised = [part.removesuffix(":min") for part in parts if part.endswith(":min")]
    return [part.removesuffix(":min").removesuffix(":max") for part in parts], minimised


def _all(root: Path | None) -> tuple[Stored, ...]:
    from ncp.tables.cache import NAMES, stored

    return tuple(stored(name, root) for name in NAMES)


def _show(tables: tuple[Stored, ...], as_json: bool) -> None:
    if as_json:
        print_json({"tables": [_plain(table) for table in tables]})
        return
    states = ["absent" if not table.present else "damaged" if table.problems else "good" for table in tables]
    show_table(
        ["table", "rows", "columns", "SHA-256", "state"],
        [
            [table.name, f"{table.rows}", f"{len(table.columns)}", table.sha256[:12], state]
            for table, state in zip(tables, states, strict=True)
        ],
        left=["SHA-256", "state"],
    )
    for table in tables:
        tasks = dict.fromkeys(column.split("/")[0] for column in table.columns)
        say(f"{table.name}: {table.path}", *(f"note: {note}" for note in table.notes))
        say(*(f"problem: {problem}" for problem in table.problems))
        say(*([f"tasks: {', '.join(tasks)}"] if tasks else []))
        say(*([f"not there: {', '.join(table.absent)}"] if table.absent else []))


def _plain(table: Stored) -> dict[str, Any]:
    return {
        "name": table.name,
        "path": str(table.path),
        "present": table.present,
        "rows": table.rows,
        "columns": list(table.columns),
        "absent": list(table.absent),
        "sha256": table.sha256,
        "sources": table.sources,
        "notes": list(table.notes),
        "problems": list(table.problems),
    }
