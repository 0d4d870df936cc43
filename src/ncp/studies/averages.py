"""The table of a study: the mean over seeds for each code and column, and how far seeds differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ncp.studies.study_folder import StudyFolder
from ncp.studies.trainings import TrainingRow
from ncp.tables.table import Table

ORIGIN = "trained"
"""The origin of the rows."""


@dataclass(frozen=True)
class Noise:
    """How far trainings of one code differ that differ in the seed alone: no predictor can be more accurate.

    Attributes:
        std: standard deviation between seeds, pooled over codes, in the unit of the column.
        codes: the number of codes with more than one seed.
        trainings: the number of their trainings.
    """

    std: float
    codes: int
    trainings: int


Values = dict[str, dict[str, list[float]]]
"""The values of the seeds, by column and code."""


def values_of(rows: Sequence[TrainingRow]) -> Values:
    """The values of the seeds by column and code, in the order of the rows."""
    values: Values = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for metric, value in row.metrics.items():
            values[f"{row.asked.task}/{metric}"][row.asked.code].append(value)
    return values


def noise_between_seeds(values: Values) -> dict[str, Noise]:
    """The noise of each column that has a code with two seeds."""
    noise = {}
    for column, codes in values.items():
        repeated = [np.array(each) for each in codes.values() if len(each) > 1]
        if repeated:
            squares = sum(float(((each - each.mean()) ** 2).sum()) for each in repeated)
            trainings = sum(map(len, repeated))
            noise[column] = Noise((squares / (trainings - len(repeated))) ** 0.5, len(repeated), trainings)
    return noise


def table_columns(study: StudyFolder, values: Values) -> tuple[str, ...]:
    """The columns of the table: those that the tasks declare; all that were found where a task declares none."""
    columns: list[str] = []
    for name, task in study.tasks.items():
        columns += task.columns or [column for column in values if column.startswith(f"{name}/")]
    return tuple(columns)


def failed_flag(task: str) -> str:
    """The flag of a code that failed on a task with some seed."""
    return f"{task}-failed"


def table_of(study: StudyFolder, rows: Sequence[TrainingRow]) -> Table:
    """The table of a study: a row per code, NaN where no training is done, and flags for failed trainings."""
    values, codes = values_of(rows), study.codes
    columns = table_columns(study, values)
    means = np.full((len(codes), len(columns)), np.nan)
    for place, column in enumerate(columns):
        for row, code in enumerate(codes):
            if seeds := values.get(column, {}).get(code):
                means[row, place] = np.mean(seeds)
    failed: dict[str, dict[str, None]] = defaultdict(dict)
    for each in rows:
        if each.status == "failed":
            failed[each.asked.code][failed_flag(each.asked.task)] = None
    flags = [",".join(failed.get(code, ())) for code in codes]
    minimised = [column for task in study.tasks.values() for column in task.minimised]
    return Table(study.space, codes, means, columns, [ORIGIN] * len(codes), flags, minimised)
