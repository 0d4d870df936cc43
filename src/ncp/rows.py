"""Read codes and their values from a file of named columns, and say of every row that is not good what is wrong."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncp.errors import CodeError, DataError, quoted
from ncp.space import Categorical, Codes, Ordinal, Reals, Space
from ncp.texts import read_code

TEXTS = ("origin", "flags")
"""Columns of these names are neither codes nor values."""

SHOWN = 5
"""So many problems stand in a message."""

_NAME = "Rename the file's columns, or name others: --codes and --values (in Python codes=.. and values=..)"


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


class _Bad(NamedTuple):
    """Why a cell cannot be read: its kind, and a message."""

    reason: str
    message: str


@dataclass
class _File:
    """Names of columns, what gives a column's cells, and rows that are no rows (and why), whose cells are empty."""

    names: list[str]
    cells: Callable[[str], list[Any]]
    rows: int
    broken: dict[int, _Bad] = field(default_factory=dict)


class _Findings:
    """Problems of `n` rows: why each row is bad (its first reason, or an empty text), and the first few to show."""

    def __init__(self, n: int) -> None:
        self.reason: NDArray[Any] = np.full(n, "", dtype=object)
        self.count = 0
        self.first: list[tuple[int, int, str]] = []

    def add(self, place: int, column: str, found: Sequence[tuple[int, _Bad]]) -> None:
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
    values: Sequence[str] | Mapping[str, str] | None,
    *,
    missing: bool = False,
    drop_bad: bool = False,
) -> Read:
    """Read a file of comma-separated values (`.gz`: packed), or of parquet.

    Args:
        path: the file, with a header.
        space: what the codes belong to; choices stand in the file by their name or their index.
        code_columns: names of the columns of the code in the order of the space, a pattern such as `edge*`, or the
            one column of text that holds it whole, as `ncp.texts.read_code` reads it.
        values: names of the columns of values, or a mapping from them to the names that they get; None for all that
            are left.
        missing: whether a value may be missing.
        drop_bad: leave rows out that are not good.

    Raises:
        DataError: a file that cannot be read, a column that is missing, or rows that are not good.
    """
    file = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    names = _code_columns(path, file.names, space, code_columns)
    left = [name for name in file.names if name not in names and name not in TEXTS]
    wanted = left if values is None else values
    renamed = dict(wanted) if isinstance(wanted, Mapping) else {name: name for name in wanted}
    absent = [name for name in [*names, *renamed] if name not in file.names]
    if absent:
        raise DataError(f"Expected a column {quoted(absent[0])} in {path}. Got {quoted(file.names)}. {_NAME}.")
    if not renamed:
        raise DataError(f"Expected a column of values in {path}. Got only {quoted(file.names)}. Add what was measured.")
    if len(renamed) < len(wanted):
        raise DataError(f"Expected every column of values once. Got {quoted(list(wanted))}.")
    findings = _Findings(file.rows)
    findings.add(0, "", list(file.broken.items()))
    codes = _codes(file, space, names, findings)
    numbers = np.empty((file.rows, len(renamed)))
    for place, name in enumerate(renamed):
        read = _value_or_nan if missing else _value
        numbers[:, place] = _converted(file, name, len(names) + place + 1, read, math.nan, findings)
        if values is None and not missing and np.isnan(numbers[:, place]).all():
            raise DataError(
                f"Expected numbers in column {quoted(name)} of {path}. Got none. Name the columns of values alone: "
                "--values (in Python values=[..])."
            )
    _find_twice(codes, findings)
    good = findings.reason == ""
    if findings.count and not drop_bad:
        raise DataError(_told(path, findings))
    if not good.any():
        raise DataError(f"{_told(path, findings)} None of its rows is good.")
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


