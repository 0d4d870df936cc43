"""What the page says of a code: cost, and every column's prediction, its rank among the table's rows, its own row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ncp.app.subject import Subject
from ncp.cost import Counting


@dataclass(frozen=True)
class Line:
    """One column of a code.

    Attributes:
        column: `task/metric`.
        mean: as predicted [raw units]; None without a predictor.
        std: its standard deviation.
        better: the share of the table's rows that this value is better than; None without a value.
        exact: whether that share was counted; else it is a normal's with the table's mean and deviation.
        measured: the table's own value; None where it has none.
        least: whether small values are better.
    """

    column: str
    mean: float | None
    std: float | None
    better: float | None
    exact: bool
    measured: float | None
    least: bool


@dataclass(frozen=True)
class Facts:
    """What is known of one code; `origin` and `flags` are of its row, None where the table does not hold it."""

    text: str
    macs: int | None
    params: int | None
    lines: tuple[Line, ...]
    origin: str | None
    flags: str | None


def facts_of(subject: Subject, code: Sequence[int], counting: Counting) -> Facts:
    """Look a code up, and predict it."""
    table, predictor = subject.table, subject.predictor
    row = None if table is None else table.row(code)
    predicted = None if predictor is None else predictor.predict(code)
    lines = []
    for j, column in enumerate(subject.columns):
        mean = None if predicted is None else float(predicted.mean[0, j])
        std = None if predicted is None else float(predicted.std[0, j])
        measured = None
        if table is not None and row is not None and column in table.columns:
            found = float(table.values[row, table.columns.index(column)])
            measured = found if np.isfinite(found) else None
        value = mean if mean is not None else measured
        better, exact = (None, False) if value is None else _better(subject, column, j, value)
        lines.append(Line(column, mean, std, better, exact, measured, column in subject.minimised))
    price = subject.priced
    return Facts(
        text=subject.space.text(code),
        macs=counting.macs(code).item() if price else None,
        params=counting.params(code).item() if price else None,
        lines=tuple(lines),
        origin=None if table is None or row is None else str(table.origin[row]),
        flags=None if table is None or row is None else str(table.flags[row]),
    )


def _better(subject: Subject, column: str, place: int, value: float) -> tuple[float | None, bool]:
    """The share of rows that a value is better than, and whether it was counted."""
    ordered = subject.ordered.get(column)
    least = column in subject.minimised
    if ordered is not None and len(ordered):
        below = np.searchsorted(ordered, value, side="right" if least else "left") / len(ordered)
        return float(1 - below if least else below), True
    if subject.predictor is None:
        return None, False
    z = (value - subject.predictor.location[place]) / subject.predictor.unit[place]
    return float(norm.cdf(float(z))), False


def shown(number: float) -> str:
    """A value in raw units: two digits after the point, or three that count."""
    return f"{number:.2f}" if 0.05 <= abs(number) < 10_000 or number == 0 else f"{number:.3g}"
