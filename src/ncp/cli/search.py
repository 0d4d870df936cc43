"""`ncp search`: from tasks and a budget to architectures with verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    MOST,
    AsJson,
    AtLeast,
    ClassesOption,
    ImageSizeOption,
    MaxGmacs,
    MaxMparams,
    PredictorOption,
    ReportOption,
    SeedOption,
    StartsOption,
    StepsOption,
    TableOption,
    UncertaintyPenaltyOption,
    read_floors,
    read_image_size,
    read_strategy,
    read_tasks,
    require_outputs,
)
from ncp.cli.output import UNCHECKED, command, print_json, progress_bar, run_id, say, show_claims, source_of, written
from ncp.cli.report import write_page
from ncp.errors import ConfigError

if TYPE_CHECKING:
    from ncp.optim.results import Result, Row

CHANGES = 6
"""Dimensions that an edit may change, unless the user says so."""


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
        float | None, typer.Option(min=0, help="Highest latency [ms], as --latency predicts it.")
    ] = None,
    latency: Annotated[
        Path | None, typer.Option(metavar="FILE", help="This machine's latencies, from ncp profile --calibrate.")
    ] = None,
    image_size: ImageSizeOption = "128",
    classes: ClassesOption = 50,
    at_least: AtLeast = None,
    uncertainty_penalty: UncertaintyPenaltyOption = 0.0,
    strategy: Annotated[
        str, typer.Option(metavar="NAME", help="continuous, winner-takes-all or paper.")
    ] = "continuous",
    starts: StartsOption = 256,
    steps: StepsOption = 70,
    top: Annotated[int, typer.Option(min=1, max=MOST, help="Codes to return.")] = 10,
    seed: SeedOption = 0,
    origin: Annotated[str | None, typer.Option(metavar="CODE", help="The first start.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="CODE", help="Edit this code: change few of its dimensions.")
    ] = None,
    max_changes: Annotated[
        int | None, typer.Option(min=1, help=f"Dimensions that may differ from --from; {CHANGES} if left out.")
    ] = None,
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
    """Find the best architectures for several tasks within a budget."""
    size, weights, floors = read_image_size(image_size), read_tasks(tasks), read_floors(at_least)
    _require_partners(max_latency_ms, latency, from_, origin, max_changes)
    require_outputs(out, report)

    with progress_bar("Loading") as bar:
        import ncp
        from ncp.optim.results import baseline_text
        from ncp.report.run import draw_run, run_data

        moves = read_strategy(strategy)
        budget = ncp.Budget(
            max_macs=None if max_gmacs is None else max_gmacs * 1e9,
            max_params=None if max_mparams is None else max_mparams * 1e6,
            max_latency_ms=max_latency_ms,
            latency=None if latency is None else ncp.load_latency(latency),
            image_size=size,
            classes=classes,
        )
        measured = None if table is None else ncp.load_table(table)
        result = ncp.search(
            ncp.Objective(weights, uncertainty_penalty=uncertainty_penalty, at_least=floors),
            budget=budget,
            predictor=predictor,
            table=measured,
            starts=starts,
            steps=steps,
            top=top,
            seed=seed,
            strategy=moves,
            origin=origin if from_ is None else from_,
            max_changes=None if from_ is None else max_changes or CHANGES,
            freeze=() if freeze is None else freeze.split(","),
            progress=lambda share: bar(share, "Propagating"),
        )
        result.provenance["command"] = command()
        result.provenance["run"] = run_id(result.to_dict())
        run = run_data(result)
        run.to_json(out / "trace.json")
        result.to_json(out / "result.json")  # the last: a result whose trace is of another run was stopped in between
    if as_json:
        print_json(result.to_dict())
    else:
        show_claims(result.rows, range(len(result.rows)), objective=True)
        for number, row in enumerate(result.rows, start=1):
            say(f"{number:2} {row.code}", *([f"   {edits(result, row)}"] if from_ is not None else []))
        say(baseline_text(result.to_dict()), *source_of(result.provenance), _summary(result))
    draw_run(run, out / "search.svg")
    page = [] if report is None else [write_page(out / "result.json", report, measured)]
    if not as_json:
        written(out / "result.json", out / "trace.json", out / "search.svg", *page)


def _require_partners(
    max_latency_ms: float | None, latency: Path | None, from_: str | None, origin: str | None, max_changes: int | None
) -> None:
    """Refuse an option that does nothing without another one.

    Raises:
        ConfigError: the option that is missing, or one too many.
    """
    if max_latency_ms is not None and latency is None:
        raise ConfigError(
            "--max-latency-ms needs the latencies of this machine. Run ncp profile --calibrate FILE once, "
            "then add --latency FILE."
        )
    if latency is not None and max_latency_ms is None:
        raise ConfigError("--latency does nothing without --max-latency-ms. Give the bound, too.")
    if from_ is not None and origin is not None:
        raise ConfigError("--from edits a code, and --origin starts at one. Leave one of them out.")
    if max_changes is not None and from_ is None:
        raise ConfigError("--max-changes does nothing without --from. Give the code to edit, too.")


def edits(result: Result, row: Row) -> str:
    """What a row changes of the origin, and what that gains."""
    from ncp.spaces.dimensions import value_text

    space = result.trajectory.space
    origin = space.code(result.provenance["origin"]).tolist()
    changes = [
        f"{dim.name} {value_text(dim, before)} -> {value_text(dim, after)}"
        for dim, before, after in zip(space.dimensions, origin, row.vector, strict=True)
        if before != after
    ]
    gain = row.predicted_score - result.provenance["origin_predicted_score"]
    return f"{len(changes)} changes: {', '.join(changes) or 'none'}; mean z {gain:+.2f}"


def _summary(result: Result) -> str:
    """How far predictions are from table and judge, and how long the search took."""
    penalty = result.provenance["uncertainty_penalty"]
    ranked = f"Ranked by the prediction less {penalty:g} of its standard deviations. " if penalty else ""
    if result.gap is None:
        return f"{ranked}{UNCHECKED} {result.seconds:.1f} s."
    side = "above" if result.gap >= 0 else "below"
    return (
        f"{ranked}Predictions are {abs(result.gap):.2f} standard deviations {side} table and judge on average. "
        f"{result.seconds:.1f} s."
    )
