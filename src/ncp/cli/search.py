"""`ncp search`: from tasks and a budget to architectures with verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    AsJson,
    AtLeast,
    CautionOption,
    ClassesOption,
    ImageSizeOption,
    MaxGmacs,
    MaxMparams,
    PredictorOption,
    ReportOption,
    StartsOption,
    StepsOption,
    TableOption,
    read_floors,
    read_image_size,
    read_tasks,
)
from ncp.cli.output import claims_table, command, print_json, progress_bar
from ncp.cli.report import write_page
from ncp.errors import ConfigError

if TYPE_CHECKING:
    from ncp.searchers import Result
    from ncp.searchers.result import Row


def search(
    tasks: Annotated[
        str,
        typer.Option(
            metavar="TASK[:WEIGHT],..",
            help="Tasks (seg, video) or columns (seg/mIoU), with commas between; a weight after a colon.",
        ),
    ],
    max_gmacs: MaxGmacs = None,
    max_mparams: MaxMparams = None,
    max_latency_ms: Annotated[
        float | None, typer.Option(help="Highest latency [ms], as --latency predicts it.")
    ] = None,
    latency: Annotated[
        Path | None, typer.Option(metavar="FILE", help="This machine's latencies, from ncp profile --calibrate.")
    ] = None,
    image_size: ImageSizeOption = "128",
    classes: ClassesOption = 50,
    at_least: AtLeast = None,
    caution: CautionOption = 0.0,
    strategy: Annotated[
        str, typer.Option(metavar="NAME", help="continuous, winner-takes-all or paper.")
    ] = "continuous",
    starts: StartsOption = 256,
    steps: StepsOption = 70,
    top: Annotated[int, typer.Option(help="Codes to return.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the starts.")] = 0,
    origin: Annotated[str | None, typer.Option(metavar="CODE", help="The first start.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="CODE", help="Edit this code: change few of its dimensions.")
    ] = None,
    max_changes: Annotated[int, typer.Option(help="Dimensions that may differ from --from.")] = 6,
    freeze: Annotated[
        str | None, typer.Option(metavar="NAME,..", help="Dimensions that keep the origin's values: b1,n1,o.")
    ] = None,
    predictor: PredictorOption = None,
    table: TableOption = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Gets result.json, trace.json, search.svg.")] = Path(
        "out"
    ),
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Find the architectures that serve several tasks best within a budget."""
    size, weights, floors = read_image_size(image_size), read_tasks(tasks), read_floors(at_least)
    if latency is not None and max_latency_ms is None:
        raise ConfigError("Expected --max-latency-ms, the bound that --latency is for. Got none. Give one.")
    if from_ is not None and origin is not None:
        raise ConfigError("Expected --from, a code to edit, or --origin, a code to start at. Got both. Leave one out.")

    from rich.console import Console

    with progress_bar("Loading") as bar:
        import ncp
        from ncp.report.run import draw_run, run_data
        from ncp.texts import read_code

        budget = ncp.Budget(
            max_macs=None if max_gmacs is None else max_gmacs * 1e9,
            max_params=None if max_mparams is None else max_mparams * 1e6,
            max_latency_ms=max_latency_ms,
            latency=None if latency is None else ncp.load_latency(latency),
            image_size=size,
            classes=classes,
        )
        fitted = None if predictor is None else ncp.load_predictor(predictor)
        measured = None if table is None else ncp.load_table(table)
        start = origin if from_ is None else from_
        space = next((held.space for held in (fitted, measured) if held is not None), ncp.MULTIRES)
        result = ncp.search(
            ncp.Objective(weights, caution=caution, at_least=floors),
            budget=budget,
            predictor=fitted,
            table=measured,
            starts=starts,
            steps=steps,
            top=top,
            seed=seed,
            strategy=strategy,  # type: ignore[arg-type]
            origin=None if start is None else read_code(space, start),
            max_changes=None if from_ is None else max_changes,
            freeze=() if freeze is None else freeze.split(","),
            progress=lambda share: bar(0.9 * share, "Propagating"),
        )
        bar(0.95, "Drawing")
        result.asked["command"] = command()
        result.to_json(out / "result.json")
        run = run_data(result)
        run.to_json(out / "trace.json")
        draw_run(run, out / "search.svg")
        if report is not None:
            write_page(out / "result.json", report, measured)
    if as_json:
        print_json(result.to_dict())
        return
    console = Console()
    console.print(claims_table(result.rows, range(len(result.rows)), objective=True))
    for number, row in enumerate(result.rows, start=1):  # a line of its own, whole however narrow the screen is
        typer.echo(f"{number:2} {row.code}")
        if from_ is not None:
            typer.echo(f"   {edits(result, row)}")
    console.print(_summary(result), highlight=False)
    console.print(f"Written: {out / 'result.json'}, {out / 'search.svg'}", highlight=False)


def edits(result: Result, row: Row) -> str:
    """What a row changes of the origin, and what that gains."""
    from ncp.texts import read_code, value_text

    space = result.trajectory.space
    origin = read_code(space, result.asked["origin"])
    parts = [
        f"{dim.name} {value_text(dim, before)} -> {value_text(dim, after)}"
        for dim, before, after in zip(space.dimensions, origin, row.vector, strict=True)
        if before != after
    ]
    return f"{len(parts)} changes: {', '.join(parts) or 'none'}; mean z {row.claim - result.asked['origin_claim']:+.2f}"


def _summary(result: Result) -> str:
    """How far promises and verdicts are apart, and how long it took."""
    caution = result.asked["caution"]
    ranked = f"Ranked by the promise less {caution:g} of the predictor's deviations. " if caution else ""
    if result.gap is None:
        return f"{ranked}No judge: nobody but the predictor vouches for these codes. {result.seconds:.1f} s."
    return (
        f"{ranked}On average the predictor promises {result.gap:+.2f} standard deviations of the objective "
        f"against the verdicts. {result.seconds:.1f} s."
    )
