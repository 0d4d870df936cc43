"""The cache keeps tables with the hashes of their sources."""

import json
from pathlib import Path

import numpy as np
import pytest

import ncp
import ncp.tables.cache
from ncp.errors import DataError
from ncp.spaces.families import table_names
from ncp.tables.cache import fetch_tables, import_folder, load_table, table_status
from ncp.tables.sources import PUBLISHED, Source
from ncp.tables.table import Table
from tests.tables.server import serve


@pytest.fixture
def copied(imported: Path, tmp_path: Path) -> Path:
    for file in imported.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.mark.slow
def test_import_says_what_it_wrote(published: Path, tmp_path: Path) -> None:
    mr, cells = import_folder(published, tmp_path)
    assert (mr.name, mr.rows, len(mr.columns), mr.absent, mr.notes, mr.problems) == (
        "nas-bench-mr", 2507, 19, (), (), (),
    )  # fmt: skip
    assert (cells.name, cells.rows, len(cells.columns)) == ("nas-bench-201", 15625, 3)
    assert sorted(mr.sources) == sorted(
        file.relative_to(published).as_posix()
        for file in [*published.glob("*/trainval.pkl"), *published.glob("*.csv"), published / "search_list.txt"]
        if "201" not in str(file)
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        f"{name}.{suffix}" for name in ("nas-bench-mr", "nas-bench-201") for suffix in ("parquet", "json")
    )


@pytest.mark.slow
def test_a_folder_of_one_setting(published: Path, tmp_path: Path) -> None:
    (tmp_path / "from" / "seg").mkdir(parents=True)
    for file in ("search_list.txt", "seg/trainval.pkl"):
        (tmp_path / "from" / file).symlink_to(published / file)
    (mr,) = import_folder(tmp_path / "from", tmp_path / "to")
    assert mr.columns == ("seg/mIoU", "seg/mAcc", "seg/aAcc")
    assert mr.absent == ("seg-4x", "cls-50-1000", "cls-50-100", "cls-10-1000", "cls-10c", "video", "video-p", "3ddet")


def test_load(imported: Path) -> None:
    table = load_table("nas-bench-mr", root=imported)
    same = load_table(imported / "nas-bench-mr.parquet")
    np.testing.assert_array_equal(table.values, same.values)
    assert len(load_table("nas-bench-201", imported)) == 15625


def test_load_from_the_cache(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCP_CACHE", str(copied))
    assert len(load_table("nas-bench-mr")) == 2507


def test_the_default_cache_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NCP_CACHE", raising=False)
    assert ncp.tables.sources.cache_dir().name == "ncp-nas"


def test_without_a_home_folder_the_message_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(*_: str, **__: bool) -> str:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("NCP_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", no_home)
    advice = "There is no home folder, so there is no cache for tables. Set the variable NCP_CACHE to a folder."
    for ask in (lambda: load_table("nas-bench-mr"), fetch_tables, ncp.tables.sources.cache_dir):
        with pytest.raises(DataError, match=advice):
            ask()
    assert not table_status("nas-bench-mr").present
    assert table_status("nas-bench-mr").notes == (advice,)


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    message = "root is a file, so it cannot hold tables. Name a folder."
    with pytest.raises(DataError, match=message):
        load_table("nas-bench-mr", tmp_path / "root")
    (problem,) = table_status("nas-bench-mr", tmp_path / "root").problems
    assert message in problem


@pytest.mark.parametrize("name", ["nas-bench-mr", "nas-bench-201"])
def test_a_missing_table(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"The table {name} does not exist: .*ncp data fetch.*ncp data import FOLDER"):
        load_table(name, tmp_path)
    assert not table_status(name, tmp_path).present


def test_an_unknown_name() -> None:
    with pytest.raises(DataError, match=r"no file 'nas-bench-rm'\. Give .*, or mini or nas-bench-mr or"):
        load_table("nas-bench-rm")


def test_the_table_that_ships(tmp_path: Path) -> None:
    """Its codes were drawn with costs from 4 to 60 MMACs at 64 x 64 pixels, and trained on three tasks."""
    table = load_table("mini", tmp_path)
    assert table.tasks == ("cifar10", "camvid", "clips")
    assert np.isfinite(table.values).all()
    assert set(table.origin) == {"trained"}
    cost = ncp.macs(table.codes, image_size=64, classes=10)
    assert (cost >= 4e6).all()
    assert (cost < 60e6).all()
    assert table_status("mini", tmp_path).problems == ()


def test_a_good_table_has_no_problems(imported: Path) -> None:
    assert [table_status(name, imported).problems for name in table_names()] == [(), ()]


def test_a_table_that_was_replaced(copied: Path) -> None:
    table = load_table("nas-bench-mr", copied)
    values = table.values.copy()
    values[0, 0] += 1
    path = copied / "nas-bench-mr.parquet"
    Table(table.space, table.codes, values, table.columns, table.origin, table.flags).to_parquet(path)
    (problem,) = table_status("nas-bench-mr", copied).problems
    assert problem.startswith("Expected SHA-256 ")
    assert problem.endswith("Import or fetch it again.")


def test_a_table_that_is_damaged(copied: Path) -> None:
    (copied / "nas-bench-mr.parquet").write_bytes(b"PAR1")
    (problem,) = table_status("nas-bench-mr", copied).problems
    assert " as a table of ncp: " in problem


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"sha256": 1, "sources": {}, "absent": [], "notes": []}'])
def test_hashes_that_are_damaged(copied: Path, content: str | None) -> None:
    file = copied / "nas-bench-mr.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    (problem,) = table_status("nas-bench-mr", copied).problems
    assert problem.startswith("Cannot read the hashes of a table from ")


def test_a_table_that_was_made_of_something_else(copied: Path) -> None:
    file = copied / "nas-bench-mr.json"
    about = json.loads(file.read_text())
    about["sources"]["seg/trainval.pkl"] = "0" * 64
    file.write_text(json.dumps(about))
    (problem,) = table_status("nas-bench-mr", copied).problems
    assert "was made of 'seg/trainval.pkl', which is not the published file" in problem


def test_fetch_downloads_and_imports(published: Path, tmp_path: Path) -> None:
    some = tuple(source for source in PUBLISHED if source.path in ("search_list.txt", "seg/trainval.pkl"))
    done: list[Source] = []
    with serve({f"/{source.path}": (published / source.path).read_bytes() for source in some}) as server:
        for _ in range(2):
            (mr,) = fetch_tables(tmp_path, base=server.address, sources=some, done=done.append)
    assert mr.columns == ("seg/mIoU", "seg/mAcc", "seg/aAcc")
    assert load_table("nas-bench-mr", tmp_path).columns == mr.columns
    assert server.asked == ["/search_list.txt", "/seg/trainval.pkl"]
    assert done == list(some) * 2
