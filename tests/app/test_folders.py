"""Folders of servers: deleted when they end, or when another one starts if they were killed."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ncp.app.folders import server_folder

KILLED = """
import os, signal, time
from ncp.app.folders import server_folder
with server_folder() as folder:
    (folder / "secret.csv").write_text("1")
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files in this test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_folder_is_deleted_with_its_server(elsewhere: Path) -> None:
    with server_folder() as folder:
        (folder / "table.csv").write_text("1")
        assert folder.parent == elsewhere
    assert list(elsewhere.iterdir()) == []


def test_folders_of_killed_servers_are_removed_and_those_of_running_ones_stay(elsewhere: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdin=-1, stdout=-1, text=True) as other:  # noqa: S603
        assert other.stdout is not None
        folder = Path(other.stdout.readline().strip())
        assert folder.parent == elsewhere
        with server_folder() as mine, server_folder() as second:
            assert {folder, mine, second} == set(elsewhere.iterdir())
        other.kill()
        other.wait()
    assert (folder / "secret.csv").is_file()
    with server_folder() as mine:
        assert list(elsewhere.iterdir()) == [mine]


def test_other_files_stay(elsewhere: Path) -> None:
    target = elsewhere / "other"
    target.mkdir()
    (target / "lock").write_text("")
    (elsewhere / "ncp-app-link").symlink_to(target)
    (elsewhere / "ncp-app-mine").mkdir()
    (elsewhere / "ncp-app-mine" / "thesis.txt").write_text("x")
    (elsewhere / "ncp-app-file").write_text("x")
    before = set(elsewhere.rglob("*"))
    with server_folder():
        pass
    assert set(elsewhere.rglob("*")) == before
