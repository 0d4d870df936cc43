"""Tables: validation, queries, selection, and splits."""

import hashlib
import math
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncp.errors import CodeError, ConfigError, DataError, NcpError, NotTabulatedError
from ncp.spaces.dimensions import Ordinal
from ncp.spaces.multires import MULTIRES, Code
from ncp.spaces.space import Space
from ncp.tables.table import Table
from tests.tables.small import CODES, COLUMNS, FLAGS, ORIGIN, SPACE, VALUES, same, tables


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


def test_to_pandas(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict, __spec__=object()))
    frame = table.to_pandas()
    assert list(frame) == ["c", "edge", *COLUMNS, "origin", "flags"]
    assert list(frame["c"]) == [8, 16, 40, 32]
    assert list(frame["edge"]) == ["none", "skip", "conv", "none"]
    assert list(frame["seg/mIoU"]) == [1.0, 4.0, 7.0, 10.0]
    assert list(frame["origin"]) == ORIGIN
