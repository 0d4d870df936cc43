"""`ncp report`, and `--report` of the commands, as a user types them."""

import json
from pathlib import Path

import numpy as np
import pytest

import ncp
from tests.cli.conftest import Run
from tests.predictors.fitted import fitted, rows


@pytest.mark.slow
def test_a_search_with_its_page_and_the_page_later(run: Run) -> None:
    fitted("ensemble").save("own.safetensors")
    quick = ("--starts", "4", "--steps", "3", "--top", "2", "--predictor", "own.safetensors", "--max-gmacs", "3")
    status, out, _ = run("search", "--tasks", "seg,video", *quick, "--report", "first.html")
    assert (status, "out/search.svg, first.html" in out) == (0, True)
    status, out, _ = run("report", "out/result.json", "-o", "again.html")
    assert (status, "Written: again.html" in out) == (0, True)
    assert Path("first.html").read_text() == Path("again.html").read_text()
    status, out, error = run("report", "out/result.json", "-o", "again.html", "--json")
    assert (status, json.loads(out)) == (0, {"path": "again.html"})
    assert error == "ncp: again.html replaces an earlier file. To keep both, name another file with --out.\n"
    status, out, _ = run("search", "--tasks", "seg", *quick)
    assert (status, out.splitlines()[-1].startswith("The results replace those of an earlier run in out.")) == (0, True)
    status, out, _ = run("search", "--tasks", "seg,video", *quick, "--out", "other")
    assert (status, "replace" in out) == (0, False)
    provenance = json.loads(Path("other/result.json").read_text())["provenance"]
    assert provenance["command"].startswith("ncp search --tasks seg,video --starts 4")


def test_a_training_with_its_page(run: Run) -> None:
    codes, values = rows("mixed")
    ncp.Table(SPACE := fitted("gp", "mixed").space, codes, values, ["a/x", "a/y", "b/z"]).to_parquet("mine.parquet")
    Path("c.yaml").write_text("data: {table: mine.parquet}\npredictor: {kind: gp}\noptimization: {steps: 3}\n")
    status, _, error = run("train-predictor", "--config", "c.yaml", "--report", "page.html")
    assert status == 0, error
    held = json.loads(Path("out/predictor-gp/heldout.json").read_text())
    table = ncp.load_table("mine.parquet")
    _, test = table.split(0)
    np.testing.assert_allclose(held["columns"]["b/z"]["measured"], table.values[test, 2], rtol=1e-4)
    page = Path("page.html").read_text()
    assert "Predicted and measured values" in page
    assert table.space == SPACE


def test_what_cannot_be_reported(run: Run) -> None:
    Path("other.json").write_text("{}")
    problems = {
        "none.json": "Cannot read none.json: No such file or directory.",
        "other.json": "other.json was not written by ncp search, pareto, compare or train-predictor.",
    }
    for name, problem in problems.items():
        status, out, error = run("report", name)
        assert (status, out, "Traceback" in error) == (2, "", False)
        assert problem in error
    assert not Path("report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("failing", ["ncp.report.pictures.search_picture", "ncp.report.html.write_report"])
def test_a_search_whose_picture_or_page_fails_still_shows_what_it_found(
    run: Run, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object) -> None:
        raise ncp.DataError("The disk is full.")

    monkeypatch.setattr(failing, fail)
    fitted("ensemble").save("own.safetensors")
    quick = ("--starts", "2", "--steps", "2", "--top", "1", "--predictor", "own.safetensors")
    status, out, error = run("search", "--tasks", "seg", *quick, "--report", "page.html")
    (row,) = json.loads(Path("out/result.json").read_text())["rows"]
    assert (status, error) == (2, "ncp: The disk is full.\n")
    assert f" 1 {row['code']}" in out.splitlines()
    assert "Written" not in out
