"""`ncp compare` as a user types it, on a table of a file."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncp import DataError, Space, Table
from tests.cli.conftest import Run

SPACE = Space.from_dict({"depth": [1, 2, 3, 4], "edge": ["none", "skip", "conv"]})
QUICK = ("--queries", "4", "--seeds", "2", "--workers", "1")
TWO = ("--searchers", "random,local")


def written() -> Table:
    codes = np.unique(SPACE.sample(200, np.random.default_rng(0)), axis=0)
    values = np.random.default_rng(1).normal(70, 3, size=(len(codes), 2))
    table = Table(SPACE, codes, values, ["seg/mIoU", "video/top1"])
    table.to_parquet("mine.parquet")
    return table


def test_it_simulates_compares_and_continues(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    table = written()
    arguments = ("compare", "--table", "mine.parquet", "--tasks", "mIoU", *QUICK, *TWO, "--out", "here")
    status, out, error = run(*arguments)
    assert (status, error.strip()) == (0, "")
    assert f"2 simulations of 4 evaluations each; the best in the table is {table.values[:, 0].max():.3f}." in out
    for text in ("searcher", "regret", "found best", "p (random)", "p (baseline)", "ms/query", "random", "local"):
        assert text in out
    assert "Written: here/compare.json, here/compare.svg" in out
    assert Path("here/compare.svg").read_text().startswith("<?xml")
    result = json.loads(Path("here/compare.json").read_text())
    assert result["optimum"] == table.values[:, 0].max()
    assert result["provenance"]["table"]["name"] == "mine.parquet"
    assert len(result["provenance"]["table"]["sha256"]) == 64
    assert np.array(result["best"]["local"]).shape == (2, 4)
    kept = sorted(Path("here/simulations").rglob("*.json"))
    assert [path.name for path in kept] == ["local-0.json", "local-1.json", "random-0.json", "random-1.json"]

    before = [path.read_bytes() for path in kept]
    kept[0].write_bytes(before[0].replace(b'"best": [', b'"best": [99.0, '))
    status, out, error = run(*arguments, "--json")
    assert (status, json.loads(out)) == (0, json.loads(Path("here/compare.json").read_text()))
    assert json.loads(out)["best"] == result["best"]
    assert error.strip() == f"Simulated again, because the file was damaged or changed: {kept[0]}"
    assert [path.read_bytes() for path in kept[1:]] == before[1:]

    monkeypatch.setenv("COLUMNS", "80")
    lines = run(*arguments).out.splitlines()
    assert sum("ms/query" in line and "regret" in line for line in lines) == 1  # one piece
    assert "replace" not in lines[-1]
    *_, last = run(*arguments, "--tasks", "video").out.splitlines()
    assert last == "The results replace those of an earlier run in here. To keep both, name another folder with --out."


def test_sources_of_proposals_are_printed(run: Run) -> None:
    written()
    arguments = ("--searchers", "random,bayesian", "--report", "page.html")
    quick = ("--queries", "8", "--seeds", "2", "--workers", "1")
    status, out, _ = run("compare", "--table", "mine.parquet", "--tasks", "seg", *quick, *arguments)
    proposals = "Proposals of bayesian per simulation: 3 were chosen from a list of all codes, 0 were found by "
    assert status == 0
    assert f"{proposals}propagation." in out
    assert "Proposals of random" not in out
    page = Path("page.html").read_text()
    assert proposals in page
    assert "name: mine.parquet, sha256: " in page
    assert "Written: out/compare.json, out/compare.svg, page.html" in out


def test_missing_searchers_are_left_out_with_a_message(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    written()
    status, out, error = run("compare", "--table", "mine.parquet", "--tasks", "seg", *QUICK, "--json")
    assert status == 0
    assert json.loads(out)["provenance"]["searchers"] == ["random", "evolution", "local", "bayesian"]
    assert error.strip() == "Left out: tpe. Install the extra: pip install 'ncp-nas[search]'."


@pytest.mark.parametrize(
    ("missing", "arguments", "message"),
    [
        ("optuna", ("--searchers", "random,tpe"), "The searcher tpe needs optuna. Install the extra"),
        ("plotly", ("--report", "page.html"), "A report needs plotly. Install the extra"),
    ],
)
def test_a_missing_extra_is_named_before_the_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, missing: str, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    written()
    status, out, error = run("compare", "--table", "mine.parquet", "--tasks", "seg", *QUICK, *arguments)
    assert (status, out) == (2, "")
    assert message in error
    assert not Path("out").exists()


def fails(*_: Any) -> None:
    raise DataError("The disk is full.")


def test_the_table_is_printed_although_the_report_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncp.cli.compare.write_page", fails)
    written()
    arguments = ("compare", "--table", "mine.parquet", "--tasks", "seg", *QUICK, *TWO, "--report", "page.html")
    status, out, error = run(*arguments)
    assert status == 2
    assert "ncp: The disk is full." in error
    assert "ms/query" in out
    assert json.loads(Path("out/compare.json").read_text())["provenance"]["queries"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--searchers", "random,greedy"), "There is no searcher 'greedy'. Choose from random, local, evolution"),
        (("--searchers", "random,propagation"), "There is no searcher 'propagation'. Did you mean bayesian?"),
        (("--searchers", "random,random"), "--searchers must name each searcher once. random comes twice."),
        (("--tasks", "seg:much"), "got 'much'."),
        (("--tasks", "sge"), "Did you mean 'seg'?"),
        (("--tasks", "miou"), "Did you mean 'mIoU'?"),
        (("--tasks", "nothing"), "There are seg/mIoU, video/top1."),
        (("--table", "none.parquet"), "none.parquet"),
        (("--warm-start", "none.parquet"), "none.parquet"),
        (("--out", "mine.parquet"), "mine.parquet"),
        (("--tasks", "sge"), "--tasks has no task or column 'sge'."),
        (("--tasks", "seg:0"), "--tasks must give every column a finite number that is not zero."),
        (("--report", "."), "it is a folder. Name a file in it."),
        (("--report", "page.pdf"), "--report must end in"),
        (("--report", "mine.parquet/page.html"), "mine.parquet"),
    ],
)
def test_bad_input_is_one_message(run: Run, arguments: tuple[str, ...], message: str) -> None:
    written()
    status, out, error = run("compare", "--table", "mine.parquet", "--tasks", "seg", *QUICK, *TWO, *arguments)
    assert status == 2
    assert error.strip().startswith("ncp: ")
    assert "\n" not in error.strip()
    assert message in error
    assert out == ""
    assert not Path("out").exists()


@pytest.mark.parametrize("wrong", [("--seeds", "1"), ("--queries", "0"), ("--workers", "-1"), ("--seeds", "2.5")])
def test_numbers_out_of_bounds(run: Run, wrong: tuple[str, str]) -> None:
    status, _, error = run("compare", "--table", "mine.parquet", "--tasks", "seg", *QUICK, *wrong)
    assert status == 2
    assert f"Invalid value for '{wrong[0]}'" in error


@pytest.mark.slow
def test_a_prior_of_another_table(run: Run) -> None:
    space = Space.from_dict({"depth": [1, 2, 3, 4, 5, 6], "width": [8, 16, 24, 32, 40, 48]})
    codes = np.unique(space.sample(200, np.random.default_rng(0)), axis=0)
    values = np.random.default_rng(1).normal(70, 3, size=(len(codes), 3))
    Table(space, codes, values[:, :1], ["seg/mIoU"]).to_parquet("mine.parquet")
    Table(space, codes, values[:, 1:], ["near/score", "far/score"]).to_parquet("known.parquet")
    arguments = ("compare", "--table", "mine.parquet", "--tasks", "mIoU", *QUICK, "--prior", "known.parquet", "--json")
    status, out, error = run(*arguments, "--searchers", "random,bayesian")
    assert (status, error.strip()) == (0, "")
    prior = json.loads(out)["provenance"]["prior"]
    assert prior["source"] == "known.parquet"
    assert prior["columns"] == ["near/score", "far/score"]
    status, _, error = run(*arguments, "--searchers", "random,local")
    assert status == 2
    assert "Only the searcher bayesian uses --prior" in error
