"""Files of tables: parquet comes back as it was, csv is read, and damage is noticed."""

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from ncp.errors import DataError
from ncp.spaces.multires import MULTIRES
from ncp.tables.table import Table
from tests.tables.small import COLUMNS, SPACE, same, tables


def test_files_of_earlier_versions_minimise_nothing(table: Table, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    table.to_parquet(path)
    read = pq.read_table(path)
    about = json.loads(read.schema.metadata[b"ncp"])
    del about["sha256"]
    for minimised, message in (
        (None, None),
        (3, "Import or fetch it again"),
        (["no"], "Expected minimised columns"),
    ):
        about["minimised"] = minimised
        if minimised is None:
            del about["minimised"]
        pq.write_table(read.replace_schema_metadata({"ncp": json.dumps(about)}), path)
        if message is None:
            same(Table.from_parquet(path), table)
            continue
        with pytest.raises(DataError, match=message):
            Table.from_parquet(path)


@given(table=tables())
def test_parquet_comes_back(tmp_path_factory: pytest.TempPathFactory, table: Table) -> None:
    path = tmp_path_factory.mktemp("table") / "table.parquet"
    table.to_parquet(path)
    same(Table.from_parquet(path), table)


def test_parquet_reads_elsewhere(table: Table, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table.to_parquet(tmp_path / "folder" / "table.parquet")
    read = pq.read_table(tmp_path / "folder" / "table.parquet")
    assert read.column_names == ["c", "edge", *COLUMNS, "origin", "flags"]
    assert read["seg/mAcc"].to_pylist() == [2.0, None, 8.0, 11.0]
    assert json.loads(read.schema.metadata[b"ncp"])["space"] == SPACE.to_dict()


def test_parquet_is_the_same_file_every_time(table: Table, tmp_path: Path) -> None:
    for name in "ab":
        table.to_parquet(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_parquet_that_cannot_be_written(table: Table, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Cannot write "):
        table.to_parquet(tmp_path / "file" / "table.parquet")


def test_a_damaged_parquet_file(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    table.to_parquet(path)
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[:-1], whole[: len(whole) // 2], pickle.dumps(1), b"c,edge\n8,0\n"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"Cannot read .* as a table of ncp: .*\. Import or fetch it again"):
            Table.from_parquet(path)


def test_a_byte_of_parquet_that_has_changed_is_noticed(tmp_path: Path) -> None:
    codes = np.unique(MULTIRES.sample(50, np.random.default_rng(0)), axis=0)
    table = Table(MULTIRES, codes, np.random.default_rng(0).normal(size=(50, 1)), ["a"])
    path = tmp_path / "table.parquet"
    table.to_parquet(path)
    whole = path.read_bytes()
    place = whole.index(b"\x28\xb5\x2f\xfd", len(whole) // 4) + 12  # inside a compressed page
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(DataError, match="as a table of ncp: "):
        Table.from_parquet(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "was not written by ncp. Import it with ncp data import "),
        ({"ncp": "{"}, "Import or fetch it again"),
        ({"ncp": "[]"}, "Import or fetch it again"),
        ({"ncp": json.dumps({"format": 2})}, "has the format 2. Update ncp"),
        ({"ncp": json.dumps({"format": 1, "space": {"c": [8]}, "columns": []})}, "at least two increasing"),
        ({"ncp": json.dumps({"format": 1, "space": 3, "columns": []})}, "Import or fetch it again"),
        ({"ncp": json.dumps({"format": 1, "space": {"c": [8, 16]}, "columns": ["b"]})}, "not those that it describes"),
    ],
)
def test_parquet_of_other_programs(tmp_path: Path, metadata: dict[str, str] | None, message: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    columns = pa.table({"c": [8], "a": [1.0], "origin": [""], "flags": [""]})
    pq.write_table(columns.replace_schema_metadata(metadata), path)
    with pytest.raises(DataError, match=message):
        Table.from_parquet(path)


@pytest.mark.parametrize(
    "change",
    [
        {"minimised": ["seg/mAcc"]},
        {"minimised": []},
        {"space": {"c": [8, 16, 32, 40], "edge": ["skip", "none", "conv"]}},
        {"space": {"c": [8, 16, 32, 48], "edge": ["none", "skip", "conv"]}},
    ],
)
def test_a_description_that_has_changed_is_noticed(table: Table, tmp_path: Path, change: dict[str, Any]) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    codes, values = table.codes, table.values
    Table(SPACE, codes, values, COLUMNS, minimised=["seg/mIoU"]).to_parquet(path)
    read = pq.read_table(path)
    about = json.loads(read.schema.metadata[b"ncp"]) | change
    pq.write_table(read.replace_schema_metadata({"ncp": json.dumps(about)}), path)
    with pytest.raises(DataError, match="its description was changed"):
        Table.from_parquet(path)


def test_columns_of_other_types_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    good = {"c": [8], "a": [1.0], "origin": [""], "flags": [""]}
    about = json.dumps({"format": 1, "space": {"c": [8, 16]}, "columns": ["a"]})
    for change, message in (
        ({}, None),
        ({"c": [8.0]}, "columns of other types"),
        ({"a": ["1"]}, "columns of other types"),
        ({"a": [[1.0]]}, "columns of other types"),
        ({"a": pa.array([1], pa.timestamp("ns"))}, "columns of other types"),
        ({"flags": [1]}, "columns of other types"),
        ({"c": pa.array([None], pa.int64())}, "rows without a code"),
        ({"origin": pa.array([None], pa.string())}, "rows without a code, an origin or flags"),
    ):
        pq.write_table(pa.table(good | change).replace_schema_metadata({"ncp": about}), path)
        if message is None:
            assert Table.from_parquet(path).query([8]) == {"a": 1.0}
            continue
        with pytest.raises(DataError, match=message):
            Table.from_parquet(path)
    for metadata in ("[" * 100_000, '{"format": 1, "space": {"c": [8, 16]}, "columns": ' + "[" * 100_000):
        pq.write_table(pa.table(good).replace_schema_metadata({"ncp": metadata}), path)
        with pytest.raises(DataError, match="as a table of ncp: "):
            Table.from_parquet(path)


def test_no_parquet_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        Table.from_parquet(tmp_path / "none.parquet")


CSV = "c0,c1,mIoU,top1,flags,note\n8,none,1.5,2,,x\n40,2,,nan,late,y\n"


def test_read_csv(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\ufeff" + CSV.replace("\n", "\r\n"), encoding="utf-8", newline="")
    read = Table.read(path, space=SPACE, codes="c*", values=["mIoU", "top1"], missing=True)
    expected = Table(SPACE, [[8, 0], [40, 2]], [[1.5, 2], [math.nan] * 2], ["mIoU", "top1"], None, ["", "late"])
    same(read, expected)
    renamed = Table.read(path, space=SPACE, codes=["c0", "c1"], values={"top1": "video/top1"}, missing=True)
    assert renamed.columns == ("video/top1",)


def test_read_takes_all_other_columns_as_values(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("flags,mIoU,c1,c0,origin\nlate,1.5,0,8,small\n\n")
    read = Table.read(path, space=SPACE, codes=["c0", "c1"])
    same(read, Table(SPACE, [[8, 0]], [[1.5]], ["mIoU"], ["small"], ["late"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no header"),
        ("c0,c1,a\n", "has no rows below its header"),
        ("c0,c1,a,a\n8,0,1,1\n", "has two columns called 'a'"),
        ("c0,a\n8,1\n", r"Expected 2 columns of the code in .* Got 1: \['c0'\]"),
        ("c0,c1,cost\n8,0,1\n", r"Expected 2 columns of the code in .* Got 3: \['c0', 'c1', 'cost'\]"),
        ("c0,c1,a\n8,0\n", "row 1: 3 cells expected, 2 found"),
        ("c0,c1,a\n8,0,1\n16,0,x\n", "row 2, column a: Expected a finite number. Got 'x'"),
        ("c0,c1,a\n8,0,inf\n", "row 1, column a: Expected a finite number. Got 'inf'"),
        ("c0,c1,a\n8,0,1\n9,0,1\n", "row 2, column c0: Expected one of 8, 16, 32, 40. Got '9'"),
        ("c0,c1,a\n8,0,1\n,0,1\n", "row 2, column c0: The cell is empty. Expected one of 8, 16, 32, 40"),
        ("c0,c1,a\n8,sikp,1\n", "row 1, column c1: Expected one of none, skip, conv. Got 'sikp'"),
        ("c0,c1,a\n8,3,1\n", "row 1, column c1: Expected one of none, skip, conv. Got '3'"),
        ("c0,c1,a\n8,0,1\n16,0,1\n8,none,2\n", "row 3: The code is the same as that of row 1"),
        ('c0,c1,a\n8,0,"1\n', "is not a csv file: unexpected end of data"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        Table.read(path, space=SPACE, codes="c*", missing=True)


def test_csv_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with pytest.raises(DataError, match="No such file"):
        Table.read(path, space=SPACE, codes="c*")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not in UTF-8"):
        Table.read(path, space=SPACE, codes="c*")
    path.write_text(CSV)
    with pytest.raises(DataError, match=r"has no column 'c9'\. Its columns are \['c0', "):
        Table.read(path, space=SPACE, codes=["c0", "c9"])
    with pytest.raises(DataError, match="has no column 'mIOU'"):
        Table.read(path, space=SPACE, codes="c*", values=["mIOU"])
