"""Train the best codes of a study again, longer, and write the files of the winner."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncp.errors import ConfigError, DataError, NcpError
from ncp.extras import has_extra, install_advice
from ncp.io.files import read_json, whole_file, write_json
from ncp.numbers import as_count, as_number
from ncp.searchers.objective_scale import ObjectiveScale
from ncp.studies.averages import values_of
from ncp.studies.study_folder import read_study
from ncp.studies.trained_rows import TrainedRow, value_of
from ncp.studies.trainings import read_trainings
from ncp.tasks.command import KIND as COMMAND
from ncp.tasks.command import CommandTask
from ncp.tasks.task import Task, task_from_dict
from ncp.training.run import Run

if TYPE_CHECKING:
    from ncp.studies.study import Study

FINAL, WINNER = "final", "winner"
"""The folders of the finalists' study and of the winner's files."""


@dataclass(frozen=True)
class Final:
    """The longer trainings.

    Attributes:
        count: how many codes.
        epochs: how many times as long each training is.
        seeds: trainings per code and task.
    """

    count: int
    epochs: float
    seeds: int

    @classmethod
    def checked(cls, count: Any, epochs: Any, seeds: Any) -> Final:
        """The longer trainings of arguments.

        Raises:
            ConfigError: a number out of its bounds.
        """
        return cls(
            as_count(count, "finalists", least=0),
            as_number(epochs, "final_epochs", above=0),
            as_count(seeds, "final_seeds"),
        )


def longer(task: Task | CommandTask, times: float) -> Task | CommandTask:
    """The task with a recipe of `times` times the epochs or steps.

    Raises:
        ConfigError: a command, whose length is not known.
    """
    if times == 1:
        return task
    if isinstance(task, CommandTask):
        raise ConfigError(
            "{field} must be 1 with the task {task}, because it is a command that decides itself how long it trains. "
            "Got {given}.",
            field="final_epochs",
            given=times,
            task=task.name,
        )
    document = task.to_dict()
    key = "steps" if document["recipe"].get("steps") else "epochs"
    document["recipe"] = {**document["recipe"], key: max(round(document["recipe"][key] * times), 1)}
    return task_from_dict(document)


def final_rows(study: Study, folder: Path) -> list[TrainedRow]:
    """The finalists by their longer trainings, best first, on the scale of the study's values.

    Args:
        study: the study.
        folder: the folder of the longer trainings.
    """
    trained = values_of(read_trainings(read_study(folder), whole=False))
    scale = ObjectiveScale(study.table, study.objective)
    found = []
    for row in study.best(len(study)):
        seeds = {column: np.array(codes[row.code]) for column, codes in trained.items() if codes.get(row.code)}
        means = np.array([[seeds[name].mean() if name in seeds else np.nan for name in scale.names]])
        score, short = scale.terms(means).sum(), scale.shortfall(means)[0]
        if np.isfinite(score) and short <= 0:
            values = {column: value_of(each) for column, each in seeds.items()}
            found.append(replace(row, score=float(score), values=values, trainings=max(map(len, seeds.values()))))
    return sorted(found, key=lambda row: -row.score)


def write_winner(study: Study, row: TrainedRow, trained: Path) -> tuple[Path, tuple[str, ...]]:
    """Copy the winner's weights, export them to ONNX, and describe them in `winner.json`.

    Args:
        study: the study.
        row: the winner.
        trained: the folder of the study whose runs have the weights.

    Returns:
        the folder of the files, and a sentence about each that could not be written.

    Raises:
        DataError: the folder cannot be written.
    """
    found, folder = read_study(trained), study.folder / WINNER
    runs: dict[str, Run] = {}
    for asked, run in found.runs():
        if asked.code == row.code and run.status == "done":
            runs.setdefault(asked.task, run)  # that of the first seed
    before = _files_of(folder / "winner.json")
    (folder / "winner.json").unlink(missing_ok=True)  # it is written when all files are those of one network
    files: dict[str, dict[str, str]] = {}
    remarks = []
    for task, run in sorted(runs.items()):
        files[task] = {"run": str(run.folder.relative_to(study.folder))}
        if {"weights", "onnx"} <= before.get(task, {}).keys() and before[task]["run"] == files[task]["run"]:
            files[task] = before[task]
        elif run.weights.exists():
            remark = _copied(run.weights, folder / f"{task}.safetensors", files[task])
            remarks += [f"{task}: {remark}"] if remark else []
    commands = all(str(task.document["kind"]) == COMMAND for task in found.tasks.values())
    if not commands and not any("weights" in each for each in files.values()):
        remarks.append("The trainings have kept no weights.")
    write_json(folder / "winner.json", {"format": 1, **row.to_dict(), "files": files})
    return folder, tuple(remarks)


def _files_of(about: Path) -> dict[str, dict[str, str]]:
    """The files of the winner of an earlier call that are still there, by task."""
    try:
        files = {
            task: {key: str(name) for key, name in each.items()} for task, each in read_json(about)["files"].items()
        }
    except (DataError, LookupError, TypeError, AttributeError):
        return {}
    names = ("weights", "onnx")
    return {
        task: each
        for task, each in files.items()
        if all((about.parent / each[name]).exists() for name in names if name in each)
    }


def _copied(run: Path, weights: Path, files: dict[str, str]) -> str:
    """Copy weights and export them to ONNX beside them; what hindered it, or an empty text.

    Args:
        run: the weights of the run.
        weights: the file to write.
        files: receives the names of the files.
    """
    onnx = weights.with_suffix(".onnx")
    onnx.unlink(missing_ok=True)
    with whole_file(weights) as temporary:
        shutil.copyfile(run, temporary)
    files["weights"] = weights.name
    if not has_extra("export"):
        return f"not exported to ONNX. {install_advice('export')}"
    from ncp.network.export import export, exportable
    from ncp.network.loading import load_network

    try:
        net = exportable(load_network(weights))
        size = net.metadata.get("image_size")
        export(net, onnx, image_size=tuple(size) if isinstance(size, list) else 128)
    except NcpError as error:
        return f"not exported to ONNX. {error}"
    files["onnx"] = onnx.name
    return ""
