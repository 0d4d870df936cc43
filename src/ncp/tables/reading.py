"""Read codes and their values from a file of named columns, and say of every row that is not good what is wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.errors import CodeError, ConfigError, DataError, quoted
from ncp.io.tabular import TEXTS, Bad, Columns, Limits, read_columns
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Categorical, Ordinal, Space

__all__ = ["Limits", "Read", "read_rows"]

SHOWN = 5
"""Most problems that a message shows."""

DEFAULT = Limits()


@dataclass(frozen=True, eq=False)
class Read:
    """What a file holds.

    Attributes:
        codes: `(n, d)`, each once.
        values: `(n, m)`, in raw units; NaN where one is missing and may be.
        columns: m names.
        texts: `origin` and `flags` `(n,)`, None where there is no such column.
        code_columns: where the code stands in the file, in the order of the space.
        rows: how many the file has.
        left_out: how many of them are not here, by reason.
    """

    codes: Codes
    values: Reals
    columns: tuple[str, ...]
    texts: tuple[list[str] | None, list[str] | None]
    code_columns: tuple[str, ...]
    rows: int
    left_out: dict[str, int]


class _Findings:
    """Problems of `n` rows: why each row is bad (its first reason, or an empty text), and the first few to show."""

    def __init__(self, n: int) -> None:
        self.reason: NDArray[Any] = np.full(n, "", dtype=object)
        self.count = 0
        self.first: list[tuple[int, int, str]] = []

    def add(self, place: int, column: str, found: Sequence[tuple[int, Bad]]) -> None:
        """Note what is wrong in the `place`-th column that is read, in rows of rising number."""
        where = f", column {column}" if column else ""
        self.first += [(row, place, f"row {row + 1}{where}: {bad.message}") for row, bad in found[:SHOWN]]
        self.count += len(found)
        for row, bad in found:
            self.reason[row] = self.reason[row] or bad.reason


def read_rows(
    path: Path,
    space: Space,
    code_columns: str | Sequence[str],
    values: str | Sequence[str] | Mapping[str, str] | None,
    *,
    missing: bool = False,
    drop_bad: bool = False,
    limits: Limits = DEFAULT,
) -> Read:
    """Read a file of comma-separated values (`.gz`: packed), or of parquet.

    Args:
        path: the file, with a header.
        space: what the codes belong to; choices stand in the file by their name or their index.
        code_columns: names of the columns of the code in the order of the space, a pattern such as `edge*`, or the
            one column of text that holds it whole, as `Space.code` reads it.
        values: names of the columns of values, or a mapping from them to the names that they get; None for all that
            are left.
        missing: whether a value may be missing.
        drop_bad: leave rows out that are not good.
        limits: what the file may hold at most. A larger one is refused before it fills memory.

    Raises:
        DataError: a file that cannot be read or exceeds the limits, a column that is missing, or rows that are not
            good.
    """
    file = read_columns(path, limits)
    names = _code_columns(path, file.names, space, code_columns)
    renamed = _value_columns(path, file.names, names, values)
    findings = _Findings(file.rows)
    findings.add(0, "", list(file.broken.items()))
    codes = _codes(file, space, names, findings)
    numbers = np.empty((file.rows, len(renamed)))
    for place, name in enumerate(renamed):
        read = _value_or_nan if missing else _value
        numbers[:, place] = _converted(file, name, len(names) + place + 1, read, math.nan, findings)
        if values is None and not missing and np.isnan(numbers[:, place]).all():
            _require_a_number(path, file, name)
    _find_twice(codes, findings)
    good = findings.reason == ""
    if findings.count and not drop_bad:
        raise _bad_rows(path, findings, "")
    if not good.any():
        raise _bad_rows(path, findings, "\nNo row is left.")
    kept = np.flatnonzero(good)
    texts = [_texts(file.cells(name), kept) if name in file.names else None for name in TEXTS]
    return Read(
        codes[kept],
        numbers[kept],
        tuple(renamed.values()),
        (texts[0], texts[1]),
        tuple(names),
        file.rows,
        dict(Counter(findings.reason[~good].tolist())),
    )


def _value_columns(
    path: Path, header: list[str], codes: list[str], given: str | Sequence[str] | Mapping[str, str] | None
) -> dict[str, str]:
    """The columns of values by their names in the file, and what they are called in the table."""
    taken = {*codes, *TEXTS}
    wanted: Any = [name for name in header if name not in taken] if given is None else given
    wanted = [wanted] if isinstance(wanted, str) else wanted
    renamed = wanted if isinstance(wanted, Mapping) else {name: name for name in _texts_in("values", wanted)}
    _texts_in("values", [*renamed, *renamed.values()])
    known = set(header)
    absent = [name for name in [*codes, *renamed] if name not in known]
    if absent:
        raise _no_column(path, absent[0], header, "codes" if absent[0] in codes else "values")
    if not renamed:
        raise DataError(f"{path} has no column of values, only {quoted(header)}. Add what was measured.")
    if len(renamed) < len(wanted):
        raise DataError("{field} must name every column once. Got {given}.", field="values", given=list(wanted))
    return dict(renamed)


def _no_column(path: Path, name: Any, header: list[str], field: str) -> DataError:
    return DataError(
        "{path} has no column {given}. Its columns are {columns}. Rename them, or name others: {codes}, {values}.",
        field=field,
        given=name,
        path=str(path),
        columns=quoted(header),
    )


def _texts_in(field: str, given: Any) -> list[str]:
    """A list of names."""
    if isinstance(given, Iterable):
        names = list(given)
        if all(isinstance(name, str) for name in names):
            return names
    raise ConfigError("{field} must be names of columns. Got {given}.", field=field, given=given)


def _require_a_number(path: Path, file: Columns, name: str) -> None:
    """Refuse a column of which nobody said that it holds values, and which holds none."""
    cells = [cell for row, cell in enumerate(file.cells(name)) if row not in file.broken]
    if cells:
        text = next((quoted(cell) for cell in cells if not _empty(cell)), "empty")
        raise DataError(
            "Column {column} of {path} holds no number: its first cell is {text}. Write numbers as 5.0. If it holds no "
            "values, name the columns that do with {field}.",
            field="values",
            column=quoted(name),
            path=str(path),
            text=text,
        )


def _code_columns(path: Path, header: list[str], space: Space, given: str | Sequence[str]) -> list[str]:
    names = (
        [name for name in header if fnmatchcase(name, given)] if isinstance(given, str) else _texts_in("codes", given)
    )
    if isinstance(given, str) and given in header:
        names = [given]
    if len(names) == len(space) and set(names) == set(space.names):
        return list(space.names) if isinstance(given, str) else names
    if not names:
        raise _no_column(path, given, header, "codes")
    whole = len(names) == 1 and (names[0] == given or not isinstance(given, str))
    if (len(names) != len(space) and not whole) or len(set(names)) < len(names):
        raise DataError(f"Expected {len(space)} columns of the code in {path}. Got {len(names)}: {quoted(names)}.")
    return names


def _codes(file: Columns, space: Space, names: Sequence[str], findings: _Findings) -> Codes:
    """The codes `(rows, d)`; anything where a row is bad."""
    codes = np.empty((file.rows, len(space)), dtype=np.int64)
    if len(names) == len(space):
        for place, (dim, name) in enumerate(zip(space.dimensions, names, strict=True)):
            codes[:, place] = _converted(file, name, place + 1, _level_of(dim), dim.values[0], findings)
    else:
        blank = tuple(dim.values[0] for dim in space.dimensions)
        codes[:] = _converted(file, names[0], 1, _whole_of(space), blank, findings)
    return codes


def _converted(
    file: Columns, name: str, place: int, read: Callable[[Any], Any], blank: Any, findings: _Findings
) -> list[Any]:
    """A column's cells as `read` reads them, each different one once, and `blank` where it cannot."""
    cells = file.cells(name)
    known = {cell: read(cell) for cell in set(cells)}
    bad = {cell: found for cell, found in known.items() if isinstance(found, Bad)}
    if bad:
        found = [(row, bad[cell]) for row, cell in enumerate(cells) if cell in bad and row not in file.broken]
        findings.add(place, name, found)
        known |= dict.fromkeys(bad, blank)
    return [known[cell] for cell in cells]


