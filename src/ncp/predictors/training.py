"""The rows that a predictor is fitted on, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ncp.errors import ConfigError, DataError
from ncp.predictors.scale import ROUNDING, ordinary
from ncp.spaces.arrays import Codes, CodesLike, Reals
from ncp.spaces.dimensions import Ordinal
from ncp.spaces.space import Space

LEAST = 10
"""Fewer rows are not enough to fit a predictor."""
SMALLEST, LARGEST = 1e-30, 1e30
"""Differences and values beyond are too close to the bounds of single precision."""
CLOSEST = 1e-5
"""Values of a dimension or column that all lie within a smaller share of their size look alike in single precision."""


def training_rows(
    space: Space, codes: CodesLike, values: Any, columns: Sequence[str], *, missing: bool = False
) -> tuple[Codes, Reals]:
    """Codes `(n, d)` and values `(n, m)` to fit a predictor on; in the values failed runs are cut, see `ordinary`.

    Args:
        space: what the codes belong to.
        codes: `(n, d)`.
        values: `(n, m)`; also `(n,)` for one column.
        columns: m names.
        missing: whether NaN is allowed.

    Raises:
        CodeError: a code outside the space.
        ConfigError: a space with values that are too close to each other.
        DataError: values of another shape, missing or infinite values, values that single precision cannot hold,
            too few rows.
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
        got = "none" if np.isnan(numbers[row, column]) else "infinity"
        hint = " Leave such rows out, or, if few rows have one, choose the kind transfer." if got == "none" else ""
        raise DataError(
            f"Expected a value in every row and column to fit. Got {got} in row {row} of {columns[column]}.{hint}"
        )
    if len(rows) < LEAST:
        raise DataError(f"Expected at least {LEAST} rows to fit a predictor on. Got {len(rows)}.")
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
                "predictors compute in single precision. Count them from 0, or give them in a larger unit."
            )


def _require_single_precision(name: str, values: Reals) -> None:
    """Refuse a column that loses what it says when it is rounded to single precision."""
    if not len(values):
        return
    size = float(np.abs(values).max())
    if size > LARGEST:
        raise DataError(
            f"{name} has values as large as {size:.3g}: predictors compute in single precision. "
            "Give them in a larger unit."
        )
    spread = float(np.ptp(values))
    if spread <= ROUNDING * size:
        return
    if spread < SMALLEST:
        raise DataError(
            f"{name} has values that differ by at most {spread:.3g}: predictors compute in single precision. "
            "Give them in a smaller unit."
        )
    if spread <= CLOSEST * size:
        raise DataError(
            f"{name} has values that differ by at most {spread:.3g} and are as large as {size:.10g}: predictors "
            "compute in single precision. Subtract a constant from them."
        )
