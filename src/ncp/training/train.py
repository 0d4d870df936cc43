"""Train one network, or go on with a training that was stopped."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ncp.errors import ConfigError
from ncp.io.files import as_path
from ncp.network.network_file import save_network
from ncp.numbers import as_count, as_seed
from ncp.progress import Progress, quiet
from ncp.spaces.multires import MULTIRES
from ncp.tasks.command import CommandTask
from ncp.tasks.task import Task, load_task
from ncp.training.command_run import train_command
from ncp.training.loop import DivergedError, Job, Training, fit
from ncp.training.run import ENDED, Run, code_text, run_id
from ncp.training.state import remove_states
from ncp.training.stopping import stop_on_signals


def train(
    code: Any,
    task: Task | CommandTask | str | Path,
    *,
    seed: int = 0,
    folder: str | Path = "runs",
    device: str | None = None,
    threads: int | None = None,
    loaders: int = 0,
    keep_weights: bool = True,
    save_every: float = 120.0,
    progress: Progress = quiet,
    evaluated: Callable[[list[dict[str, Any]]], None] = lambda _: None,
    stopping: Callable[[], None] = lambda: None,
) -> Run:
    """Train the network of a code on a task.

    The folder of the run depends on task, recipe, data, code and seed. If the run has ended, it is not trained again;
    if it was stopped, even by a crash, it goes on from its saved state, on a processor to the same weights as an
    undisturbed run. The first Ctrl-C or SIGTERM saves the state, the second ends at once.

    Args:
        code: a `Code`, its text or its vector.
        task: a task, or the path of a task file.
        seed: seed of initial weights, order and augmentation.
        folder: where the folders of runs are.
        device: such as `cpu` or `cuda:0`; the first GPU when left out, or else the processor.
        threads: threads of the processor; all when left out. A run keeps its number when it goes on.
        loaders: processes that decode batches ahead. The result does not depend on them.
        keep_weights: write `weights.safetensors`.
        save_every: time between saved states [s].
        progress: called with the share of the steps that is done.
        evaluated: called with the curve after every evaluation.
        stopping: called at the first Ctrl-C or SIGTERM; the state is saved after the step or evaluation that runs.

    Returns:
        the run, whose `status` is `done` or `failed`.

    Raises:
        CodeError: a code that cannot be read.
        ConfigError: invalid arguments or task file, or a run that another process is training.
        DataError: data that is missing or cannot be used, or a folder that cannot be written.
        KeyboardInterrupt, SystemExit: a signal has ended the training; its state is saved.
    """
    text, number, where = code_text(code), as_seed(seed), as_path(folder, "folder")
    found = task if isinstance(task, (Task, CommandTask)) else load_task(task)
    if isinstance(found, CommandTask):
        return train_command(text, MULTIRES.code(text).tolist(), found, number, where, device, threads)
    (place, processes, cores), prepared = _resources(device, loaders, threads), found.prepare()
    identity = found.identity(prepared)
    run = Run(where / run_id(identity, text, number))
    if run.status in ENDED:
        return run
    job = Job(found, prepared, text, number, run.folder, place, processes, save_every)
    with run.locked():
        if run.status not in ENDED:  # another process may just have ended it
            run.begin(_about(found, identity, text, number, cores))
            with _threads(run.about["threads"]):
                _train(run, job, keep_weights, progress, evaluated, stopping)
    return run


def _about(task: Task, identity: dict[str, Any], code: str, seed: int, threads: int) -> dict[str, Any]:
    """The content of `run.json`."""
    return {
        "code": code,
        "seed": seed,
        "task": task.to_dict(),
        "identity": identity,
        "threads": threads,
        "versions": {name: version(name) for name in ("ncp-nas", "torch", "numpy")},
    }


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with some threads, in a `with` statement."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(
    run: Run,
    job: Job,
    keep_weights: bool,
    progress: Progress,
    evaluated: Callable[[list[dict[str, Any]]], None],
    stopping: Callable[[], None],
) -> None:
    """Train, and write how the run ended."""

    def report(curve: list[dict[str, Any]]) -> None:
        run.write_curve(curve)
        evaluated(curve)

    if job.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(job.device)  # an earlier training of this process may have needed more
    try:
        with stop_on_signals(stopping) as stop:
            training = fit(job, stop, progress, report, run.note)
        if keep_weights:
            save_network(training.evaluated, run.weights, _metadata(run, job))
        run.finish(_result(job, training))
        remove_states(run.folder)
    except DivergedError as error:
        run.fail("diverged", details=str(error), **_place(job))
        remove_states(run.folder)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        run.fail("out of memory", details=_out_of_memory(job, error), **_place(job))


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, of the processor or of a GPU."""
    known = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(text in str(error) for text in known)


def _result(job: Job, training: Training) -> dict[str, Any]:
    """The content of `done.json`. The last evaluation counts; the best one is stated beside it."""
    main = job.task.kind.metrics[0]
    best = max(training.curve, key=lambda line: line["metrics"][main])
    return {
        "metrics": training.curve[-1]["metrics"],
        "best": {"metrics": best["metrics"], "step": best["step"]},
        "steps": training.step,
        "seconds": training.seconds,
        "resumes": training.resumes,
        "peak_memory": _peak_memory(job.device),
        **_place(job),
    }


def _place(job: Job) -> dict[str, Any]:
    """Where and when a run ended."""
    name = torch.cuda.get_device_name(job.device) if job.device.type == "cuda" else platform.machine()
    return {
        "device": str(job.device),
        "device_name": name,
        "host": platform.node(),
        "ended": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "skipped": [list(each) for each in job.prepared.skipped],
    }


def _peak_memory(device: torch.device) -> int:
    """The most memory that was in use [bytes]: on the GPU, or of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _out_of_memory(job: Job, error: BaseException) -> str:
    size = getattr(job.task.recipe, "image_size", None)
    said = str(error).partition("\n")[0]
    return f"batch {job.task.recipe.batch}" + (f", image size {size}" if size else "") + (f": {said}" if said else "")


def _metadata(run: Run, job: Job) -> dict[str, Any]:
    """What the file of weights says besides the network."""
    return {
        "task": job.task.name,
        "kind": job.task.kind.name,
        "classes": list(job.prepared.classes),
        "run": run.id,
        "seed": job.seed,
        **job.task.kind.metadata(job.task.recipe),
    }


def _resources(device: str | None, loaders: int, threads: int | None) -> tuple[torch.device, int, int]:
    """The device, the number of loaders and that of threads, as checked arguments."""
    cores = torch.get_num_threads() if threads is None else as_count(threads, "threads")
    return usable_device(device), as_count(loaders, "loaders", 0), cores


def usable_device(name: str | None) -> torch.device:
    """The device with a name; if it is left out, the first GPU, or else the processor.

    Raises:
        ConfigError: an unknown device, or one that this machine lacks.
    """
    if name is None or name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        message = "{field} {given} cannot be used: {reason}"
        raise ConfigError(message, field="device", given=name, reason=reason) from None
    return device
