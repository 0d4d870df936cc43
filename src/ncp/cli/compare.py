"""`ncp compare`: how many trainings a search needs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import AsJson, ReportOption, read_tasks
from ncp.cli.output import command, print_json, progress_bar
from ncp.cli.report import write_page

if TYPE_CHECKING:
    from ncp.searchers import Comparison, Standing


def compare(
    table: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Measured values: nas-bench-mr, nas-bench-201, or a file.")
    ],
    objective: Annotated[
        str, typer.Option(metavar="COLUMN[:WEIGHT],..", help="What is wanted: columns or tasks, such as seg,video:2.")
    ],
    searchers: Annotated[
        str,
        typer.Option(
            metavar="NAME,..", help="Any of random, local, evolution, evolution-10, tpe, nsga2, gp, bayesian."
        ),
    ] = "random,evolution,local,tpe,bayesian",
    queries: Annotated[int, typer.Option(help="Rows that a replay pays for.")] = 200,
    seeds: Annotated[int, typer.Option(help="Replays of each searcher.")] = 50,
    warm_start: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rows that are told for nothing before a replay begins.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; as many as cores if left out.")] = None,
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Gets compare.json, compare.svg and every replay; goes on from there."),
    ] = Path("out"),
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Replay searches on a table, paying only for the rows that they ask for, and compare them."""
    weights = read_tasks(objective)

    import ncp
    from ncp.report.compare import compare_data, draw_compare

    with progress_bar("Replaying") as bar:
        result = ncp.compare(
            ncp.load_table(table),
            [name.strip() for name in searchers.split(",")],
            objective=ncp.Objective(weights),
            queries=queries,
            seeds=seeds,
            folder=out / "replays",
            workers=workers,
            warm_start=None if warm_start is None else ncp.load_table(warm_start),
            progress=bar,
        )
    result.asked["command"] = command()
    result.to_json(out / "compare.json")
    draw_compare(compare_data(result), out / "compare.svg")
    if report is not None:
        write_page(out / "compare.json", report)
    standings = result.standings()
    if as_json:
        print_json({"optimum": result.optimum, "standings": [asdict(each) for each in standings]})
        return
    _show(result, standings)
    typer.echo(f"Written: {out / 'compare.json'}, {out / 'compare.svg'}")


def _show(result: Comparison, standings: tuple[Standing, ...]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from ncp.report.compare import p_text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("searcher", no_wrap=True)
    for name in ("best", "regret", "has the best", "p, random", "p, baseline", "ms/query"):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in standings:
        shown.add_row(
            each.searcher,
            f"{each.best:.3f}\n{each.low:.2f}..{each.high:.2f}",
            f"{each.regret:.3f}",
            f"{each.found:.0%}\n{each.found_low:.0%}..{each.found_high:.0%}",
            p_text(each.over_random),
            p_text(each.over_baseline) + (f"\n{each.baseline}" if each.baseline else ""),
            f"{1e3 * each.seconds / each.queries:.1f}",
        )
    console = Console()
    console.print(shown)
    console.print(
        f"{standings[0].runs} replays of {standings[0].queries} queries each; the best in the table is "
        f"{result.optimum:.3f}. Below a figure its 95 % interval; p of being no better than random, and than the best "
        "of the others but propagation: one-sided Mann-Whitney tests.",
        highlight=False,
    )
