"""The table of trainings: one row per run that has ended, in a parquet file that can be rebuilt from the runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ncp.errors import DataError
from ncp.io.files import whole_file
from ncp.studies.study_folder import Asked, StudyFolder
from ncp.training.run import ENDED, RUN, Run

FORMAT = 1
"""Version of the file, in its metadata."""
FIXED = {
    "run": str,
    "code": str,
    "task": str,
    "seed": int,
    "status": str,
    "reason": str,
    "seconds": float,
    "resumes": int,
    "device": str,
    "device_name": str,
    "host": str,
    "ended": str,
    "versions": str,
    "recipe_hash": str,
    "data_hash": str,
}
"""The columns before those of the metrics, and the type of each."""


@dataclass(frozen=True)
class TrainingRow:
    """A run that has ended.

    Attributes:
        asked: the training.
        status: `done` or `failed`.
        reason: why it failed.
        metrics: the metrics of the last evaluation; none if it failed.
        details: further columns of the table.
    """

    asked: Asked
    status: str
    reason: str
    metrics: Mapping[str, float]
    details: Mapping[str, Any]


def training_row(asked: Asked, run: Run, whole: bool = True) -> TrainingRow | None:
    """The row of a run; None if it has not ended. A result that cannot be read counts as a failure.

    Without `whole`, columns that `run.json` holds are left out, which halves the time.
    """
    status = run.status
    if status not in ENDED:
        return None
    try:
        result = run.result
        about = run.about if whole and (run.folder / RUN).exists() else {}  # absent if each worker died at once
        metrics = {str(name): float(value) for name, value in result.get("metrics", {}).items() if value is not None}
        details = {name: result[name] for name in FIXED if name in result}
        if about:
            details["versions"] = json.dumps(about["versions"], sort_keys=True)
            details["recipe_hash"] = _digest(about["identity"]["recipe"])
            details["data_hash"] = about["identity"]["data_hash"]
        reason = str(result.get("reason", "")) + (f": {result['details']}" if result.get("details") else "")
    except (DataError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"The result is damaged: {error} Train it again with --retry-failed."
        return TrainingRow(asked, "failed", reason, {}, {})
    return TrainingRow(asked, status, reason, metrics if status == "done" else {}, details)


def read_trainings(study: StudyFolder, whole: bool = True) -> list[TrainingRow]:
    """The rows of all runs that have ended, in the order of the study; `whole` as in `training_row`."""
    rows = (training_row(asked, run, whole) for asked, run in study.runs())
    return [row for row in rows if row is not None]


def write_trainings(path: Path, rows: Sequence[TrainingRow], about: Mapping[str, Any]) -> None:
    """Write the table, whole or not at all.

    Args:
        path: the file.
        rows: the rows.
        about: further metadata, such as the std between seeds.

    Raises:
        DataError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    cells = [{**row.details, **row.asked._asdict(), "status": row.status, "reason": row.reason} for row in rows]
    arrays = {name: pa.array([each.get(name) for each in cells], kinds[kind]) for name, kind in FIXED.items()}
    for metric in metrics_of(rows):
        name = f"metric/{metric}" if metric in FIXED else metric
        arrays[name] = pa.array([row.metrics.get(metric) for row in rows], pa.float64())
    schema = pa.schema(
        [(name, array.type) for name, array in arrays.items()],
        metadata={"ncp-trainings": json.dumps({"format": FORMAT, **about})},
    )
    with whole_file(path) as temporary:
        table = pa.Table.from_arrays(list(arrays.values()), schema=schema)
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def metrics_of(rows: Iterable[TrainingRow]) -> list[str]:
    """The names of all metrics, in the order in which they appear."""
    return list(dict.fromkeys(name for row in rows for name in row.metrics))


def _digest(document: Any) -> str:
    return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
