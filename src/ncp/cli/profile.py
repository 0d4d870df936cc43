"""`ncp profile`: latency and memory of an architecture on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    AsJson,
    ClassesOption,
    HeadOption,
    ImageSizeOption,
    OptionalCodeArgument,
    read_classes,
    read_code,
    read_head,
    read_image_size,
    require_file,
)
from ncp.cli.output import print_json, progress_bar, say, show_table, written
from ncp.errors import ConfigError, counted

if TYPE_CHECKING:
    from ncp.network.profile import Conditions, Profile

USUAL_ERROR = 0.12
"""Error of a calibration on an idle machine."""
USUAL_SPREAD = 1.5
"""Largest ratio of 90th percentile to median latency on an idle machine."""

COUNT = 300
"""Default of --count."""


def profile(
    code: OptionalCodeArgument = None,
    head: HeadOption = None,
    classes: ClassesOption = None,
    image_size: ImageSizeOption = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Batch size [default: 8; 1 to calibrate].")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="Device: cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="CPU threads [default: all cores].")] = None,
    runtime: Annotated[
        str, typer.Option(metavar="NAME", help="What computes the network: torch, onnxruntime or openvino.")
    ] = "torch",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="float32, or bfloat16 (torch and openvino).")
    ] = "float32",
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Measure many architectures, and write a latency model for ncp search --latency. An interrupted "
            "calibration continues.",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help=f"Architectures to calibrate with [default: {COUNT}].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency and memory, or calibrate a latency model."""
    _require_partners(code, calibrate, count, threads, device)
    if calibrate is not None:
        require_file(calibrate, "calibrate")
    size, task = read_image_size(image_size), read_head(head)
    outputs = read_classes(classes, task)
    architecture = None if code is None else read_code(code)

    import torch

    from ncp.network.profile import Conditions
    from ncp.network.profile import profile as measured

    conditions = Conditions(
        task,
        outputs,
        size,
        batch if batch is not None else 1 if calibrate else 8,
        device,  # type: ignore[arg-type]
        threads if threads is not None else torch.get_num_threads(),
        runtime,  # type: ignore[arg-type]
        precision,  # type: ignore[arg-type]
    )
    if calibrate is not None:
        _calibrate(calibrate, conditions, count or COUNT, as_json)
    if architecture is not None:
        from rich.console import Console

        with Console(stderr=True).status("Measuring"):
            profiled = measured(architecture, conditions)
        print_json(asdict(profiled)) if as_json else _show(profiled)


def _require_partners(
    code: str | None, calibrate: Path | None, count: int | None, threads: int | None, device: str
) -> None:
    """Refuse options that exclude each other, or that do nothing without another one.

    Raises:
        ConfigError: one option too many, or one that is missing.
    """
    if code is None and calibrate is None:
        raise ConfigError("Give an architecture to measure, or --calibrate FILE to measure many.")
    if code is not None and calibrate is not None:
        raise ConfigError("--calibrate chooses its own architectures. Leave out the code, or --calibrate.")
    if count is not None and calibrate is None:
        raise ConfigError("--count does nothing without --calibrate. Leave it out.")
    if threads is not None and device == "cuda":
        raise ConfigError("--threads does nothing with --device cuda. Leave it out.")


def _calibrate(path: Path, conditions: Conditions, count: int, as_json: bool) -> None:
    """Measure many architectures, and print how well the latency model predicts."""
    from ncp.network.latency import calibrate

    with progress_bar("Measuring") as bar:
        model = calibrate(path, conditions, count, progress=bar)
    error = asdict(model.error)
    if as_json:
        print_json({"file": str(path), "measured": len(model.codes), "error": error})
        return
    say(
        f"{len(model.codes)} architectures measured in {model.conditions.runtime}, {model.conditions.precision}, on "
        f"{model.machine}. On {model.error.codes} held-out ones: "
        f"mean absolute error {model.error.mape:.1%}, Kendall's tau {model.error.tau:.3f}."
    )
    if model.error.mape > USUAL_ERROR:
        say(
            f"On an idle machine the error is below {USUAL_ERROR:.0%}. Delete the file and calibrate again when "
            "nothing else is running."
        )
    written(path)


def _show(profiled: Profile) -> None:
    conditions = profiled.conditions
    height, width = conditions.image_size
    rows = [
        [
            stage.name,
            ", ".join("x".join(map(str, shape[1:])) for shape in stage.shapes),
            "-" if stage.macs is None else f"{stage.macs / 1e6:.1f}",
            f"{stage.params / 1e6:.3f}",
            *([] if stage.milliseconds is None else [f"{stage.milliseconds:.2f}"]),
        ]
        for stage in profiled.stages
    ]
    times = [] if profiled.peak_bytes is None else ["ms"]
    show_table(["stage", "maps", "MMACs", "M params", *times], rows, left=["maps"])
    threads = f", {counted(conditions.threads, 'thread')}" if conditions.device == "cpu" else ""
    say(
        f"{counted(conditions.batch, 'image')} of {height} x {width} pixels, {conditions.task}",
        f"runtime {conditions.runtime}, {conditions.precision}{threads}",
        profiled.processor,
    )
    for each in profiled.latencies:
        measured = f"median {each.median:.2f} ms, 90th percentile {each.p90:.2f} ms"
        say(f"batch {each.batch}: {measured} ({counted(each.runs, 'run')})")
    if profiled.peak_bytes is not None:
        say(f"peak memory (weights and maps), batch {conditions.batch}: {profiled.peak_bytes / 1e6:.1f} MB")
    if any(each.p90 > USUAL_SPREAD * each.median for each in profiled.latencies):
        say("These times vary widely. Measure again when nothing else is running.")
