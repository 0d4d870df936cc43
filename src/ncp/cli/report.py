"""`ncp report`: one page about the results of another command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import BENCHMARK, PAGE, require_file
from ncp.cli.output import written
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
) -> None:
    """Write one page about the results of another command."""
    require_file(out, "out", PAGE)
    require_extra("report", "a report")

    import ncp

    written(write_page(source, out, None if table is None else ncp.load_table(table)))


def write_page(source: Path, out: Path, table: ncp.Table | None = None) -> Path:
    """Write the page and return its path. Without a table, it shows the benchmark's rows if these are installed."""
    import ncp
    from ncp.report.html import write_report
    from ncp.tables.cache import table_status

    if table is None and table_status(BENCHMARK, None).present:
        table = ncp.load_table(BENCHMARK)
    write_report(source, out, table)
    return out
