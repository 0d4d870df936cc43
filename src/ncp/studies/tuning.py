"""Find the best code for one's own tasks with few trainings: propose, train, learn, propose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

from ncp.errors import ConfigError, DataError
from ncp.io.files import as_path
from ncp.optim.budget import Budget
from ncp.optim.objective import Objective, as_objective
from ncp.progress import Progress, quiet, share
from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Space, require_space
from ncp.studies.building import build
from ncp.studies.finalists import FINAL, Final, final_rows, longer, write_winner
from ncp.studies.lease import Lease
from ncp.studies.pools import make_pool
from ncp.studies.prior_identity import DEFAULT
from ncp.studies.scheduler import Events, Scheduler
from ncp.studies.search_record import SEARCH, read_record
from ncp.studies.study import Study
from ncp.studies.study_folder import RUNS, STUDY, StudyFolder, StudyTask, read_study
from ncp.studies.study_tasks import AnyTask, prepared_tasks, read_tasks
from ncp.studies.trained_rows import TrainedRow, rows_table
from ncp.studies.trainings import read_trainings
from ncp.studies.tuning_source import STOPPED, Limits, TuningSource
from ncp.studies.worker import Settings
from ncp.tables.columns import first_of, task_of, tasks_of
from ncp.tables.table import Table
from ncp.tasks.command import CommandTask
from ncp.tasks.task import Task

BEST = 10
"""The rows of a result."""


@dataclass(frozen=True, repr=False)
class Tuned:
    """What `tune` found.

    Attributes:
        study: the study, which can be asked for more.
        best: the best codes of the study, best first; empty if no code succeeded and meets all minimum values.
        finalists: the table of all longer trainings, also of earlier calls; None without finalists.
        stopped: why no further code was trained: `trainings`, `hours`, `improvement`, `exhausted` if no code is left,
            or `failures` if the first codes of the call all failed and none of an earlier call has succeeded.
        winner: the best finalist, or the best code without finalists; None if no code qualifies.
        folder: the folder of the winner's weights and ONNX files; None without a winner.
        remarks: sentences about files that could not be written; if no code has succeeded, why they failed.
    """

    study: Study
    best: tuple[TrainedRow, ...]
    finalists: Table | None
    stopped: str
    winner: TrainedRow | None
    folder: Path | None
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        found = f"the winner is {self.winner.code!r}" if self.winner else "none succeeded"
        return f"Tuned({len(self.study)} codes, {found}, stopped by {self.stopped})"

    def _repr_html_(self) -> str:
        return rows_table(self.best, f"{len(self.study)} codes. {STOPPED[self.stopped]}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "folder": self.study.folder,
            "codes": len(self.study),
            "pending": len(self.study.pending),
            "stopped": self.stopped,
            "best": [row.to_dict() for row in self.best],
            "winner": None if self.winner is None else self.winner.to_dict(),
            "winner_folder": self.folder,
            "remarks": self.remarks,
        }


class TrainingOptions(TypedDict, total=False):
    """How and where trainings run; every key is an argument of `ncp.build`, with the same default.

    Attributes:
        workers: trainings at the same time.
        ray: the address of a Ray cluster.
        device: `cpu`, `cuda`, or several such as `cuda:0,cuda:1`.
        threads: threads of the processor per worker.
        keep_weights: whether trained weights are kept.
        retry_failed: train codes again that failed in an earlier call.
        progress: called with the share of the codes whose trainings have ended.
        events: what else the caller hears.
    """

    workers: int | None
    ray: str | None
    device: str | None
    threads: int | None
    keep_weights: bool
    retry_failed: bool
    progress: Progress
    events: Events | None


def tune(
    tasks: Sequence[Task | CommandTask | str | Path] | Task | CommandTask | str | Path,
    *,
    folder: str | Path,
    objective: Objective | str | Sequence[str] | Mapping[str, float] | None = None,
    budget: Budget | None = None,
    trainings: int = 32,
    prior: Any = DEFAULT,
    space: Space | None = None,
    seed: int | None = None,
    seeds: int = 1,
    hours: float | None = None,
    until_improvement: float | None = None,
    finalists: int = 0,
    final_epochs: float = 1.0,
    final_seeds: int = 1,
    **options: Unpack[TrainingOptions],
) -> Tuned:
    """Train few codes on tasks, each proposed by what the others reached, and return the best.

    The folder is a study of `ncp.Study` and of `ncp.build`. No training is lost or repeated: the same call goes on
    after Ctrl-C or a crash, and a later call with more `trainings` continues. If the first five codes all fail, no more
    are trained: what broke them, such as a missing file, would break the others, too.

    >>> found = tune(["roads.yaml", "clips.yaml"], budget=ncp.Budget(max_macs=1e9), folder="study")  # doctest: +SKIP

    Args:
        tasks: tasks or paths of task files. Every code is trained on all of them.
        folder: the folder of the study.
        objective: as in `ncp.search`, by tasks or columns. When left out, that of the study, or all tasks alike.
        budget: as in `ncp.Study`, and likewise `prior` and `seed`.
        trainings: the most different codes, with those of earlier calls.
        prior: values of other tasks, for codes like these.
        space: as in `ncp.Study`. Only commands train codes of other spaces than `MULTIRES`.
        seed: of the proposals.
        seeds: trainings per code and task. More seeds in a later call apply to codes that follow.
        hours: no training begins that is not expected to end within this time after the call [h]; finalists come later.
        until_improvement: no training begins if the expected improvement is smaller [units of the score].
        finalists: how many of the best codes are trained again, into the folder `final`.
        final_epochs: how many times as long these trainings are.
        final_seeds: trainings per finalist and task.
        options: how and where trainings run, as `ncp.build` takes them: workers, ray, device and so on.

    Raises:
        ConfigError, InfeasibleError, DataError: as `ncp.Study` and `ncp.build` raise them.
        KeyboardInterrupt, SystemExit: the process was asked to stop.
    """
    limits = Limits.checked(trainings, seeds, hours, until_improvement)
    final = Final.checked(finalists, final_epochs, final_seeds)
    return _tune(tasks, as_path(folder, "folder"), (objective, budget, space, prior, seed), limits, final, **options)


def _tune(
    tasks: Any,
    path: Path,
    wanted: tuple[Any, ...],
    limits: Limits,
    final: Final,
    *,
    keep_weights: bool = True,
    retry_failed: bool = False,
    progress: Progress = quiet,
    events: Events | None = None,
    **where: Any,
) -> Tuned:
    """Train until a limit is reached, then the finalists; the arguments are those of `tune`, checked."""
    heard = events or Events()
    read = read_tasks(tasks, _space(path, wanted[2]))
    lasting = [longer(task, final.epochs) for task in read]
    study, source = _search(path, read, wanted, limits, heard, keep_weights, retry_failed, progress, **where)
    best = study.best(max(BEST, final.count))
    winners, table, trained = best[:1], None, path
    if final.count and best:
        trained = path / FINAL
        codes, at_the_end = [row.code for row in best[: final.count]], share(progress, 0.9, 0.99)
        heard.said(f"Final trainings of the best codes: {len(codes)}.")
        table = build(
            codes,
            lasting,
            folder=trained,
            seeds=final.seeds,
            space=study.space,
            retry_failed=retry_failed,
            progress=at_the_end,
            events=heard,
            **where,
        )
        winners = final_rows(study, trained)
    written, remarks = write_winner(study, winners[0], trained) if winners else (None, ())
    if not source.succeeded:
        remarks = tuple(f"{count} failed: {reason}" for reason, count in source.reasons)
    progress(1.0)
    return Tuned(study, tuple(best[:BEST]), table, source.stopped, winners[0] if winners else None, written, remarks)


def _search(
    path: Path,
    tasks: Sequence[AnyTask],
    wanted: tuple[Any, ...],
    limits: Limits,
    events: Events,
    keep_weights: bool,
    retry_failed: bool,
    progress: Progress,
    ray: str | None = None,
    device: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
) -> tuple[Study, TuningSource]:
    """Train until a limit is reached; the study, and the source of its trainings, which knows the limit."""
    pool = make_pool(ray, device, workers, threads, tasks)
    settings = Settings((path / RUNS).absolute(), pool.threads, keep_weights)
    try:
        with Lease(path, pool.free) as lease:
            known = prepared_tasks(tasks, share(progress, 0, 0.01))
            study = _study(path, known, *wanted)
            trained = _folder(path, known, study.space)
            scheduler = Scheduler(trained, lease, read_trainings(trained), events)
            source = TuningSource(study, scheduler, list(known), limits, share(progress, 0.01, 0.9))
            try:
                scheduler.train(source.begin(retry_failed), source.vectors, pool, settings, source)
            except BaseException:
                with suppress(DataError):
                    scheduler.write()
                raise
            scheduler.write()
    finally:
        pool.close()
    return study, source


def _space(folder: Path, space: Space | None) -> Space:
    """The space that was given, or that of the study in the folder, or `MULTIRES`."""
    if space is None:
        return read_record(folder).space if (folder / SEARCH).exists() else MULTIRES
    require_space(space)
    return space


def _study(
    folder: Path,
    tasks: Mapping[str, StudyTask],
    objective: Any,
    budget: Budget | None,
    space: Space | None,
    prior: Any,
    seed: int | None,
) -> Study:
    """The study of the proposals, with an objective that fits the tasks."""
    record = read_record(folder) if (folder / SEARCH).exists() else None
    wanted = as_objective(list(tasks) if objective is None else objective)
    if record is not None and objective is None:
        wanted = record.objective
    _require_named(wanted, tasks)
    if record is not None and record.columns:
        _require_tasks(folder, tasks_of(record.columns), tasks)
    least = [column for task in tasks.values() for column in task.minimised]
    return Study(folder, objective=wanted, budget=budget, space=space, prior=prior, seed=seed, minimised=least)


def _require_named(objective: Objective, tasks: Mapping[str, StudyTask]) -> None:
    """Refuse an objective with a name that no column of the tasks can have.

    Raises:
        ConfigError: with the name.
    """
    columns = [column for name, task in tasks.items() for column in task.columns or (name,)]
    open_ended = [name for name, task in tasks.items() if not task.columns]
    for name in (*objective.weights, *objective.at_least):
        if first_of(name, columns) is None and task_of(name) not in open_ended:
            raise ConfigError(
                "{field} names {given}, which is neither a task nor a column of one. The tasks are {known}.",
                field="objective",
                given=name,
                known=", ".join(tasks),
            )


def _require_tasks(folder: Path, before: Sequence[str], tasks: Mapping[str, StudyTask]) -> None:
    """Refuse other tasks than those of earlier calls.

    Raises:
        ConfigError: with both.
    """
    if set(before) != set(tasks):
        raise ConfigError(
            "The study {folder} has trained its codes on {before}. Give the same {field}, or use another folder. "
            "Got {now}.",
            field="tasks",
            folder=str(folder),
            before=", ".join(before),
            now=", ".join(tasks),
        )


def _folder(path: Path, tasks: Mapping[str, StudyTask], space: Space) -> StudyFolder:
    """The folder of trainings with these tasks, also in its file."""
    study = read_study(path) if (path / STUDY).exists() else StudyFolder(path, space)
    if study.space != space:
        raise ConfigError(f"The study {path} has codes of another search space. Use another folder.")
    study = study.with_tasks(tasks)
    study.write()
    return study
