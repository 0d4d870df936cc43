"""What pictures of a study show: curves of its runs, values against cost, and how far seeds differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncp.cost import Counting, has_cost
from ncp.errors import DataError
from ncp.report.facts import evenly
from ncp.spaces.arrays import Reals
from ncp.studies.averages import Values
from ncp.studies.study_folder import StudyFolder
from ncp.studies.trainings import TrainingRow
from ncp.tables.columns import metric_of
from ncp.tables.table import Table

CURVES = 300
"""Most runs of a task whose curves are drawn; they are spread evenly over the order of the study."""


@dataclass(frozen=True, eq=False)
class Learning:
    """The curves of a task's runs.

    Attributes:
        column: the main column of the task.
        codes: the codes of n runs.
        seeds: their seeds.
        epochs: the epochs of each run's evaluations.
        values: the metric at these [raw units].
        best: which run ended with the best value.
        runs: the number of all runs with a curve; some are left out if there are many.
    """

    column: str
    codes: tuple[str, ...]
    seeds: tuple[int, ...]
    epochs: tuple[Reals, ...]
    values: tuple[Reals, ...]
    best: int
    runs: int


@dataclass(frozen=True, eq=False)
class CostAndValue:
    """Values of one column against exact cost.

    Attributes:
        column: `task/metric`.
        macs: `(n,)` [1e9].
        values: `(n,)`, means over seeds [raw units].
        codes: n codes as texts.
    """

    column: str
    macs: Reals
    values: Reals
    codes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Deviations:
    """How far single seeds are from the mean of their code.

    Attributes:
        column: `task/metric`.
        means: `(n,)`, the mean over the seeds of each training's code [raw units].
        off: `(n,)`, the training's value minus this mean [raw units].
        codes: n codes as texts.
        std: standard deviation between seeds, pooled over codes.
        spread: standard deviation of the means of all codes of the study; NaN for a single code.
    """

    column: str
    means: Reals
    off: Reals
    codes: tuple[str, ...]
    std: float
    spread: float

    @property
    def share(self) -> float:
        """The share of the variance between single trainings that is noise: no predictor explains it."""
        noise, signal = self.std**2, max(self.spread**2, self.std**2)
        return noise / signal if signal else 0.0


def learning_curves(study: StudyFolder, rows: Sequence[TrainingRow], columns: Sequence[str]) -> tuple[Learning, ...]:
    """The curves of the runs that are done, by task; none for tasks without curves, such as commands."""
    found = []
    for task, known in study.tasks.items():
        column = next((name for name in columns if name.startswith(f"{task}/")), None)
        if column is None:
            continue
        metric = metric_of(column)
        curves = []
        for row in rows:
            if row.asked.task == task and row.status == "done":
                points = _points(study, row, metric)
                if len(points) > 1:
                    curves.append((row.asked.code, row.asked.seed, points))
        if curves:
            sign = -1 if column in known.minimised else 1
            best = max(range(len(curves)), key=lambda place: sign * curves[place][2][-1, 1])
            kept = sorted({best, *evenly(len(curves), CURVES)})
            found.append(
                Learning(
                    column,
                    tuple(curves[k][0] for k in kept),
                    tuple(curves[k][1] for k in kept),
                    tuple(curves[k][2][:, 0] for k in kept),
                    tuple(curves[k][2][:, 1] for k in kept),
                    kept.index(best),
                    len(curves),
                )
            )
    return tuple(found)


def _points(study: StudyFolder, row: TrainingRow, metric: str) -> Reals:
    """Epochs and values of a run's curve, `(evaluations, 2)`."""
    try:
        lines = study.run(row.asked).curve()
        points = [(line["epoch"], line["metrics"][metric]) for line in lines if line["metrics"][metric] is not None]
    except (DataError, OSError, ValueError, LookupError, TypeError):
        points = []
    return np.array(points, dtype=float).reshape(len(points), 2)


def costs_and_values(table: Table, counting: Counting) -> tuple[CostAndValue, ...]:
    """Every column against exact cost; none in a space whose cost is not known."""
    if not has_cost(table.space) or not len(table):
        return ()
    cost = counting.macs(table.codes) / 1e9
    found = []
    for column, values in zip(table.columns, table.values.T, strict=True):
        known: NDArray[np.int64] = np.flatnonzero(np.isfinite(values))
        if len(known):
            codes = tuple(table.space.text(table.codes[row]) for row in known)
            found.append(CostAndValue(column, cost[known], values[known], codes))
    return tuple(found)


def deviations(table: Table, values: Values, noise: dict[str, float]) -> tuple[Deviations, ...]:
    """The columns of the table that have codes with several seeds.

    Args:
        table: the table of the study.
        values: the values of the seeds by column and code.
        noise: the std between seeds by column.
    """
    found = []
    for column in table.columns:
        repeated = {code: seeds for code, seeds in values.get(column, {}).items() if len(seeds) > 1}
        if repeated:
            means = np.concatenate([np.full(len(seeds), np.mean(seeds)) for seeds in repeated.values()])
            off = np.concatenate([np.array(seeds) for seeds in repeated.values()]) - means
            codes = tuple(code for code, seeds in repeated.items() for _ in seeds)
            every = table.values[:, table.columns.index(column)]
            every = every[np.isfinite(every)]
            spread = float(every.std(ddof=1)) if len(every) > 1 else float("nan")
            found.append(Deviations(column, means, off, codes, noise[column], spread))
    return tuple(found)
