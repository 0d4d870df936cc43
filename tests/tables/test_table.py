"""Tables: validation, queries, selection, splits and files."""

import hashlib
import json
import math
import pickle
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncp.errors import CodeError, ConfigError, DataError, NcpError, NotTabulatedError
from ncp.spaces.dimensions import Categorical, Ordinal
from ncp.spaces.multires import MULTIRES, Code
from ncp.spaces.space import Space
from ncp.tables.table import Table
from tests.strategies import codes_of, spaces

SPACE = Space([Ordinal("c", (8, 16, 32, 40)), Categorical("edge", ["none", "skip", "conv"])])
CODES = [[8, 0], [16, 1], [40, 2], [32, 0]]
VALUES = [[1.0, 2.0, 3.0], [4.0, math.nan, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0]]
COLUMNS = ["seg/mIoU", "seg/mAcc", "video/top1"]
ORIGIN = ["small", "anchor", "wide-3", "searched"]
FLAGS = ["", "late", "late,failed", "failed"]


@pytest.fixture
def table() -> Table:
    return Table(SPACE, CODES, VALUES, COLUMNS, ORIGIN, FLAGS)


def same(a: Table, b: Table) -> None:
    assert (a.space, a.columns, a.minimised) == (b.space, b.columns, b.minimised)
    np.testing.assert_array_equal(a.codes, b.codes)
    np.testing.assert_array_equal(a.values, b.values)
    assert (a.origin.tolist(), a.flags.tolist()) == (b.origin.tolist(), b.flags.tolist())
    assert (a.codes.dtype, a.values.dtype, a.origin.dtype.kind, a.flags.dtype.kind) == (np.int64, np.float64, "U", "U")


@st.composite
def tables(draw: st.DrawFn) -> Table:
    space = draw(spaces())
    codes = np.unique(draw(codes_of(space, most=8)), axis=0)
    n, columns = len(codes), draw(st.lists(st.text(min_size=1, max_size=6), max_size=4, unique=True))
    numbers = st.floats(allow_infinity=False)
    values = [draw(st.lists(numbers, min_size=len(columns), max_size=len(columns))) for _ in range(n)]
    texts = st.lists(st.text("abc,-3", max_size=8), min_size=n, max_size=n)
    least = draw(st.lists(st.sampled_from(columns), unique=True)) if columns else []
    return Table(space, codes, np.reshape(values, (n, len(columns))), columns, draw(texts), draw(texts), least)


def test_a_table_is_immutable(table: Table) -> None:
    with pytest.raises(AttributeError):
        table.columns = ()  # type: ignore[misc]
    for array in (table.codes, table.values, table.origin, table.flags):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_it_copies_its_arrays() -> None:
    codes, values = np.array(CODES), np.array(VALUES)
    table = Table(SPACE, codes, values, COLUMNS)
    codes[:] = values[:] = 0
    assert table.codes.tolist() == CODES
    assert table.values[0].tolist() == VALUES[0]


def test_length_tasks_repr_and_masks(table: Table) -> None:
    assert len(table) == 4
    assert table.tasks == ("seg", "video")
    assert repr(table) == "Table(4 rows of 2 dimensions, columns seg/mIoU, seg/mAcc, video/top1)"
    assert table.sampled.tolist() == [True, False, True, False]
    assert table.flagged("late").tolist() == [False, True, True, False]
    assert table.flagged("fail").tolist() == [False] * 4


def test_origin_and_flags_are_empty_when_left_out() -> None:
    table = Table(SPACE, CODES, VALUES, COLUMNS)
    assert table.origin.tolist() == table.flags.tolist() == [""] * 4


def test_minimised_columns_are_kept_in_the_order_of_the_columns(tmp_path: Path) -> None:
    table = Table(SPACE, CODES, VALUES, COLUMNS, minimised=["video/top1", "seg/mIoU"])
    assert table.minimised == ("seg/mIoU", "video/top1")
    assert Table(SPACE, CODES, VALUES, COLUMNS).minimised == ()
    assert table.select(["video", "seg/mAcc"], rows=[1]).minimised == ("video/top1",)
    assert table.select("seg/mAcc").minimised == ()
    table.to_parquet(tmp_path / "table.parquet")
    assert Table.from_parquet(tmp_path / "table.parquet").minimised == table.minimised


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


