"""Names of the columns of a table or predictor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ncp.errors import DataError, quoted
from ncp.numbers import as_items


def column_names(columns: Any) -> tuple[str, ...]:
    """Different names of columns as a tuple.

    >>> column_names(["seg/mIoU", "video/top1"])
    ('seg/mIoU', 'video/top1')

    Raises:
        DataError: one text instead of a list of them, an empty name, what is no text, or a name that comes twice.
    """
    if isinstance(columns, str):
        raise DataError(f"Expected a list of column names. Got the text {quoted(columns)}. Write [{quoted(columns)}].")
    try:
        names = tuple(columns)
    except TypeError:
        raise DataError(f"Expected a list of column names. Got {quoted(columns)}.") from None
    if not all(isinstance(name, str) and name for name in names):
        raise DataError(f"Expected columns named by texts, such as 'seg/mIoU'. Got {quoted(names)}.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"Expected different column names. Got {quoted(twice[0])} twice.")
    return names


def minimised_names(minimised: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Those of the columns in which small values are better, in the order of the columns.

    Raises:
        ConfigError: no list of names.
        DataError: a name that is not among the columns.
    """
    known, given = set(columns), as_items(minimised, "minimised", "names of columns")
    unknown = [name for name in given if not isinstance(name, str) or name not in known]
    if unknown:
        raise DataError(f"Expected minimised columns among {', '.join(columns)}. Got {quoted(unknown[0])}.")
    wanted = set(given)
    return tuple(name for name in columns if name in wanted)
