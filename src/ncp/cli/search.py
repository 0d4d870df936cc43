"""`ncp search`: find the best architectures for tasks and a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    AsJson,
    AtLeast,
    ClassesOption,
    LatencyOption,
    MaxGmacs,
    MaxLatencyMs,
    MaxMparams,
    MeasuredHeadOption,
    MeasuredImageSizeOption,
    OutFolder,
    PredictorOption,
    ReportOption,
    RootOption,
    SeedOption,
    StartsOption,
    StepsOption,
    TableOption,
    TasksOption,
    TopOption,
    UncertaintyPenaltyOption,
    read_budget,
    read_minimums,
    read_tasks,
    require_outputs,
    searched_table,
)
from ncp.cli.output import (
    NO_BASELINE,
    SCORES,
    SOURCES,
    UNCHECKED,
    command,
    cost_source,
    earlier_file,
    earlier_run,
    head_advice,
    latency_source,
    print_json,
    progress_bar,
    run_id,
    say,
    show_rows,
    source_of,
    written,
)
from ncp.cli.report import write_page
from ncp.errors import ConfigError, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ncp
    from ncp.optim.results import Result, Row

CHANGES = 6
"""Default of --max-changes."""


StrategyOption = Annotated[
    str, typer.Option(metavar="NAME", help="How codes move: continuous, winner-takes-all or paper.")
]
OriginOption = Annotated[
    str | None, typer.Option(metavar="CODE", help="Include this code in the starts. --freeze keeps its values.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="CODE", help="Edit this code: change only a few dimensions.")
]
MaxChanges = Annotated[
    int | None, typer.Option(metavar="N", min=1, help=f"Most dimensions to change, with --from [default: {CHANGES}].")
]
FreezeOption = Annotated[
    str | None,
    typer.Option(metavar="NAME,..", help="Dimensions that keep the values of --origin or --from, as in b1,n1,o."),
]


def search(
    tasks: TasksOption,
    max_gmacs: MaxGmacs = None,
    max_mparams: MaxMparams = None,
    max_latency_ms: MaxLatencyMs = None,
    latency: LatencyOption = None,
    image_size: MeasuredImageSizeOption = None,
    head: MeasuredHeadOption = None,
    classes: ClassesOption = None,
    at_least: AtLeast = None,
    uncertainty_penalty: UncertaintyPenaltyOption = 0.0,
    strategy: StrategyOption = "continuous",
    starts: StartsOption = 256,
    steps: StepsOption = 70,
    top: TopOption = 10,
    seed: SeedOption = 0,
    origin: OriginOption = None,
    from_: FromOption = None,
    max_changes: MaxChanges = None,
    freeze: FreezeOption = None,
    predictor: PredictorOption = None,
    table: TableOption = None,
    root: RootOption = None,
    out: OutFolder = Path("out"),
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Find the best architectures for several tasks within a budget.

    Writes result.json, trace.json and search.svg.
    """
    weights, minimums = read_tasks(tasks), read_minimums(at_least)
    _require_partners(from_, origin, max_changes)
    require_outputs(out, report)
    with progress_bar("Loading") as bar:
        import ncp

        measured = searched_table(table, root, predictor)
        result = ncp.search(
            ncp.Objective(weights, uncertainty_penalty=uncertainty_penalty, at_least=minimums),
            budget=read_budget(max_gmacs, max_mparams, image_size, head, classes, max_latency_ms, latency),
            predictor=predictor,
            table=measured,
            starts=starts,
            steps=steps,
            top=top,
            seed=seed,
            strategy=strategy,  # type: ignore[arg-type]
            origin=origin if from_ is None else from_,
            max_changes=None if from_ is None else max_changes or CHANGES,
            freeze=() if freeze is None else freeze.split(","),
            progress=lambda share: bar(share, "Searching"),
        )
    _write(result, measured, out, report, head, top, as_json)