def _read_csv(path: Path) -> _File:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    read: list[list[str]] = []
    try:
        with opened(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            read.extend(line for line in csv.reader(file, strict=True) if line)
    except csv.Error as error:
        raise DataError(
            f"Expected comma-separated values in {path}. Got: {error} in row {len(read)}. Close every quote there."
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        damaged = isinstance(error, EOFError | zlib.error | gzip.BadGzipFile)
        how = "Pack it again" if damaged else "Correct the path of the file, or let it be read"
        raise DataError(f"Expected comma-separated values in {path}. Got: {error}. {how}.") from error
    header, *lines = read or [[]]
    header = [name.strip() for name in header]
    if any(map(_garbled, header)):
        raise DataError(
            f"Expected comma-separated values in UTF-8 in {path}. Got the header {quoted(header)}. Save it as csv in "
            "UTF-8, or as parquet."
        )
    if not lines or len(set(header)) < len(header):
        raise DataError(
            f"Expected a header of different names and rows below it in {path}. Got {quoted(header)}. "
            "Give every column a name of its own, and save it as csv with commas."
        )
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise DataError(f"Expected names separated by commas in {path}. Got {quoted(header[0])}. Save it with commas.")
    broken = {row: bad for row, line in enumerate(lines) if (bad := _broken(header, line))}
    for row in broken:
        lines[row] = [""] * len(header)
    columns = dict(zip(header, map(list, zip(*lines, strict=True)), strict=True))
    return _File(header, columns.__getitem__, len(lines), broken)


def _broken(header: list[str], line: list[str]) -> _Bad | None:
    """Why a line is no row."""
    if len(line) != len(header):
        return _Bad("too few or many cells", f"Expected {len(header)} cells. Got {len(line)}.")
    if _garbled("".join(line)):
        name, cell = next((name, cell) for name, cell in zip(header, line, strict=True) if _garbled(cell))
        return _Bad("text is not in UTF-8", f"Expected UTF-8 in column {name}. Got {quoted(cell)}.")
    return None


def _garbled(text: str) -> bool:
    """Whether bytes that are not UTF-8 stand in it, each as a surrogate."""
    return not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text)


def _read_parquet(path: Path) -> _File:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            read = pq.ParquetFile(file).read()
        names = read.column_names
        if not len(read) or len(set(names)) < len(names):
            raise DataError(f"Expected columns of different names and rows in {path}. Got {quoted(names)}.")
        return _File(names, lambda name: _plain(read[name]), len(read))
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        how = "Save it as parquet again, or as csv" if path.is_file() else "Correct the path of the file"
        raise DataError(f"Expected a parquet file in {path}. Got: {error}. {how}.") from error


def _plain(column: Any) -> list[Any]:
    """An arrow column's cells: texts, numbers, or None; anything else by its text."""
    import pyarrow.types as kinds

    cells: list[Any] = column.to_pylist()
    if kinds.is_integer(column.type) or kinds.is_floating(column.type):
        return cells
    return [None if cell is None else str(cell) for cell in cells]


def _code_columns(path: Path, header: list[str], space: Space, given: str | Sequence[str]) -> list[str]:
    names = [name for name in header if fnmatchcase(name, given)] if isinstance(given, str) else list(given)
    if isinstance(given, str) and given in header:
        names = [given]
    if len(names) == len(space) and set(names) == set(space.names):
        return list(space.names) if isinstance(given, str) else names
    if not names:
        raise DataError(f"Expected a column {quoted(given)} in {path}. Got {quoted(header)}. {_NAME}.")
    whole = len(names) == 1 and (names[0] == given or not isinstance(given, str))
    if (len(names) != len(space) and not whole) or len(set(names)) < len(names):
        raise DataError(f"Expected {len(space)} columns of the code in {path}. Got {len(names)}: {quoted(names)}.")
    return names


def _codes(file: _File, space: Space, names: Sequence[str], findings: _Findings) -> Codes:
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
    file: _File, name: str, place: int, read: Callable[[Any], Any], blank: Any, findings: _Findings
) -> list[Any]:
    """A column's cells as `read` reads them, each different one once, and `blank` where it cannot."""
    cells = file.cells(name)
    known = {cell: read(cell) for cell in set(cells)}
    bad = {cell: found for cell, found in known.items() if isinstance(found, _Bad)}
    if bad:
        found = [(row, bad[cell]) for row, cell in enumerate(cells) if cell in bad and row not in file.broken]
        findings.add(place, name, found)
        known |= dict.fromkeys(bad, blank)
    return [known[cell] for cell in cells]


def _value(cell: Any) -> float | _Bad:
    number = _value_or_nan(cell)
    if isinstance(number, float) and math.isnan(number):
        return _Bad("a value is missing", "Expected a number. Got none.")
    return number


def _value_or_nan(cell: Any) -> float | _Bad:
    try:
        number = math.nan if _empty(cell) else float(cell)
    except (ValueError, OverflowError):
        number = math.inf
    if math.isinf(number) or (isinstance(cell, str) and "_" in cell):
        return _Bad("a value is no number", f"Expected a finite number. Got {quoted(cell)}.")
    return number


def _level_of(dim: Ordinal | Categorical) -> Callable[[Any], int | _Bad]:
    """What reads a cell as a value of a dimension: a choice by its name, or the number that its name is.

    A choice's index is read only where no choice looks like a number.
    """
    names: dict[Any, int] = {}
    if isinstance(dim, Categorical):
        names = {name: place for place, name in enumerate(dim.choices)}
    read = [(_value(name), place) for name, place in names.items()]
    numbers = [(number, place) for number, place in read if isinstance(number, float)]
    by_number = dict(numbers or ((float(v), v) for v in dim.values))
    if len(by_number) < len(numbers):
        by_number = {}
    allowed = names or dim.values

    def level(cell: Any) -> int | _Bad:
        text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
        for key in (text, text.strip()):
            if key in names:
                return names[key]
        number = _value_or_nan(cell)
        if isinstance(number, float) and number in by_number:
            return by_number[number]
        shown = ", ".join(map(str, allowed)) if len(allowed) <= 20 else f"{dim.values[0]} to {dim.values[-1]}"
        if _empty(cell):
            return _Bad("a code is missing", f"Expected one of {shown}. Got none.")
        return _Bad("a code is outside the space", f"Expected one of {shown}. Got {quoted(cell)}.")

    return level


def _whole_of(space: Space) -> Callable[[Any], tuple[int, ...] | _Bad]:
    """What reads a cell that holds the whole code."""

    def whole(cell: Any) -> tuple[int, ...] | _Bad:
        if _empty(cell):
            return _Bad("a code is missing", "Expected a code. Got none.")
        try:
            return read_code(space, cell)
        except CodeError as error:
            return _Bad("a code is outside the space", str(error))

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
                (row, _Bad("a code stands there twice", f"Expected each code once. Got that of row {first + 1}."))
            )
    findings.add(1 << 30, "", found)


def _told(path: Path, findings: _Findings) -> str:
    """What is wrong with a file's rows."""
    bad = int((findings.reason != "").sum())
    count = f"{findings.count} problem{'s' * (findings.count > 1)} in {bad} of {len(findings.reason)}"
    lines = [text for _, _, text in sorted(findings.first)[:SHOWN]]
    more = findings.count - len(lines)
    lines += [f"and {more} more."] if more else []
    return "\n  ".join(
        [
            f"Expected good rows in {path}. Got {count}. Correct them, or leave such rows out: --drop-bad "
            "(in Python drop_bad=True).",
            *lines,
        ]
    )


def _texts(cells: Sequence[Any], rows: NDArray[np.int64]) -> list[str]:
    return ["" if cells[row] is None else str(cells[row]) for row in rows.tolist()]