def _value(cell: Any) -> float | Bad:
    number = _value_or_nan(cell)
    if isinstance(number, float) and math.isnan(number):
        return Bad("a value is missing", "Expected a number. Got none.")
    return number


def _value_or_nan(cell: Any) -> float | Bad:
    try:
        number = math.nan if _empty(cell) else float(cell)
    except (ValueError, OverflowError):
        number = math.inf
    if math.isinf(number) or (isinstance(cell, str) and "_" in cell):
        return Bad("a value is no number", f"Expected a finite number. Got {quoted(cell)}.")
    return number


def _level_of(dim: Ordinal | Categorical) -> Callable[[Any], int | Bad]:
    """What reads a cell as a value of a dimension: a choice by its name, or the number that its name is.

    A choice's index is read only where no choice looks like a number.
    """
    names: dict[Any, int] = {}
    if isinstance(dim, Categorical):
        names = {name: place for place, name in enumerate(dim.choices)}
        bare = Counter(map(str.strip, dim.choices))
        names |= {text: names[name] for name in dim.choices if bare[text := name.strip()] == 1}
    read = [(_value(name), place) for name, place in names.items()]
    numbers = [(number, place) for number, place in read if isinstance(number, float)]
    by_number = dict(numbers or ((float(v), v) for v in dim.values))
    if len(by_number) < len(numbers):
        by_number = {}
    allowed = dim.choices if isinstance(dim, Categorical) else dim.values

    def level(cell: Any) -> int | Bad:
        text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
        for key in (text, text.strip()):
            if key in names:
                return names[key]
        number = _value_or_nan(cell)
        if isinstance(number, float) and number in by_number:
            return by_number[number]
        shown = ", ".join(map(str, allowed)) if len(allowed) <= 20 else f"{allowed[0]} to {allowed[-1]}"
        if _empty(cell):
            return Bad("a code is missing", f"Expected one of {shown}. Got none.")
        return Bad("a code is outside the space", f"Expected one of {shown}. Got {quoted(cell)}.")

    return level


