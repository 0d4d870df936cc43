"""Read codes and measured values from a csv or parquet file, and report every row that cannot be used."""

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
from ncp.io.tabular import TEXT_COLUMNS, Columns, Defect, Limits, read_columns
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.dimensions import Categorical, Ordinal, allowed_text
from ncp.spaces.space import Space

SHOWN = 5
"""The number of problems that a message lists."""

DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class RawTable:
    """The usable rows of a file; `Table.from_raw` makes a table of them.

    Attributes:
        space: the space of the codes.
        codes: `(n, d)`, each code once.
        values: `(n, m)`, in raw units; NaN for a missing value.
        columns: the m names of the values.
        origin: `(n,)`, None if the file has no such column.
        flags: `(n,)`, None if the file has no such column.
        code_columns: the columns of the file that hold the code, in the order of the space.
        rows_in_file: the number of rows in the file.
        left_out: the number of rows that are not here, by reason.
    """

    space: Space
    codes: Codes
    values: Reals
    columns: tuple[str, ...]
    origin: list[str] | None
    flags: list[str] | None
    code_columns: tuple[str, ...]
    rows_in_file: int
    left_out: dict[str, int]


class _Defects:
    """The defects of a file's rows: the first reason per row (empty for a good row), and the first few messages."""

    def __init__(self, rows: int) -> None:
        self.reason: NDArray[Any] = np.full(rows, "", dtype=object)
        self.count = 0
        self.first: list[tuple[int, int, str]] = []

    def add(self, order: int, column: str, found: Sequence[tuple[int, Defect]]) -> None:
        """Record defects of one column, by rising row; `order` sorts messages about the same row."""
        where = f", column {column}" if column else ""
        self.first += [(row, order, f"row {row + 1}{where}: {defect.message}") for row, defect in found[:SHOWN]]
        self.count += len(found)
        for row, defect in found:
            self.reason[row] = self.reason[row] or defect.reason

    def good_rows(self, path: Path, drop_bad: bool) -> NDArray[np.int64]:
        """The rows without a defect.

        Raises:
            DataError: bad rows, unless `drop_bad`; or no good row at all.
        """
        good = np.flatnonzero(self.reason == "")
        if self.count and not drop_bad:
            raise self._error(path, "")
        if not len(good):
            raise self._error(path, "\nNo row is left.")
        return good

    def _error(self, path: Path, end: str) -> DataError:
        bad = int((self.reason != "").sum())
        problems = "1 problem" if self.count == 1 else f"{self.count} problems"
        lines = [text for _, _, text in sorted(self.first)[:SHOWN]]
        if self.count > SHOWN:
            lines.append(f"and {self.count - SHOWN} more.")
        return DataError(
            "{rows} of {path} cannot be read ({problems}). Correct them, or leave them out with {field}.{lines}",
            field="drop_bad",
            rows=f"{bad} of {len(self.reason)} rows",
            path=str(path),
            problems=problems,
            lines="".join(f"\n  {line}" for line in lines) + end,
        )


def read_rows(
    path: Path,
    space: Space,
    codes: str | Sequence[str] | None,
    values: str | Sequence[str] | Mapping[str, str] | None,
    *,
    missing: bool = False,
    drop_bad: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    file: Columns | None = None,
) -> RawTable:
    """Read a csv file (also `.csv.gz`) or a parquet file; the arguments are those of `Table.read`.

    `file` has the columns of `path`, if they have been read already.

    Raises:
        DataError: a file that cannot be read or exceeds the limits, a missing column, or bad rows.
    """
    file = read_columns(path, limits) if file is None else file
    code_columns = _code_columns(path, file.names, space, space.names if codes is None else codes)
    renamed = _value_columns(path, file.names, code_columns, values)
    defects = _Defects(file.rows)
    defects.add(0, "", list(file.broken.items()))
    all_codes = _read_codes(file, space, code_columns, defects)
    all_values = np.empty((file.rows, len(renamed)))
    for place, name in enumerate(renamed):
        read = _value_or_nan if missing else _value
        numbers = _converted(file, name, len(code_columns) + place + 1, read, math.nan, defects)
        all_values[:, place] = numbers
        if values is None and not missing and np.isnan(all_values[:, place]).all():
            _refuse_text_column(path, file, name)
    _find_duplicates(all_codes, defects)
    kept = defects.good_rows(path, drop_bad)
    origin, flags = (_text_column(file, name, kept) for name in TEXT_COLUMNS)
    return RawTable(
        space=space,
        codes=all_codes[kept],
        values=all_values[kept],
        columns=tuple(renamed.values()),
        origin=origin,
        flags=flags,
        code_columns=tuple(code_columns),
        rows_in_file=file.rows,
        left_out=dict(Counter(reason for reason in defects.reason.tolist() if reason)),
    )