def test_a_table_without_rows_or_columns() -> None:
    assert len(Table(SPACE, [], np.empty((0, 1)), ["a"])) == 0
    assert Table(SPACE, CODES, np.empty((4, 0)), []).query([8, 0]) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codes": CODES[:3]}, r"Expected values of shape \(3, 3\). Got \(4, 3\)"),
        ({"columns": COLUMNS[:2]}, r"Expected values of shape \(4, 2\). Got \(4, 3\)"),
        ({"origin": ["a"]}, r"Expected origin of shape \(4,\). Got \(1,\)"),
        ({"flags": "a"}, r"Expected flags of shape \(4,\). Got \(\)"),
        ({"columns": ["a", "b", "a"]}, "Expected different column names. Got 'a' twice"),
        ({"columns": "abc"}, "Expected a list of column names. Got the text 'abc'"),
        ({"columns": ["a", "b", ""]}, "Expected texts as column names"),
        ({"columns": ["a", "b", 3]}, "Expected texts as column names"),
        (
            {"minimised": ["seg/mIoU", "seg"]},
            "Expected minimised columns among .*video/top1. Got 'seg'.",
        ),
        ({"minimised": "seg/mIoU"}, "minimised must be a list of names of columns. Got 'seg/mIoU'."),
        ({"codes": [*CODES[:3], CODES[1]]}, r"Expected each code once. Got \[16, 1\] in rows 1 and 3"),
        ({"values": [[0, 0, math.inf], *VALUES[1:]]}, "Got inf in row 0, video/top1"),
        ({"values": [[1.0], *VALUES[1:]]}, "Expected a number, or NaN, in every row and column of the values. Got: "),
        ({"values": [["x", 1, 1], *VALUES[1:]]}, "Expected a number, or NaN, in every row"),
        ({"codes": [*CODES[:3], [33, 0]]}, "Expected one of 8, 16, 32, 40 for c. Got 33 in row 3"),
    ],
)
def test_invalid_tables_are_refused(change: dict[str, object], message: str) -> None:
    given_ = {"codes": CODES, "values": VALUES, "columns": COLUMNS, **change}
    with pytest.raises((ConfigError, DataError, CodeError), match=message):
        Table(SPACE, **given_)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [[40, 2], (40, 2), np.array([40.0, 2.0]), np.array([[40, 2]], dtype=np.int8)])
def test_query_reads_every_form(table: Table, code: object) -> None:
    assert table.row(code) == 2
    assert table.query(code) == {"seg/mIoU": 7.0, "seg/mAcc": 8.0, "video/top1": 9.0}


def test_query_reads_code_objects() -> None:
    code = Code.from_vector(MULTIRES.sample(1, np.random.default_rng(0))[0])
    table = Table(MULTIRES, [code], [[1.0]], ["a"])
    assert table.query(code) == {"a": 1.0}
    other = Code.from_vector(MULTIRES.neighbours(code)[0])
    with pytest.raises(NotTabulatedError, match=rf"^The table does not contain {other} among its 1 networks\."):
        table.query(other)


def test_a_missing_value_is_nan(table: Table) -> None:
    assert math.isnan(table.query([16, 1])["seg/mAcc"])


def test_a_code_outside_the_table(table: Table) -> None:
    assert table.row([8, 1]) is None
    with pytest.raises(KeyError) as caught:
        table.query([8, 1])
    assert isinstance(caught.value, NcpError)
    assert str(caught.value) == (
        "The table does not contain 8,skip among its 4 networks. A predictor of the same space can predict its values."
    )


@pytest.mark.parametrize("code", [[8], [8, 3], [[8, 0], [16, 1]], "8", [8.5, 0]])
def test_invalid_codes_are_refused(table: Table, code: object) -> None:
    for ask in (table.row, table.query, table.nearest):
        with pytest.raises(CodeError):
            ask(code)


@given(tables())
def test_every_row_is_found(table: Table) -> None:
    assert [table.row(code) for code in table.codes] == list(range(len(table)))
    assert [int(table.nearest(code)[0]) for code in table.codes] == list(range(len(table)))


def test_finding_a_row_is_fast() -> None:
    codes = np.unique(MULTIRES.sample(20_000, np.random.default_rng(0)), axis=0)
    table = Table(MULTIRES, codes, np.zeros((len(codes), 1)), ["a"])
    table.row(codes[0])
    start = time.perf_counter()
    for row in range(2000):
        assert table.row(codes[row]) == row
    assert time.perf_counter() - start < 1  # 0.02 s on an idle core; a search through the rows takes 4 s


def test_nearest_counts_steps(table: Table) -> None:
    assert table.nearest([8, 0], 4).tolist() == [0, 1, 3, 2]  # 0, 1 + 1 = 2, 2, 3 + 1: ties in the table's order
    assert table.nearest([32, 2], 2).tolist() == [2, 3]  # 40 is one step, however wide


