"""`ncp tune`: find the best code for one's own tasks with few trainings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.build import (
    DevicesOption,
    RayOption,
    SeedsOption,
    SetOption,
    TasksOption,
    ThreadsOption,
    WorkersOption,
)
from ncp.cli.options import (
    BENCHMARK,
    AsJson,
    AtLeast,
    ClassesOption,
    LatencyOption,
    MaxGmacs,
    MaxLatencyMs,
    MaxMparams,
    MeasuredHeadOption,
    MeasuredImageSizeOption,
    read_budget,
    read_minimums,
    read_tasks,
    require_outputs,
)
from ncp.cli.output import print_json, say, show_table, written
from ncp.cli.study_screen import read_data, study_events
from ncp.cost_text import gmacs_text, mparams_text
from ncp.errors import ConfigError, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import ncp
    from ncp.searchers.evidence import Evidence
    from ncp.studies.trained_rows import TrainedRow

FAILED = 1
"""Exit status if all trainings failed."""
SHOWN = 5
"""The rows that are printed."""
LABELS = 6
"""With fewer codes, correlations say little."""

ObjectiveOption = Annotated[
    str | None,
    typer.Option(
        "--tasks",
        metavar="TASK[:WEIGHT],..",
        help="Objective: tasks or columns (roads/mIoU), with weights [default: 1], as in roads,clips:2 "
        "[default: all tasks].",
    ),
]
TrainingsOption = Annotated[int, typer.Option("--trainings", metavar="N", min=1, help="Most codes to train in all.")]
PriorOption = Annotated[
    str | None,
    typer.Option(
        "--prior",
        metavar="NAME|FILE",
        help=f"Values of other tasks to learn from: {BENCHMARK}, a predictor (.safetensors), a table, or none "
        f"[default: {BENCHMARK}; none in other spaces].",
    ),
]
HoursOption = Annotated[
    float | None,
    typer.Option("--hours", metavar="NUMBER", min=0, help="Begin no training that would end later than this [h]."),
]
ImprovementOption = Annotated[
    float | None,
    typer.Option(
        "--until-improvement",
        metavar="NUMBER",
        min=0,
        help="Stop when another training is expected to improve the score by less.",
    ),
]
FinalistsOption = Annotated[
    int, typer.Option("--finalists", metavar="N", min=0, help="Train the N best again, into FOLDER/final.")
]
FinalEpochsOption = Annotated[
    str, typer.Option("--final-epochs", metavar="NUMBERx", help="Their epochs, as a multiple: 4x.")
]
FinalSeedsOption = Annotated[
    int, typer.Option("--final-seeds", metavar="N", min=1, help="Trainings per finalist and task.")
]
SpaceOption = Annotated[
    str | None,
    typer.Option(
        "--space", metavar="NAME|FILE", help="Search space of the codes; only commands train others than multires."
    ),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", metavar="N", min=0, help="Random seed of the proposals [default: 0].")
]


def tune(
    task: TasksOption,
    objective: ObjectiveOption = None,
    at_least: AtLeast = None,
    max_gmacs: MaxGmacs = None,
    max_mparams: MaxMparams = None,
    max_latency_ms: MaxLatencyMs = None,
    latency: LatencyOption = None,
    image_size: MeasuredImageSizeOption = None,
    head: MeasuredHeadOption = None,
    classes: ClassesOption = None,
    trainings: TrainingsOption = 32,
    hours: HoursOption = None,
    until_improvement: ImprovementOption = None,
    prior: PriorOption = None,
    finalists: FinalistsOption = 0,
    final_epochs: FinalEpochsOption = "1x",
    final_seeds: FinalSeedsOption = 1,
    seed: SeedOption = None,
    seeds: SeedsOption = 1,
    workers: WorkersOption = None,
    ray: RayOption = None,
    device: DevicesOption = None,
    threads: ThreadsOption = None,
    space: SpaceOption = None,
    override: SetOption = None,
    keep_weights: Annotated[bool, typer.Option("--weights/--no-weights", help="Keep trained weights.")] = True,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Train codes again that failed before.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder of the study.")] = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Find the best network for your own tasks with few trainings.

    Each code is proposed by what the others reached. No training is lost or repeated: the same command goes on after
    Ctrl-C or a crash, and more --trainings continue.
    """
    require_outputs(out, None)

    import ncp

    final: dict[str, Any] = {"finalists": finalists, "final_epochs": _times(final_epochs), "final_seeds": final_seeds}
    until: dict[str, Any] = {"trainings": trainings, "hours": hours, "until_improvement": until_improvement}
    where: dict[str, Any] = {"workers": workers, "ray": ray, "device": device, "threads": threads}
    runs: dict[str, Any] = {"seeds": seeds, "keep_weights": keep_weights, "retry_failed": retry_failed}
    tasks = [ncp.load_task(file, override or ()) for file in task]
    bounds = (max_gmacs, max_mparams, image_size, head, classes, max_latency_ms, latency)
    settings: dict[str, Any] = {
        "objective": _objective(objective, at_least, [each.name for each in tasks]),
        "budget": None if bounds == (None,) * len(bounds) else read_budget(*bounds),
        "space": None if space is None else ncp.load_space(space),
        "prior": _prior(prior),
        "seed": seed,
    }
    found = _tuned(tasks, out, as_json, **settings, **final, **until, **where, **runs)
    failed = int((found.study.table.flags != "").sum()) if len(found.study) else 0
    _show(found, failed, as_json)
    if failed and failed == len(found.study):
        raise typer.Exit(FAILED)


