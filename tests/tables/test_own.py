"""Where a table of one's own is written, and what is never written over."""

import gzip
from pathlib import Path

import pytest

from ncp.errors import DataError
from ncp.spaces.space import Categorical, Ordinal, Space
from ncp.tables.cache import load_table
from ncp.tables.own import import_file

SPACE = Space([Ordinal("c", (8, 16)), Categorical("edge", ["none", "skip"])])
TEXT = "c,edge,acc\n8,none,1\n16,skip,2\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_goes_into_the_current_folder(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "my.table.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    for drop_bad in (False, True):  # the second time over the first
        brought = import_file("data/my.table.csv.gz", space=SPACE, minimised=["acc"], drop_bad=drop_bad)
        assert brought.path == Path("my.table.parquet")
        assert (brought.rows, brought.left_out, brought.code_columns) == (2, {}, ("c", "edge"))
        assert load_table(brought.path).minimised == brought.table.minimised == ("acc",)


def test_the_input_is_never_written_over(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"c": [8], "edge": ["none"], "acc": [1.0]}), "mine.parquet")
    before = (folder / "mine.parquet").read_bytes()
    (folder / "link").symlink_to("mine.parquet")
    for out in (None, "mine.parquet", folder / "mine.parquet", "link"):
        with pytest.raises(DataError, match=r"is the file that is read\. Name another with out"):
            import_file("mine.parquet", space=SPACE, out=out)
    (folder / "mine.csv").write_text(TEXT)
    with pytest.raises(DataError, match=r"mine\.parquet is no table, and is not overwritten"):
        import_file("mine.csv", space=SPACE)
    assert (folder / "mine.parquet").read_bytes() == before
    brought = import_file("mine.parquet", space=SPACE, out="table.parquet")
    again = import_file("table.parquet", space=SPACE, values=["acc"], out="again.parquet")
    assert again.table.codes.tolist() == brought.table.codes.tolist() == [[8, 0]]


def test_nothing_is_written_over_when_rows_are_not_good(folder: Path) -> None:
    (folder / "mine.csv").write_text(TEXT)
    import_file("mine.csv", space=SPACE)
    before = (folder / "mine.parquet").read_bytes()
    (folder / "mine.csv").write_text(TEXT + "8,none,3\n")
    with pytest.raises(DataError, match=r"row 3: Expected each code once\. Got that of row 1"):
        import_file("mine.csv", space=SPACE)
    assert (folder / "mine.parquet").read_bytes() == before
    assert import_file("mine.csv", space=SPACE, drop_bad=True).left_out == {"a code stands there twice": 1}
