"""Published files become tables that say exactly what the files say."""

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ncp
from ncp.errors import DataError
from ncp.io.pickles import read_pickle
from ncp.spaces.cells import CELL201
from ncp.tables.published import BATCH, PublishedTables, read_published
from ncp.tables.sources import PICKLES, Source
from ncp.tables.table import Table

SETTINGS = {
    "seg": ["mIoU", "mAcc", "aAcc"],
    "seg-4x": ["mIoU", "mAcc", "aAcc"],
    "cls-50-1000": ["top1", "top5"],
    "cls-50-100": ["top1", "top5"],
    "cls-10-1000": ["top1", "top5"],
    "cls-10c": ["top1", "top5"],
    "video": ["top1", "top5"],
    "video-p": ["top1", "top5"],
    "3ddet": ["moderate"],
}


@pytest.fixture(scope="module")
def table(imported: Path) -> Table:
    """The published files as they were imported, which a slow test compares with what was read from them."""
    return ncp.load_table("nas-bench-mr", imported)


def linked(folder: Path, published: Path, *files: str) -> Path:
    """A folder with some of the published files."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).symlink_to(published / file)
    return folder


@pytest.mark.slow
def test_every_published_file_is_read_as_expected(everything: PublishedTables, imported: Path) -> None:
    assert everything.notes == everything.absent == ()
    assert {name: len(table) for name, table in everything.tables.items()} == {
        "nas-bench-mr": 2507,
        "nas-bench-201": 15625,
    }
    for name, table in everything.tables.items():
        again = ncp.load_table(name, imported)
        assert (again.space, again.columns) == (table.space, table.columns)
        for field in ("codes", "values", "origin", "flags"):
            np.testing.assert_array_equal(getattr(again, field), getattr(table, field))


def test_the_columns_are_in_the_order_of_the_settings(table: Table) -> None:
    assert table.columns == tuple(f"{name}/{metric}" for name, metrics in SETTINGS.items() for metric in metrics)
    assert not np.isnan(table.values).any()


@pytest.mark.slow
def test_every_value_is_the_published_one(table: Table, published: Path) -> None:
    for name in SETTINGS:
        if name == "3ddet":
            continue
        for item, code in zip(read_pickle(published / name / "trainval.pkl"), table.codes.tolist(), strict=True):
            assert item["embedding"] == code
            values = table.query(code)
            assert all(values[f"{name}/{metric}"] == item[metric] for metric in SETTINGS[name])


def test_the_costs_that_are_left_out_are_computed(table: Table, published: Path) -> None:
    items = read_pickle(published / "video-p" / "trainval.pkl")
    np.testing.assert_array_equal(np.rint([item["flops"] * 1e9 for item in items]), ncp.macs(table.codes))
    np.testing.assert_array_equal(np.rint([item["params"] * 1e6 for item in items]), ncp.params(table.codes))


def test_the_origin_of_every_row(table: Table) -> None:
    names, counts = np.unique(table.origin, return_counts=True)
    expected = {"anchor": 4, "searched": 7, "small": 500, "wide-3": 1200, "wide-4": 796}
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == expected
    assert table.sampled.sum() == 2496
    modules = table.codes[:, [2, 5, 10, 17]]
    assert modules[table.origin == "wide-3"].max() == 3
    assert modules[table.origin == "wide-4"].max() == 4
    assert table.codes[table.origin == "small"].max() == 64
    wide = np.isin(table.origin, ["wide-3", "wide-4"])
    assert (table.codes[wide][:, [0, 1, 4, 8, 9, 14, 15, 16, 22, 23, 24, 25, 26]] % 16 == 0).all()
    anchors = table.codes[table.origin == "anchor"]
    assert sorted(anchors[:, 0].tolist()) == [8, 16, 64, 128]
    assert table.origin[:2].tolist() == ["anchor", "anchor"]


def test_the_flags_of_3ddet(table: Table) -> None:
    batch, failed = table.flagged("3ddet-batch"), table.flagged("3ddet-failed")
    detection = table.select("3ddet/moderate").values[:, 0]
    assert batch.sum() == sum(end - start for start, end in BATCH)
    np.testing.assert_array_equal(failed, detection < 1)
    assert failed.sum() == 3
    wide = table.origin == "wide-3"
    assert np.median(detection[wide & batch]) < 72 < 77 < np.median(detection[wide & ~batch])


def runs(low: NDArray[np.bool_], known: NDArray[np.bool_], least: int = 3) -> list[tuple[int, int]]:
    """Stretches where low lines outweigh the others by `least`: the heaviest, then those before and after it."""
    heights = np.concatenate([[0], np.cumsum(np.where(known, np.where(low, 1, -1), 0))])
    gains = heights - np.minimum.accumulate(heights)
    end = int(gains.argmax())
    if gains[end] < least:
        return []
    start = int(np.flatnonzero(heights[:end] == heights[:end].min())[-1])
    return [
        *runs(low[:start], known[:start], least),
        (start, end),
        *((end + a, end + b) for a, b in runs(low[end:], known[end:], least)),
    ]


@pytest.mark.slow
def test_the_batch_of_3ddet_follows_from_the_values(table: Table, published: Path) -> None:
    """A line is low more than 3 AP below the median of its part of the list."""
    values = np.full(2511, np.nan)
    lines = (published / "search_list.txt").read_text().split()
    for line, text in enumerate(lines):
        row = table.row(ncp.Code.parse(text))
        values[line] = np.nan if row is None else table.select("3ddet/moderate", row).values.item()
    found = []
    for start, end in [(0, 1200), (1200, 2000), (2000, 2500)]:
        part = values[start:end]
        found += [(start + a, start + b) for a, b in runs(part < np.nanmedian(part) - 3, ~np.isnan(part))]
    assert tuple(found) == BATCH


def test_the_cells(imported: Path, published: Path) -> None:
    table = ncp.load_table("nas-bench-201", imported)
    assert table.space == CELL201
    items = read_pickle(published / "nas-bench-201" / "trainval.pkl")
    np.testing.assert_array_equal(CELL201.relax(table.codes), [item["embedding"] for item in items])
    np.testing.assert_array_equal(table.values, [[item[key] for key in ("Acc", "Flops", "Params")] for item in items])
    assert table.values[:, 0].max() == pytest.approx(47.333, abs=1e-3)


def test_absent_settings_are_absent_columns(tmp_path: Path, published: Path) -> None:
    read = read_published(linked(tmp_path / "data", published, "search_list.txt", "video/trainval.pkl").parent)
    assert read.tables["nas-bench-mr"].columns == ("video/top1", "video/top5")
    assert set(read.absent) == {*SETTINGS, "nas-bench-201"} - {"video"}
    assert not read.tables["nas-bench-mr"].flags.any()


def test_the_origin_needs_the_list(tmp_path: Path, published: Path) -> None:
    with pytest.raises(DataError, match=r"search_list.txt is missing in .* Copy it there"):
        read_published(linked(tmp_path, published, "seg/trainval.pkl"))


@pytest.mark.parametrize("file", ["seg/trainval.pkl", "search_list.txt", "3ddet_moderate.csv", "3ddet/trainval.pkl"])
def test_a_file_with_another_hash_is_not_opened(tmp_path: Path, published: Path, file: str) -> None:
    folder = linked(tmp_path, published, *{"search_list.txt", "video/trainval.pkl"} - {file})
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(DataError, match=rf"{file} is not the published {file}: expected .* [0-9a-f]+, got [0-9a-f]+\."):
        read_published(folder)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There are no published files such as seg/trainval.pkl in .*ncp data"):
        read_published(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^There is no folder '.*/none'\. Name the published data folder, or download"):
        read_published(tmp_path / "none")


KITTI = ("easy", "moderate", "hard")


def detection(published: Path) -> list[dict[str, Any]]:
    """What the published pickle of 3ddet is thought to hold."""
    items = read_pickle(published / "seg" / "trainval.pkl")
    kept = ("flops", "params", "input_channel", "inverted_residual_setting", "last_channel", "embedding")
    return [
        {**{metric: float(row + place) for place, metric in enumerate(KITTI)}, **{key: item[key] for key in kept}}
        for row, item in enumerate(items)
    ]


Converted = Callable[[object], PublishedTables]


@pytest.fixture
def converted(tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> Converted:
    """Convert seg and a pickle of 3ddet that stands for the published one."""

    def convert_items(items: object) -> PublishedTables:
        folder = linked(tmp_path, published, "search_list.txt", "seg/trainval.pkl", "3ddet_moderate.csv")
        file = folder / "3ddet" / "trainval.pkl"
        file.parent.mkdir()
        file.write_bytes(pickle.dumps(items))
        blob = b"blob %d\0" % file.stat().st_size + file.read_bytes()
        source = Source("3ddet/trainval.pkl", hashlib.sha1(blob).hexdigest())  # noqa: S324
        monkeypatch.setitem(PICKLES, "3ddet", source)
        return read_published(folder)

    return convert_items


@pytest.mark.slow
def test_the_pickle_of_3ddet_goes_before_its_csv(converted: Converted, published: Path) -> None:
    read = converted(detection(published))
    table = read.tables["nas-bench-mr"]
    assert read.notes == ()
    assert table.columns[3:] == ("3ddet/easy", "3ddet/moderate", "3ddet/hard")
    assert table.select("3ddet").values[5].tolist() == [5, 6, 7]


@pytest.mark.slow
def test_a_3ddet_in_another_order_is_put_in_order_and_noted(converted: Converted, published: Path) -> None:
    items = detection(published)
    other = {**items[0], "embedding": [8] * 2 + [1, 1, 16, 1, 1, 1, 8, 8] + [1] * 4 + [8] * 3 + [1] * 5 + [8] * 5}
    del items[7]
    read = converted([other, *items[::-1]])
    values = read.tables["nas-bench-mr"].select("3ddet/easy").values[:, 0]
    assert values[[0, 6, 8, 2506]].tolist() == [0, 6, 8, 2506]
    assert np.flatnonzero(np.isnan(values)).tolist() == [7]
    assert "3ddet: 2506 of the 2507 networks, in another order, and 1 that are left out" in " ".join(read.notes)


@pytest.mark.slow
def test_a_3ddet_that_is_not_as_expected_is_noted(converted: Converted, published: Path) -> None:
    items = detection(published)
    for item in items:
        del item["hard"], item["params"]
        item["iou"] = 0.7
    items[3]["flops"] += 1
    read = converted(items)
    assert read.tables["nas-bench-mr"].columns[3:] == ("3ddet/easy", "3ddet/moderate")
    assert read.notes == (
        "3ddet: no 'hard' in the file",
        "3ddet: an unexpected 'iou' in the file",
        "3ddet: flops of 1 networks are not what ncp.macs computes",
        "3ddet: no 'params' in the file",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({}, "Expected a list of networks in .* Got a dict"),
        ([], "Expected a list of networks in .* Got a list"),
        ([3], "Expected a list of networks in"),
        ([{"easy": 1.0}], "do not all have the same keys, with 'embedding'"),
        ([{"embedding": [1]}, {"easy": 1}], "do not all have the same keys"),
        ([{"embedding": [1] * 27}], "has none of easy, moderate, hard, only"),
        (
            [{"embedding": [1] * 27, "easy": 1}],
            "has a network without a valid code: Expected a multiple of 8",
        ),
        ([{"embedding": "x", "easy": 1}], "has a network without a valid code"),
        ([{"embedding": [8] * 27, "easy": "x"}], "has a network without a valid code"),
    ],
)
def test_a_3ddet_that_cannot_be_read(converted: Converted, items: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        converted(items)


@pytest.mark.slow
def test_a_3ddet_of_texts(converted: Converted, published: Path) -> None:
    items = detection(published)
    items[4]["easy"] = "high"
    with pytest.raises(DataError, match=r"Expected a number as 'easy' of every network in .* Got a str"):
        converted(items)
