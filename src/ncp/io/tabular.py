"""Read csv and parquet files by column, within limits that are checked before a file fills the memory."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from ncp.errors import DataError, quoted
from ncp.io.files import is_file

TEXT_COLUMNS = ("origin", "flags")
"""The names of columns that are neither codes nor values."""

LONGEST_ROW = 16 << 20
"""The longest row of a csv file [characters]."""

LONGEST_CELL = 1 << 17
"""The longest text in a parquet file [bytes]; in csv files, Python's limit is the same number of characters."""

_PARQUET = ("a parquet file", "Save it as parquet again, or as csv")
_INDEX = re.compile(r"__index_level_\d+__")  # pandas' name of an unnamed index


@dataclass(frozen=True)
class Limits:
    """The largest file that is read.

    Attributes:
        rows: the most rows.
        columns: the most columns in the file, whether they are read or not.
        bytes: the most bytes after unpacking; a number in a parquet file counts as 8.
    """

    rows: int = 5_000_000
    columns: int = 10_000
    bytes: int = 1 << 30

    def require_parquet(self, path: Path, about: Any) -> None:
        """Refuse a large parquet file by its metadata, before it is unpacked."""
        groups = (about.row_group(place).total_byte_size for place in range(about.num_row_groups))
        size = max(sum(groups), 8 * about.num_rows * about.num_columns)
        self.require(path, rows=about.num_rows, columns=about.num_columns, size=size)

    def require(self, path: Path, *, rows: int = 0, columns: int = 0, size: int = 0) -> None:
        """Refuse a file with more rows, columns or bytes.

        Raises:
            DataError: the file exceeds a limit.
        """
        for name, got, most in (
            ("rows", rows, self.rows),
            ("columns", columns, self.columns),
            ("bytes", size, self.bytes),
        ):
            if got > most:
                raise DataError(f"{path} has more than {most} {name}. Leave some out, or split the file.")


class Defect(NamedTuple):
    """Why a row or cell cannot be read: a reason by which rows are counted, and a message."""

    reason: str
    message: str


@dataclass
class Columns:
    """The columns of a file.

    Attributes:
        names: the distinct names of the columns.
        cells: returns the cells of a column by its name: texts, numbers, and None for an empty cell.
        rows: the number of rows.
        broken: the rows that cannot be split into cells, and why; their cells are empty texts.
    """

    names: list[str]
    cells: Callable[[str], list[Any]]
    rows: int
    broken: dict[int, Defect] = field(default_factory=dict)


def read_columns(path: Path, limits: Limits) -> Columns:
    """Read a csv file (also `.csv.gz`) with a header, or a parquet file.

    An unnamed index that pandas wrote is left out, and so are unnamed empty columns.

    Raises:
        DataError: the file cannot be read or exceeds the limits, or its columns have missing or repeated names.
    """
    return _read_parquet(path, limits) if path.suffix.lower() == ".parquet" else _read_csv(path, limits)


def _read_csv(path: Path, limits: Limits) -> Columns:
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    rows: list[list[str]] = []
    broken: dict[int, Defect] = {}
    header: list[str] = []
    try:
        with opened(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = (line for line in csv.reader(_lines(file, path, limits), strict=True) if line)
            header = _header(path, next(lines, []), limits)
            for row, line in enumerate(lines):
                limits.require(path, rows=row + 1)
                bad = _broken(header, line)
                if bad:
                    broken[row] = bad
                rows.append([""] * len(header) if bad else line)
    except csv.Error as error:
        where = f"row {len(rows) + 1}" if header else "the header"
        raise DataError(f"{path} is not a csv file: {error} in {where}. Close every quote.") from error
    except (OSError, EOFError, zlib.error) as error:
        damaged = isinstance(error, EOFError | zlib.error | gzip.BadGzipFile)
        how = "Pack it again" if damaged else "Correct the path of the file, or let it be read"
        raise DataError(f"Cannot read {path}: {_reason(error)}. {how}.") from error
    if not rows:
        raise DataError(f"{path} has no rows below its header {quoted(header)}.")
    cells = list(map(list, zip(*rows, strict=True)))
    named = {name: place for place, name in enumerate(header) if name}
    for place, name in enumerate(header):
        if not name and place and any(map(str.strip, cells[place])):  # the first is an unnamed index
            raise DataError(f"Column {place + 1} of {path} has no name. Give it one in the header.")
    return Columns(list(named), lambda name: cells[named[name]], len(rows), broken)


def _lines(file: IO[str], path: Path, limits: Limits) -> Iterator[str]:
    """The lines of a text, read within the limits."""
    size = 0
    while line := file.readline(LONGEST_ROW + 1):
        size += len(line)
        limits.require(path, size=size)
        if len(line) > LONGEST_ROW:
            raise DataError(f"{path} has a row of more than {LONGEST_ROW} characters. Save it as csv with line breaks.")
        yield line


def _header(path: Path, cells: list[str], limits: Limits) -> list[str]:
    limits.require(path, columns=len(cells))
    header = [name.strip() for name in cells]
    if any(map(_garbled, header)):
        raise DataError(
            f"The header {quoted(header)} of {path} is not in UTF-8. Save the file as csv in UTF-8, or as parquet."
        )
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise DataError(f"The header {quoted(header[0])} of {path} has no commas. Save the file as csv with commas.")
    _require_names(path, [name for name in header if name])
    return header


def _require_names(path: Path, names: list[str]) -> None:
    """Refuse a file without column names, or with a repeated one."""
    if not names:
        raise DataError(f"{path} has no header. Write the names of the columns into its first row.")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"{path} has two columns called {quoted(name)}. Give every column a name of its own.")
        seen.add(name)


