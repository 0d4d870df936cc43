"""`ncp data`: get, import, list and check tables."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.data_cache import cache
from ncp.cli.grouped_help import Command
from ncp.cli.options import AsJson, RootOption
from ncp.cli.output import earlier_file, print_json, say, show_table, written
from ncp.errors import ConfigError, DataError, counted, printable
from ncp.io.files import file_sha256, is_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncp.tables.cache import TableStatus

ABSENT = (
    "There are no published tables yet. Download them with `ncp data fetch`, or import the published files with "
    "`ncp data import FOLDER`."
)

app = typer.Typer(help="Download, import, list and check tables; show and clear the cache.", no_args_is_help=True)
app.command("cache", cls=Command)(cache)


@app.command(cls=Command)
def fetch(
    base: Annotated[
        str | None,
        typer.Option("--mirror", metavar="ADDRESS", help="Address to download from [default: GitHub]."),
    ] = None,
    root: RootOption = None,
    as_json: AsJson = False,
) -> None:
    """Download the published files and import them.

    Compares every file with its known hash (SHA-256).
    """
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


@app.command("import", cls=Command)
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|FILE",
            help="A folder with the published files, or your own csv or parquet file with --space.",
        ),
    ],
    space: Annotated[
        str | None,
        typer.Option(
            "--space", metavar="NAME|FILE", help="Search space of your file: multires, cell201, or a YAML or JSON file."
        ),
    ] = None,
    codes: Annotated[
        str | None,
        typer.Option(
            "--code-columns",
            metavar="COLUMNS",
            help="Columns with the architecture: a,b,c, or 'edge*', or one text column [default: the space's names].",
        ),
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            "--values",
            metavar="COLUMNS",
            help="Measured columns, as acc,latency:min (:min: lower is better) [default: all other columns].",
        ),
    ] = None,
    drop_bad: Annotated[
        bool, typer.Option("--drop-bad", help="Leave out rows of your file that cannot be read, and count them.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Table file to write [default: the name of your file, .parquet, in the current folder].",
        ),
    ] = None,
    root: RootOption = None,
    as_json: AsJson = False,
) -> None:
    """Import published files, or your own file.

    Turns a folder of the published files, or a csv or parquet file with --space, into tables.
    """
    if space is not None:
        _import_file(source, space, codes, values, drop_bad, out, as_json)
        return
    _require_folder(source, with_options=codes is not None or values is not None or out is not None or drop_bad)
    from ncp.tables.cache import import_folder

    _show(import_folder(source, root), as_json)


@app.command("list")
def list_(root: RootOption = None, as_json: AsJson = False) -> None:
    """List the tables with their rows, columns and hashes."""
    from ncp.tables.cache import SHIPPED_TABLE, table_status

    tables = _all(root)
    _show((table_status(SHIPPED_TABLE), *tables), as_json)
    if not as_json and not any(table.present for table in tables):
        say(ABSENT)


@app.command()
def check(root: RootOption = None, as_json: AsJson = False) -> None:
    """Read all tables and compare all hashes.

    The exit status is 2 if anything is wrong.
    """
    tables = _all(root)
    _show(tables, as_json)
    problems = [problem for table in tables for problem in table.problems]
    if problems:
        raise DataError("\n".join(problems))
    if not any(table.present for table in tables):
        raise DataError(ABSENT)


def _require_folder(source: Path, with_options: bool) -> None:
    """Refuse what only works with --space: a file, and the options for one."""
    if is_file(source):
        raise ConfigError(
            f"To import {source}, name its search space: --space FILE, --space multires or --space cell201. "
            "Such a FILE has a line per dimension: 'op: [skip, conv]' or 'width: {from: 8, to: 128, step: 8}'."
        )
    if with_options:
        raise ConfigError(
            f"--code-columns, --values, --drop-bad and --out are for your own file with --space. {source} is a folder."
        )


def _import_file(
    source: Path, space: str, codes: str | None, values: str | None, drop_bad: bool, out: Path | None, as_json: bool
) -> None:
    """Turn a csv or parquet file of the user into a table, and show what it contains."""
    from ncp.spaces.named import load_space
    from ncp.tables.cache import TableStatus
    from ncp.tables.reading import read_rows
    from ncp.tables.table import Table

    target = _target(source, out)
    names, minimised = _named_values(values)
    code_columns = [name.strip() for name in codes.split(",")] if codes is not None and "," in codes else codes
    raw = read_rows(source, load_space(space), code_columns, names, drop_bad=drop_bad)
    table = Table.from_raw(raw, minimised)
    replaced = earlier_file(target)
    table.to_parquet(target)
    if as_json:
        status = TableStatus(target.stem, target, len(table), table.columns, sha256=file_sha256(target))
        reading = {
            "minimised": list(table.minimised),
            "code_columns": list(raw.code_columns),
            "rows_in_file": raw.rows_in_file,
            "left_out": raw.left_out,
        }
        print_json({"tables": [_plain(status) | reading]})
        written(target, replaced=replaced, as_json=True)
        return
    left_out = [f"{count} ({reason})" for reason, count in raw.left_out.items()]
    shown = [f"{name} (lower is better)" if name in table.minimised else name for name in table.columns]
    lines = [
        f"{target}: {counted(len(table), 'row')}, {counted(len(table.space), 'dimension')}, "
        f"{counted(len(shown), 'column')}: {', '.join(shown)}",
        f"codes from {', '.join(raw.code_columns)}",
        f"left out of {counted(raw.rows_in_file, 'row')}: {', '.join(left_out) or 'none'}",
        *replaced,
        *_next_commands(table.columns, str(target)),
    ]
    typer.echo("\n".join(map(printable, lines)))


def _target(source: Path, out: Path | None) -> Path:
    """The file to write, by default named as the source, in the current folder.

    Raises:
        DataError: it is the source itself, or a file that is not a table.
    """
    from ncp.tables.parquet import is_table

    target = Path(source.name.removesuffix(".gz") or "table").with_suffix(".parquet") if out is None else out
    if is_file(target) and is_file(source) and target.samefile(source):
        raise DataError(
            "{target} is the file to import. Name another output with {field}.", field="out", target=str(target)
        )
    if is_file(target) and not is_table(target):
        raise DataError(
            "{target} is not a table, so it is not overwritten. Name another output with {field}.",
            field="out",
            target=str(target),
        )
    return target


def _next_commands(columns: Sequence[str], path: str) -> list[str]:
    """Commands that use a new table, to copy into a shell."""
    wanted = ",".join(column for column in columns if not set(column) & {",", ":"})
    commands = [
        ["ncp", "train-predictor", "--table", path],
        ["ncp", "search", "--tasks", wanted, "--table", path],
        ["ncp", "compare", "--tasks", wanted, "--table", path],
    ]
    return [f"{'next:' if number == 0 else '     '} {shlex.join(words)}" for number, words in enumerate(commands)]


def _named_values(values: str | None) -> tuple[list[str] | None, list[str]]:
    """The columns in `acc,latency:min`, and the minimised ones among them."""
    if values is None:
        return None, []
    items = [item.strip() for item in values.split(",")]
    minimised = [item.removesuffix(":min") for item in items if item.endswith(":min")]
    return [item.removesuffix(":min").removesuffix(":max") for item in items], minimised


def _all(root: Path | None) -> tuple[TableStatus, ...]:
    """The tables that are fetched or imported."""
    from ncp.spaces.families import table_names
    from ncp.tables.cache import table_status

    return tuple(table_status(name, root) for name in table_names())


def _show(tables: tuple[TableStatus, ...], as_json: bool) -> None:
    from ncp.spaces.families import DEFAULT_TABLE
    from ncp.tables.columns import tasks_of
    from ncp.tables.published import task_lines

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
        tasks = tasks_of(table.columns)
        say(f"{table.name}: {table.path}", *(f"note: {note}" for note in table.notes))
        say(*(f"problem: {problem}" for problem in table.problems))
        if table.name == DEFAULT_TABLE:
            say(*(f"  {line}" for line in task_lines(table.columns)))
        elif tasks:
            say(f"tasks: {', '.join(tasks)}")
        say(*([f"not imported: {', '.join(table.absent)}"] if table.absent else []))


def _plain(table: TableStatus) -> dict[str, Any]:
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