def _value_columns(
    path: Path, header: list[str], codes: list[str], given: str | Sequence[str] | Mapping[str, str] | None
) -> dict[str, str]:
    """The columns of values: their names in the file, and their names in the table."""
    taken = {*codes, *TEXT_COLUMNS}
    wanted: Any = [name for name in header if name not in taken] if given is None else given
    wanted = [wanted] if isinstance(wanted, str) else wanted
    renamed = wanted if isinstance(wanted, Mapping) else {name: name for name in _names("values", wanted)}
    _names("values", [*renamed, *renamed.values()])
    known = set(header)
    absent = [name for name in [*codes, *renamed] if name not in known]
    if absent:
        raise _no_column(path, absent[0], header, "codes" if absent[0] in codes else "values")
    if not renamed:
        raise DataError(f"{path} has no column of values, only {quoted(header)}. Add the measured values.")
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


def _names(field: str, given: Any) -> list[str]:
    if isinstance(given, Iterable):
        names = list(given)
        if all(isinstance(name, str) for name in names):
            return names
    raise ConfigError("{field} must be names of columns. Got {given}.", field=field, given=given)


def _refuse_text_column(path: Path, file: Columns, name: str) -> None:
    """Refuse a column without numbers that was taken for values because `values` was left out."""
    cells = [cell for row, cell in enumerate(file.cells(name)) if row not in file.broken]
    if cells:
        text = next((quoted(cell) for cell in cells if not _is_empty(cell)), "empty")
        raise DataError(
            "Column {column} of {path} holds no number: its first cell is {text}. Write numbers as 5.0. If it holds no "
            "values, name the columns that do with {field}.",
            field="values",
            column=quoted(name),
            path=str(path),
            text=text,
        )


def _code_columns(path: Path, header: list[str], space: Space, given: str | Sequence[str]) -> list[str]:
    """The columns of the code in the order of the space, or the one column that holds it as text."""
    if not isinstance(given, str):
        names = _names("codes", given)
    elif given in header:
        names = [given]
    else:
        names = [name for name in header if fnmatchcase(name, given)]
    if len(names) == len(space) and set(names) == set(space.names):
        return list(space.names) if isinstance(given, str) else names
    if not names:
        raise _no_column(path, given, header, "codes")
    whole = len(names) == 1 and (names[0] == given or not isinstance(given, str))
    if (len(names) != len(space) and not whole) or len(set(names)) < len(names):
        raise DataError(f"Expected {len(space)} columns of the code in {path}. Got {len(names)}: {quoted(names)}.")
    return names


def _read_codes(file: Columns, space: Space, names: Sequence[str], defects: _Defects) -> Codes:
    """The codes `(rows, d)`; a bad row holds the first value of each dimension."""
    codes = np.empty((file.rows, len(space)), dtype=np.int64)
    if len(names) == len(space):
        for place, (dim, name) in enumerate(zip(space.dimensions, names, strict=True)):
            codes[:, place] = _converted(file, name, place + 1, _reader_of(dim), dim.values[0], defects)
    else:
        blank = tuple(dim.values[0] for dim in space.dimensions)
        codes[:] = _converted(file, names[0], 1, _reader_of_whole_codes(space), blank, defects)
    return codes


