"""`ncp profile`: what an architecture costs on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    AsJson,
    HeadClassesOption,
    ImageSizeOption,
    read_classes,
    read_code,
    read_image_size,
    require_file,
)
from ncp.cli.output import print_json, progress_bar, say, show_table, written
from ncp.errors import ConfigError

if TYPE_CHECKING:
    from ncp.network.profile import Profile

USUAL_ERROR, USUAL_SPREAD = 0.12, 1.5
"""Of a calibration, and of the 90th percentile over the median, on an idle machine."""

CODES = 300
"""Architectures that a calibration measures, unless the user says so."""


def profile(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="An architecture: its text, or its vector or setting as JSON."),
    ] = None,
    task: Annotated[
        str, typer.Option(metavar="NAME", help="classification, segmentation or features.")
    ] = "classification",
    classes: HeadClassesOption = None,
    image_size: ImageSizeOption = "224",
    batch: Annotated[int | None, typer.Option(min=1, help="Images at once; 8, and 1 to calibrate.")] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="That compute; all cores if left out.")] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Measure many architectures, for ncp search --latency; goes on where it stopped.",
        ),
    ] = None,
    codes: Annotated[
        int | None, typer.Option(min=1, help=f"Architectures to calibrate with; {CODES} if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure an architecture's latency and memory, or calibrate."""
    if code is None and calibrate is None:
        raise ConfigError("Give an architecture to measure, or --calibrate FILE to measure many.")
    if code is not None and calibrate is not None:
        raise ConfigError("--calibrate chooses its own architectures. Leave out the code, or --calibrate.")
    if codes is not None and calibrate is None:
        raise ConfigError("--codes does nothing without --calibrate. Leave it out.")
    if threads is not None and device == "cuda":
        raise ConfigError("--threads does nothing with --device cuda. Leave it out.")
    if calibrate is not None:
        require_file(calibrate, "calibrate")
    size, outputs = read_image_size(image_size), read_classes(classes, task)
    architecture = None if code is None else read_code(code)

    import torch

    from ncp.network.latency import calibrate as measured_many
    from ncp.network.profile import Conditions
    from ncp.network.profile import profile as measured

    conditions = Conditions(
        task,  # type: ignore[arg-type]
        outputs,
        size,
        batch if batch is not None else 1 if calibrate else 8,
        device,  # type: ignore[arg-type]
        threads if threads is not None else torch.get_num_threads(),
    )
    if calibrate is not None:
        with progress_bar("Measuring") as bar:
            model = measured_many(calibrate, conditions, codes or CODES, progress=bar)
        error = asdict(model.error)
        if as_json:
            print_json({"file": str(calibrate), "measured": len(model.codes), "error": error})
            return
        say(
            f"{len(model.codes)} architectures measured on {model.machine}. Of {model.error.codes} held out: "
            f"mean absolute error {model.error.mape:.1%}, Kendall's tau {model.error.tau:.3f}."
        )
        if model.error.mape > USUAL_ERROR:
            say(
                f"The error is above {USUAL_ERROR:.0%}, which is usual on a machine that does nothing else. Delete the "
                "file and measure again when the machine is idle."
            )
        written(calibrate)
        return
    if architecture is not None:
        from rich.console import Console

        with Console(stderr=True).status("Measuring"):
            found = measured(architecture, conditions)
        print_json(asdict(found)) if as_json else _show(found)


def _show(found: Profile) -> None:
    conditions = found.conditions
    height, width = conditions.image_size
    rows = [
        [
            stage.name,
            ", ".join("x".join(map(str, shape[1:])) for shape in stage.shapes),
            "-" if stage.macs is None else f"{stage.macs / 1e6:.1f}",
            f"{stage.params / 1e6:.3f}",
            f"{stage.milliseconds:.2f}",
        ]
        for stage in found.stages
    ]
    show_table(["stage", "maps", "MMACs", "M params", "ms"], rows, left=["maps"])
    threads = f"{conditions.threads} thread{'s' if conditions.threads > 1 else ''} of "
    where = f"{threads if conditions.device == 'cpu' else ''}{found.processor}"
    images = f"{conditions.batch} image{'s' if conditions.batch > 1 else ''} of {height} x {width} pixels"
    say(f"{images}, {conditions.task}, {where}")
    for each in found.latencies:
        say(f"batch {each.batch}: median {each.median:.2f} ms, 90th percentile {each.p90:.2f} ms ({each.runs} runs)")
    say(f"peak memory {found.peak_bytes / 1e6:.1f} MB: weights and maps, batch {conditions.batch}")
    if any(each.p90 > USUAL_SPREAD * each.median for each in found.latencies):
        say("times spread widely: measure again when nothing else is running")
