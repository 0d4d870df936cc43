"""How well a predictor ranks, and what a code is worth: its row of a table, or the value of an independent judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from ncp.errors import ConfigError
from ncp.predictors.base import Prediction, Predictor
from ncp.spaces.arrays import Reals
from ncp.tables.table import Table


@dataclass(frozen=True)
class Quality:
    """How predictions of one column compare with the values of rows held out.

    Attributes:
        tau: Kendall's tau-b, of ranks.
        mae: mean absolute error [raw units].
        within_one: share of rows within one standard deviation (0.68 if errors were normal).
        within_two: share within two (0.95).
    """

    tau: float
    mae: float
    within_one: float
    within_two: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Values of codes, each with its source.

    Attributes:
        columns: m names.
        values: `(n, m)`, in raw units.
        std: `(n, m)`; zero where a value comes from a table.
        source: `(n, m)`, where each value comes from; `none` where there is none.
    """

    columns: tuple[str, ...]
    values: Reals
    std: Reals
    source: NDArray[np.str_]


def quality(prediction: Prediction, values: Reals, columns: Sequence[str]) -> dict[str, Quality]:
    """Compare predictions with the values `(n, m)` of rows that the predictor has not seen."""
    measured = {}
    for j, column in enumerate(columns):
        error = np.abs(prediction.mean[:, j] - values[:, j])
        std = prediction.std[:, j]
        measured[column] = Quality(
            tau=float(kendalltau(prediction.mean[:, j], values[:, j]).statistic),
            mae=float(error.mean()),
            within_one=float((error <= std).mean()),
            within_two=float((error <= 2 * std).mean()),
        )
    return measured


def verify(codes: Any, columns: Sequence[str], judge: Predictor | None, table: Table | None = None) -> Evaluation:
    """Take values from a table where it has them, and from the judge's predictions elsewhere.

    Args:
        codes: `(n, d)`.
        columns: which values are wanted.
        judge: a predictor of another family, fitted on rows which the searcher's has not seen; None for no judge.
        table: measured values.

    Raises:
        ConfigError: a judge without one of the columns.
    """
    rows = np.asarray(codes)
    values, std = np.full((2, len(rows), len(columns)), np.nan)
    source = np.full(values.shape, "none", dtype="<U9")
    if judge is not None:
        absent = [column for column in columns if column not in judge.columns]
        if absent:
            raise ConfigError(f"The judge has no column {absent[0]}. It has {', '.join(judge.columns)}.")
        predicted = judge.predict(rows)
        where = [judge.columns.index(column) for column in columns]
        values, source[:] = predicted.mean[:, where], "judge"
        std = predicted.std[:, where]
    if table is not None:
        measured = table.lookup(rows, columns)
        known = ~np.isnan(measured)
        values[known], std[known], source[known] = measured[known], 0.0, "table"
    return Evaluation(tuple(columns), values, std, source)
