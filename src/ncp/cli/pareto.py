"""`ncp pareto`: from tasks and a budget to the codes among which to choose, none of which beats another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.output import AsJson, ImageSizeOption, command, print_json, read_image_size
from ncp.cli.report import ReportOption, write_page
from ncp.cli.search import read_tasks, told
from ncp.errors import ConfigError, quoted

if TYPE_CHECKING:
    from rich.table import Table

    from ncp.searchers.front import Front

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
    max_gmacs: Annotated[float | None, typer.Option(help="Most multiply-adds [1e9].")] = None,
    max_mparams: Annotated[float | None, typer.Option(help="Most parameters [1e6].")] = None,
    at_least: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=VALUE", help="Predicted value [raw units] below which no code is returned."),
    ] = None,
    cost: Annotated[bool, typer.Option(help="Whether fewer multiply-adds are an objective, too.")] = True,
    image_size: ImageSizeOption = "128",
    classes: Annotated[int, typer.Option(help="Outputs of the classifier that is counted.")] = 50,
    caution: Annotated[float, typer.Option(help="Deviations of the predictor taken off its promises.")] = 0.0,
    starts: Annotated[int, typer.Option(help="Codes that move at once.")] = 512,
    steps: Annotated[int, typer.Option(help="Steps of each.")] = 70,
    size: Annotated[int, typer.Option(help="Most codes to return.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the starts.")] = 0,
    predictor: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own predictor, from ncp train; else the shipped one.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Measured values: verdicts on codes that stand in it.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Gets pareto.json and pareto.svg.")] = Path("out"),
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Find the front of several tasks and cost: the architectures that no other beats in all of them."""
    height_width, weights, floors = read_image_size(image_size), read_tasks(tasks), read_floors(at_least or [])

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Loading", total=1.0)
        import ncp
        from ncp.report.front import draw_front, front_data
        from ncp.searchers.pareto import pareto_search

        measured = None if table is None else ncp.load_table(table)
        front = pareto_search(
            [ncp.Objective({name: weight}, caution=caution) for name, weight in weights.items()],
            budget=ncp.Budget(
                max_macs=None if max_gmacs is None else max_gmacs * 1e9,
                max_params=None if max_mparams is None else max_mparams * 1e6,
                image_size=height_width,
                classes=classes,
            ),
            predictor=None if predictor is None else ncp.load_predictor(predictor),
            table=measured,
            cost=cost,
            at_least=floors,
            starts=starts,
            steps=steps,
            size=size,
            seed=seed,
            progress=lambda share: bar.update(task, completed=0.9 * share, description="Searching"),
        )
        bar.update(task, completed=0.95, description="Drawing")
        front.asked["command"] = command()
        front.to_json(out / "pareto.json")
        draw_front(front_data(front, measured), out / "pareto.svg")
        if report is not None:
            write_page(out / "pareto.json", report, measured)
    if as_json:
        print_json(front.to_dict())
        return
    console = Console()
    places = some(len(front.rows))
    console.print(shown(front, places))
    for place in places:  # a line of its own, whole however narrow the screen is
        typer.echo(f"{place + 1:3} {front.rows[place].code}")
    console.print(_summary(front), highlight=False)
    console.print(f"Written: {out / 'pareto.json'}, {out / 'pareto.svg'}", highlight=False)


def read_floors(texts: list[str]) -> dict[str, float]:
    """`seg/mIoU=76`, one or many with commas between, as least values per task or column."""
    floors: dict[str, float] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, _, least = part.rpartition("=")
        try:
            value = float(least)
        except ValueError:
            value = None
        if not name or name in floors or value is None:
            raise ConfigError(f"Expected floors such as seg/mIoU=76, each column once. Got {quoted(part)}.")
        floors[name] = value
    return floors


def some(codes: int) -> list[int]:
    """Places of at most `SHOWN` codes of so many, spread evenly, first and last among them."""
    count = min(SHOWN, codes)
    return [round(i * (codes - 1) / max(count - 1, 1)) for i in range(count)]


def shown(front: Front, places: list[int]) -> Table:
    """Some rows for people: what is promised, and below it the verdict."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    columns = list(front.rows[0].predicted)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("#", justify="right")
    table.add_column("source", no_wrap=True)
    for column in columns:
        table.add_column(escape(column), justify="right", overflow="fold", min_width=11)
    for name in ("GMACs", "M params"):
        table.add_column(name, justify="right")
    for place in places:
        row = front.rows[place]
        source = ", ".join(dict.fromkeys(value.source for value in row.verified.values())) or "none"
        table.add_row(
            str(place + 1),
            f"predictor\n{source}",
            *(f"{told(row.predicted.get(c))}\n{told(row.verified.get(c))}" for c in columns),
            "-" if row.macs is None else f"{row.macs / 1e9:.3f}",
            "-" if row.params is None else f"{row.params / 1e6:.2f}",
        )
    return table


def _summary(front: Front) -> str:
    """How many codes there are, what they dominate, and how far promises and verdicts are apart."""
    count = len(front.rows)
    found = f"{count} code{'s' if count > 1 else ''}, none of which beats another. "
    found += f"Hypervolume {front.hypervolume:.4g} by the predictor"
    if front.gap is None or front.verified_hypervolume is None:
        return f"{found}. No judge: nobody but the predictor vouches for these codes. {front.seconds:.1f} s."
    gaps = ", ".join(f"{gap:+.2f} in {name}" for name, gap in front.gap.items())
    return (
        f"{found}, {front.verified_hypervolume:.4g} by the verdicts. On average the predictor promises against them, "
        f"in standard deviations: {gaps}. {front.seconds:.1f} s."
    )
