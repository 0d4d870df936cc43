"""`ncp data` as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.datasets.server import serve


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    """A folder with one setting."""
    made = tmp_path / "published"
    (made / "video").mkdir(parents=True)
    for file in ("search_list.txt", "video/trainval.pkl"):
        (made / file).symlink_to(shared / "data" / "nas-bench-mr" / file)
    return made


def test_import_list_check(run: Run, folder: Path, tmp_path: Path) -> None:
    status, out, err = run("data", "import", str(folder))
    assert (status, err) == (0, "")
    assert "2507" in out
    assert f"nas-bench-mr: {tmp_path / 'cache' / 'nas-bench-mr.parquet'}" in out
    for command in ("list", "check"):
        status, out, err = run("data", command)
        assert (status, err) == (0, "")
        assert "good" in out
        assert "absent" in out  # nas-bench-201
        assert "seg-4x" in out  # not there


def test_json(run: Run, folder: Path, tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    documents = []
    for command in (["import", str(folder)], ["list"], ["check"]):
        status, out, err = run("data", *command, "--root", root, "--json")
        assert (status, err) == (0, "")
        documents.append(json.loads(out)["tables"])
    (mr,) = documents[0]
    assert documents[1] == documents[2]
    assert documents[1][0] == mr
    assert documents[1][1]["present"] is False
    assert (mr["name"], mr["rows"], mr["columns"]) == ("nas-bench-mr", 2507, ["video/top1", "video/top5"])
    assert mr["path"] == f"{root}/nas-bench-mr.parquet"
    assert "3ddet" in mr["absent"]
    assert set(mr["sources"]) == {"search_list.txt", "video/trainval.pkl"}
    assert len(mr["sha256"]) == 64


def test_import_of_nothing(run: Run, tmp_path: Path) -> None:
    status, out, err = run("data", "import", str(tmp_path))
    assert (status, out) == (2, "")
    assert err.startswith("ncp: Expected a folder with files such as seg/trainval.pkl. Got none")


def test_import_of_another_file(run: Run, folder: Path) -> None:
    (folder / "seg").mkdir()
    (folder / "seg" / "trainval.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    status, out, err = run("data", "import", str(folder))
    assert (status, out) == (2, "")
    assert err.startswith("ncp: Expected the published seg/trainval.pkl as ")


def test_nothing_to_list_or_check(run: Run) -> None:
    status, out, err = run("data", "list")
    assert (status, err) == (0, "")
    assert out.count("absent") == 2
    status, out, err = run("data", "check")
    assert status == 2
    assert "ncp data import FOLDER" in err
    assert "ncp data fetch" in err


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_check_finds_a_damaged_table(run: Run, folder: Path, tmp_path: Path, options: list[str]) -> None:
    run("data", "import", str(folder))
    file = tmp_path / "cache" / "nas-bench-mr.parquet"
    file.write_bytes(file.read_bytes()[:-1])
    assert run("data", "list")[0] == 0
    status, out, err = run("data", "check", *options)
    assert status == 2
    assert err.startswith("ncp: Expected a table written by Table.to_parquet")
    assert json.loads(out)["tables"][0]["problems"] if options else "damaged" in out


def test_fetch_without_a_file(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the attempts
    with serve({"/search_list.txt": (folder / "search_list.txt").read_bytes()}) as server:
        status, out, err = run("data", "fetch", "--from", server.address[:-1])
    assert (status, out) == (2, "")
    assert "ncp: Expected to download" in err
    assert "ncp data import FOLDER" in err
    assert (tmp_path / "cache" / "upstream" / "search_list.txt").exists()
    assert not list((tmp_path / "cache").glob("*.parquet"))


def test_help_loads_nothing_heavy() -> None:
    heavy = {"numpy", "pyarrow", "pooch", "requests", "torch"}
    program = f"import sys, ncp.cli.data; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603