def _whole_of(space: Space) -> Callable[[Any], tuple[int, ...] | Bad]:
    """What reads a cell that holds the whole code."""

    def whole(cell: Any) -> tuple[int, ...] | Bad:
        if _empty(cell):
            return Bad("a code is missing", "Expected a code. Got none.")
        try:
            if not isinstance(cell, str):
                raise CodeError(f"Expected a code's text. Got {quoted(cell)}. Keep digits as text: a leading 0 counts.")
            return tuple(space.code(cell).tolist())
        except CodeError as error:
            return Bad("a code is outside the space", str(error))

    return whole


def _empty(cell: Any) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _find_twice(codes: Codes, findings: _Findings) -> None:
    """Of good rows with the same code all but the first are bad."""
    seen: dict[bytes, int] = {}
    found = []
    for row in np.flatnonzero(findings.reason == "").tolist():
        first = seen.setdefault(codes[row].tobytes(), row)
        if first != row:
            found.append(
                (row, Bad("a code stands there twice", f"Expected each code once. Got that of row {first + 1}."))
            )
    findings.add(1 << 30, "", found)


def _bad_rows(path: Path, findings: _Findings, end: str) -> DataError:
    """What is wrong with a file's rows."""
    bad = int((findings.reason != "").sum())
    problems = "1 problem" if findings.count == 1 else f"{findings.count} problems"
    lines = [text for _, _, text in sorted(findings.first)[:SHOWN]]
    if findings.count > SHOWN:
        lines.append(f"and {findings.count - SHOWN} more.")
    return DataError(
        "{rows} of {path} cannot be read ({problems}). Correct them, or leave them out with {field}.{lines}",
        field="drop_bad",
        rows=f"{bad} of {len(findings.reason)} rows",
        path=str(path),
        problems=problems,
        lines="".join(f"\n  {line}" for line in lines) + end,
    )


def _texts(cells: Sequence[Any], rows: NDArray[np.int64]) -> list[str]:
    return ["" if cells[row] is None else str(cells[row]) for row in rows.tolist()]
