"""`ncp compare`: simulate searches on a table and compare their searchers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    AsJson,
    OutFolder,
    ReportOption,
    RootOption,
    TasksOption,
    read_tasks,
    require_outputs,
    require_root,
)
from ncp.cli.output import command, earlier_file, earlier_run, print_json, progress_bar, say, show_table, written
from ncp.cli.report import write_page
from ncp.errors import DataError, counted, printable
from ncp.extras import install_advice

if TYPE_CHECKING:
    from ncp.searchers.comparison import Comparison

SEARCHERS = ("random", "evolution", "local", "tpe", "bayesian")


SearchersOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,..",
        help="Any of random, local, evolution, evolution-10, tpe, nsga2, gp, bayesian "
        f"[default: {', '.join(SEARCHERS)}; tpe needs Optuna].",
    ),
]
WarmStartOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Evaluations given to every searcher for free.")
]
PriorOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="What bayesian knows of other tasks: a table, or a predictor of them."),
]


def compare(
    table: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="Measured values: mini, nas-bench-mr, nas-bench-201, or a file."),
    ],
    tasks: TasksOption,
    searchers: SearchersOption = None,
    queries: Annotated[int, typer.Option(metavar="N", min=1, help="Evaluations per simulation.")] = 200,
    seeds: Annotated[int, typer.Option(metavar="N", min=2, help="Simulations per searcher.")] = 50,
    warm_start: WarmStartOption = None,
    prior: PriorOption = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Processes [default: all cores].")] = None,
    root: RootOption = None,
    out: OutFolder = Path("out"),
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Simulate searches on a table and compare the searchers.

    Writes compare.json, compare.svg and all simulations. An interrupted comparison continues with these.
    """
    weights = read_tasks(tasks)
    require_root(root, table)
    require_outputs(out, report)

    import ncp
    from ncp.report.facts import regret_curves
    from ncp.report.formats import save
    from ncp.report.pictures import comparison_picture
    from ncp.searchers.registry import installed, require_searchers

    names = installed(SEARCHERS) if searchers is None else [name.strip() for name in searchers.split(",")]
    require_searchers(names, "searchers")
    measured = ncp.load_table(table, root)
    warm = None if warm_start is None else ncp.load_table(warm_start)
    with progress_bar("Simulating") as bar:
        result = ncp.compare(
            measured,
            names,
            objective=weights,
            queries=queries,
            seeds=seeds,
            folder=out / "simulations",
            workers=workers,
            warm_start=warm,
            prior=prior,
            progress=bar,
        )
    _add_names(result, table, warm_start)
    replaced = _earlier_question(out / "compare.json", result) + earlier_file(report, "--report")
    result.to_json(out / "compare.json")
    _warn(result, [name for name in SEARCHERS if searchers is None and name not in names])
    if as_json:
        print_json(result.to_dict())
    else:
        _show(result)
    save(comparison_picture(regret_curves(result)), out / "compare.svg")
    page = [] if report is None else [write_page(out / "compare.json", report)]
    written(out / "compare.json", out / "compare.svg", *page, replaced=replaced, as_json=as_json)


def _earlier_question(path: Path, result: Comparison) -> list[str]:
    """A sentence on the comparison that is about to be replaced, unless it is the same one, which has continued."""
    from ncp.io.files import plain, read_json

    with suppress(DataError, LookupError, TypeError, AttributeError):  # damaged, or not a comparison
        earlier, now = read_json(path)["provenance"], plain(result.provenance)
        if {**earlier, "command": ""} == {**now, "command": ""}:
            return []
    return earlier_run(path)


def _add_names(result: Comparison, table: str, warm_start: Path | None) -> None:
    """Add the command line and the names of the tables to the provenance."""
    result.provenance["command"] = command()
    result.provenance["table"] = {"name": table, **result.provenance["table"]}
    if warm_start is not None:
        result.provenance["warm_start"] = {"name": str(warm_start), **result.provenance["warm_start"]}


def _warn(result: Comparison, left_out: list[str]) -> None:
    """Say which searchers were left out, and which simulations were run again."""
    if left_out:
        typer.echo(f"Left out: {', '.join(left_out)}. {install_advice('search')}", err=True)
    if result.damaged:
        files = printable(", ".join(map(str, result.damaged)))
        typer.echo(f"Simulated again, because the file was damaged or changed: {files}", err=True)


def _show(result: Comparison) -> None:
    from ncp.report.facts import proposal_counts
    from ncp.report.style import TESTS, p_text

    standings = result.standings()
    heads = ("searcher", "best", "regret", "found best", "p (random)", "p (baseline)", "ms/query")
    rows = [
        (
            each.searcher,
            f"{each.best:z.3f}\n{each.low:z.2f}..{each.high:z.2f}",
            f"{each.regret:z.3f}",
            f"{each.found:.0%}\n{each.found_low:.0%}..{each.found_high:.0%}",
            p_text(each.over_random),
            p_text(each.over_baseline) + (f"\n{each.baseline}" if each.baseline else ""),
            f"{1e3 * each.seconds / each.queries:.1f}",
        )
        for each in standings
    ]
    show_table(heads, rows)
    say(
        f"{standings[0].runs} simulations of {counted(standings[0].queries, 'evaluation')} each; the best in the table "
        f"is {result.optimum:z.3f}. {TESTS}",
        *proposal_counts(result),
    )
