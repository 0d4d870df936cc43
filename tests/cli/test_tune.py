"""`ncp tune` as typed."""

import json
from pathlib import Path

import numpy as np
import pytest

import ncp
from tests.cli.conftest import Run
from tests.cli.test_search import calibrated
from tests.studies.inline import InlinePool, pool
from tests.studies.test_tuning import reached

__all__ = ["pool"]

TASK = """
kind: command
function: tests.studies.test_tuning:train
metrics: [accuracy, "latency:min"]
"""
SPACE = "width: [8, 16, 24, 32]\ndepth: [1, 2, 3]\nedge: [none, skip]\n"
TUNE = ("tune", "--task", "mine.yaml", "--space", "space.yaml", "--out", "s")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A task and a space, in the folder of `run`."""
    (tmp_path / "mine.yaml").write_text(TASK)
    (tmp_path / "other.yaml").write_text(TASK)
    (tmp_path / "space.yaml").write_text(SPACE)
    return tmp_path


@pytest.mark.usefixtures("files")
def test_the_best_codes_are_shown_with_files(run: Run, pool: InlinePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, out, error = run(*TUNE, "--trainings", "9", "--finalists", "2")
    assert (status, error) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("1. mine, seed 0: ")
    assert any(line.startswith("Best so far: mine/accuracy ") for line in lines)
    failed = sum("too deep" in line for line in lines)
    shown = lines.index(f"9 codes{f', {failed} failed' if failed else ''}. All trainings are done.")
    heads = lines[shown + 1].split()
    assert heads == ["#", "mine/accuracy", "mine/latency", "score"]
    best = ncp.Study("s").best(5)
    rows = [line.split() for line in lines[shown + 3 : shown + 8]]
    assert [row[1] for row in rows] == [f"{each.values['mine/accuracy'].mean:.2f}" for each in best]
    assert [line.split()[1] for line in lines[shown + 8 : shown + 13]] == [each.code for each in best]
    assert any(line.startswith("Rank correlation (Kendall's tau)") for line in lines)
    assert f"The winner by the final trainings is {best[0].text}" in lines
    assert lines[-1] == "Written: s/table.parquet, s/trainings.parquet, s/winner/winner.json"
    count = len(pool.trained)
    assert run(*TUNE, "--trainings", "9", "--finalists", "2").status == 0
    assert len(pool.trained) == count == 11


@pytest.mark.usefixtures("files", "pool")
def test_json_has_the_rows_and_why_it_stopped(run: Run) -> None:
    asked = (*TUNE, "--trainings", "6", "--json", "--tasks", "mine:2,other")
    found = json.loads(run(*asked, "--task", "other.yaml", "--seeds", "2", "--at-least", "mine/latency=24").out)
    assert (found["codes"], found["pending"], found["stopped"]) == (6, 0, "trainings")
    assert ncp.Study("s").objective == ncp.Objective({"mine": 2, "other": 1}, at_least={"mine/latency": 24})
    for row in found["best"]:
        accuracy = reached(row["code"])["accuracy"] + 0.05
        assert row["values"]["other/accuracy"]["mean"] == pytest.approx(accuracy)
        assert row["vector"][0] <= 24
    assert found["winner_folder"] == "s/winner"


@pytest.mark.usefixtures("files", "pool")
def test_the_budget_binds_in_multires(run: Run) -> None:
    asked = ("tune", "--task", "len.yaml", "--max-gmacs", "0.2", "--image-size", "64", "--prior", "none", "--out", "s")
    Path("len.yaml").write_text("kind: command\nfunction: tests.studies.inline:train_quickly\n")
    assert run(*asked, "--trainings", "2").status == 0
    assert ncp.macs(ncp.Study("s").table.codes, image_size=64).max() <= 2e8
    assert run("tune", "--task", "len.yaml", "--out", "s", "--trainings", "3").status == 0
    status, _, error = run("tune", "--task", "len.yaml", "--out", "s", "--max-gmacs", "0.3", "--image-size", "64")
    assert (status, "The study s has another" in error) == (2, True)


@pytest.mark.usefixtures("files", "pool")
def test_a_bound_on_latency_binds(run: Run) -> None:
    calibrated("here.json")
    model = ncp.load_latency("here.json")
    bound = float(np.quantile(model(ncp.MULTIRES.sample(50, np.random.default_rng(0))), 0.1))
    Path("len.yaml").write_text("kind: command\nfunction: tests.studies.inline:train_quickly\n")
    asked = ("tune", "--task", "len.yaml", "--prior", "none", "--out", "s", "--latency", "here.json")
    asked += ("--max-latency-ms", str(bound))
    assert run(*asked, "--trainings", "2").status == 0
    record = json.loads(Path("s/search.json").read_text())
    assert (record["budget"]["max_latency_ms"], record["budget"]["image_size"]) == (bound, [64, 64])
    assert (model([each["code"] for each in record["tells"]]) <= bound).all()
    assert run("study", "status", "s").status == 0
    status, _, error = run("tune", "--task", "len.yaml", "--out", "s", "--trainings", "5")
    assert (status, "Pass --max-latency-ms and --latency again." in error) == (2, True)


@pytest.mark.usefixtures("files", "pool")
def test_a_search_in_which_everything_fails_stops_and_says_why(run: Run) -> None:
    Path("bad.yaml").write_text("kind: command\nfunction: tests.studies.test_tuning:fail\nmetrics: [accuracy]\n")
    asked = ("tune", "--task", "bad.yaml", "--space", "space.yaml", "--out", "s", "--trainings", "20")
    status, out, _ = run(*asked)
    assert status == 1
    assert out.splitlines()[-5:-2] == [
        "5 codes, 5 failed. No code has succeeded, so no more are trained.",
        "5 failed: bad: The function raised OSError: no data",
        "Every training failed. ncp study status s lists them; --retry-failed trains them again.",
    ]
    few = run(*asked[:-3], "few", "--trainings", "1")
    assert (few.status, "1 failed: bad: The function raised OSError: no data" in few.out) == (1, True)
    found = json.loads(run(*asked, "--json").out)  # five others
    assert (found["stopped"], found["codes"], found["best"]) == ("failures", 10, [])


def test_status_shows_a_study_whose_user_trains(run: Run) -> None:
    study = ncp.Study("s", objective="a", prior=None)
    code = study.ask()
    study.tell(code, {"a/x": 71.5})
    assert run("study", "status", "s") == (0, f"codes: 1; best: a/x 71.5: {code}.\n", "")
    assert json.loads(run("study", "status", "s", "--json").out)["tuning"]["best"]["code"] == str(code)


@pytest.mark.usefixtures("files")
def test_an_interrupt_says_how_to_go_on(run: Run, pool: InlinePool) -> None:
    def interrupt(_: object) -> None:
        if len(pool.trained) == 3:
            raise KeyboardInterrupt

    pool.before = interrupt
    status, out, error = run(*TUNE, "--trainings", "5")
    assert status == 130
    assert error == "The same command goes on from here.\nncp: stopped\n"
    assert "Press Ctrl-C again to stop at once" in out
    pool.before = lambda _: None
    assert run(*TUNE, "--trainings", "5").status == 0
    assert len(set(pool.trained)) == 5


@pytest.mark.usefixtures("files", "pool")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--objective", "roads"), "--tasks names 'roads', which is neither a task nor a column of one"),
        (("--tasks", "mine:x"), "The weight of 'mine' must be a number"),
        (("--final-epochs", "four"), "--final-epochs must be a number such as 4x. Got 'four'"),
        (("--final-epochs", "4x"), "--final-epochs must be 1 with the task mine, because it is a command"),
        (("--max-gmacs", "1"), "Budgets work only for NAS-Bench-MR networks"),
        (("--prior", "nas-bench-mr"), "--prior"),
        (("--prior", "absent.parquet"), "absent.parquet"),
        (("--hours", "0"), "--hours must be a finite number above 0"),
        (("--space", "absent.yaml"), "absent.yaml"),
        (("--out", "mine.yaml"), "mine.yaml"),
    ],
)
def test_mistakes_are_one_message(run: Run, arguments: tuple[str, ...], message: str) -> None:
    status, _, error = run(*TUNE, *arguments)
    assert status == 2
    assert message in error
    assert "Traceback" not in error
    assert not Path("s/search.json").exists()
