"""Finished simulations are kept in a folder; files that were damaged or changed are computed again."""

import hashlib
import json
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncp import DataError, Objective, Space, Table, compare
from ncp.searchers.random import Random
from ncp.searchers.registry import SEARCHERS
from ncp.spaces.arrays import Codes
from tests.searchers.test_comparison import CODES, OPTIONS, SPACE, TABLE, VALUES


def kept(folder: Path) -> dict[str, Path]:
    """The files of the only comparison in a folder, by name."""
    (comparison,) = folder.iterdir()
    return {path.name: path for path in comparison.iterdir()}


class Watch:
    """Which files of a folder were written since it was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before = self._times()

    def _times(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in self.folder.rglob("*.json")}

    def written(self) -> set[str]:
        return {path.stem for path, when in self._times().items() if self.before.get(path) != when}


def test_kept_simulations_are_not_run_again(tmp_path: Path) -> None:
    first = compare(TABLE, ["random", "local"], **OPTIONS, folder=tmp_path)
    watch = Watch(tmp_path)
    again = compare(TABLE, ["random", "local"], **OPTIONS, folder=str(tmp_path))
    assert watch.written() == set()
    np.testing.assert_array_equal(again.seconds["local"], first.seconds["local"])
    more = compare(TABLE, ["local", "evolution"], **OPTIONS | {"seeds": 3}, folder=tmp_path)
    assert watch.written() == {"local-2", "evolution-0", "evolution-1", "evolution-2"}
    np.testing.assert_array_equal(more.seconds["local"][:2], first.seconds["local"])


@pytest.mark.parametrize(
    "other",
    [
        {"queries": 5},
        {"objective": Objective({"seg": -1.0})},
        {"objective": Objective({"video": 1.0})},
        {"objective": Objective({"seg": 1.0}, at_least={"video": 0.0})},
        {"warm_start": TABLE.select(rows=np.arange(5))},
        {"table": TABLE.select(rows=np.arange(20))},
        {"table": Table(SPACE, CODES, VALUES, TABLE.columns, minimised=["seg/mIoU"])},
    ],
)
def test_other_comparisons_are_kept_apart(tmp_path: Path, other: dict[str, Any]) -> None:
    options = {"table": TABLE, "searchers": ["random"]} | OPTIONS
    first = compare(**options, folder=tmp_path)
    compare(**options | other, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    watch = Watch(tmp_path)
    again = compare(**options, folder=tmp_path)
    assert watch.written() == set()
    np.testing.assert_array_equal(again.seconds["random"], first.seconds["random"])


def test_the_same_rows_of_another_space_are_kept_apart(tmp_path: Path) -> None:
    compare(TABLE, ["local"], **OPTIONS, folder=tmp_path)
    wider = Space.from_dict({"depth": [1, 2, 3, 4], "edge": ["none", "skip", "conv"], "width": [8, 12, 16, 24, 32]})
    compare(Table(wider, CODES, VALUES, TABLE.columns), ["local"], **OPTIONS, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def edited(**fields: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """A change of some fields of a kept file, with the digest that belongs to them."""

    def change(text: bytes) -> bytes:
        document = json.loads(text)
        del document["sha256"]
        for name, other in fields.items():
            document["simulation"][name] = other(document["simulation"][name])
        document["sha256"] = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        return json.dumps(document).encode()

    return change


@pytest.mark.parametrize(
    "change",
    [
        *(
            lambda _, content=content: content
            for content in (b"", b"\xff{", b"[1, 2]", b"7", b'{"asked": 1}', b"[" * 10**5)
        ),
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(b'"best": [', b'"best": [99.0, ', 1),
        lambda text: re.sub(rb'"seconds": \[[^,]*', b'"seconds": [0.0', text),
        edited(best=lambda best: [99.0, *best[1:]]),
        edited(best=lambda best: best[:-1]),
        edited(best=lambda best: [str(x) for x in best]),
        edited(best=lambda best: [math.nan, *best[1:]]),
        edited(best=lambda best: [None, *best[1:]]),
        edited(best=lambda best: [best]),
        edited(best=lambda _: []),
        edited(seconds=lambda seconds: [-1.0, *seconds[1:]]),
        edited(seconds=lambda seconds: seconds[::-1]),
        edited(seconds=lambda seconds: [*seconds[:-1], math.inf]),
        edited(rows=lambda rows: [rows[1], *rows[1:]]),
        edited(rows=lambda rows: [10**30, *rows[1:]]),
        edited(rows=lambda rows: [-1, *rows[1:]]),
        edited(rows=lambda rows: [True, *rows[1:]]),
        edited(listed=lambda _: -1),
        edited(listed=lambda _: "0"),
        edited(propagated=lambda _: True),
    ],
)
def test_a_damaged_or_changed_file_is_computed_again(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    first = compare(TABLE, ["random"], **OPTIONS, folder=tmp_path)
    path = kept(tmp_path)["random-0.json"]
    path.write_bytes(change(path.read_bytes()))
    watch = Watch(tmp_path)
    again = compare(TABLE, ["random"], **OPTIONS, folder=tmp_path)
    assert again.damaged == (path,)
    assert watch.written() == {"random-0"}
    np.testing.assert_array_equal(first.best["random"], again.best["random"])
    assert compare(TABLE, ["random"], **OPTIONS, folder=tmp_path).damaged == ()


def test_a_file_of_another_seed_is_not_used(tmp_path: Path) -> None:
    compare(TABLE, ["random"], **OPTIONS, folder=tmp_path)
    kept(tmp_path)["random-0.json"].write_bytes(kept(tmp_path)["random-1.json"].read_bytes())
    assert len(compare(TABLE, ["random"], **OPTIONS, folder=tmp_path).damaged) == 1


def test_simulations_that_finished_before_a_stop_are_kept(tmp_path: Path) -> None:
    def stop(share: float) -> None:
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(TABLE, ["random", "local"], **OPTIONS, folder=tmp_path, progress=stop)
    assert set(kept(tmp_path)) == {"random-0.json", "random-1.json"}
    watch = Watch(tmp_path)
    compare(TABLE, ["random", "local"], **OPTIONS, folder=tmp_path)
    assert watch.written() == {"local-0", "local-1"}


def test_two_comparisons_at_once_in_one_folder(tmp_path: Path) -> None:
    """The same and others: nothing mixes, and every file is whole."""
    comparisons = [OPTIONS | {"queries": queries} for queries in (4, 5, 5, 6)]
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda options: compare(TABLE, ["random", "local"], **options, folder=tmp_path), comparisons)
        )
    for options, result in zip(comparisons, found, strict=True):
        alone = compare(TABLE, ["random", "local"], **options)
        again = compare(TABLE, ["random", "local"], **options, folder=tmp_path)
        for name in result.best:
            np.testing.assert_array_equal(result.best[name], alone.best[name])
            np.testing.assert_array_equal(again.best[name], alone.best[name])
        assert again.damaged == ()
    assert len(list(tmp_path.iterdir())) == 3


class Fails(Random):
    def ask(self) -> Codes:
        raise DataError("Expected better. Got this.")


def test_an_error_in_a_simulation_is_raised_and_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SEARCHERS, "local", Fails)
    with pytest.raises(DataError, match=re.escape("Expected better. Got this.")):
        compare(TABLE, ["random", "local"], **OPTIONS, folder=tmp_path)
    assert set(kept(tmp_path)) == {"random-0.json", "random-1.json"}


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="write"):
        compare(TABLE, ["random"], **OPTIONS, folder=tmp_path / "file")
