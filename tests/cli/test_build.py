"""`ncp build` and `ncp study` as typed, and other commands on the table that they make."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import ncp
from ncp.cli.study_screen import read_data
from ncp.tasks.task import task_from_dict
from tests.cli.conftest import Run
from tests.studies.inline import BAD, TEXTS, InlinePool, pool
from tests.tasks.tiny import MAKERS

__all__ = ["pool"]

TASK = """
kind: command
function: tests.studies.inline:train_quickly
metrics: [accuracy, "latency:min"]
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A task and a file of codes, in the folder of `run`."""
    (tmp_path / "mine.yaml").write_text(TASK)
    (tmp_path / "codes.txt").write_text("# six codes\n" + "\n\n".join(TEXTS) + "  # the last one\n")
    return tmp_path


@pytest.mark.parametrize("quietly", [False, True])
@pytest.mark.usefixtures("run")
def test_changes_of_a_recipe_are_said(quietly: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = MAKERS["classification"](tmp_path / "data") | {"epochs": 4}
    task = task_from_dict({"name": "a", "kind": "classification", "data": {"path": "data"}, "recipe": recipe}, tmp_path)
    read_data([task], quietly)
    said = capsys.readouterr().out
    assert said.startswith("a: The default warm-up of 2 epochs is shortened to 0.8, ") == (not quietly)


@pytest.mark.usefixtures("files")
def test_a_study_is_built_shown_and_rebuilt(run: Run, pool: InlinePool) -> None:
    asked = ("build", "--task", "mine.yaml", "--codes", "codes.txt", "--seeds", "2", "--out", "s")
    status, out, error = run(*asked)
    assert (status, error) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("1. mine, seed 0: accuracy ")
    assert lines[2] == f"3. mine, seed 0: failed: The function raised ValueError: too wide: {BAD}"
    assert "s: 6 codes, tasks mine" in lines
    assert "10 of 12 trainings are done, 2 failed." in lines
    assert lines[-1] == "Written: s/table.parquet, s/trainings.parquet"
    assert run("study", "status", "s").out.splitlines() == lines[12:-2]

    found = json.loads(run("study", "status", "s", "--json").out)
    assert (found["done"], found["failed"], found["waiting"], found["seconds_left"]) == (10, 2, 0, 0)
    assert [each["seed"] for each in found["failures"]] == [0, 1]
    assert found["noise"]["mine/accuracy"]["std"] == pytest.approx(np.std([0, 0.5], ddof=1))
    assert found["scheduler"] is None

    Path("s/table.parquet").unlink()
    assert run("study", "rebuild", "s").out.splitlines() == [
        "6 codes, columns mine/accuracy, mine/latency.",
        "Written: s/table.parquet, s/trainings.parquet",
    ]
    assert len(pool.trained) == 12
    assert json.loads(run(*asked, "--retry-failed", "--json").out)["done"] == 10
    assert len(pool.trained) == 14
    shown = run("query", TEXTS[0], "--table", "s/table.parquet").out
    assert "origin: trained (trained by ncp build)" in shown
    assert "flag: mine-failed (a training on mine failed)" in run("query", BAD, "--table", "s/table.parquet").out


@pytest.mark.usefixtures("files", "pool")
def test_codes_are_drawn_within_a_budget(run: Run) -> None:
    asked = ("build", "--task", "mine.yaml", "--sample", "5", "--max-gmacs", "0.2", "--image-size", "64", "--out")
    assert run(*asked, "one").status == run(*asked, "same").status == run(*asked, "other", "--seed", "1").status == 0
    one, same, other = (ncp.load_table(f"{name}/table.parquet").codes for name in ("one", "same", "other"))
    assert ncp.macs(one, image_size=64).max() <= 2e8
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.usefixtures("files", "pool")
def test_a_space_of_ones_own(run: Run, files: Path) -> None:
    (files / "space.yaml").write_text(yaml.safe_dump({"width": [8, 16], "edge": ["none", "skip"]}))
    assert run("build", "--task", "mine.yaml", "--sample", "4", "--space", "space.yaml", "--out", "s").status == 0
    assert len(ncp.load_table("s/table.parquet")) == 4


@pytest.mark.usefixtures("files", "pool")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name the codes to train: either --codes FILE or --sample N."),
        (("--codes", "codes.txt", "--sample", "3"), "either --codes FILE or --sample N"),
        (("--codes", "codes.txt", "--max-gmacs", "1"), "bound the codes of --sample. Leave them out with --codes."),
        (("--codes", "absent.txt"), "absent.txt: No such file or directory."),
        (("--codes", "mine.yaml"), "Expected"),
        (("--codes", sys.executable), "is not a text file. Write one code per line."),
        (("--sample", "3", "--task", "mine.yaml"), "Two tasks have the name mine"),
        (("--sample", "3", "--set", "recipe.epochs=3"), "unknown key 'recipe'"),
        (("--sample", "3", "--out", "codes.txt"), "codes.txt"),
    ],
)
def test_mistakes_are_one_message(run: Run, arguments: tuple[str, ...], message: str) -> None:
    status, _, error = run("build", "--task", "mine.yaml", *arguments)
    assert status == 2
    assert message in error
    assert "Traceback" not in error


def test_a_folder_without_a_study_is_refused(run: Run) -> None:
    for command in ("status", "rebuild"):
        status, _, error = run("study", command, "absent")
        assert (status, error) == (
            2,
            "ncp: absent has no study.json. Name the folder of a study, from ncp build or ncp tune.\n",
        )
    assert not Path("absent").exists()


CONFIG = """
data: {table: s/table.parquet}
predictor: {kind: gp}
optimization: {steps: 20}
output: {folder: out}
"""


@pytest.mark.slow
@pytest.mark.usefixtures("pool")
def test_other_commands_work_on_the_table(run: Run, files: Path) -> None:
    """Some codes failed or were trained on one of the tasks alone."""
    (files / "two.yaml").write_text(TASK)
    (files / "config.yaml").write_text(CONFIG)
    assert run("build", "--task", "mine.yaml", "--sample", "80", "--out", "s").status == 0
    assert run("build", "--task", "mine.yaml", "--codes", "codes.txt", "--out", "s").status == 0
    assert run("build", "--task", "two.yaml", "--sample", "60", "--out", "s").status == 0
    table = ncp.load_table("s/table.parquet")
    assert np.isnan(table.values).any(axis=1).sum() == 20 + 6
    for command in (
        ("search", "--tasks", "mine,two", "--table", "s/table.parquet", "--starts", "16"),
        ("search", "--tasks", "mine", "--max-gmacs", "1", "--table", "s/table.parquet", "--starts", "16"),
        ("pareto", "--tasks", "mine,two", "--table", "s/table.parquet"),
        ("train-predictor", "--config", "config.yaml"),
        ("compare", "--tasks", "mine", "--table", "s/table.parquet", "--queries", "20", "--seeds", "2",
         "--searchers", "random,local"),
    ):  # fmt: skip
        status, _, error = run(*command)
        assert (status, error) == (0, ""), command
