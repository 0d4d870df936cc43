"""`ncp report`: one page about the results of another command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import BENCHMARK, PAGE, AsJson, RootOption, installed_table, load_table, require_file
from ncp.cli.output import earlier_file, print_json, written
from ncp.extras import require_extra

if TYPE_CHECKING:
    import ncp


def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER", help="result.json, pareto.json, compare.json, metrics.json, or a study's folder."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write.")] = Path("report.html"),
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help=f"Table whose rows are drawn in grey [default: {BENCHMARK}, if it is installed].",
        ),
    ] = None,
    root: RootOption = None,
    as_json: AsJson = False,
) -> None:
    """Write one page about the results of another command."""
    require_file(out, "out", PAGE)
    require_extra("report", "a report")

    replaced = earlier_file(out)
    page = write_page(source, out, load_table(table, root), root)
    if as_json:
        print_json({"path": page})
    written(page, replaced=replaced, as_json=as_json)


def write_page(source: Path, out: Path, table: ncp.Table | None = None, root: Path | None = None) -> Path:
    """Write the page and return its path. Without a table, it shows the benchmark's rows if these are installed."""
    from ncp.report.html import write_report

    write_report(source, out, installed_table(root) if table is None else table)
    return out
