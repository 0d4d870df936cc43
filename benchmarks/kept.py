"""Keep trainings in a file that is part of the repository, so that nobody trains the same network again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ncp.io.files import whole_file
from ncp.studies.study_folder import RUNS, TRAININGS
from ncp.studies.trainings import FIXED
from ncp.tasks.command import CommandTask
from ncp.tasks.task import Task
from ncp.training.run import Run, run_id

RESULT = ("seconds", "resumes", "device", "device_name", "host", "ended")
"""The columns that belong to the result of a run, beside its metrics."""


def restore(kept: Path, tasks: Sequence[Task | CommandTask], folder: Path) -> int:
    """Write the trainings of a file as runs into the folder of a study; return how many the file has.

    Trainings with another recipe or other data than those of the tasks are left out.

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
    for row in rows:
        name, run = row["task"], Run(folder / RUNS / row["run"])
        if run.status == "done" or run.id != run_id(identities[name], row["code"], row["seed"]):
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
    return len(rows)


def collect(kept: Path, folders: Sequence[Path]) -> None:
    """Add the finished trainings of studies to a file, each once.

    Args:
        kept: the file.
        folders: the folders of the studies.
    """
    files = [path for path in (kept, *(folder / TRAININGS for folder in folders)) if path.exists()]
    if not files:
        return
    rows = pa.concat_tables([pq.read_table(path) for path in files], promote_options="default")
    rows = rows.filter(pc.equal(rows["status"], "done"))
    last = {run: place for place, run in enumerate(rows["run"].to_pylist())}
    with whole_file(kept) as temporary:
        chosen = rows.take(pa.array(last.values(), pa.int64())).replace_schema_metadata()
        pq.write_table(chosen, temporary, compression="zstd")
