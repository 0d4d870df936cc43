"""A file is written whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest

from ncp.errors import DataError
from ncp.files import whole_file, write_json


def test_writes_and_makes_the_folders(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.txt"
    with whole_file(target) as temporary:
        assert temporary.suffix == ".txt"
        assert not target.exists()
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_the_old_file(tmp_path: Path, interruption: type[BaseException]) -> None:
    target = tmp_path / "c.txt"
    target.write_text("old")

    def interrupted() -> None:
        with whole_file(target) as temporary:
            temporary.write_text("ha")
            raise interruption

    with pytest.raises(interruption):
        interrupted()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_writer_with_a_file_of_its_own_does_not_change_who_may_read(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with whole_file(tmp_path / "c.txt") as temporary:
        temporary.unlink()
        temporary.touch(mode=0o600)
    assert (tmp_path / "c.txt").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("where", ["file/c.txt", "file/deeper/c.txt", "folder"])
def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(DataError, match=f"Expected to write .*{where}.* Got: .* Choose a path"),
        whole_file(tmp_path / where) as temporary,
    ):
        temporary.write_text("x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_json_holds_what_numpy_and_paths_are(tmp_path: Path) -> None:
    document = {
        "a": np.int64(3),
        1: np.array([[1.0, np.inf]]),
        "b": (True, None, float("nan"), tmp_path),
        "c": np.str_("x"),
    }
    write_json(tmp_path / "deep" / "x.json", document)
    text = (tmp_path / "deep" / "x.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text) == {"a": 3, "1": [[1.0, None]], "b": [True, None, None, str(tmp_path)], "c": "x"}
