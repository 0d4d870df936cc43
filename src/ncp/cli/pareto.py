"""`ncp pareto`: from tasks and a budget to the codes among which to choose, none of which beats another."""

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
    read_tasks,
    require_outputs,
)
from ncp.cli.output import UNCHECKED, command, print_json, progress_bar, run_id, say, show_claims, source_of, written
from ncp.cli.report import write_page
from ncp.errors import ConfigError

if TYPE_CHECKING:
    from ncp.optim.front import Front

SHOWN = 10
"""Codes that are printed; the file has them all."""


def pareto(
    tasks: Annotated[
        str,
        typer.Option(
            metavar="TASK,..",
            help="Tasks (seg, video) or columns (seg/mIoU), with commas between; :-1 after one asks for small values.",
        ),
    ],
    max_gmacs: MaxGmacs = None,
    max_mparams: MaxMparams = None,
    at_least: AtLeast = None,
    cost: Annotated[bool, typer.Option(help="Whether fewer multiply-adds are an objective, too.")] = True,
    image_size: ImageSizeOption = "128",
    classes: ClassesOption = 50,
    uncertainty_penalty: UncertaintyPenaltyOption = 0.0,
    starts: StartsOption = 512,
    steps: StepsOption = 70,
    size: Annotated[int, typer.Option(min=1, max=MOST, help="Most codes to return.")] = 500,
    seed: SeedOption = 0,
    predictor: PredictorOption = None,
    table: TableOption = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Gets pareto.json and pareto.svg.")] = Path("out"),
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Find the architectures that no other beats in all tasks and cost."""
    height_width, weights, floors = read_image_size(image_size), read_tasks(tasks), read_floors(at_least)
    for name, weight in weights.items():
        if abs(weight) != 1:
            raise ConfigError(
                f"A front weighs all tasks alike, so the weight {weight:g} of {name} does nothing. Leave it out; :-1 "
                "asks for small values."
            )
    require_outputs(out, report)

    with progress_bar("Loading") as bar:
        import ncp
        from ncp.optim.front import front_baseline_text
        from ncp.optim.front_search import pareto_search
        from ncp.report.documents import evenly
        from ncp.report.front import draw_front, front_data

        measured = None if table is None else ncp.load_table(table)
        front = pareto_search(
            [
                ncp.Objective({name: weight}, uncertainty_penalty=uncertainty_penalty)
                for name, weight in weights.items()
            ],
            budget=ncp.Budget(
                max_macs=None if max_gmacs is None else max_gmacs * 1e9,
                max_params=None if max_mparams is None else max_mparams * 1e6,
                image_size=height_width,
                classes=classes,
            ),
            predictor=predictor,
            table=measured,
            cost=cost,
            at_least=floors,
            starts=starts,
            steps=steps,
            size=size,
            seed=seed,
            progress=lambda share: bar(share, "Searching"),
        )
        front.provenance["command"] = command()
        front.provenance["run"] = run_id(front.to_dict())
        front.to_json(out / "pareto.json")
    if as_json:
        print_json(front.to_dict())
    else:
        places = evenly(len(front.rows), SHOWN)
        show_claims(front.rows, places, objective=False)
        say(*(f"{place + 1:3} {front.rows[place].code}" for place in places))
        say(front_baseline_text(front.to_dict()), *source_of(front.provenance), _summary(front))
    draw_front(front_data(front, measured), out / "pareto.svg", front.provenance["run"])
    page = [] if report is None else [write_page(out / "pareto.json", report, measured)]
    if not as_json:
        written(out / "pareto.json", out / "pareto.svg", *page)


def _summary(front: Front) -> str:
    """How many codes there are, what they dominate, and how far predictions are from table and judge."""
    count = len(front.rows)
    found = f"{count} code{'s' if count > 1 else ''}, none of which beats another. "
    found += f"Hypervolume {front.hypervolume:.4g} by the predictor"
    if front.gap is None or front.verified_hypervolume is None:
        return f"{found}. {UNCHECKED} {front.seconds:.1f} s."
    gaps = ", ".join(f"{gap:+.2f} in {name}" for name, gap in front.gap.items())
    return (
        f"{found}, {front.verified_hypervolume:.4g} by table and judge. Predictions less these, on average, "
        f"in standard deviations: {gaps}. {front.seconds:.1f} s."
    )
