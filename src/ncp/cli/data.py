"""`ncp data`: the benchmark's tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.output import AsJson, print_json
from ncp.errors import DataError

if TYPE_CHECKING:
    from ncp.datasets import Stored

app = typer.Typer(help="Get, list and check the benchmarks' tables.", no_args_is_help=True)

Root = Annotated[
    Path | None, typer.Option("--root", metavar="FOLDER", help="Where the tables are kept, if not in the cache.")
]


@app.command("import")
def import_(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The published data: SETTING/trainval.pkl and search_list.txt.")
    ],
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Turn a folder of published files into tables."""
    from ncp.datasets import import_folder

    _show(import_folder(folder, root), as_json)


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

    from ncp.datasets import fetch_tables
    from ncp.datasets.sources import PUBLISHED, UPSTREAM

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
            f"Expected at least one table in {tables[0].path.parent}. Got none. "
            "Make them from published files with: ncp data import FOLDER; or download them with: ncp data fetch."
        )


def _all(root: Path | None) -> tuple[Stored, ...]:
    from ncp.datasets import NAMES, stored

    return tuple(stored(name, root) for name in NAMES)


def _show(tables: tuple[Stored, ...], as_json: bool) -> None:
    if as_json:
        print_json({"tables": [_plain(table) for table in tables]})
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table("table", "rows", "columns", "SHA-256", "state")
    for table in tables:
        state = "absent" if not table.present else "damaged" if table.problems else "good"
        shown.add_row(table.name, f"{table.rows}", f"{len(table.columns)}", table.sha256[:12], state)
    console = Console()
    console.print(shown)
    for table in tables:
        tasks = dict.fromkeys(column.split("/")[0] for column in table.columns)
        lines = [f"{table.name}: {table.path}", *(f"note: {note}" for note in table.notes)]
        lines += [f"tasks: {', '.join(tasks)}"] if tasks else []
        lines += [f"not there: {', '.join(table.absent)}"] if table.absent else []
        for line in lines:
            console.print(line, soft_wrap=True, markup=False, highlight=False)


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
