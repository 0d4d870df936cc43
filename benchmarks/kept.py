"""Keep what takes hours to compute in files of the repository, so that any copy of it goes on where another stopped."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from ncp.io.files import read_json, whole_file, write_json
from ncp.processes import processes
from ncp.studies.study_folder import RUNS, TRAININGS
from ncp.studies.trainings import FIXED
from ncp.tasks.command import CommandTask
from ncp.tasks.task import Task
from ncp.training.run import Run, run_id

FOLDER = Path(__file__).with_suffix("")
"""Where simulations are kept."""
RESULT = ("seconds", "resumes", "device", "device_name", "host", "ended")
"""The columns that belong to the result of a run, beside its metrics."""


def restore(kept: Path, tasks: Sequence[Task | CommandTask], folder: Path) -> int:
    """Write the trainings of a file as runs into the folder of a study; return how many belong to the tasks.

    Trainings on other tasks, with another recipe or with other data are left out.

    Args:
        kept: a table of trainings; it need not exist.
        tasks: the tasks.
        folder: the folder of the study.
    """
    if not kept.exists():
        return 0
    found: Mapping[str, Any] = {task.name: task for task in tasks}
    identities = {name: task.identity(task.prepare()) for name, task in found.items()}
    rows = [row for row in pq.read_table(kept).to_pylist() if row["status"] == "done"]
    fitting = 0
    for row in rows:
        name, run = row["task"], Run(folder / RUNS / row["run"])
        if name not in found or run.id != run_id(identities[name], row["code"], row["seed"]):
            continue
        fitting += 1
        if run.status == "done":
            continue
        run.begin(
            {
                "code": row["code"],
                "seed": row["seed"],
                "task": found[name].to_dict(),
                "identity": identities[name],
                "versions": json.loads(row["versions"]),
            }
        )
        metrics = {key: value for key, value in row.items() if key not in FIXED and value is not None}
        run.finish({"metrics": metrics, **{key: row[key] for key in RESULT}})
    return fitting


def collect(kept: Path, folders: Sequence[Path]) -> None:
    """Add the finished trainings of studies to a file, each once.

    Args:
        kept: the file.
        folders: the folders of the studies.
    """
    with FileLock(f"{kept}.lock"):  # several processes may add to the file
        files = [path for path in (kept, *(folder / TRAININGS for folder in folders)) if path.exists()]
        if not files:
            return
        rows = pa.concat_tables([pq.read_table(path) for path in files], promote_options="default")
        rows = rows.filter(pc.equal(rows["status"], "done"))
        last = {run: place for place, run in enumerate(rows["run"].to_pylist())}
        with whole_file(kept) as temporary:
            chosen = rows.take(pa.array(last.values(), pa.int64())).replace_schema_metadata()
            pq.write_table(chosen, temporary, compression="zstd")


def computed(
    name: str, function: Callable[..., list[float]], asked: Sequence[tuple[Any, ...]], workers: int
) -> dict[tuple[Any, ...], list[float]]:
    """What a function returns for each of several arguments; what the file `kept/NAME.json` has is not computed again.

    Args:
        name: of the file. To compute something again, remove it from the file.
        function: a function of a module, which other processes call.
        asked: the arguments, texts and whole numbers.
        workers: how many processes.

    Raises:
        filelock.Timeout: another process adds to the file.
    """
    path = FOLDER / f"{name}.json"
    FOLDER.mkdir(exist_ok=True)
    keys = {"/".join(map(str, each)): each for each in asked}
    with FileLock(f"{path}.lock", blocking=False), processes(workers) as pool:
        known: dict[str, list[float]] = read_json(path) if path.exists() else {}
        jobs = {pool.submit(function, *each): key for key, each in keys.items() if key not in known}
        for count, job in enumerate(as_completed(jobs), start=1):
            known[jobs[job]] = job.result()
            write_json(path, dict(sorted(known.items())), indent=None)
            print(f"\r{name}: {count} of {len(jobs)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {each: known[key] for key, each in keys.items()}
