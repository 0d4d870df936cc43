"""Checks of the rows that a predictor is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ncp.errors import ConfigError, DataError
from ncp.predictors.scale import ROUNDING, ordinary
from ncp.spaces.arrays import Codes, CodesLike, Reals
from ncp.spaces.dimensions import Ordinal
from ncp.spaces.space import Space

LEAST_ROWS = 10
"""Fewest rows to fit a predictor on."""
SMALLEST, LARGEST = 1e-30, 1e30
"""Smallest difference and largest value of a column, with a margin to the bounds of single precision."""
CLOSEST = 1e-5
"""Smallest range of a dimension's or column's values, as a share of their size, that single precision resolves."""


def training_rows(
    space: Space, codes: CodesLike, values: Any, columns: Sequence[str], *, missing: bool = False
) -> tuple[Codes, Reals]:
    """Checked codes `(n, d)` and values `(n, m)` to fit a predictor on; failed runs are cut, see `ordinary`.

    Args:
        space: the space of the codes.
        codes: `(n, d)`.
        values: `(n, m)`; also `(n,)` for one column.
        columns: m names.
        missing: whether values may be missing (NaN).

    Raises:
        CodeError: a code outside the space.
        ConfigError: a space with values that are too close to each other.
        DataError: values of another shape, missing or infinite values, values out of the range of single precision,
            or too few rows.
    """
    _require_apart(space)
    rows, numbers = space.codes(codes), _numbers(values)
    if numbers.ndim == 1 and len(columns) == 1:
        numbers = numbers[:, None]
    if numbers.shape != (len(rows), len(columns)):
        raise DataError(
            f"Expected values of shape ({len(rows)}, {len(columns)}): a row per code, a column per name. "
            f"Got {numbers.shape}."
        )
    bad = np.isinf(numbers) if missing else ~np.isfinite(numbers)
    if bad.any():
        row, column = np.argwhere(bad)[0].tolist()
        if np.isnan(numbers[row, column]):
            raise DataError(
                f"Row {row} of {columns[column]} has no value. Leave out such rows; if few rows have a value of "
                "this column, use the kind transfer."
            )
        raise DataError(f"Row {row} of {columns[column]} is infinite. Leave out such rows.")
    if len(rows) < LEAST_ROWS:
        raise DataError(f"Expected at least {LEAST_ROWS} rows to fit a predictor on. Got {len(rows)}.")
    numbers = ordinary(numbers)
    for name, column in zip(columns, numbers.T, strict=True):
        _require_single_precision(name, column[~np.isnan(column)])
    return rows, numbers


def _numbers(values: Any) -> Reals:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"Expected a number in every row and column of the values. Got: {error}.") from None


def _require_apart(space: Space) -> None:
    for dim in space.dimensions:
        values = np.array(dim.values, dtype=np.float64)
        same = (np.diff(values.astype(np.float32)) == 0).any()
        if isinstance(dim, Ordinal) and (same or np.ptp(values) < CLOSEST * np.abs(values).max()):
            raise ConfigError(
                f"The values of {dim.name}, from {dim.values[0]} to {dim.values[-1]}, are too close to each other: "
                "predictors compute in single precision. Count them from 0, or use a larger unit."
            )


def _require_single_precision(name: str, values: Reals) -> None:
    """Refuse a column whose values single precision cannot tell apart."""
    if not len(values):
        return
    size = float(np.abs(values).max())
    if size > LARGEST:
        raise DataError(
            f"{name} has values as large as {size:.3g}: predictors compute in single precision. Use a larger unit."
        )
    extent = float(np.ptp(values))
    if extent <= ROUNDING * size:
        return
    if extent < SMALLEST:
        raise DataError(
            f"{name} has values that differ by at most {extent:.3g}: predictors compute in single precision. "
            "Use a smaller unit."
        )
    if extent <= CLOSEST * size:
        raise DataError(
            f"{name} has values that differ by at most {extent:.3g} and are as large as {size:.10g}: predictors "
            "compute in single precision. Subtract a constant from them."
        )
