"""A file is written whole or not at all."""

import json
import os
import pty
import signal
import subprocess
import sys
import tty
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from ncp.errors import ConfigError, DataError
from ncp.io.files import STALE, as_path, read_json, whole_file, write_json


def write(path: Path | str, text: str = "whole") -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text)


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
        pytest.raises(DataError, match=f"Cannot write .*{where}: .* (Choose another path|Name a file in it)"),
        whole_file(tmp_path / where) as temporary,
    ):
        temporary.write_text("x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("where", [".", "", "..", "/", "link"])
def test_a_folder_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(".")
    with pytest.raises(DataError, match="it is a folder"):
        write(where)
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "c.txt"
    target.touch(mode)
    with whole_file(target) as temporary:
        assert temporary.stat().st_mode & 0o077 == mode & 0o077  # nobody else reads it meanwhile
        temporary.unlink()
        temporary.write_text("whole")
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("whole", mode)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, there: bool) -> None:
    (tmp_path / "folder").mkdir()
    real, link = tmp_path / "folder" / "real", tmp_path / "link.txt"
    if there:
        real.write_text("old")
    link.symlink_to("folder/real")
    with whole_file(link) as temporary:
        assert (temporary.parent, temporary.suffix) == (real.parent, ".txt")
        temporary.write_text("whole")
    assert link.is_symlink()
    assert real.read_text() == "whole"
    assert list(real.parent.iterdir()) == [real]


def test_a_pipe_gets_what_is_written(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe.txt", []
    os.mkfifo(pipe)
    reader = Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write(pipe)
    reader.join()
    assert read == ["whole"]
    assert pipe.is_fifo()


def test_a_device_gets_what_is_written() -> None:
    reader, device = pty.openpty()
    tty.setraw(device)
    name = os.ttyname(device)
    write(name)
    assert os.read(reader, 100) == b"whole"
    assert Path(name).is_char_device()
    write("/dev/null")
    assert Path("/dev/null").is_char_device()
    os.close(device)
    os.close(reader)


def test_standard_output_goes_on_where_it_goes(tmp_path: Path) -> None:
    program = (
        "from ncp.io.files import whole_file\nprint('before')\n"
        "with whole_file('/dev/stdout') as file: file.write_text('whole\\n')\nprint('after')"
    )
    for name in ("file", "pipe"):
        with (tmp_path / "out").open("wb") as file:
            out = file if name == "file" else subprocess.PIPE
            ended = subprocess.run([sys.executable, "-c", program], stdout=out, check=True)  # noqa: S603
        got = ended.stdout or (tmp_path / "out").read_bytes()
        assert got == b"before\nwhole\nafter\n"


def test_files_of_killed_runs_are_removed(tmp_path: Path) -> None:
    target, other = tmp_path / "c.txt", tmp_path / "other.txt"
    program = (
        "import os, signal\nfrom ncp.io.files import whole_file\n"
        f"with whole_file({str(target)!r}) as a, whole_file({str(other)!r}):\n"
        "    a.write_text('ha')\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False)  # noqa: S603
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with whole_file(target) as living:
        write(target)  # at the same time
        (left,) = set(tmp_path.iterdir()) - {target, living}  # that of the other file
        elsewhere = [tmp_path / living.name.replace(living.name.split("-")[2], mark) for mark in ("0" * 8, "1" * 8)]
        for path in elsewhere:
            path.touch()
        os.utime(elsewhere[1], (0, elsewhere[1].stat().st_mtime - STALE - 1))
        write(target)
        assert set(tmp_path.iterdir()) == {target, living, left, elsewhere[0]}  # another machine may still write it
    write(other)
    assert set(tmp_path.iterdir()) == {target, other, elsewhere[0]}


def test_names_of_any_length(tmp_path: Path) -> None:
    write(tmp_path / ("n" * 255))
    with pytest.raises(DataError, match="File name too long"):
        write(tmp_path / ("n" * 256))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("path", [None, 3, b"x", ["x"], "a\0b", "\ud800", {"seg": 1.0}])
def test_invalid_paths_are_refused(path: object) -> None:
    with pytest.raises(ConfigError, match=r"^out must be the path of a file\. Got ") as refused:
        as_path(path, "out")
    assert refused.value.field == "out"


def test_json_converts_arrays_and_paths(tmp_path: Path) -> None:
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


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_an_endless_json_file_is_refused() -> None:
    with pytest.raises(DataError, match=r"^Cannot read /dev/zero: it has more than 1000 bytes\.$"):
        read_json("/dev/zero", largest=1000)


def test_a_binary_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "weights.json").write_bytes(b"\xe0\x00\x01")
    with pytest.raises(DataError, match=r"weights\.json: it is not a text file\.$"):
        read_json(tmp_path / "weights.json")