def _broken(header: list[str], line: list[str]) -> Defect | None:
    """Why a line cannot be split into cells, if so."""
    if len(line) != len(header):
        return Defect("too few or many cells", f"{len(header)} cells expected, {len(line)} found.")
    if _garbled("".join(line)):
        name, cell = next((name, cell) for name, cell in zip(header, line, strict=True) if _garbled(cell))
        return Defect("text is not in UTF-8", f"Expected UTF-8 in column {name}. Got {quoted(cell)}.")
    return None


def _garbled(text: str) -> bool:
    """Whether a text contains surrogates, which stand for bytes that are not UTF-8."""
    return not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text)


def _read_parquet(path: Path, limits: Limits) -> Columns:
    """The columns of a parquet file; each is read on demand."""
    import pyarrow.parquet as pq

    with parquet_errors(path, *_PARQUET):
        schema = pq.read_schema(path)
        texts = [name for name, kind in zip(schema.names, schema.types, strict=True) if _is_text(kind)]
        file = pq.ParquetFile(path, read_dictionary=texts)
        limits.require_parquet(path, file.metadata)
        names = [name for name in schema.names if not _INDEX.fullmatch(name)]
        _require_names(path, names)
        rows = file.metadata.num_rows
        if not rows:
            raise DataError(f"{path} has no rows.")
    return Columns(names, lambda name: _cells(path, file, name, schema.field(name).type), rows)


def _cells(path: Path, file: Any, name: str, kind: Any) -> list[Any]:
    """The cells of a column of type `kind` in a parquet file."""
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    kind = kind.value_type if kinds.is_dictionary(kind) else kind
    is_number = kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_null(kind)
    if not (_is_text(kind) or is_number or kinds.is_decimal(kind) or kinds.is_boolean(kind)):
        raise DataError(
            f"Column {quoted(name)} of {path} has the type {quoted(str(kind))}, which is neither numbers nor texts. "
            "Leave it out, or save it as one of them."
        )
    cells: list[Any] = []
    with parquet_errors(path, *_PARQUET):
        for chunk in file.read(columns=[name]).column(name).chunks:
            if not _is_text(kind):
                cells += chunk.to_pylist()
                continue
            # many rows may share one long text, which must not be copied for each
            if (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0) > LONGEST_CELL:
                raise DataError(f"Column {quoted(name)} of {path} has a text of more than {LONGEST_CELL} bytes.")
            words = chunk.dictionary.to_pylist()
            cells += [None if index is None else words[index] for index in chunk.indices.to_pylist()]
        if len(cells) != file.metadata.num_rows:
            raise ValueError(f"{len(cells)} cells in column {quoted(name)} and {file.metadata.num_rows} rows")
    return cells if _is_text(kind) or is_number else [None if cell is None else str(cell) for cell in cells]


def _is_text(kind: Any) -> bool:
    import pyarrow.types as kinds

    kind = kind.value_type if kinds.is_dictionary(kind) else kind
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind))


@contextmanager
def parquet_errors(path: Path, kind: str, advice: str) -> Iterator[None]:
    """Turn errors of reading a parquet file into a DataError with some advice."""
    import pyarrow as pa

    damage = (pa.ArrowException, LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)
    try:
        path.open("rb").close()  # its messages are plainer than arrow's
        yield
    except DataError:
        raise
    except (OSError, *damage) as error:
        how = advice if is_file(path) else "Correct the path of the file"
        raise DataError(f"Cannot read {path} as {kind}: {_reason(error)}. {how}.") from error


def _reason(error: Exception) -> str:
    """The message of an error on one line, without the details that libraries add."""
    return quoted(str(getattr(error, "strerror", None) or error))[1:-1]
