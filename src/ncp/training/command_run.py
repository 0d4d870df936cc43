"""The run of a command: the same folder as that of a network that is trained here, without a saved state."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ncp.processes import cores
from ncp.tasks.command import CommandError, CommandTask
from ncp.training.run import ENDED, Run, run_id

STARTS = "starts"
"""A file with one byte per start of the command; it is removed when the run ends."""


def train_command(
    code: str,
    vector: Sequence[int],
    task: CommandTask,
    seed: int = 0,
    folder: Path = Path("runs"),
    device: str | None = None,
    threads: int | None = None,
) -> Run:
    """Train a code by the user's command or function. A run that was stopped starts again in its folder.

    Args:
        code: the text of the code.
        vector: its values.
        task: the task.
        seed: the seed.
        folder: where the folders of runs are.
        device: `cuda:1` shows the command this GPU alone, `cpu` none; all when left out.
        threads: threads of the command, as `OMP_NUM_THREADS`; one per core when left out.

    Returns:
        the run, whose `status` is `done` or `failed`.

    Raises:
        ConfigError: the program or the function is not there, or another process is training this run.
        DataError: a file of `data.files` or the folder of the run cannot be used.
        KeyboardInterrupt, SystemExit: a signal has ended the training, and the command.
    """
    identity = task.identity(task.prepare())
    run = Run(folder / run_id(identity, code, seed))
    if run.status in ENDED:
        return run
    with run.locked():
        if run.status not in ENDED:  # another process may just have ended it
            versions = {"ncp-nas": _version()}
            run.begin({"code": code, "seed": seed, "task": task.to_dict(), "identity": identity, "versions": versions})
            place = {"device": device or "cpu", "device_name": platform.machine(), "host": platform.node()}
            environment = {"OMP_NUM_THREADS": str(threads or cores()), **_visible(device)}
            _train(run, task, vector, environment, place)
    return run


def _train(
    run: Run, task: CommandTask, vector: Sequence[int], environment: Mapping[str, str], place: Mapping[str, str]
) -> None:
    """Train, and write how the run ended."""
    with (run.folder / STARTS).open("ab") as starts:
        starts.write(b".")
    begun = time.monotonic()
    try:
        metrics = task.train(run.about["code"], vector, run.about["seed"], run.folder, environment)
    except CommandError as error:
        run.fail(str(error), ended=_now(), **place)
    else:
        run.finish(
            {
                "metrics": metrics,
                "best": {"metrics": metrics, "step": 1},
                "steps": 1,
                "seconds": time.monotonic() - begun,
                "resumes": (run.folder / STARTS).stat().st_size - 1,
                "peak_memory": None,
                "ended": _now(),
                "skipped": [],
                **place,
            }
        )
    (run.folder / STARTS).unlink(missing_ok=True)


def _visible(device: str | None) -> dict[str, str]:
    """The GPUs that a command sees."""
    if device is None:
        return {}
    name, _, number = device.partition(":")
    return {"CUDA_VISIBLE_DEVICES": (number or "0") if name == "cuda" else ""}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


@cache
def _version() -> str:
    return version("ncp-nas")