@pytest.mark.parametrize("k", [0, 5, -1, 1.0, True, None])
def test_numbers_of_nearest_rows_that_are_refused(table: Table, k: object) -> None:
    with pytest.raises(ConfigError, match="Expected from 1 to 4 nearest rows"):
        table.nearest([8, 0], k)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ("seg/mAcc", ["seg/mAcc"]),
        ("seg", ["seg/mIoU", "seg/mAcc"]),
        (["video", "seg/mIoU"], ["video/top1", "seg/mIoU"]),
        (["seg", "seg/mAcc"], ["seg/mIoU", "seg/mAcc"]),
        ([], []),
        (None, COLUMNS),
    ],
)
def test_select_columns(table: Table, columns: str | list[str] | None, names: list[str]) -> None:
    selected = table.select(columns)
    assert list(selected.columns) == names
    np.testing.assert_array_equal(selected.values, table.values[:, [COLUMNS.index(name) for name in names]])


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        ([2, 0], [2, 0]),
        (np.array([True, False, False, True]), [0, 3]),
        (slice(1, None), [1, 2, 3]),
        (2, [2]),
        (-1, [3]),
        ([], []),
        (None, [0, 1, 2, 3]),
    ],
)
def test_select_rows(table: Table, rows: object, places: list[int]) -> None:
    same(
        table.select(rows=rows),  # type: ignore[arg-type]
        Table(
            SPACE,
            np.array(CODES)[places],
            np.array(VALUES)[places],
            COLUMNS,
            np.array(ORIGIN)[places],
            np.array(FLAGS)[places],
        ),
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("seg/mIOU", "no task or column 'seg/mIOU'. Did you mean 'seg/mIoU'?"),
        (["seg", "vidoe"], "no task or column 'vidoe'. Did you mean 'video'?"),
        ([3], "Expected names of columns. Got 3."),
    ],
)
def test_unknown_columns(table: Table, columns: str | list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        table.select(columns)


@pytest.mark.parametrize("rows", [[4], [0.5], [True, False], ["a"], [[[0]]], [1, 1], [None]])
def test_missing_rows_are_refused(table: Table, rows: object) -> None:
    with pytest.raises(DataError):
        table.select(rows=rows)  # type: ignore[arg-type]


def counted(n: int) -> Table:
    return Table(Space([Ordinal("c", range(n + 1))]), np.arange(n)[:, None], np.empty((n, 0)), [])


@pytest.mark.parametrize(
    ("seed", "train", "test"),
    [
        (0, [10, 2, 8, 1, 7, 9, 3, 0, 5], [6, 11, 4]),
        (1, [10, 1, 6, 0, 7, 11, 9, 8, 5], [2, 3, 4]),
        (2, [7, 1, 10, 0, 3, 2, 6, 11, 8], [9, 5, 4]),
    ],
)
def test_split_equals_that_of_scikit_learn(seed: int, train: list[int], test: list[int]) -> None:
    """What scikit-learn 1.9.1 gives for `train_test_split(range(12), test_size=0.2, random_state=seed)`."""
    assert [rows.tolist() for rows in counted(12).split(seed)] == [train, test]


@pytest.mark.parametrize(("seed", "digest"), [(0, "7433fa5dec94"), (1, "d2c71882b0ef"), (2, "a02d29e7528d")])
def test_split_equals_that_of_the_published_predictor(seed: int, digest: str) -> None:
    """The same on the 2507 rows: SHA-256 of scikit-learn's rows to train on and to test on, as 64-bit integers."""
    train, test = counted(2507).split(seed)
    assert (len(train), len(test)) == (2005, 502)
    assert hashlib.sha256(np.concatenate([train, test]).astype("<i8").tobytes()).hexdigest()[:12] == digest


@given(tables().filter(lambda table: len(table) > 1), st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_split_covers_every_row_once(table: Table, seed: int, test_size: float) -> None:
    try:
        train, test = table.split(seed, test_size)
    except ConfigError:
        assert math.ceil(test_size * len(table)) == len(table)
        return
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(table)))
    assert len(test) == math.ceil(test_size * len(table))
    again = table.split(seed, test_size)
    assert train.tolist() == again[0].tolist()


@pytest.mark.parametrize("test_size", [0, 1, 1.5, -0.2, math.nan, "a", None, 0.9])
def test_test_sizes(table: Table, test_size: object) -> None:
    with pytest.raises(ConfigError, match=r"test_size (must be a .* above 0 and below 1|leaves no rows on one side)"):
        table.split(0, test_size)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 2**32, "a", 0.5, 1.0, None, True, [1]])
def test_seeds(table: Table, seed: object) -> None:
    with pytest.raises(ConfigError, match=r"seed must be an integer, from 0 to 4294967295\. Got"):
        table.split(seed)  # type: ignore[arg-type]


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


def test_to_pandas(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    frame = table.to_pandas()
    assert list(frame) == ["c", "edge", *COLUMNS, "origin", "flags"]
    assert list(frame["c"]) == [8, 16, 40, 32]
    assert list(frame["edge"]) == ["none", "skip", "conv", "none"]
    assert list(frame["seg/mIoU"]) == [1.0, 4.0, 7.0, 10.0]
    assert list(frame["origin"]) == ORIGIN


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


def test_tables_are_imported_without_torch(tmp_path: Path) -> None:
    program = (
        "import sys, ncp.tables.table, ncp.tables.cache; assert not {'torch', 'pyarrow', 'pooch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)  # noqa: S603
