"""`ncp profile`: what an architecture costs on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import AsJson, ImageSizeOption, read_code, read_image_size
from ncp.cli.output import print_json, progress_bar
from ncp.errors import ConfigError

if TYPE_CHECKING:
    from ncp.latency import LatencyModel
    from ncp.profile import Conditions, Profile

USUAL_ERROR, USUAL_SPREAD = 0.12, 1.5
"""Of a calibration, and of the 90th percentile over the median, on an idle machine."""


def profile(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="An architecture: its text, or its vector or setting as JSON."),
    ] = None,
    task: Annotated[
        str, typer.Option(metavar="NAME", help="classification, segmentation or features.")
    ] = "classification",
    classes: Annotated[int, typer.Option(help="Outputs of the classifier.")] = 50,
    image_size: ImageSizeOption = "224",
    batch: Annotated[int | None, typer.Option(help="Images at once; 8, and 1 to calibrate.")] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(help="That compute; all cores if left out.")] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Measure many architectures, for ncp search --latency; goes on where it stopped.",
        ),
    ] = None,
    codes: Annotated[int, typer.Option(help="Architectures to calibrate with.")] = 300,
    as_json: AsJson = False,
) -> None:
    """Measure latency and memory of an architecture on this machine, or calibrate a predictor of latency."""
    if (code is None) == (calibrate is None):
        raise ConfigError(
            "Expected an architecture, or --calibrate FILE. Got " + ("neither." if code is None else "both.")
        )
    size = read_image_size(image_size)
    architecture = None if code is None else read_code(code)

    import torch

    from ncp.profile import Conditions
    from ncp.profile import profile as measured

    conditions = Conditions(
        task,  # type: ignore[arg-type]
        classes,
        size,
        batch if batch is not None else 1 if calibrate else 8,
        device,  # type: ignore[arg-type]
        threads if threads is not None else torch.get_num_threads(),
    )
    if calibrate is not None:
        model = _calibrated(calibrate, conditions, codes)
        error = asdict(model.error)
        if as_json:
            print_json({"file": str(calibrate), "measured": len(model.codes), "error": error})
            return
        typer.echo(
            f"{len(model.codes)} architectures measured on {model.machine}. Of {model.error.codes} held out: "
            f"mean absolute error {model.error.mape:.1%}, Kendall's tau {model.error.tau:.3f}.\nWritten: {calibrate}"
        )
        if model.error.mape > USUAL_ERROR:
            typer.echo(
                f"Expected an error of at most {USUAL_ERROR:.0%} on a machine that does nothing else. "
                "Delete the file and measure again when it is idle.",
                err=True,
            )
        return
    if architecture is not None:
        from rich.console import Console

        with Console(stderr=True).status("Measuring"):
            found = measured(architecture, conditions)
        print_json(asdict(found)) if as_json else _show(found)


def _calibrated(path: Path, conditions: Conditions, codes: int) -> LatencyModel:
    from ncp.latency import calibrate

    with progress_bar("Measuring") as bar:
        return calibrate(path, conditions, codes, progress=bar)


def _show(found: Profile) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    conditions = found.conditions
    height, width = conditions.image_size
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("part", no_wrap=True)
    table.add_column("maps")
    for name in ("MMACs", "M params", "ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for part in found.parts:
        table.add_row(
            part.name,
            ", ".join("x".join(map(str, shape[1:])) for shape in part.shapes),
            "-" if part.macs is None else f"{part.macs / 1e6:.1f}",
            f"{part.params / 1e6:.3f}",
            f"{part.milliseconds:.2f}",
        )
    console = Console()
    console.print(table)
    where = f"{conditions.threads} threads of {found.processor}" if conditions.device == "cpu" else found.processor
    lines = [f"{conditions.batch} images of {height} x {width} pixels, {conditions.task}, {where}"]
    lines += [
        f"batch {each.batch}: median {each.median:.2f} ms, 90th percentile {each.p90:.2f} ms ({each.runs} runs)"
        for each in found.latencies
    ]
    lines += [f"peak memory {found.peak_bytes / 1e6:.1f} MB: weights and maps, batch {conditions.batch}"]
    if any(each.p90 > USUAL_SPREAD * each.median for each in found.latencies):
        lines += ["times spread widely: measure again when nothing else is running"]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
