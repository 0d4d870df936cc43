"""`ncp pareto` as a user types it."""

import json
from functools import partial
from pathlib import Path

import pytest

import ncp
from ncp.optim.front_search import Refinement, pareto_search
from ncp.pareto import non_dominated
from tests.cli.conftest import Run
from tests.predictors.fitted import fitted, rows

QUICK = ("--starts", "6", "--steps", "3", "--top", "25", "--predictor", "own.safetensors")


@pytest.fixture(autouse=True)
def few(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """A smaller search than users get, with a small predictor in the folder."""
    quick = partial(pareto_search, refinement=Refinement(rounds=1, tried=300, crossed=100, directions=50))
    monkeypatch.setattr("ncp.optim.front_search.pareto_search", quick)
    fitted("ensemble").save("own.safetensors")


def test_finds_a_front_within_the_budget_and_writes_it(run: Run) -> None:
    status, out, _ = run("pareto", "--tasks", "seg,video", "--max-gmacs", "2", *QUICK, "--json")
    result = json.loads(out)
    assert status == 0
    assert result == json.loads(Path("out/pareto.json").read_text())
    assert list(result["provenance"]["objectives"]) == ["seg/mIoU", "video/top1"]
    assert 1 < len(result["rows"]) <= 25
    points = []
    for row in result["rows"]:
        assert ncp.macs(ncp.Code.parse(row["code"])).item() == row["macs"] <= 2e9
        points.append([*(value["mean"] for value in row["predicted"].values()), -row["macs"]])
    assert non_dominated(points).all()
    assert result["hypervolume"] > 0
    assert Path("out/pareto.svg").read_text().startswith("<?xml")
    assert f"<title>{result['provenance']['run']}</title>" in Path("out/pareto.svg").read_text()


def test_minimum_values_and_directions_are_kept(run: Run) -> None:
    bounds = ("--at-least", "seg/mIoU=69,seg/mAcc=0.55", "--at-least", "video=-0.03")
    status, out, _ = run(
        "pareto", "--tasks", "seg,video:-1", "--no-cost", "--max-gmacs", "4", *bounds, *QUICK, "--json"
    )
    result = json.loads(out)
    assert status == 0
    assert result["provenance"]["at_least"] == {"seg/mIoU": 69, "seg/mAcc": 0.55, "video": -0.03}
    assert list(result["provenance"]["objectives"]) == ["seg/mIoU", "-video/top1"]
    predicted = [{name: value["mean"] for name, value in row["predicted"].items()} for row in result["rows"]]
    for row in predicted:
        assert row["seg/mIoU"] >= 69
        assert row["seg/mAcc"] >= 0.55
        assert row["video/top1"] >= -0.03
    assert non_dominated([[row["seg/mIoU"], row["video/top1"]] for row in predicted], minimise=[False, True]).all()


def test_prints_some_of_the_codes_and_a_table_checks_them(run: Run) -> None:
    codes, values = rows("multires")
    ncp.Table(ncp.MULTIRES, codes, values, ["seg/mIoU", "seg/mAcc", "video/top1"]).to_parquet("table.parquet")
    status, out, _ = run("pareto", "--tasks", "seg,video", "--max-gmacs", "4", "--table", "table.parquet", *QUICK)
    assert status == 0
    for text in (
        "seg/mIoU",
        "GMACs",
        "none of which beats another",
        "--head segmentation counts it in the budget.",
        "Not checked: ",
        "Written: out/pareto.json, out/pareto",
    ):
        assert text in out
    written = json.loads(Path("out/pareto.json").read_text())["rows"]
    printed = [line.split() for line in out.splitlines() if line.count("_") > 10]
    assert len(printed) == 10
    for number, code in printed:
        assert written[int(number) - 1]["code"] == code
    assert (printed[0][0], printed[-1][0]) == ("1", str(len(written)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tasks", "sge"), "--tasks has no task or column 'sge'. Did you mean 'seg'?"),
        (("--tasks", "seg,seg/mIoU"), "--tasks must differ. Got seg/mIoU twice."),
        (
            ("--tasks", "seg", "--at-least", "seg"),
            "--at-least must look like seg/mIoU=76, each column once, got 'seg'.",
        ),
        (
            ("--tasks", "seg", "--at-least", "seg=high"),
            "--at-least must look like seg/mIoU=76, each column once, got 's",
        ),
        (
            ("--tasks", "seg", "--at-least", "=1"),
            "--at-least must look like seg/mIoU=76, each column once, got '=1'.",
        ),
        (
            ("--tasks", "seg", "--at-least", "seg=1,seg=2"),
            "--at-least must look like seg/mIoU=76, each column once, got ",
        ),
        (
            ("--tasks", "seg", "--at-least", "seg=inf"),
            "--at-least must give every column a finite number. Got {'seg': inf",
        ),
        (
            ("--tasks", "seg", "--max-gmacs", "1", "--at-least", "seg=1000"),
            "No code within the budget is measured or predicted to have seg/mIoU of at least 1000: the closest ",
        ),
        (("--tasks", "seg", "--max-gmacs", "0.005"), "--max-gmacs = 0.005 is below the cost of every code."),
        (
            ("--tasks", "seg:2,video"),
            "A front has no weights: leave out the weight 2 of seg. ",
        ),
    ],
)
def test_bad_input_is_one_message(run: Run, arguments: tuple[str, ...], message: str) -> None:
    status, out, error = run("pareto", *QUICK, *arguments)
    assert status == 2
    assert f"ncp: {message}" in error
    assert "Traceback" not in error
    assert out == ""
    assert not Path("out").exists()
