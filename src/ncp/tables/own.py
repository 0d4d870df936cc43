"""Bring a table of your own: from columns of any layout to a kept file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ncp.errors import DataError
from ncp.io.files import as_path, is_file
from ncp.spaces.space import Space
from ncp.tables.parquet import is_table
from ncp.tables.reading import read_rows
from ncp.tables.table import Table


@dataclass(frozen=True, eq=False)
class Brought:
    """A table that was made of a file.

    Attributes:
        table: what is now in `path`.
        path: the parquet file.
        rows: how many the input has.
        left_out: how many of them are not in the table, by reason.
        code_columns: where the code stands in the input, in the order of the space.
    """

    table: Table
    path: Path
    rows: int
    left_out: Mapping[str, int]
    code_columns: tuple[str, ...]


def import_file(
    path: str | Path,
    *,
    space: Space,
    codes: str | Sequence[str] | None = None,
    values: Sequence[str] | Mapping[str, str] | None = None,
    minimised: Sequence[str] = (),
    drop_bad: bool = False,
    out: str | Path | None = None,
) -> Brought:
    """Turn a file of columns into a table and keep it.

    Args:
        path: the file; for this and what follows see `Table.from_file`.
        space: what the codes belong to.
        codes: where the code stands.
        values: which columns are values.
        minimised: in which of them small values are better.
        drop_bad: leave rows out that are not good.
        out: the file to write; when left out, named as the input, with `.parquet`, in the current folder.

    Raises:
        DataError: what `Table.from_file` refuses, or a file to write that is the input, or is no table.
    """
    source = as_path(path)
    name = source.name.removesuffix(".gz") or "table"
    target = Path(name).with_suffix(".parquet") if out is None else as_path(out, "out")
    if is_file(target) and is_file(source) and target.samefile(source):
        message = "{target} is the file that is read. Name another with {field}."
        raise DataError(message, field="out", target=str(target))
    if is_file(target) and not is_table(target):
        message = "{target} is no table, and is not overwritten. Name another with {field}."
        raise DataError(message, field="out", target=str(target))
    read = read_rows(source, space, space.names if codes is None else codes, values, drop_bad=drop_bad)
    table = Table.of(space, read, minimised)
    table.to_parquet(target)
    return Brought(table, target, read.rows, read.left_out, read.code_columns)
