"""What a worker does with one training, in a process of the local pool or on a node of a cluster."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ncp.errors import DataError, NcpError, printable
from ncp.processes import signals_first
from ncp.training.run import LOG, Run, RunLockedError, run_id

Ending = Literal["done", "failed", "locked", "refused", "died"]


@dataclass(frozen=True)
class Settings:
    """What all trainings of a study share.

    Attributes:
        folder: the folder of all runs.
        threads: threads of the processor for each training.
        keep_weights: whether trained weights are kept.
    """

    folder: Path
    threads: int
    keep_weights: bool


@dataclass(frozen=True)
class Work:
    """A training.

    Attributes:
        run: the identifier of the run.
        code: the text of the code.
        vector: its values.
        seed: the seed.
        task: every key of the task file.
        settings: what all trainings share.
    """

    run: str
    code: str
    vector: tuple[int, ...]
    seed: int
    task: Mapping[str, Any]
    settings: Settings


@dataclass(frozen=True)
class Ended:
    """How a piece of work ended.

    Attributes:
        run: the identifier of the run.
        ending: `done` and `failed` as the run says; `locked` if another process trains it; `refused` for an error that
            concerns more than this run, such as missing data; `died` if the worker ended.
        message: the error's message.
        last: whether the process should train nothing else, because an error may have left a GPU unusable.
    """

    run: str
    ending: Ending
    message: str = ""
    last: bool = False


def carry_out(work: Work, device: str | None) -> Ended:
    """Train one code on a device, or find that it is trained.

    Raises:
        KeyboardInterrupt, SystemExit: a signal has ended the training; its state is saved.
    """
    run = Run(work.settings.folder / work.run)
    try:
        try:
            with signals_first():
                run = _trained(work, device)
            return Ended(run.id, "done" if run.status == "done" else "failed")
        except (NcpError, OSError):
            raise
        except Exception as error:  # a mistake in a network or a kind concerns this run alone
            with (run.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(traceback.format_exc())
            run.fail(f"{type(error).__name__}: {printable(str(error))[:500]}")
            return Ended(work.run, "failed", last=True)
    except RunLockedError as error:
        return Ended(work.run, "locked", str(error))
    except NcpError as error:
        return Ended(work.run, "refused", str(error))
    except OSError as error:
        return Ended(work.run, "refused", f"{error.filename or run.folder}: {error.strerror or error}.")


def _trained(work: Work, device: str | None) -> Run:
    from ncp.tasks.command import CommandTask
    from ncp.tasks.task import task_from_dict

    task = task_from_dict(work.task)
    if run_id(task.identity(task.prepare()), work.code, work.seed) != work.run:  # type: ignore[arg-type]
        raise DataError(
            f"The data or the command of the task {task.name} has changed since the study began. Restore it, or use "
            "another name for the task or another folder."
        )
    if isinstance(task, CommandTask):
        from ncp.training.command_run import train_command

        folder, threads = work.settings.folder, work.settings.threads
        return train_command(work.code, work.vector, task, work.seed, folder, device, threads)
    from ncp.training.train import train

    return train(
        work.code,
        task,
        seed=work.seed,
        folder=work.settings.folder,
        device=device,
        threads=work.settings.threads,
        keep_weights=work.settings.keep_weights,
    )
