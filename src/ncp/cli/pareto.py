"""`ncp pareto`: find the trade-offs between tasks and cost within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    AsJson,
    AtLeast,
    ClassesOption,
    HeadOption,
    ImageSizeOption,
    MaxGmacs,
    MaxMparams,
    OutFolder,
    PredictorOption,
    ReportOption,
    RootOption,
    SeedOption,
    StartsOption,
    StepsOption,
    TableOption,
    TopOption,
    UncertaintyPenaltyOption,
    read_budget,
    read_minimums,
    read_tasks,
    require_outputs,
    searched_table,
)
from ncp.cli.output import (
    UNCHECKED,
    command,
    cost_source,
    earlier_file,
    earlier_run,
    head_advice,
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
    import ncp
    from ncp.optim.front import Front

SHOWN = 10
"""Codes that are printed; the file has all of them."""


ObjectivesOption = Annotated[
    str,
    typer.Option(
        metavar="TASK,..",
        help="Objectives: tasks (seg) or columns (seg/mIoU), as in seg,video. Append :-1 to one to minimise it.",
    ),
]
CostOption = Annotated[bool, typer.Option(help="Count low multiply-adds as an objective, too.")]


def pareto(
    tasks: ObjectivesOption,
    max_gmacs: MaxGmacs = None,
    max_mparams: MaxMparams = None,
    at_least: AtLeast = None,
    cost: CostOption = True,
    image_size: ImageSizeOption = None,
    head: HeadOption = None,
    classes: ClassesOption = None,
    uncertainty_penalty: UncertaintyPenaltyOption = 0.0,
    starts: StartsOption = 512,
    steps: StepsOption = 70,
    top: TopOption = 500,
    seed: SeedOption = 0,
    predictor: PredictorOption = None,
    table: TableOption = None,
    root: RootOption = None,
    out: OutFolder = Path("out"),
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Find the architectures that no other beats in all tasks and cost.

    Writes pareto.json and pareto.svg.
    """
    weights, minimums = _read_objectives(tasks), read_minimums(at_least)
    require_outputs(out, report)
    with progress_bar("Loading") as bar:
        import ncp
        from ncp.optim.front_search import pareto_search

        measured = searched_table(table, root, predictor)
        front = pareto_search(
            [ncp.Objective({name: w}, uncertainty_penalty=uncertainty_penalty) for name, w in weights.items()],
            budget=read_budget(max_gmacs, max_mparams, image_size, head, classes),
            predictor=predictor,
            table=measured,
            cost=cost,
            at_least=minimums,
            starts=starts,
            steps=steps,
            size=top,
            seed=seed,
            progress=lambda share: bar(share, "Searching"),
        )
    _write(front, measured, out, report, head, as_json)


def _read_objectives(tasks: str) -> dict[str, float]:
    """The weight of every objective, 1 or -1.

    Raises:
        ConfigError: another weight.
    """
    weights = read_tasks(tasks)
    for name, weight in weights.items():
        if abs(weight) != 1:
            raise ConfigError(
                f"A front has no weights: leave out the weight {weight:g} of {name}. Only :-1 is possible, which "
                "minimises it."
            )
    return weights


def _write(
    front: Front, table: ncp.Table | None, out: Path, report: Path | None, head: str | None, as_json: bool
) -> None:
    """Write the files of a front, and print some of its rows."""
    from ncp.optim.front import front_baseline_text
    from ncp.report.facts import evenly, objective_tradeoffs
    from ncp.report.formats import save
    from ncp.report.pictures import front_picture

    replaced = earlier_run(out / "pareto.json") + earlier_file(report, "--report")
    front.provenance["command"] = command()
    front.provenance["run"] = run_id(front.to_dict())
    front.to_json(out / "pareto.json")
    if as_json:
        print_json(front.to_dict())
    else:
        shown = evenly(len(front.rows), SHOWN)
        show_rows(front.rows, shown, with_score=False)
        say(*(f"{index + 1:3} {front.rows[index].code}" for index in shown))
        document = front.to_dict()
        say(*filter(None, [front_baseline_text(document)]), *cost_source(document), *head_advice(document, head))
        say(*source_of(front.provenance), _summary(front))
    picture = front_picture(objective_tradeoffs(front.to_dict(), table))
    save(picture, out / "pareto.svg", front.provenance["run"])
    page = [] if report is None else [write_page(out / "pareto.json", report, table)]
    written(out / "pareto.json", out / "pareto.svg", *page, replaced=replaced, as_json=as_json)


def _summary(front: Front) -> str:
    """The number of codes, their hypervolume, and how far predictions are from the check."""
    size = f"{counted(len(front.rows), 'code')}, none of which beats another. "
    size += f"Hypervolume {front.hypervolume:.4g} by the predictor"
    if front.gap is None or front.verified_hypervolume is None:
        return f"{size}. {UNCHECKED} {front.seconds:.1f} s."
    gaps = ", ".join(f"{gap:+z.2f} in {name}" for name, gap in front.gap.items())
    return (
        f"{size}, {front.verified_hypervolume:.4g} by table and judge. Predictions minus table and judge, on average "
        f"[standard deviations]: {gaps}. {front.seconds:.1f} s."
    )
