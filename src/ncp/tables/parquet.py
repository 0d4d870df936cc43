"""Tables as parquet files: plain columns, described by json in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.errors import DataError, quoted
from ncp.io.files import whole_file
from ncp.io.tabular import TEXT_COLUMNS, Limits, parquet_errors
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space

FORMAT = 1
"""The version of the files."""


def write_table(
    path: str | Path,
    space: Space,
    codes: Codes,
    values: Reals,
    texts: Sequence[NDArray[np.str_]],
    columns: Sequence[str],
    minimised: Sequence[str],
    remarks: Mapping[str, Any] | None = None,
) -> None:
    """Write codes `(n, d)`, values `(n, m)` and the texts `origin` and `flags` `(n,)`, whole or not at all.

    `remarks` are plain data that the description carries beside the space and the columns.

    Raises:
        DataError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = [
        *(pa.array(column) for column in codes.T),
        *(pa.array(column, from_pandas=True) for column in values.T),  # NaN becomes null
        *(pa.array(text.tolist(), pa.string()) for text in texts),
    ]
    names = [*space.names, *columns, *TEXT_COLUMNS]
    about = {"format": FORMAT, "space": space.to_dict(), "columns": list(columns), "minimised": list(minimised)}
    if remarks:
        about["remarks"] = remarks
    about["sha256"] = _digest(about)
    schema = pa.schema(
        [(name, array.type) for name, array in zip(names, arrays, strict=True)], metadata={"ncp": json.dumps(about)}
    )
    with whole_file(path) as temporary:
        pq.write_table(
            pa.Table.from_arrays(arrays, schema=schema), temporary, compression="zstd", write_page_checksum=True
        )


def read_table(path: Path) -> dict[str, Any]:
    """Read a file of `write_table` as the arguments of `Table`.

    Raises:
        DataError: the file cannot be read, is damaged, or was written by another program.
    """
    import pyarrow.parquet as pq
    import pyarrow.types as kinds

    with parquet_errors(path, "a table of ncp", "Import or fetch it again"):
        opened = pq.ParquetFile(path, page_checksum_verification=True)
        Limits().require_parquet(path, opened.metadata)
        about = _about(path, opened.schema_arrow.metadata)
        space, columns = Space.from_dict(about["space"]), tuple(about["columns"])
        names, types = opened.schema_arrow.names, opened.schema_arrow.types
        if names != [*space.names, *columns, *TEXT_COLUMNS]:
            raise DataError(f"{path} has the columns {quoted(names)}, not those that it describes. Import it again.")
        width = len(space)
        if (
            not all(map(kinds.is_integer, types[:width]))
            or not all(kinds.is_floating(kind) or kinds.is_integer(kind) for kind in types[width:-2])
            or not all(map(kinds.is_string, types[-2:]))
        ):
            raise DataError(f"{path} has columns of other types than ncp writes. Import it again.")
        read = opened.read()
        if any(column.null_count for column in (*read.columns[:width], *read.columns[-2:])):
            raise DataError(f"{path} has rows without a code, an origin or flags. Import it again.")
        arrays = [column.to_numpy() for column in read.columns]
    return {
        "space": space,
        "codes": np.stack(arrays[:width], axis=1),
        "values": np.stack(arrays[width:-2], axis=1) if columns else np.empty((len(read), 0)),
        "columns": columns,
        "origin": arrays[-2],
        "flags": arrays[-1],
        "minimised": about.get("minimised", ()),  # absent in files of earlier versions
    }


def is_table(path: Path) -> bool:
    """Whether `write_table` wrote a file."""
    import pyarrow.parquet as pq

    try:
        with parquet_errors(path, "a table of ncp", ""):
            return b"ncp" in (pq.read_schema(path).metadata or {})
    except DataError:
        return False


def _about(path: Path, metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """The description of a table in its metadata."""
    if b"ncp" not in (metadata or {}):
        raise DataError(f"{path} was not written by ncp. Import it with ncp data import {path} --space FILE.")
    about: dict[str, Any] = json.loads((metadata or {})[b"ncp"])
    if about["format"] != FORMAT:
        raise DataError(f"{path} has the format {quoted(about['format'])}. Update ncp, or import the table again.")
    if about.get("sha256", _digest(about)) != _digest(about):  # files of earlier versions have none
        raise ValueError("its description was changed")
    if not all(isinstance(about.get(key, []), list) for key in ("columns", "minimised")):
        raise ValueError("its columns are not a list")
    return about


def _digest(about: Mapping[str, Any]) -> str:
    return sha256(json.dumps({key: value for key, value in about.items() if key != "sha256"}).encode()).hexdigest()
