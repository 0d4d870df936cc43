"""Train many codes on several tasks, and make a table of what they reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ncp.errors import ConfigError, DataError
from ncp.io.files import as_path
from ncp.numbers import as_count
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes, CodesLike
from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Space, require_space
from ncp.studies.lease import Lease
from ncp.studies.local_pool import Pool
from ncp.studies.pools import make_pool
from ncp.studies.scheduler import Events, Scheduler, write_tables
from ncp.studies.study_folder import RUNS, STUDY, Asked, StudyFolder, StudyTask, read_study
from ncp.studies.study_tasks import prepared_tasks, read_tasks
from ncp.studies.trainings import TrainingRow, read_trainings
from ncp.studies.worker import Settings
from ncp.tables.table import Table
from ncp.tasks.command import CommandTask
from ncp.tasks.task import Task


def build(
    codes: CodesLike,
    tasks: Sequence[Task | CommandTask | str | Path] | Task | CommandTask | str | Path,
    *,
    folder: str | Path,
    seeds: int = 1,
    workers: int | None = None,
    ray: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    space: Space = MULTIRES,
    keep_weights: bool = True,
    retry_failed: bool = False,
    progress: Progress = quiet,
    events: Events | None = None,
) -> Table:
    """Train codes on tasks, and return the table of what they reach.

    The folder holds a run per code, task and seed. None is trained twice: a build that was stopped goes on, and a later
    build adds codes, tasks or seeds. The first Ctrl-C lets running trainings save their states, the second does not.

    >>> table = build(["32_32-1_1_2_48-.."], ["roads.yaml", "clips.yaml"], folder="study")  # doctest: +SKIP

    Args:
        codes: the codes, `(n, d)`, in any form that `Space.codes` reads.
        tasks: tasks or paths of task files.
        folder: the folder of the study.
        seeds: how many seeds each code is trained with on each task.
        workers: trainings at the same time; one per GPU, or one per two cores without a GPU, when left out.
        ray: the address of a Ray cluster whose nodes see `folder` and the data, or `auto` for that of this machine;
            processes of this machine when left out.
        device: `cpu`, `cuda`, or several such as `cuda:0,cuda:1`, shared out among workers; all GPUs if left out.
        threads: threads of the processor per worker; the cores are divided when left out.
        space: the space of the codes. Only commands train codes of other spaces than `MULTIRES`.
        keep_weights: whether trained weights are kept.
        retry_failed: train runs again that failed in an earlier build.
        progress: called with the share of the trainings that have ended.
        events: what else the caller hears.

    Returns:
        the table of everything in the folder: the mean over seeds, NaN where no training is done. A code that failed on
        a task has the flag `TASK-failed`.

    Raises:
        ConfigError: invalid arguments, a task that differs from one of the same name in the folder, or another process
            that works on the folder.
        DataError: data that is missing or cannot be used, a damaged study, or a folder that cannot be written.
        KeyboardInterrupt, SystemExit: the build was asked to stop.
    """
    path, count = as_path(folder, "folder"), as_count(seeds, "seeds")
    wanted, read = _codes(codes, space), read_tasks(tasks, space)
    pool = make_pool(ray, device, workers, threads, read)
    settings = Settings((path / RUNS).absolute(), pool.threads, keep_weights)
    try:
        with Lease(path, pool.free) as lease:
            study, asked = _asked(path, space, wanted, prepared_tasks(read, share(progress, 0, 0.01)), count)
            heard = events or Events()
            return _train(study, asked, wanted, lease, pool, settings, retry_failed, progress, heard)
    finally:
        pool.close()


def _asked(
    path: Path, space: Space, codes: Iterable[str], tasks: Mapping[str, StudyTask], seeds: int
) -> tuple[StudyFolder, list[Asked]]:
    """The study with these trainings, also in its file."""
    study = read_study(path) if (path / STUDY).exists() else StudyFolder(path, space)
    if study.space != space:
        raise ConfigError(f"The study {path} has codes of another search space. Use another folder.")
    study, asked = study.with_tasks(tasks).asking(list(codes), list(tasks), seeds)
    study.write()
    return study, asked


def rebuild(folder: str | Path) -> Table:
    """Write the tables of a study again, from its runs.

    Raises:
        ConfigError: another process works on the study.
        DataError: there is no study, or its file is damaged.
    """
    path = as_path(folder, "folder")
    study = read_study(path)
    with Lease(path):
        return write_tables(study, read_trainings(study))


def _train(
    study: StudyFolder,
    asked: Sequence[Asked],
    vectors: dict[str, Codes],
    lease: Lease,
    pool: Pool,
    settings: Settings,
    retry_failed: bool,
    progress: Progress,
    events: Events,
) -> Table:
    """Train what has not ended, and write the tables, also if the trainings are stopped."""
    rows = read_trainings(study)
    if retry_failed:
        again = {row.asked for row in rows if row.status == "failed"} & set(asked)
        for each in again:
            study.run(each).forget()
        rows = [row for row in rows if row.asked not in again]
    ended = {row.asked.run for row in rows}
    waiting = [each for each in asked if each.run not in ended]
    finished = len(asked) - len(waiting)

    def count(row: TrainingRow) -> None:
        nonlocal finished
        finished += 1
        progress(0.01 + 0.99 * finished / len(asked))
        events.ended(row)

    scheduler = Scheduler(study, lease, rows, Events(events.looked, count, events.said))
    try:
        scheduler.train(waiting, vectors, pool, settings)
    except BaseException:
        with suppress(DataError):
            scheduler.write()
        raise
    return scheduler.write()


def _codes(given: CodesLike, space: Space) -> dict[str, Codes]:
    """The codes by their texts, each once."""
    require_space(space)
    codes = {space.text(code): code for code in space.codes(given)}
    if not codes:
        raise ConfigError("{field} must be one code or more. Got none.", field="codes")
    return codes
