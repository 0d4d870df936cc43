"""`ncp train`: train the network of a code on a task."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.options import AsJson, CodeArgument, SeedOption, read_code
from ncp.cli.output import ProgressBar, print_json, progress_bar, say, show_table, written
from ncp.errors import counted

if TYPE_CHECKING:
    import ncp
    from ncp.tasks.command import CommandTask
    from ncp.tasks.decoded import Prepared

FAILED = 1
"""Exit status of a training that failed."""

TaskOption = Annotated[
    Path, typer.Option("--task", metavar="FILE", help="Task file (YAML); the folder examples/tasks has some.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the task, as in recipe.epochs=5 (repeatable)."),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="Where to train: cpu, cuda:0 [default: a GPU if any].")
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", metavar="N", min=1, help="Threads of the processor [default: all].")
]


def train(
    code: CodeArgument,
    task: TaskOption,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder of the runs.")] = Path("runs"),
    override: SetOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    loaders: Annotated[
        int, typer.Option("--loaders", metavar="N", min=0, help="Processes that read batches ahead.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Train the network of a code on a task.

    The same command goes on where a stopped training was saved. A training that is done is shown, not repeated.
    """
    import ncp
    from ncp.training.train import usable_device

    architecture = read_code(code)
    found = ncp.load_task(task, override or ())
    usable_device(device)  # reading the data can take long
    with progress_bar("Reading the data") as bar:
        prepared = found.prepare(bar)
    if not as_json and isinstance(found, ncp.Task) and not isinstance(prepared, str):
        _announce(found, prepared, architecture)
    try:
        with _shown(found, as_json) as (progress, evaluated):
            run = ncp.train(
                architecture,
                found,
                seed=seed,
                folder=out,
                device=device,
                threads=threads,
                loaders=loaders,
                progress=progress,
                evaluated=evaluated,
                stopping=_say_that_it_stops,
            )
    except (KeyboardInterrupt, SystemExit):
        typer.echo("The same command goes on from the last saved state.", err=True)
        raise
    if as_json:
        print_json({"run": run.id, "folder": run.folder, "status": run.status, **run.result})
    else:
        _show(run)
    if run.status == "failed":
        raise typer.Exit(FAILED)


def _announce(task: ncp.Task, prepared: Prepared, code: ncp.Code) -> None:
    """Say how much there is to learn from, before the first step, which can take long."""
    from ncp.cli.task import warnings_of
    from ncp.tasks.epoch import epoch_of

    epoch = epoch_of(task, prepared, code)
    say(
        f"{task.name}: {len(prepared.train):,} samples to train on and {len(prepared.val):,} to evaluate on, "
        f"{counted(epoch.total, 'step')}, {epoch.steps:,} per epoch.",
        *warnings_of(task, prepared, epoch),
    )
    sys.stdout.flush()


@contextmanager
def _shown(
    task: ncp.Task | CommandTask, quietly: bool
) -> Iterator[tuple[ProgressBar, Callable[[list[dict[str, Any]]], None]]]:
    """A progress bar with the last metric, and a line per evaluation."""
    main = task.columns[0].partition("/")[2] if task.columns else ""
    with progress_bar(f"Training on {task.name}") as bar:

        def evaluated(curve: list[dict[str, Any]]) -> None:
            if not curve or quietly:
                return
            last = curve[-1]
            value = _value(last["metrics"][main])
            say(f"epoch {last['epoch']:.4g}: loss {last['loss']:.4f}, {main} {value}, {last['seconds']:.0f} s")
            sys.stdout.flush()  # a file or a pipe gets each line at once, too

        yield bar, evaluated


def _say_that_it_stops() -> None:
    """Write at once, past buffers that the signal may have interrupted: the end of an evaluation can be far."""
    text = "\nStopping after this step or evaluation; the state is saved then. Press Ctrl-C again to stop at once.\n"
    with suppress(OSError):
        os.write(2, text.encode())


def _value(metric: float | None) -> str:
    """A metric with two digits; a dash if it is not defined, as the average precision without any object."""
    return "-" if metric is None or isnan(metric) else f"{metric:z.2f}"


def _show(run: ncp.Run) -> None:
    """The metrics of a run and its files."""
    result = run.result
    if run.status == "failed":
        details = f" ({result['details']})" if result.get("details") else ""
        say(f"Failed: {result['reason'].rstrip('.')}{details}.")
        say("A run that failed is not repeated. Change the recipe or the seed, or remove its folder.")
        written(run.folder)
        return
    best = result["best"]["metrics"]
    show_table(
        ["metric", "last", "best"],
        [[name, _value(value), _value(best.get(name))] for name, value in result["metrics"].items()],
    )
    resumed = f", resumed {counted(result['resumes'], 'time')}" if result["resumes"] else ""
    say(f"{counted(result['steps'], 'step')} in {result['seconds']:.0f} s on {result['device']}{resumed}.")
    say("The last evaluation counts. The best one was chosen on the same samples, so it is too high on average.")
    written(*(path for path in (run.folder, run.weights) if path.exists()))