def _write(
    result: Result, table: ncp.Table | None, out: Path, report: Path | None, head: str | None, top: int, as_json: bool
) -> None:
    """Write the files of a result, and print it."""
    from ncp.report.formats import save
    from ncp.report.pictures import search_picture
    from ncp.report.trace import Trace

    replaced = earlier_run(out / "result.json") + earlier_file(report, "--report")
    result.provenance["command"] = command()
    result.provenance["run"] = run_id(result.to_dict())
    trace = Trace.of(result)
    trace.to_json(out / "trace.json")
    result.to_json(out / "result.json")  # last: if a run is stopped, the result never belongs to another trace
    if as_json:
        print_json(result.to_dict())
    else:
        _show(result, head, top)
    save(search_picture(trace), out / "search.svg", trace.run)
    page = [] if report is None else [write_page(out / "result.json", report, table)]
    files = (out / "result.json", out / "trace.json", out / "search.svg", *page)
    written(*files, replaced=replaced, as_json=as_json)


def _show(result: Result, head: str | None, top: int) -> None:
    """Print the codes, how they differ, what they are compared with, and where the numbers come from."""
    from ncp.optim.results import baseline_text, difference_text

    document, provenance = result.to_dict(), result.provenance
    show_rows(result.rows, range(len(result.rows)), with_score=True, baseline=result.baseline)
    best = document["rows"][0]
    for number, row in enumerate(result.rows, start=1):
        say(f"{number:2} {row.code}")
        if provenance["max_changes"] is not None:
            say(f"   {edits(result, row)}")
        elif number > 1:
            say(f"   {difference_text(document['rows'][number - 1], best)}")
    if provenance["max_changes"] is None:
        say(*_differences(result, top))
    shipped = provenance["predictor_source"] not in SOURCES and result.rows[0].macs is not None
    baseline = baseline_text(document) or (NO_BASELINE if shipped else "")
    say(SCORES, *_order(result), *filter(None, [baseline]), *cost_source(document), *latency_source(provenance))
    say(*head_advice(document, head), *source_of(provenance), _summary(result))


def _differences(result: Result, top: int) -> Iterator[str]:
    """What the lines below the codes compare, and why there are fewer codes than were asked for."""
    from ncp.optim.alternatives import CHEAPER

    if len(result.rows) > 1:
        compared = " A comparison with a measured code is between checked values." if _measured(result) else ""
        yield f"Below each code: how its values and cost differ from those of the first.{compared}"
    if len(result.rows) < top and result.rows[0].macs is not None:
        yield (
            f"{counted(len(result.rows), 'code')} instead of {top}: the others that were found are much like one of "
            f"these (neither over {100 * CHEAPER:.0f} % cheaper nor better at a task), or clearly worse."
        )


def _measured(result: Result) -> bool:
    """Whether some of the codes are measured."""
    return any(value.source == "table" for row in result.rows for value in row.verified.values())


def _order(result: Result) -> list[str]:
    """By what codes are ordered, if some are measured."""
    if not _measured(result):
        return []
    return ["Measured codes are ordered by the mean of their measured and predicted scores, weighed by their errors."]


def _require_partners(from_: str | None, origin: str | None, max_changes: int | None) -> None:
    """Refuse options that exclude each other, or that do nothing without another one.

    Raises:
        ConfigError: one option too many, or one that is missing.
    """
    if from_ is not None and origin is not None:
        raise ConfigError("--from and --origin both name the code to start from. Leave one of them out.")
    if max_changes is not None and from_ is None:
        raise ConfigError("--max-changes does nothing without --from. Add the code to edit, --from CODE.")


def edits(result: Result, row: Row) -> str:
    """What a row changes of the origin, and what that gains."""
    from ncp.spaces.dimensions import changed

    space = result.trajectory.space
    edited = changed(space.dimensions, space.code(result.provenance["origin"]).tolist(), row.vector)
    changes = [f"{name} {before} -> {after}" for name, before, after in edited]
    gain = row.predicted_score - result.provenance["origin_predicted_score"]
    return f"{counted(len(changes), 'change')}: {', '.join(changes) or 'none'}; score {gain:+z.2f}"


def _summary(result: Result) -> str:
    """How far predictions are from the check, and how long the search took."""
    penalty = result.provenance["uncertainty_penalty"]
    ranked = f"Ranked by the prediction minus {penalty:g} of its standard deviations. " if penalty else ""
    if result.gap is None:
        return f"{ranked}{UNCHECKED} {result.seconds:.1f} s."
    side = "above" if result.gap >= 0 else "below"
    return (
        f"{ranked}Predictions are {abs(result.gap):.2f} standard deviations {side} table and judge on average. "
        f"{result.seconds:.1f} s."
    )
