"""The tasks of a study: read from arguments, and with their data prepared before workers use it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ncp.errors import ConfigError
from ncp.io.files import as_path
from ncp.numbers import as_items
from ncp.progress import Progress, share
from ncp.spaces.space import Space
from ncp.studies.study_folder import StudyTask
from ncp.tasks.command import CommandTask
from ncp.tasks.task import Task, load_task

AnyTask = Task | CommandTask


def read_tasks(given: Any, space: Space) -> list[AnyTask]:
    """The tasks of an argument: tasks or paths of task files, one or many.

    Raises:
        ConfigError: no task, two of one name, a file that cannot be read, or a kind that cannot train codes of the
            space.
    """
    many = [given] if isinstance(given, (Task, CommandTask, str, Path)) else as_items(given, "tasks", "tasks")
    read: list[AnyTask] = []
    for task in many:
        if not isinstance(task, (Task, CommandTask)):
            task = load_task(as_path(task, "tasks"))
        if task.name in (each.name for each in read):
            raise ConfigError(f"Two tasks have the name {task.name}. Set another name in one of the task files.")
        if not space.has_network and not isinstance(task, CommandTask):
            raise ConfigError(
                f"Only commands train codes of this search space. The task {task.name} is of the kind {task.kind.name}."
            )
        read.append(task)
    if not read:
        raise ConfigError("{field} must be one task or more. Got none.", field="tasks")
    return read


def prepared_tasks(tasks: Sequence[AnyTask], progress: Progress) -> dict[str, StudyTask]:
    """Prepare the data of every task once, before workers use it."""
    found = {}
    for place, task in enumerate(tasks):
        prepared: Any = task.prepare(share(progress, place / len(tasks), (place + 1) / len(tasks)))
        minimised = task.minimised if isinstance(task, CommandTask) else ()
        found[task.name] = StudyTask(task.to_dict(), task.identity(prepared), task.columns, minimised)
    return found
