"""A table of trained networks: codes, measured values, and an origin and flags per row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncp.errors import ConfigError, DataError, NotTabulatedError, quoted
from ncp.io.data_frames import data_frame
from ncp.io.files import as_path
from ncp.io.tabular import Limits
from ncp.numbers import as_items, as_number, as_seed, require_type
from ncp.spaces.arrays import Codes, CodesLike, Reals
from ncp.spaces.dimensions import Categorical
from ncp.spaces.space import Space, require_space
from ncp.tables.columns import column_names, columns_of, minimised_names, spelling, tasks_of
from ncp.tables.parquet import read_table, write_table
from ncp.tables.reading import DEFAULT_LIMITS, RawTable, read_rows

if TYPE_CHECKING:
    from pandas import DataFrame

Rows = NDArray[np.int64]
Texts = NDArray[np.str_]

NOT_SAMPLED = ("anchor", "searched")
"""Origins of rows that were chosen by hand or found by a search; predictors are not trained on them."""


@dataclass(frozen=True, eq=False)
class Table:
    """Codes and their measured values; immutable.

    >>> space = Space.from_dict({"c": [8, 16, 24, 32], "edge": ["none", "skip"]})
    >>> table = Table(space, [[8, 0], [32, 1]], [[71.5, 0.9], [74.0, float("nan")]], ["seg/mIoU", "video/top1"])
    >>> table.query([32, 1])
    {'seg/mIoU': 74.0, 'video/top1': nan}

    Args:
        space: the space of the codes.
        codes: `(n, d)`, each code once.
        values: `(n, m)`, in raw units; NaN where a network has no value.
        columns: m different names, `task/metric`.
        origin: the source of each row, `(n,)`; empty texts when left out.
        flags: names of peculiarities of each row, joined by commas, `(n,)`; empty texts when left out.
        minimised: the columns in which smaller values are better.

    Raises:
        CodeError: a code outside the space.
        DataError: shapes that do not fit, a repeated code or column, an infinite value, or an unknown minimised column.
    """

    space: Space
    codes: Codes
    values: Reals
    columns: tuple[str, ...]
    origin: Texts
    flags: Texts
    minimised: tuple[str, ...]

    def __init__(
        self,
        space: Space,
        codes: CodesLike,
        values: ArrayLike,
        columns: Sequence[str],
        origin: ArrayLike | None = None,
        flags: ArrayLike | None = None,
        minimised: Sequence[str] = (),
    ) -> None:
        require_space(space)
        rows = space.codes(codes).copy()
        texts = [
            np.full(len(rows), "") if given is None else np.asarray(given, dtype=np.str_).copy()
            for given in (origin, flags)
        ]
        try:
            numbers = np.asarray(values, dtype=np.float64).copy()
        except (TypeError, ValueError) as error:
            raise DataError(
                f"Expected a number, or NaN, in every row and column of the values. Got: {error}."
            ) from None
        fields = {"codes": rows, "values": numbers, "origin": texts[0], "flags": texts[1]}
        names = column_names(columns)
        least = minimised_names(minimised, names)
        _validate(fields, names)
        for array in fields.values():
            array.setflags(write=False)
        for name, value in {"space": space, "columns": names, "minimised": least, **fields}.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.codes)

    def __repr__(self) -> str:
        return f"Table({len(self)} rows of {len(self.space)} dimensions, columns {', '.join(self.columns)})"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks of the columns, each once, in order."""
        return tasks_of(self.columns)

    @property
    def sampled(self) -> NDArray[np.bool_]:
        """Mask of the rows that were drawn at random, `(n,)`: neither chosen by hand nor found by a search."""
        return ~np.isin(self.origin, NOT_SAMPLED)

    def flagged(self, flag: str) -> NDArray[np.bool_]:
        """Mask of the rows with `flag`, `(n,)`."""
        require_type(flag, str, "flag", "the name of a flag")
        return np.array([flag in flags.split(",") for flags in self.flags.tolist()], dtype=bool)

    def row(self, code: CodesLike) -> int | None:
        """The row of a code, or None if the table does not contain it.

        Raises:
            CodeError: a code that cannot be read or is outside the space.
        """
        return self._rows.get(self.space.code(code).tobytes())

    def query(self, code: CodesLike) -> dict[str, float]:
        """The measured values of a code by column, NaN for a missing value.

        Args:
            code: one code, in any form that `Space.codes` reads.

        Raises:
            CodeError: a code that cannot be read or is outside the space.
            NotTabulatedError: the table does not contain the code.
        """
        row = self.row(code)
        if row is None:
            raise NotTabulatedError(
                f"The table does not contain {self.space.text(code)} among its {len(self)} networks. "
                "A predictor of the same space can predict its values."
            )
        return dict(zip(self.columns, self.values[row].tolist(), strict=True))

    def lookup(self, codes: CodesLike, columns: Sequence[str] | None = None) -> Reals:
        """The measured values of many codes, `(n, m)`; NaN for a missing value, or a code that is not in the table.

        Args:
            codes: `(n, d)`, in any form that `Space.codes` reads.
            columns: full names; all when left out.

        Raises:
            CodeError: a code that cannot be read or is outside the space.
            NotTabulatedError: an unknown column.
        """
        rows = np.array([self._rows.get(code.tobytes(), -1) for code in self.space.codes(codes)], dtype=np.int64)
        names = self.columns if columns is None else as_items(columns, "columns", "names of columns")
        unknown = [name for name in names if not isinstance(name, str) or name not in self.columns]
        if unknown:
            raise NotTabulatedError(f"The table has no column {quoted(unknown[0])}. It has {', '.join(self.columns)}.")
        places = [self.columns.index(name) for name in names]
        if not len(self):
            return np.full((len(rows), len(places)), np.nan)
        found: Reals = np.where(rows[:, None] >= 0, self.values[rows][:, places], np.nan)
        return found

    def nearest(self, code: CodesLike, k: int = 1) -> Rows:
        """The k rows nearest to a code, nearest first, `(k,)`.

        The distance counts steps: between the places of two values of an ordinal dimension, one between two choices.

        Raises:
            CodeError: a code that cannot be read or is outside the space.
            ConfigError: k is not from 1 to the number of rows.
        """
        return self.nearest_and_distances(code, k)[0]

    def nearest_and_distances(self, code: CodesLike, k: int = 1) -> tuple[Rows, NDArray[np.int64]]:
        """The rows of `nearest`, and their distances in steps, `(k,)` each."""
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= len(self):
            raise ConfigError(f"Expected from 1 to {len(self)} nearest rows. Got {quoted(k)}.")
        distance = self.space.steps(self.codes, self.space.code(code))
        rows = np.argsort(distance, kind="stable")[:k]
        return rows, distance[rows]

    def select(self, columns: str | Sequence[str] | None = None, rows: ArrayLike | slice | None = None) -> Table:
        """A table of some columns and rows.

        Args:
            columns: names of columns, or of tasks for all their columns (`"seg"`); one or many, all when left out.
            rows: indices, a mask `(n,)` or a slice; all when left out.

        Raises:
            DataError: an unknown name (the message gives the closest one), or rows that do not exist or repeat.
        """
        given = [columns] if isinstance(columns, str) else columns
        names = self.columns if given is None else self._named(as_items(given, "columns", "names of columns"))
        places = np.array([self.columns.index(name) for name in names], dtype=np.int64)
        chosen = self._chosen(slice(None) if rows is None else rows)
        values = self.values[np.ix_(chosen, places)]
        least = [name for name in names if name in self.minimised]
        return Table(self.space, self.codes[chosen], values, names, self.origin[chosen], self.flags[chosen], least)

    def split(self, seed: int, test_size: float = 0.2) -> tuple[Rows, Rows]:
        """Split the rows for training and testing, `(n_train,)` and `(n_test,)`, as for the published predictor.

        The same as scikit-learn's `train_test_split(range(n), test_size=test_size, random_state=seed)`.

        Raises:
            ConfigError: a test size outside (0, 1) or one that leaves a side empty, or an invalid seed.
        """
        share = as_number(test_size, "test_size", above=0, below=1)
        held_out = math.ceil(share * len(self))
        if not 0 < held_out < len(self):
            raise ConfigError(
                f"{{field}} leaves no rows on one side: {held_out} of {len(self)} rows would be for testing.",
                field="test_size",
                given=test_size,
            )
        order = np.random.RandomState(as_seed(seed)).permutation(len(self))
        return order[held_out:], order[:held_out]

    def to_parquet(self, path: str | Path) -> None:
        """Write the table to a file, whole or not at all; the file's metadata describes the space and the columns.

        Raises:
            DataError: the file cannot be written.
        """
        texts = (self.origin, self.flags)
        write_table(path, self.space, self.codes, self.values, texts, self.columns, self.minimised)

    def to_pandas(self) -> DataFrame:
        """A data frame of the codes (choices by name), the values, `origin` and `flags`.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        codes: dict[str, Any] = {}
        for dim, column in zip(self.space.dimensions, self.codes.T, strict=True):
            codes[dim.name] = np.array(dim.choices)[column] if isinstance(dim, Categorical) else column
        values = dict(zip(self.columns, self.values.T, strict=True))
        return data_frame({**codes, **values, "origin": self.origin, "flags": self.flags})

    @classmethod
    def from_parquet(cls, path: str | Path) -> Table:
        """Read a file of `to_parquet`.

        Raises:
            DataError: the file cannot be read, is damaged, or was written by another program.
        """
        return cls(**read_table(as_path(path)))

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        space: Space,
        codes: str | Sequence[str] | None = None,
        values: str | Sequence[str] | Mapping[str, str] | None = None,
        minimised: Sequence[str] = (),
        missing: bool = False,
        drop_bad: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Table:
        """Read a table from a csv file (also `.csv.gz`) or a parquet file with one row per architecture.

        Columns called `origin` and `flags` become the table's. An index that pandas wrote without a name is ignored.

        Args:
            path: the file.
            space: the space of the codes. A choice is read by its name, or by its index if no choice of that
                dimension looks like a number.
            codes: the columns of the code, in the order of the space; or a pattern such as `edge*`, which takes
                columns named as the dimensions in the order of the space, and others in the order of the file; or
                the one column that holds each code as text. The names of the space when left out.
            values: the columns of values, or a mapping from them to their names in the table; all remaining columns
                when left out.
            minimised: the columns in which smaller values are better, by their names in the table.
            missing: allow missing values; they become NaN. Otherwise a row with one is bad.
            drop_bad: leave out bad rows instead of raising. A row is bad if its code is missing, outside the space or
                the same as that of an earlier good row, if a value is not a finite number, or if it has too few or
                many cells.
            limits: the most rows, columns and bytes to read. A larger file is refused before it fills the memory.

        Raises:
            ConfigError: an argument of the wrong type.
            DataError: a file that cannot be read or exceeds the limits, a column that does not exist, or bad rows, of
                which the message lists the first few.
        """
        require_space(space)
        raw = read_rows(as_path(path), space, codes, values, missing=missing, drop_bad=drop_bad, limits=limits)
        return cls.from_raw(raw, minimised)

    @classmethod
    def from_raw(cls, raw: RawTable, minimised: Sequence[str] = ()) -> Table:
        """Make a table of what `read_rows` returned."""
        return cls(raw.space, raw.codes, raw.values, raw.columns, raw.origin, raw.flags, minimised)

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        return {code.tobytes(): row for row, code in enumerate(self.codes)}

    def _named(self, names: Sequence[str]) -> tuple[str, ...]:
        found: list[str] = []
        for name in names:
            if not isinstance(name, str):
                raise DataError(f"Expected names of columns. Got {quoted(name)}.")
            matches = columns_of(name, self.columns)
            if not matches:
                hint = spelling(name, self.columns) if self.columns else "It has no columns."
                raise DataError(f"The table has no task or column {quoted(name)}. {hint}")
            found += matches
        return tuple(dict.fromkeys(found))

    def _chosen(self, rows: ArrayLike | slice) -> Rows:
        every = np.arange(len(self))
        if isinstance(rows, slice):
            return every[rows]
        try:
            index = np.atleast_1d(rows)
            chosen = every[index] if index.size else every[:0]
        except (IndexError, ValueError):
            chosen = np.empty((0, 0), dtype=np.int64)
        if chosen.ndim != 1:
            raise DataError(f"Expected indices of rows below {len(self)}, or a mask. Got {quoted(rows)}.")
        return chosen


def _validate(fields: Mapping[str, NDArray[Any]], columns: tuple[str, ...]) -> None:
    """Check the shapes, the values and the uniqueness of the codes."""
    n, codes = len(fields["codes"]), fields["codes"]
    for name, shape in {"values": (n, len(columns)), "origin": (n,), "flags": (n,)}.items():
        if fields[name].shape != shape:
            raise DataError(f"Expected {name} of shape {shape}. Got {fields[name].shape}.")
    if np.isinf(fields["values"]).any():
        row, place = np.argwhere(np.isinf(fields["values"]))[0].tolist()
        raise DataError(f"Expected finite values, or NaN where one is missing. Got inf in row {row}, {columns[place]}.")
    _, first, counts = np.unique(codes, axis=0, return_index=True, return_counts=True)
    if len(first) < n:
        code = codes[int(first[counts > 1].min())]
        rows = np.flatnonzero((codes == code).all(axis=1)).tolist()
        raise DataError(f"Expected each code once. Got {quoted(code.tolist())} in rows {rows[0]} and {rows[1]}.")


def require_table(table: Any, field: str = "table") -> None:
    """Refuse anything but a `Table`.

    Raises:
        ConfigError: another type.
    """
    require_type(table, Table, field, "an ncp.Table, from ncp.load_table or ncp.Table")