def _tuned(tasks: list[ncp.Task | ncp.CommandTask], out: Path, quietly: bool, **settings: Any) -> ncp.Tuned:
    """Tune, with progress on the screen."""
    import ncp

    read_data(tasks, quietly)
    try:
        with study_events(quietly) as events:
            return ncp.tune(tasks, folder=out, events=events, **settings)
    except (KeyboardInterrupt, SystemExit):
        typer.echo("The same command goes on from here.", err=True)
        raise


def _objective(text: str | None, at_least: list[str] | None, tasks: list[str]) -> ncp.Objective | None:
    """The objective of the options; None for all tasks alike, or what the study has."""
    import ncp

    if text is None and not at_least:
        return None
    weights = dict.fromkeys(tasks, 1.0) if text is None else read_tasks(text)
    return ncp.Objective(weights, at_least=read_minimums(at_least))


def _times(text: str) -> float:
    """A number from `4x` or `4`.

    Raises:
        ConfigError: anything else.
    """
    try:
        return float(text.removesuffix("x"))
    except ValueError:
        raise ConfigError(
            "{field} must be a number such as 4x. Got {given}.", field="final_epochs", given=text
        ) from None


def _prior(text: str | None) -> str | None:
    """The prior that the option names: none, a name or a file; the default if it is left out."""
    from ncp.studies.prior_identity import DEFAULT

    return DEFAULT if text is None else None if text == "none" else text


def _show(found: ncp.Tuned, failed: int, as_json: bool) -> None:
    """The best codes, whether the prior helped, the files and the next command."""
    from ncp.studies.study_folder import TABLE, TRAININGS
    from ncp.studies.tuning_source import STOPPED

    folder, evidence = found.study.folder, found.study.evidence
    if as_json:
        print_json({**found.to_dict(), "evidence": None if evidence is None else vars(evidence)})
        return
    say(f"{counted(len(found.study), 'code')}{f', {failed} failed' if failed else ''}. {STOPPED[found.stopped]}")
    if found.best:
        _show_rows(found.best[:SHOWN])
        if found.finalists is None:
            say("The best of many is partly luck. --finalists trains the best again.")
    elif failed < len(found.study):
        say("No code meets the minimum values of --at-least yet.")
    elif failed:
        say(*(" ".join(remark.split()) for remark in found.remarks))
        say(f"Every training failed. ncp study status {folder} lists them; --retry-failed trains them again.")
    say(*_evidence_lines(evidence))
    if found.winner is not None:
        final = "by the final trainings " if found.finalists is not None else ""
        say(f"The winner {final}is {found.winner.text}", *found.remarks)
    files = [folder / name for name in (TABLE, TRAININGS)]
    if found.folder is not None:
        files += sorted(path for path in found.folder.iterdir() if not path.name.startswith("."))
    more = "More trainings: the same command with a larger --trainings. " if found.best else ""
    say(f"{more}A page: ncp report {folder}")
    written(*files)


def _show_rows(rows: Sequence[TrainedRow]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row.values))
    cost = ["GMACs", "M params"] if rows[0].macs is not None else []
    cells = []
    for number, row in enumerate(rows, start=1):
        values = [f"{row.values[column].mean:z.2f}" if column in row.values else "-" for column in columns]
        exact = (gmacs_text(row.macs or 0), mparams_text(row.params or 0)) if cost else ()
        cells.append([str(number), *values, f"{row.score:z.2f}", *exact])
    show_table(["#", *columns, "score", *cost], cells)
    for number, row in enumerate(rows, start=1):
        say(f"{number} {row.code}")


def _evidence_lines(evidence: Evidence | None) -> Iterator[str]:
    """Whether the prior helped, by predictions of each code from the others."""
    if evidence is None or evidence.labels < LABELS:
        return
    text = f"Rank correlation (Kendall's tau) of predictions for codes that were left out: {evidence.tau:z.2f}"
    if not evidence.resemblance:
        yield f"{text}."
        return
    yield f"{text}; {evidence.tau_without_prior:z.2f} without the prior, whose weight is {evidence.prior_weight:.0%}."
    alike = sorted(evidence.resemblance.items(), key=lambda each: -each[1])[:3]
    yield f"Known tasks that are most alike: {', '.join(f'{column} {tau:z.2f}' for column, tau in alike)}."
