"""What the page takes the columns of an uploaded table for, on tables whose columns are known."""

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ncp import Categorical, Ordinal
from ncp.app.dataset import OpenDataset, open_dataset
from ncp.app.example_table import example_csv
from ncp.app.jobs import import_table
from ncp.app.table_preview import preview_html, preview_table
from ncp.errors import DataError
from ncp.progress import quiet
from tests.cli.test_own_table import SPACE, named, truth, written

HEADER = "name,width,op,lr,seed,acc,latency_ms,params,origin"
LINES = [
    f"net{k},{8 * (k % 4 + 1)},{('conv', 'skip')[k // 4 % 2]},{(0.1, 0.01)[k % 2]},{k // 8},{70 + k / 7},{k},{9**k},me"
    for k in range(24)
]
MIXED = "\n".join([HEADER, *LINES, ""])


def imported(path: Path, codes: str = "") -> OpenDataset:
    return open_dataset(import_table(path, None, (), codes, False, path.parent, quiet))


def roles(path: Path) -> dict[str, str]:
    kinds = {}
    for column in preview_table(path, quiet).columns:
        kinds[column.name] = "value" if column.is_value else "other" if column.dimension is None else "dimension"
    return kinds


def test_few_whole_numbers_and_few_words_are_dimensions_and_other_numbers_are_values(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(MIXED)
    values = dict.fromkeys(("lr", "acc", "latency_ms", "params"), "value")
    dimensions = dict.fromkeys(("width", "op", "seed"), "dimension")
    assert roles(path) == {"name": "other", "origin": "other", **dimensions, **values}
    opened = imported(path)
    assert opened.table is not None
    expected = (Ordinal("width", (8, 16, 24, 32)), Categorical("op", ("conv", "skip")), Ordinal("seed", (0, 1, 2)))
    assert opened.space.dimensions == expected
    assert opened.table.columns == ("lr", "acc", "latency_ms", "params")
    assert opened.table.codes.tolist() == [[8 * (k % 4 + 1), k // 4 % 2, k // 8] for k in range(24)]
    assert preview_table(path, quiet).minimised == "latency_ms, params"


def test_the_space_of_a_full_table_is_found_also_in_parquet(tmp_path: Path) -> None:
    codes = np.unique(SPACE.sample(600, np.random.default_rng(0)), axis=0)
    accuracy, latency = truth(codes)
    cells = zip(*named(codes), strict=True)
    columns = {
        dim.name: pa.array([int(cell) for cell in column] if isinstance(dim, Ordinal) else column)
        for dim, column in zip(SPACE.dimensions, cells, strict=True)
    }
    pq.write_table(pa.table({**columns, "acc": accuracy, "latency": latency}), tmp_path / "table.parquet")
    opened = imported(tmp_path / "table.parquet")
    assert opened.table is not None
    assert opened.columns == ("acc", "latency")
    assert np.array_equal(opened.table.values[:, 0], accuracy)
    found, wanted = opened.space.to_dict(), SPACE.to_dict()
    assert {name: set(values) for name, values in found.items()} == {name: set(v) for name, v in wanted.items()}
    assert list(found) == list(wanted)


def test_columns_that_are_named_are_the_dimensions(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(MIXED)
    opened = imported(path, "name, width")
    assert opened.space.names == ("name", "width")
    assert opened.columns == ("lr", "seed", "acc", "latency_ms", "params")
    for codes, message in (
        ("width, depth", "codes names 'depth', which is not in the table. Its columns are .*'width'"),
        ("width, lr", "codes names 'lr', which has fractions. Write whole numbers in a smaller unit."),
        ("width", "A search space has from 2 to 200 dimensions. The table has 1: .'width'.. Name"),
    ):
        with pytest.raises(DataError, match=message):
            imported(path, codes)


def test_the_preview_shows_the_first_rows_escaped(tmp_path: Path) -> None:
    written(tmp_path)
    preview = preview_table(tmp_path / "mine.csv", quiet)
    first = list(csv.reader(io.StringIO((tmp_path / "mine.csv").read_text())))[1:6]
    assert [list(row) for row in preview.rows] == first
    assert preview.count == 600
    evil = "<img src=x>"
    (tmp_path / "evil.csv").write_text(f"width,{evil},acc\n8,{evil},1\n16,{evil},2\n")
    html = preview_html(preview_table(tmp_path / "evil.csv", quiet), evil)
    assert "<img" not in html
    assert html.count("&lt;img src=x&gt;") == 4


def test_the_example_needs_no_answer_and_has_every_network_once(tmp_path: Path) -> None:
    (tmp_path / "example.csv").write_bytes(example_csv())
    opened = imported(tmp_path / "example.csv")
    assert opened.table is not None
    assert opened.space.names == ("width", "depth", "block")
    assert len(opened.table) == opened.space.size == 96
    assert preview_table(tmp_path / "example.csv", quiet).minimised == "latency"
