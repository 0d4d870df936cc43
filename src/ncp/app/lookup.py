"""Facts about one code: exact cost, and the prediction, percentile and measured value of every column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ncp.app.dataset import OpenDataset
from ncp.cost import Counting


@dataclass(frozen=True)
class ColumnFacts:
    """One column of a code.

    Attributes:
        column: `task/metric`.
        mean: predicted value [raw units]; None without a predictor.
        std: standard deviation of the prediction.
        percentile: share of the table's rows that are worse, from 0 to 1; None without a value.
        counted: whether rows were counted; else the percentile is that of a normal distribution with the table's mean
            and standard deviation.
        measured: value in the table; None if it has none.
        minimised: whether lower is better.
    """

    column: str
    mean: float | None
    std: float | None
    percentile: float | None
    counted: bool
    measured: float | None
    minimised: bool

    @property
    def best_known(self) -> float | None:
        """The prediction, or the measured value if there is no predictor."""
        return self.measured if self.mean is None else self.mean


@dataclass(frozen=True)
class CodeFacts:
    """Facts about one code; `origin` and `flags` are those of its row, and None if it is not in the table."""

    text: str
    macs: int | None
    params: int | None
    columns: tuple[ColumnFacts, ...]
    origin: str | None
    flags: str | None


def look_up(dataset: OpenDataset, code: Sequence[int], counting: Counting) -> CodeFacts:
    """Compute the cost of a code, predict its values, and find it in the table."""
    table, predictor = dataset.table, dataset.predictor
    row = None if table is None else table.row(code)
    predicted = None if predictor is None else predictor.predict(code)
    columns = []
    for j, column in enumerate(dataset.columns):
        mean = None if predicted is None else float(predicted.mean[0, j])
        std = None if predicted is None else float(predicted.std[0, j])
        measured = None
        if table is not None and row is not None and column in table.columns:
            value = float(table.values[row, table.columns.index(column)])
            measured = value if np.isfinite(value) else None
        known = measured if mean is None else mean
        percentile, counted = (None, False) if known is None else _percentile(dataset, j, known)
        columns.append(ColumnFacts(column, mean, std, percentile, counted, measured, column in dataset.minimised))
    has_cost = dataset.has_cost
    return CodeFacts(
        text=dataset.space.text(code),
        macs=counting.macs(code).item() if has_cost else None,
        params=counting.params(code).item() if has_cost else None,
        columns=tuple(columns),
        origin=None if table is None or row is None else str(table.origin[row]),
        flags=None if table is None or row is None else str(table.flags[row]),
    )


def _percentile(dataset: OpenDataset, index: int, value: float) -> tuple[float | None, bool]:
    """The share of rows that are worse than a value of a column, and whether rows were counted."""
    column = dataset.columns[index]
    ordered = dataset.ordered.get(column)
    minimised = column in dataset.minimised
    if ordered is not None and len(ordered):
        below = np.searchsorted(ordered, value, side="right" if minimised else "left") / len(ordered)
        return float(1 - below if minimised else below), True
    if dataset.predictor is None:
        return None, False
    z = (value - dataset.predictor.location[index]) / dataset.predictor.unit[index]
    return float(norm.cdf(float(z))), False


def format_value(number: float) -> str:
    """A value in raw units: two decimals, or three significant digits if it is very small or large."""
    return f"{number:.2f}" if 0.05 <= abs(number) < 10_000 or number == 0 else f"{number:.3g}"
