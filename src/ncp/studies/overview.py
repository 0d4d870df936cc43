"""What a study has done, what it does now, and how long the rest will take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ncp.errors import DataError
from ncp.studies.averages import Noise, noise_between_seeds, values_of
from ncp.studies.lease import is_held, read_lease
from ncp.studies.search_record import SEARCH, read_budget_fields, read_record
from ncp.studies.study_folder import STUDY, Asked, StudyFolder, read_study
from ncp.studies.trained_rows import TrainedRow
from ncp.studies.trainings import TrainingRow, read_trainings


@dataclass(frozen=True)
class Running:
    """A training that runs.

    Attributes:
        asked: the training.
        share: the share that is done, at its last evaluation; None if that is not known.
        epoch: the epoch of its last evaluation; None before the first one.
        epochs: all epochs; None if the recipe counts steps.
        metric: the name of its main metric.
        value: the metric at the last evaluation.
        seconds: the time that it took until the last evaluation [s].
    """

    asked: Asked
    share: float | None
    epoch: float | None
    epochs: int | None
    metric: str | None
    value: float | None
    seconds: float | None

    @property
    def seconds_left(self) -> float | None:
        """The time that it still needs [s]; None if that is not known."""
        if not self.share or self.seconds is None:
            return None
        return self.seconds * (1 - self.share) / self.share


@dataclass(frozen=True)
class Tuning:
    """How far a search for the best code is.

    Attributes:
        planned: the most codes; None if that is not known.
        told: the codes whose trainings have ended.
        best: the best of them; None before the first.
    """

    planned: int | None
    told: int
    best: TrainedRow | None


@dataclass(frozen=True)
class Overview:
    """A study at one moment.

    Attributes:
        folder: its folder.
        tasks: names of the tasks.
        codes: the number of codes.
        total: the number of trainings that were asked for.
        done: the number that is done.
        failed: those that failed.
        running: those that run.
        seconds: mean time of a training by task [s].
        seconds_left: the time until all have ended, with the workers of now [s]; None if that is not known.
        scheduler: the process that works on the study, with its host; None if none does.
        noise: the std between seeds, by column.
        tuning: how far `ncp tune` is; None for a study of another command.
    """

    folder: Path
    tasks: tuple[str, ...]
    codes: int
    total: int
    done: int
    failed: tuple[TrainingRow, ...]
    running: tuple[Running, ...]
    seconds: Mapping[str, float]
    seconds_left: float | None
    scheduler: Mapping[str, Any] | None
    noise: Mapping[str, Noise]
    tuning: Tuning | None = None

    @property
    def waiting(self) -> int:
        """The number of trainings that wait, also of those that were stopped and will go on."""
        return self.total - self.done - len(self.failed) - len(self.running)

    @property
    def counts(self) -> str:
        """How many trainings are done, failed, running and waiting, in words."""
        others = {"failed": len(self.failed), "running": len(self.running), "waiting": self.waiting}
        listed = [f"{count} {state}" for state, count in others.items() if count]
        return ", ".join([f"{self.done} of {self.total} trainings are done", *listed])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "folder": str(self.folder),
            "tasks": self.tasks,
            "codes": self.codes,
            "trainings": self.total,
            "done": self.done,
            "failed": len(self.failed),
            "running": len(self.running),
            "waiting": self.waiting,
            "seconds_left": self.seconds_left,
            "seconds_per_training": self.seconds,
            "scheduler": self.scheduler,
            "workers": [_running_dict(each) for each in self.running],
            "failures": [{**row.asked._asdict(), "reason": row.reason} for row in self.failed],
            "noise": {column: asdict(noise) for column, noise in self.noise.items()},
            "tuning": None if self.tuning is None else asdict(self.tuning),
        }


def overview(folder: str | Path) -> Overview:
    """Look at the folder of a study. It may be scheduled by another process, or by none.

    Raises:
        DataError: there is no study, or its file is damaged or of another version.
    """
    path = Path(folder)
    alone = (path / SEARCH).exists() and not (path / STUDY).exists()  # ncp.Study, whose user trains
    study = StudyFolder(path, read_record(path).space) if alone else read_study(path)
    now, holder = scheduled(study)
    return replace(overview_of(study, read_trainings(study, whole=False), now, holder), tuning=_tuning(study.path))


def scheduled(study: StudyFolder) -> tuple[list[Asked], Mapping[str, Any] | None]:
    """The trainings that run, and the content of the lease; none, and None, if no process works on the study."""
    holder = read_lease(study.path)
    if holder is None or not is_held(holder):
        return [], None
    now = {Asked(**each) for each in holder["running"]}
    return [each for each in study.asked if each in now], holder


def _tuning(folder: Path) -> Tuning | None:
    """How far the search is whose file a folder has; None without such a file."""
    if not (folder / SEARCH).exists():
        return None
    from ncp.studies.told_values import best_rows  # loads torch, which other studies do not need here

    record = read_record(folder)
    budget = read_budget_fields({**record.budget, "max_latency_ms": None})  # its model is known to the search alone
    best = best_rows(record, budget, 1)
    return Tuning(None, len(record.told), best[0] if best else None)


def overview_of(
    study: StudyFolder, rows: Sequence[TrainingRow], now: Sequence[Asked], holder: Mapping[str, Any] | None
) -> Overview:
    """The overview of a study whose trainings are known.

    Args:
        study: the study.
        rows: the trainings that have ended.
        now: the trainings that run, as far as they are not among `rows`.
        holder: the content of the lease.
    """
    times = defaultdict(list)
    for row in rows:
        if row.status == "done" and row.details.get("seconds") is not None:
            times[row.asked.task].append(float(row.details["seconds"]))
    seconds = {task: fmean(times[task]) for task in study.tasks if times[task]}
    ended = {row.asked.run for row in rows}
    running = tuple(look_at(study, asked) for asked in now if asked.run not in ended)
    begun = ended | {asked.run for asked in now}
    waiting = [asked for asked in study.asked if asked.run not in begun]
    workers = max(holder["workers"], 1) if holder else 1
    return Overview(
        folder=study.path,
        tasks=tuple(study.tasks),
        codes=len(study.codes),
        total=len(study.asked),
        done=sum(row.status == "done" for row in rows),
        failed=tuple(row for row in rows if row.status == "failed"),
        running=running,
        seconds=seconds,
        seconds_left=_seconds_left(waiting, running, seconds, workers),
        scheduler=None if holder is None else {key: holder[key] for key in ("process", "host", "since", "workers")},
        noise=noise_between_seeds(values_of(rows)),
    )


def look_at(study: StudyFolder, asked: Asked) -> Running:
    """How far a training is, by the last line of its curve."""
    task = study.tasks[asked.task]
    try:
        line = study.run(asked).curve()[-1]
    except (IndexError, ValueError, OSError, DataError):
        return Running(asked, None, None, task.epochs, None, None, None)
    epoch, metrics = float(line["epoch"]), line["metrics"]
    share = line["step"] / task.steps if task.steps else epoch / task.epochs if task.epochs else None
    metric = task.columns[0].removeprefix(f"{asked.task}/") if task.columns else next(iter(metrics), None)
    return Running(asked, share, epoch, task.epochs, metric, metrics.get(metric), line["seconds"])


def _seconds_left(
    waiting: Sequence[Asked], running: Sequence[Running], seconds: Mapping[str, float], workers: int
) -> float | None:
    """The time until all trainings have ended, if the known ones say it [s]."""
    left = [each.seconds_left for each in running if each.seconds_left is not None]
    mean = {each.asked.task: each.seconds + (each.seconds_left or 0) for each in running if each.seconds} | dict(
        seconds
    )
    unknown = [each for each in running if each.seconds_left is None]
    tasks = [asked.task for asked in waiting] + [each.asked.task for each in unknown]
    if not tasks and not left:
        return 0.0
    if not mean and tasks:
        return None
    others = fmean(mean.values()) if mean else 0.0
    return max((sum(left) + sum(mean.get(task, others) for task in tasks)) / workers, max(left, default=0.0))


def _running_dict(each: Running) -> dict[str, Any]:
    described = {key: value for key, value in vars(each).items() if key != "asked"}
    return {**each.asked._asdict(), **described, "seconds_left": each.seconds_left}
