"""The results of a study: checked, as a table, as scores, and the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ncp.errors import DataError, quoted
from ncp.numbers import is_finite
from ncp.optim.budget import Budget
from ncp.searchers.objective_scale import ObjectiveScale
from ncp.spaces.arrays import Reals, best_first
from ncp.studies.averages import ORIGIN
from ncp.studies.search_record import SearchRecord
from ncp.studies.trained_rows import TrainedRow, trained_rows
from ncp.tables.columns import column_names, spelling
from ncp.tables.table import Table

FAILED = "failed"
"""The flag of codes with a training that failed."""


def checked_values(given: Any, columns: Sequence[str]) -> dict[str, float]:
    """Values by column as Python numbers.

    Args:
        given: what the caller passed.
        columns: the columns of earlier values; none before the first.

    Raises:
        DataError: no values, an unknown column, or a value that is not a finite number.
    """
    if not isinstance(given, Mapping) or not given:
        raise DataError(
            "Expected values by column, such as {'roads/mIoU': 61.2}, or None for a training that failed. "
            f"Got {quoted(given)}."
        )
    values = {}
    for name in column_names(list(given)):
        if columns and name not in columns:
            raise DataError(f"The study has no column {quoted(name)}. {spelling(name, columns)}")
        number = given[name]
        if getattr(number, "shape", None) == () and hasattr(number, "item"):
            number = number.item()
        if not is_finite(number):
            raise DataError(
                f"Expected a finite number as {name}. Got {quoted(number)}. Tell None if the training failed."
            )
        values[name] = float(number)
    return values


def told_table(record: SearchRecord) -> Table:
    """The means over trainings, one row per code; NaN and the flag `failed` where trainings failed."""
    told = record.told
    values = np.full((len(told), len(record.columns)), np.nan)
    for column, trainings in enumerate(told_by_column(record, list(told)).values()):
        for row, each in enumerate(trainings):
            if len(each):
                values[row, column] = each.mean()
    flags = [FAILED if any(each.values is None for each in tells) else "" for tells in told.values()]
    least = [name for name in record.columns if name in record.minimised]
    return Table(record.space, list(told), values, record.columns, [ORIGIN] * len(told), flags, least)


def told_by_column(record: SearchRecord, codes: Sequence[str]) -> dict[str, list[Reals]]:
    """The values of all trainings of some codes, by column: one array per code."""
    told = record.told
    trainings = [[each.values for each in told[code] if each.values] for code in codes]
    return {
        column: [np.array([values[column] for values in each if column in values]) for each in trainings]
        for column in record.columns
    }


def told_terms(record: SearchRecord) -> Reals:
    """The terms of the score of every training, `(n, k)`; NaN where it failed."""
    if not record.columns:
        return np.full((len(record.tells), 1), np.nan)
    scale = ObjectiveScale(told_table(record), record.objective)
    rows = [[(each.values or {}).get(name, np.nan) for name in scale.names] for each in record.tells]
    return scale.terms(np.array(rows, dtype=float).reshape(len(rows), len(scale.names)))


def best_rows(record: SearchRecord, budget: Budget, k: int) -> list[TrainedRow]:
    """The best codes, best first: of those that meet the budget and all minimum values, at most `k`."""
    table = told_table(record)
    if not table.columns or not len(table):
        return []
    scale = ObjectiveScale(table, record.objective)
    scores, short = scale.scores(table)
    rows = np.flatnonzero(np.isfinite(scores) & (short <= 0) & budget.allows(table.codes))
    rows = rows[best_first(scores[rows])[:k]]
    codes = table.codes[rows]
    values = told_by_column(record, [record.space.text(code) for code in codes])
    return trained_rows(record.space, codes, values, scores[rows], budget.counting)
