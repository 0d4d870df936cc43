"""Reading csv and parquet files: layouts of columns, and messages about bad rows."""

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ncp.errors import ConfigError, DataError
from ncp.spaces.cells import CELL201, cell_text
from ncp.spaces.dimensions import Categorical, Ordinal
from ncp.spaces.multires import MULTIRES, Code
from ncp.spaces.space import Space
from ncp.tables.reading import read_rows
from ncp.tables.table import Table
from tests.strategies import spaces

SPACE = Space([Ordinal("c", (8, 16, 32, 40)), Categorical("edge", ["none", "skip", "conv"])])
GOOD = "c,edge,acc,lat\n8,none,1.5,2\n40,conv,3,4\n"


def written(folder: Path, text: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def parquet(folder: Path, columns: dict[str, Any]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "mine.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def shown(space: Space, codes: np.ndarray) -> list[list[Any]]:
    """Codes as a person writes them: values, and names of choices."""
    return [
        [dim.choices[v] if isinstance(dim, Categorical) else v for dim, v in zip(space.dimensions, code, strict=True)]
        for code in codes.tolist()
    ]


@pytest.mark.parametrize("codes", [None, ["c", "edge"], "[ce]*"])
def test_columns_of_a_code(tmp_path: Path, codes: Any) -> None:
    read = Table.read(written(tmp_path, GOOD.replace("edge", "e_e")), space=SPACE, codes=["c", "e_e"])
    for text in (GOOD, GOOD.replace("none", "0").replace("conv", "2"), GOOD.replace("8,none", " 8.0 , none ")):
        table = Table.read(written(tmp_path, text), space=SPACE, codes=codes, minimised=["lat"])
        assert table.codes.tolist() == read.codes.tolist() == [[8, 0], [40, 2]]
        assert table.values.tolist() == [[1.5, 2], [3, 4]]
        assert (table.columns, table.minimised) == (("acc", "lat"), ("lat",))


def test_a_pattern_takes_columns_by_name_before_order(tmp_path: Path) -> None:
    space = Space([Ordinal(f"d{k}", range(20)) for k in range(12)])
    code = np.arange(12)
    order = sorted(range(12), key=str)  # d0, d1, d10, d11, d2
    text = ",".join(f"d{k}" for k in order) + ",acc\n" + ",".join(map(str, code[order])) + ",1\n"
    table = Table.read(written(tmp_path, text), space=space, codes="d*")
    assert table.codes.tolist() == [code.tolist()]
    foreign = Table.read(written(tmp_path, text.replace("d", "x")), space=space, codes="x*")
    assert foreign.codes.tolist() == [order]


@given(space=spaces())
@settings(max_examples=15)
def test_written_files_are_read_back(tmp_path_factory: pytest.TempPathFactory, space: Space) -> None:
    folder = tmp_path_factory.mktemp("table")
    codes = np.unique(space.sample(6, np.random.default_rng(0)), axis=0)
    rows = shown(space, codes)
    if not all(str(v).strip() and v == str(v).strip() for row in rows for v in row if isinstance(v, str)):
        return  # blanks about a text are no part of it
    with gzip.open(folder / "mine.csv.gz", "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*space.names, "acc"])
        writer.writerows([*row, k / 3] for k, row in enumerate(rows))
    columns = {name: [row[k] for row in rows] for k, name in enumerate(space.names)}
    whole = ["_".join(map(str, code)) for code in codes.tolist()]
    values = [k / 3 for k in range(len(rows))]
    packed = Table.read(folder / "mine.csv.gz", space=space)
    other = Table.read(
        parquet(folder, {**columns, "whole": whole, "acc": values}), space=space, values={"acc": "task/acc"}
    )
    third = Table.read(folder / "mine.parquet", space=space, codes="whole", values=["acc"])
    for table in (packed, other, third):
        np.testing.assert_array_equal(table.codes, codes)
        assert table.values[:, 0].tolist() == values
    assert other.columns == ("task/acc",)


def test_choices_that_look_like_numbers_have_no_index(tmp_path: Path) -> None:
    space = Space([Categorical("kernel", ["1", "3"]), Ordinal("c", (1, 2))])
    path = parquet(tmp_path, {"kernel": [1.0, 3.0], "c": [1, 1], "acc": [1, 2]})
    assert Table.read(path, space=space).codes.tolist() == [[0, 1], [1, 1]]
    with pytest.raises(DataError, match=r"row 1, column kernel: Expected one of 1, 3\. Got '0'"):
        Table.read(written(tmp_path, "kernel,c,acc\n0,1,1\n"), space=space)


def test_one_column_of_text(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells, nets = CELL201.sample(1, rng)[0], MULTIRES.sample(1, rng)[0]
    for space, text, code in (
        (CELL201, cell_text(cells), cells),
        (CELL201, "000004", np.array([1] * 5 + [0])),
        (MULTIRES, str(Code(nets.tolist())), nets),
        (SPACE, "40_2", np.array([40, 2])),
    ):
        path = written(tmp_path, f"id,arch,acc\n7, {text} ,1\n")
        for codes in ("arch", ["arch"]):
            table = Table.read(path, space=space, codes=codes, values=["acc"])
            assert table.codes.tolist() == [code.tolist()]
    for space, text, message in (
        (CELL201, "4", "row 1, column arch: Expected a cell such as .* Pass all six digits as text"),
        (MULTIRES, "4", "row 1, column arch: Expected 31 integers in 6 groups"),
        (SPACE, "40", "row 1, column arch: Expected 2 values with commas between .* Got 1 in '40'"),
        (SPACE, "40_3", "row 1, column arch: Expected an index from 0 to 2"),
        (SPACE, "40_x", "row 1, column arch: Expected one of none, skip, conv for edge. Got 'x'"),
        (SPACE, " ", "row 1, column arch: The code is missing"),
    ):
        with pytest.raises(DataError, match=message):
            Table.read(written(tmp_path, f"arch,acc\n{text},1\n"), space=space, codes="arch")
    with pytest.raises(DataError, match=r"Got 421211\. Keep digits as text"):
        Table.read(parquet(tmp_path, {"arch": [421211], "acc": [1]}), space=CELL201, codes="arch")


BAD = (
    "c,edge,acc,lat\n"
    "8,none,1,2\n"  # 1
    "8,skip,1\n"  # 2: too short
    "9,skip,x,2\n"  # 3: two problems
    "16,skip,,2\n"  # 4
    "\n"  # no row
    "16,,1,2\n"  # 5
    "8,0,5,6\n"  # 6: the first again
    "16,conv,inf,nan\n"  # 7: two problems
    "32,conv,1,1_0\n"  # 8
    "16,skip,3,4\n"  # 9: good, as row 4 is not
)


def test_every_bad_row_is_counted_and_the_first_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    with pytest.raises(DataError) as caught:
        Table.read(path, space=SPACE)
    assert str(caught.value).splitlines() == [
        f"7 of 9 rows of {path} cannot be read (9 problems). Correct them, or leave them out with drop_bad.",
        "  row 2: 4 cells expected, 3 found.",
        "  row 3, column c: Expected one of 8, 16, 32, 40. Got '9'.",
        "  row 3, column acc: Expected a finite number. Got 'x'.",
        "  row 4, column acc: The value is missing.",
        "  row 5, column edge: The cell is empty. Expected one of none, skip, conv.",
        "  and 4 more.",
    ]


def test_bad_rows_can_be_left_out(tmp_path: Path) -> None:
    table = Table.read(written(tmp_path, BAD), space=SPACE, drop_bad=True)
    assert table.codes.tolist() == [[8, 0], [16, 1]]
    assert table.values.tolist() == [[1, 2], [3, 4]]
    read = read_rows(tmp_path / "mine.csv", SPACE, SPACE.names, None, drop_bad=True)
    assert (read.rows_in_file, sum(read.left_out.values())) == (9, 7)
    assert read.left_out == {
        "too few or many cells": 1,
        "a code is outside the space": 1,
        "a value is missing": 1,
        "a code is missing": 1,
        "a code repeats": 1,
        "a value is not a number": 2,
    }
    with pytest.raises(DataError, match=r"(?s)^1 of 1 rows of .* \(1 problem\).*No row is left"):
        Table.read(written(tmp_path, "c,edge,a\n9,0,1\n"), space=SPACE, drop_bad=True)


def test_parquet_cells(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        {"c": [8, None, 16], "edge": ["none", "skip", "conv"], "acc": [1.0, 2.0, None], "origin": ["drawn", "", None]},
    )
    with pytest.raises(DataError) as caught:
        Table.read(path, space=SPACE)
    assert str(caught.value).splitlines()[1:] == [
        "  row 2, column c: The cell is empty. Expected one of 8, 16, 32, 40.",
        "  row 3, column acc: The value is missing.",
    ]
    table = Table.read(path, space=SPACE, drop_bad=True)
    assert (len(table), table.origin.tolist(), table.columns) == (1, ["drawn"], ("acc",))
    with pytest.raises(DataError, match=r"column acc: Expected a finite number\. Got 'True'"):
        Table.read(parquet(tmp_path, {"c": [8], "edge": ["none"], "acc": [True]}), space=SPACE, values=["acc"])
    with pytest.raises(DataError, match=r"Column 'acc' of .* has the type 'list<element: int64>', which is neither"):
        Table.read(parquet(tmp_path, {"c": [8], "edge": ["none"], "acc": [[1]]}), space=SPACE, values=["acc"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codes": "x*"}, r"has no column 'x\*'\. Its columns are \['c', 'edge', 'acc', 'lat'\]"),
        ({"codes": "[acl]*"}, r"Expected 2 columns of the code in .* Got 3: \['c', 'acc', 'lat'\]"),
        ({"codes": "e*"}, r"Expected 2 columns of the code in .* Got 1: \['edge'\]"),
        ({"codes": ["c", "c"]}, "Expected 2 columns of the code in "),
        ({"codes": ["c", "x"]}, "has no column 'x'. Its "),
        (
            {"codes": ["c", "edge"], "values": None, "text": "c,edge,id,acc\n8,none,a,1\n16,none,b,1\n"},
            "Column 'id' of .* holds no number: its first cell is 'a'.*name the columns that do with values",
        ),
        ({"values": ["acc", "top1"]}, "has no column 'top1'. Its "),
        ({"values": ["acc", "acc"]}, "values must name every column once. Got "),
        ({"values": ["acc"], "minimised": ["lat"]}, "Expected minimised columns among acc. Got 'lat'."),
        ({"minimised": "lat"}, "minimised must be a list of names of columns. Got 'lat'."),
    ],
)
def test_missing_columns_are_refused(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        Table.read(written(tmp_path, arguments.pop("text", GOOD)), space=SPACE, **arguments)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    whole = gzip.compress(GOOD.encode() * 50)
    (tmp_path / "folder.csv").mkdir()
    for name, content, message in (
        ("mine.csv", b"", "mine.csv has no header"),
        ("mine.csv", b"c,edge,acc,acc\n8,none,1,2\n", "has two columns called 'acc'"),
        ("mine.csv", b"c,\xe9dge,acc\n8,none,1\n", r"The header .* is not in UTF-8\. Save the file as csv in UTF-8"),
        ("mine.csv", b'c,edge,acc\n8,none,1\n\n16,"none,2\n', "is not a csv file: .* in row 2. Close every quote"),
        ("mine.csv", b"c,edge,acc,\n8,none,1,2\n", "Column 4 of .* has no name"),
        ("mine.csv", b"c,edge,origin\n8,none,x\n", "has no column of values, only .* Add the measured values"),
        ("mine.csv", b"C,edge,acc\n8,none,1\n", r"has no column 'c'\. Its columns are \['C', .*codes, values"),
        ("mine.csv", b"c;edge;acc\n8;none;1\n", "The header 'c;edge;acc' of .* has no commas"),
        ("mine.csv.gz", GOOD.encode(), r"Cannot read .*: Not a gzipped file .*\. Pack it again\."),
        ("mine.csv.gz", whole[:-12], r"Cannot read .* Pack it again\."),
        ("mine.csv.gz", whole[:20] + b"0000" + whole[24:], "Cannot read .* Pack it again"),
        ("mine.xlsx", b"PK\x03\x04\xff\xff", "is not in UTF-8. .* or as parquet"),
        ("mine.csv", GOOD.encode("utf-16"), "is not in UTF-8. .* or as parquet"),
        ("mine.parquet", GOOD.encode(), "Cannot read .*mine.parquet as a parquet file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            Table.read(tmp_path / name, space=SPACE)
    for name in ("none.csv", "none.csv.gz", "none.parquet", "folder.csv"):
        with pytest.raises(DataError, match=r"(No such file|Is a directory).* Correct the path"):
            Table.read(tmp_path / name, space=SPACE)
    with pytest.raises(DataError, match="has no rows"):
        Table.read(parquet(tmp_path, {"c": []}), space=SPACE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c,edge,acc\n8,none,1,\n16,skip,2,\n", "row 1: 3 cells expected, 4 found"),  # commas at the ends of rows
        ("c,edge,acc\n8,none,5,0\n16,skip,6,0\n", "row 1: 3 cells expected, 4 found"),
        ('c,edge,acc\n8,none,"5,0"\n16,skip,"6,0"\n', "Column 'acc' of .* holds no number: its first cell is '5,0'"),
        ("c,edge,acc\n8,none,5%\n16,skip,6%\n", "holds no number: its first cell is '5%'"),
        ("c,edge,acc,note\n8,none,5,\n16,skip,6,\n", "Column 'note' of .* holds no number: its first cell is empty"),
        ('c,edge,acc\n8,none,1\n16,skip,"6,0"\n', "row 2, column acc: Expected a finite number. Got '6,0'"),
    ],
)
def test_a_column_without_numbers_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Table.read(written(tmp_path, text), space=SPACE)


def test_an_unnamed_index_and_empty_columns_are_ignored(tmp_path: Path) -> None:
    for text in (
        ",c,edge,acc\n0,8,none,1\n1,16,skip,2\n",  # as pandas writes it
        '"","c","edge","acc"\n"a",8,"none",1\n"b",16,"skip",2\n',  # as R does
        "c,edge,acc,\n8,none,1,\n16,skip,2,\n",
        ",c,edge,,acc,\n5,8,none,,1,\n7,16,skip, ,2,\n",
    ):
        table = Table.read(written(tmp_path, text), space=SPACE)
        assert (table.codes.tolist(), table.columns) == ([[8, 0], [16, 1]], ("acc",))
        assert table.values[:, 0].tolist() == [1, 2]
    index = {"__index_level_0__": [4, 9], "c": [8, 16], "edge": ["none", "skip"], "acc": [1, 2]}
    assert Table.read(parquet(tmp_path, index), space=SPACE).columns == ("acc",)


def test_blanks_around_choices(tmp_path: Path) -> None:
    space = Space([Categorical("edge", [" none", "skip ", "a", " a"]), Ordinal("c", (8, 16))])
    path = written(tmp_path, "edge,c,acc\nnone,8,1\n skip ,8,2\n skip ,16,3\na,8,4\n a,8,5\n")
    assert Table.read(path, space=space).codes[:, 0].tolist() == [0, 1, 1, 2, 3]


@pytest.mark.parametrize("arguments", [{"codes": 3}, {"codes": ["c", 3]}, {"values": 3}, {"values": {"acc": 3}}])
def test_column_names_of_other_types_are_refused(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"^{next(iter(arguments))} must be names of columns"):
        Table.read(written(tmp_path, GOOD), space=SPACE, **arguments)
    assert Table.read(written(tmp_path, GOOD), space=SPACE, values="acc").columns == ("acc",)


def test_rows_that_are_not_utf_8_are_named_and_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes("c,edge,acc,origin\n8,none,1,é\n16,none,2,caf".encode() + b"\xe9\n8,skip,3,x\n")
    message = r"row 2: Expected UTF-8 in column origin\. Got 'caf\\udce9'"
    with pytest.raises(DataError, match=message) as caught:
        Table.read(path, space=SPACE)
    assert str(caught.value).isascii()  # so that it can be printed
    read = read_rows(path, SPACE, SPACE.names, ["acc"], drop_bad=True)
    assert read.left_out == {"text is not in UTF-8": 1}
    assert (read.values[:, 0].tolist(), read.origin) == ([1.0, 3.0], ["é", "x"])


def test_choices_that_are_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, "rate,kernel,acc\n0.10,3.0,1\n1e-3,5,2\n0.001,3,3\n")
    space = Space([Categorical("rate", ["0.1", "0.001"]), Categorical("kernel", ["3", "5"])])
    assert Table.read(path, space=space).codes.tolist() == [[0, 0], [1, 1], [1, 0]]
    twice = Space([Categorical("rate", ["0.1", "0.100", "0.001"]), Categorical("kernel", ["3", "5"])])
    with pytest.raises(DataError, match=r"row 1, column rate: Expected one of 0\.1, 0\.100, 0\.001\. Got '0\.10'"):
        Table.read(path, space=twice)
