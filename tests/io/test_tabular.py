"""Csv and parquet files are read within limits, even if their metadata lie."""

import datetime
import gzip
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ncp.errors import DataError
from ncp.io.tabular import LONGEST_ROW, Columns, Limits, read_columns

SMALL = Limits(rows=3, columns=4, bytes=100)


def packed(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


def parquet(path: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def read(path: Path, limits: Limits = SMALL) -> Columns:
    return read_columns(path, limits)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_csv_file_is_read_up_to_the_limits(tmp_path: Path, name: str) -> None:
    whole = read(packed(tmp_path / name, b"a,b,c,d\n" + b"1,2,3,4\n" * 3))
    assert (whole.rows, whole.cells("d")) == (3, ["4"] * 3)
    for content, message in (
        (b"a\n1\n2\n3\n4\n", "more than 3 rows"),
        (b"a,b,c,d,e\n1,2,3,4,5\n", "more than 4 columns"),
        (b"a,b\n" + b"1," + b"2" * 100 + b"\n", "more than 100 bytes"),
    ):
        with pytest.raises(DataError, match=rf"t\.csv.* has {message}\. Leave some out"):
            read(packed(tmp_path / name, content))


def test_a_million_columns_are_refused_at_once(tmp_path: Path) -> None:
    header = ",".join(f"c{place}" for place in range(1_000_000))
    path = packed(tmp_path / "t.csv", f"{header}\n{header}\n{header}\n".encode())
    began = process_time()
    with pytest.raises(DataError, match="has more than 10000 columns"):
        read(path, Limits())
    assert process_time() - began < 1


def test_one_endless_row_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = packed(tmp_path / "t.csv.gz", b"a,b\n1," + b"2" * (2 * LONGEST_ROW))
    with pytest.raises(DataError, match="has a row of more than 16777216 characters"):
        read(path, Limits())


def test_a_large_parquet_file_is_refused_by_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    assert read(parquet(path, {"a": [1, None], "b": ["x", None]}), Limits(2, 2, 200)).cells("b") == ["x", None]
    for columns, message in (
        ({"a": [1] * 4}, "more than 3 rows"),
        ({name: [1] for name in "abcde"}, "more than 4 columns"),
        ({name: [1, 1, 1] for name in "abcd"} | {"a": ["x" * 200] * 3}, "more than 100 bytes"),
        ({"a": np.zeros(3)} | {"b": [dict.fromkeys("abcd", 1)] * 3}, "more than 4 columns"),
    ):
        with pytest.raises(DataError, match=rf"t\.parquet has {message}\. Leave some out"):
            read(parquet(path, columns))


def test_a_long_text_shared_by_many_rows_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", {"a": pa.array(["x" * 200_000] * 100).dictionary_encode()})
    assert path.stat().st_size < 100_000  # 20 MB of texts
    with pytest.raises(DataError, match=r"Column 'a' of .* has a text of more than 131072 bytes"):
        read(path, Limits()).cells("a")


def test_numbers_and_texts_of_any_width_are_read(tmp_path: Path) -> None:
    numbers = [np.int8, np.uint64, np.float16, np.float32]
    columns: dict[str, Any] = {np.dtype(kind).name: np.array([1, 2], dtype=kind) for kind in numbers}
    columns |= {
        "bool": [True, False],
        "decimal": [Decimal("0.10"), None],
        "a.b": ["x", "y"],
        "a": pa.array(["x", None], pa.large_string()),
        "of numbers": pa.array([1.5, 2.5]).dictionary_encode(),
        "none": pa.nulls(2),
    }
    file = read(parquet(tmp_path / "t.parquet", columns), Limits())
    assert [file.cells(np.dtype(kind).name) for kind in numbers] == [[1, 2]] * 4
    assert [file.cells(name) for name in ("bool", "decimal")] == [["True", "False"], ["0.10", None]]
    assert [file.cells(name) for name in ("a.b", "a")] == [["x", "y"], ["x", None]]
    assert [file.cells(name) for name in ("of numbers", "none")] == [[1.5, 2.5], [None, None]]


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([1, 2], pa.timestamp("ns")),
        pa.array([datetime.date(1, 1, 1)] * 2),
        pa.array([1, 2], pa.duration("ns")),
        pa.array([[1], [2]]),
        pa.array([{"a": 1}] * 2),
        pa.array([[("a", 1)]] * 2, pa.map_(pa.string(), pa.int64())),
        pa.array([b"x", b"y"]),
        pa.array([pa.scalar(1, pa.timestamp("ns"))] * 2).dictionary_encode(),
    ],
    ids=lambda cells: str(cells.type),
)
def test_columns_of_other_types_are_refused_on_demand(tmp_path: Path, cells: pa.Array) -> None:
    file = read(parquet(tmp_path / "t.parquet", {"odd": cells, "a": [1, 2]}), Limits())
    assert file.cells("a") == [1, 2]
    with pytest.raises(DataError, match=r"Column 'odd' of .*t\.parquet has the type .*, which is neither"):
        file.cells("odd")


def test_texts_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff"))
    with pytest.raises(DataError, match=r"Cannot read .* as a parquet file"):
        read(parquet(tmp_path / "t.parquet", {"a": broken}), Limits()).cells("a")


def test_the_time_of_reading_grows_with_the_columns(tmp_path: Path) -> None:
    names = [f"c{place}" for place in range(2000)]
    path = parquet(tmp_path / "t.parquet", {name: [1.0, 2.0] for name in names} | {"text": ["x", "y"]})
    began = process_time()
    file = read(path, Limits())
    assert [file.cells(name) for name in names] == [[1.0, 2.0]] * 2000
    assert process_time() - began < 2  # a look at the whole description for each took twenty times as long
