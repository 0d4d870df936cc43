"""`ncp data cache`: what it lists is what is there, and it removes nothing else."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import ncp
from ncp.cli.data_cache import GROUPS
from ncp.optim.pair_cache import PairCache
from ncp.tables.sources import SEARCH_LIST
from tests.cli.conftest import Run
from tests.predictors.fitted import fitted, rows
from tests.tasks.tiny import MAKERS

CODE = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"


class Typed(io.StringIO):
    """Standard input that is a terminal."""

    def isatty(self) -> bool:
        return True


def size(*folders: Path) -> int:
    """The size of all files in folders [bytes]."""
    return sum(
        (Path(place) / name).stat().st_size for top in folders for place, _, names in os.walk(top) for name in names
    )


@pytest.fixture
def filled(run: Run, tmp_path: Path) -> Path:
    """A cache with a table, a download, a fitted pair and the samples of a task, and two things of the user's."""
    cache, (codes, values) = tmp_path / "cache", rows("multires")
    table = ncp.Table(ncp.MULTIRES, codes, values, ["seg/mIoU", "seg/mAcc", "video/top1"])
    table.to_parquet(cache / "nas-bench-mr.parquet")
    assert PairCache(table, 0).keep(fitted("gp"), fitted("gp"))
    recipe = MAKERS["classification"](tmp_path / "mine")
    document = {"kind": "classification", "data": {"path": "mine"}, "recipe": recipe}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(document))
    assert run("task", "check", "mine.yaml", "--code", CODE).status == 0
    for name in ("notes.txt", f"upstream/{SEARCH_LIST.path}", "tasks/notes.txt"):
        (cache / name).parent.mkdir(exist_ok=True)
        (cache / name).write_text("12345")
    return cache


def names(run: Run) -> list[str]:
    return [each["name"].partition("/")[0] for each in json.loads(run("data", "cache", "--json").out)["entries"]]


def test_it_lists_what_is_there(run: Run, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(run("data", "cache", "--json").out)["entries"]
    table, upstream, pair, samples = found
    assert (table["name"], table["bytes"]) == ("nas-bench-mr", (filled / "nas-bench-mr.parquet").stat().st_size)
    assert (upstream["name"], upstream["bytes"]) == ("upstream", 5)
    assert (pair["what"], pair["bytes"]) == ("fitted on seg/mIoU, seg/mAcc, video/top1", size(filled / "predictors"))
    assert samples["what"] == f"classification: {(filled.parent / 'mine').resolve()}"
    assert samples["bytes"] == size(Path(samples["paths"][0]))
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run("data", "cache")
    assert (status, max(map(len, out.splitlines()[:-2])) <= 80) == (0, True)
    total = sum(each["bytes"] for each in found) / 1e6
    assert out.splitlines()[-2] == f"{filled}: 4 entries, {total:.1f} MB"


def test_it_removes_what_is_named_and_nothing_else(run: Run, filled: Path) -> None:
    (pair,) = json.loads(run("data", "cache", "predictors", "--json").out)["entries"]
    status, out, _ = run("data", "cache", "--clear", pair["name"], "--yes")
    assert (status, out) == (0, f"Removed: {pair['name']}\n")
    assert names(run) == ["nas-bench-mr", "upstream", "tasks"]
    assert run("data", "cache", "--clear", "--yes").status == 0
    assert names(run) == []
    left = sorted(str(path.relative_to(filled)) for path in filled.rglob("*") if path.is_file())
    assert [name for name in left if not name.endswith(".lock")] == ["notes.txt", "tasks/notes.txt"]
    assert run("task", "check", "mine.yaml", "--code", CODE).status == 0  # decodes again
    assert names(run) == ["tasks"]


def test_it_loads_no_torch() -> None:
    """Torch takes seconds to load."""
    code = "import sys; from ncp.cli.data_cache import entries; list(entries(__import__('pathlib').Path('none')));"
    subprocess.run([sys.executable, "-c", f"{code} assert 'torch' not in sys.modules"], check=True)  # noqa: S603


def test_it_asks_first(run: Run, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    status, _, error = run("data", "cache", "--clear")
    assert (status, error) == (
        2,
        "ncp: --clear asks before it removes anything, which needs a terminal. Add --yes.\n",
    )
    for answer, left in (("n", ["nas-bench-mr", "upstream", "predictors", "tasks"]), ("y", [])):
        monkeypatch.setattr("sys.stdin", Typed(f"{answer}\n"))
        status, _, error = run("data", "cache", "--clear")
        assert (status, "Remove 4 entries, " in error) == (0, True)
        assert names(run) == left


def test_nothing_outside_of_the_cache_is_removed(run: Run, filled: Path, tmp_path: Path) -> None:
    (filled / "tasks").rename(tmp_path / "elsewhere")
    (filled / "tasks").symlink_to(tmp_path / "elsewhere")
    before = size(tmp_path)
    status, _, error = run("data", "cache", "--clear", "--yes")
    assert status == 2
    assert f"cache/tasks is a link to {tmp_path / 'elsewhere'}, outside of the cache. Remove it there." in error
    assert size(tmp_path) == before


def test_what_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    status, _, error = run("data", "cache", "--clear", "../mine", "--yes")
    assert (status, error) == (2, f"ncp: There is no '../mine' in {tmp_path / 'cache'}, which has nothing.\n")
    for group in GROUPS:
        assert run("data", "cache", group).out == f"{tmp_path / 'cache'}: 0 entries, 0.0 MB\n"
    assert run("data", "cache", "--yes").err == "ncp: --yes does nothing without --clear. Leave it out.\n"
