"""Names of columns, `task/metric`, and which columns a name from a user stands for.

A name stands for columns in one of two ways. Where data are selected, a task stands for all its columns: `columns_of`.
Where one number per name is needed, as in an objective, a task stands for its first column: `first_of`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from ncp.errors import DataError, quoted
from ncp.numbers import as_items


def task_of(column: str) -> str:
    """The task of a column: its name up to the first '/'.

    >>> task_of("seg/mIoU")
    'seg'
    """
    return column.partition("/")[0]


def metric_of(column: str) -> str:
    """The metric of a column: its name after the first '/', or the whole name if there is none.

    >>> metric_of("seg/mIoU")
    'mIoU'
    """
    task, slash, metric = column.partition("/")
    return metric if slash else task


def tasks_of(columns: Iterable[str]) -> tuple[str, ...]:
    """The tasks of the columns, each once, in order."""
    return tuple(dict.fromkeys(map(task_of, columns)))


def columns_of(name: str, columns: Sequence[str]) -> list[str]:
    """All columns that a name stands for: the column of that name, or every column of that task or else that metric.

    >>> columns_of("seg", ["seg/mIoU", "seg/mAcc", "video/top1"])
    ['seg/mIoU', 'seg/mAcc']
    """
    if name in columns:
        return [name]
    of_task = [column for column in columns if task_of(column) == name]
    return of_task or [column for column in columns if metric_of(column) == name]


def first_of(name: str, columns: Sequence[str]) -> str | None:
    """The one column that a name stands for, or None for an unknown name.

    The name is that of a column, or of a task for its first column, or of a metric that only one column has.

    >>> first_of("seg", ["seg/mIoU", "seg/mAcc", "video/top1"])
    'seg/mIoU'
    >>> first_of("top1", ["seg/mIoU", "seg/mAcc", "video/top1"])
    'video/top1'
    """
    return name if name in columns else _short_names(tuple(columns)).get(name)


def spelling(name: str, columns: Sequence[str]) -> str:
    """A hint for an unknown name: the closest known name, or else the first columns.

    >>> spelling("sge", ["seg/mIoU", "video/top1"])
    "Did you mean 'seg'?"
    """
    folded = {each.casefold(): each for each in reversed([*columns, *_short_names(tuple(columns))])}
    close = get_close_matches(name.casefold(), folded, n=1)
    return f"Did you mean {quoted(folded[close[0]])}?" if close else f"There are {_first_few(columns)}."


@lru_cache(maxsize=32)
def _short_names(columns: tuple[str, ...]) -> dict[str, str]:
    """Columns by the names of their tasks and metrics, as `first_of` reads them."""
    metrics = Counter(map(metric_of, columns))
    tasks = {task_of(column): column for column in reversed(columns)}
    return {metric_of(column): column for column in columns if metrics[metric_of(column)] == 1} | tasks


def _first_few(columns: Sequence[str], most: int = 12) -> str:
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    return ", ".join(columns[:most]) + more


def column_names(columns: Any) -> tuple[str, ...]:
    """Column names as a tuple.

    >>> column_names(["seg/mIoU", "video/top1"])
    ('seg/mIoU', 'video/top1')

    Raises:
        DataError: a text instead of a list, a name that is empty or not a text, or one that appears twice.
    """
    if isinstance(columns, str):
        raise DataError(f"Expected a list of column names. Got the text {quoted(columns)}. Write [{quoted(columns)}].")
    try:
        names = tuple(columns)
    except TypeError:
        raise DataError(f"Expected a list of column names. Got {quoted(columns)}.") from None
    if not all(isinstance(name, str) and name for name in names):
        raise DataError(f"Expected texts as column names, such as 'seg/mIoU'. Got {quoted(names)}.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"Expected different column names. Got {quoted(twice[0])} twice.")
    return names


def minimised_names(minimised: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """The columns in which lower is better, in the order of `columns`.

    Raises:
        ConfigError: `minimised` is not a list.
        DataError: a name that is not among the columns.
    """
    known, given = set(columns), as_items(minimised, "minimised", "names of columns")
    unknown = [name for name in given if not isinstance(name, str) or name not in known]
    if unknown:
        raise DataError(f"Expected minimised columns among {', '.join(columns)}. Got {quoted(unknown[0])}.")
    wanted = set(given)
    return tuple(name for name in columns if name in wanted)