def _converted(
    file: Columns, name: str, order: int, read: Callable[[Any], Any], blank: Any, defects: _Defects
) -> list[Any]:
    """The cells of a column, each distinct one converted once by `read`; `blank` for a defect."""
    cells = file.cells(name)
    converted = {cell: read(cell) for cell in set(cells)}
    bad = {cell: result for cell, result in converted.items() if isinstance(result, Defect)}
    if bad:
        found = [(row, bad[cell]) for row, cell in enumerate(cells) if cell in bad and row not in file.broken]
        defects.add(order, name, found)
        converted |= dict.fromkeys(bad, blank)
    return [converted[cell] for cell in cells]


def _value(cell: Any) -> float | Defect:
    number = _value_or_nan(cell)
    if isinstance(number, float) and math.isnan(number):
        return Defect("a value is missing", "The value is missing.")
    return number


def _value_or_nan(cell: Any) -> float | Defect:
    try:
        number = math.nan if _is_empty(cell) else float(cell)
    except (ValueError, OverflowError):
        number = math.inf
    if math.isinf(number) or (isinstance(cell, str) and "_" in cell):
        return Defect("a value is not a number", f"Expected a finite number. Got {quoted(cell)}.")
    return number


def _reader_of(dim: Ordinal | Categorical) -> Callable[[Any], int | Defect]:
    """A function that reads a cell as a value of a dimension.

    A choice is read by its name, or by the number that its name spells. Its index is read only if no choice of the
    dimension looks like a number.
    """
    names: dict[Any, int] = {}
    if isinstance(dim, Categorical):
        names = {name: place for place, name in enumerate(dim.choices)}
        count = Counter(name.strip() for name in dim.choices)
        names |= {name.strip(): place for name, place in names.items() if count[name.strip()] == 1}
    read = [(_value(name), place) for name, place in names.items()]
    numbers = [(number, place) for number, place in read if isinstance(number, float)]
    by_number = dict(numbers or ((float(value), value) for value in dim.values))
    if len(by_number) < len(numbers):  # two names spell one number
        by_number = {}
    shown = allowed_text(dim)

    def read_cell(cell: Any) -> int | Defect:
        text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
        for key in (text, text.strip()):
            if key in names:
                return names[key]
        number = _value_or_nan(cell)
        if isinstance(number, float) and number in by_number:
            return by_number[number]
        if _is_empty(cell):
            return Defect("a code is missing", f"The cell is empty. Expected one of {shown}.")
        return Defect("a code is outside the space", f"Expected one of {shown}. Got {quoted(cell)}.")

    return read_cell


def _reader_of_whole_codes(space: Space) -> Callable[[Any], tuple[int, ...] | Defect]:
    """A function that reads a cell as the text of a whole code."""

    def read_cell(cell: Any) -> tuple[int, ...] | Defect:
        if _is_empty(cell):
            return Defect("a code is missing", "The code is missing.")
        try:
            if not isinstance(cell, str):
                raise CodeError(f"Expected a code's text. Got {quoted(cell)}. Keep digits as text: a leading 0 counts.")
            return tuple(space.code(cell).tolist())
        except CodeError as error:
            return Defect("a code is outside the space", str(error))

    return read_cell


def _is_empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _find_duplicates(codes: Codes, defects: _Defects) -> None:
    """Record every good row whose code an earlier good row has."""
    seen: dict[bytes, int] = {}
    found = []
    for row in np.flatnonzero(defects.reason == "").tolist():
        first = seen.setdefault(codes[row].tobytes(), row)
        if first != row:
            found.append((row, Defect("a code repeats", f"The code is the same as that of row {first + 1}.")))
    last = 1 << 30
    defects.add(last, "", found)


def _text_column(file: Columns, name: str, rows: NDArray[np.int64]) -> list[str] | None:
    """The texts of a column in some rows, empty where a cell is; None if there is no such column."""
    if name not in file.names:
        return None
    cells = file.cells(name)
    return ["" if cells[row] is None else str(cells[row]) for row in rows.tolist()]
