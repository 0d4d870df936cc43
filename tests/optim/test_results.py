"""Results and fronts as files, data frames and HTML."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ncp
from ncp import DataError, Front, MissingExtraError, Objective, Result, Table
from ncp.optim.front import front_baseline_text
from ncp.optim.results import baseline_text, difference_text
from tests.predictors.fitted import COLUMNS, MIXED, fitted, rows

QUICK: dict[str, Any] = {
    "predictor": fitted("gp", "mixed"),
    "judge": fitted("ensemble", "mixed"),
    "starts": 4,
    "steps": 3,
}


def table(n: int = 60) -> Table:
    codes, values = rows("mixed", n)
    return Table(MIXED, codes, values, COLUMNS)


@pytest.fixture(scope="module")
def result() -> Result:
    return ncp.search(["seg", "video"], table=table(), **QUICK)


@pytest.fixture(scope="module")
def front() -> Front:
    return ncp.pareto_search(["seg", "video"], table=table(), size=8, **QUICK)


def test_a_result_is_read_as_it_was_written(result: Result, tmp_path: Path) -> None:
    result.to_json(tmp_path / "result.json")
    read = Result.from_json(tmp_path / "result.json")
    assert read == result
    assert hash(read) == hash(result)
    assert read.to_dict() == result.to_dict()
    assert ncp.Result.from_json(str(tmp_path / "result.json")).best == result.best
    with pytest.raises(DataError, match="A result from a file has no trajectory"):
        read.trajectory  # noqa: B018


def test_a_front_is_read_as_it_was_written(front: Front, tmp_path: Path) -> None:
    front.to_json(tmp_path / "pareto.json")
    read = Front.from_json(tmp_path / "pareto.json")
    assert read.to_dict() == front.to_dict()
    assert (read.rows, read.baseline, read.objectives) == (front.rows, front.baseline, front.objectives)
    for name in ("scores", "predicted_scores", "verified_scores"):
        np.testing.assert_array_equal(getattr(read, name), getattr(front, name))


def test_missing_checks_are_read_as_missing(tmp_path: Path) -> None:
    unchecked = QUICK | {"judge": None}
    front = ncp.pareto_search(["seg", "video"], size=4, **unchecked)
    front.to_json(tmp_path / "pareto.json")
    read = Front.from_json(tmp_path / "pareto.json")
    assert np.isnan(read.verified_scores).all()
    assert (read.gap, read.verified_hypervolume) == (None, None)
    result = ncp.search("seg", **unchecked)
    result.to_json(tmp_path / "result.json")
    assert Result.from_json(tmp_path / "result.json") == result


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: [], "is not a result of ncp search"),
        (lambda _: {"rows": []}, "its format is None, and this version reads 2"),
        (lambda d: d | {"format": 1}, r"its format is 1, .* Run ncp search again\."),
        (lambda d: d | {"rows": []}, "is not a result of ncp search, or it is damaged"),
        (lambda d: d | {"rows": [{}]}, "is not a result"),
        (lambda d: d | {"rows": 3}, "is not a result"),
        (lambda d: d | {"provenance": 3}, "is not a result"),
        (lambda d: d | {"seconds": "long"}, "is not a result"),
        (lambda d: d | {"baseline": []}, "is not a result"),
        (lambda d: d | {"rows": [d["rows"][0] | {"predicted": [1]}]}, "is not a result"),
        (lambda d: d | {"rows": [d["rows"][0] | {"vector": ["x"]}]}, "is not a result"),
    ],
)
def test_a_file_that_is_no_result_is_refused(
    result: Result, tmp_path: Path, change: Callable[[Any], Any], message: str
) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(change(json.loads(json.dumps(result.to_dict())))))
    with pytest.raises(DataError, match=message):
        Result.from_json(path)
    with pytest.raises(DataError):
        Front.from_json(path)


@pytest.mark.parametrize("text", ["", "{", '{"rows": [NaN]}', "[" * 100_000])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    with pytest.raises(DataError, match="Cannot read"):
        Result.from_json(path)
    path.write_text(text)
    for read in (Result.from_json, Front.from_json):
        with pytest.raises(DataError, match="Cannot read"):
            read(path)


def test_a_file_of_a_result_is_no_front(result: Result, tmp_path: Path) -> None:
    result.to_json(tmp_path / "result.json")
    with pytest.raises(DataError, match="is not a result of ncp pareto, or it is damaged"):
        Front.from_json(tmp_path / "result.json")


def test_a_file_of_a_front_without_a_baseline_is_no_result(tmp_path: Path) -> None:
    ncp.pareto_search(["seg", "video"], size=4, **QUICK).to_json(tmp_path / "pareto.json")
    with pytest.raises(DataError, match="is not a result of ncp search, or it is damaged"):
        Result.from_json(tmp_path / "pareto.json")


def test_results_are_short_in_a_notebook(result: Result, front: Front) -> None:
    assert len(repr(result)) < 200
    assert len(repr(front)) < 200
    for found in (result, front):
        html = found._repr_html_()
        assert html.count("<tr>") == 1 + len(found.rows)
        assert found.rows[0].code in html
        assert "(table)" in html
    assert "&lt;" in ncp.optim.notebook.html_table([], "<caption>")


@pytest.mark.parametrize("name", ["result", "front"])
def test_rows_as_a_data_frame(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    found = request.getfixturevalue(name)
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict, __spec__=object()))
    frame = found.to_pandas()
    assert {len(column) for column in frame.values()} == {len(found.rows)}
    assert frame["code"] == [row.code for row in found.rows]
    assert frame["score"] == [row.score for row in found.rows]
    assert frame["predicted seg/mIoU"] == [row.predicted["seg/mIoU"].mean for row in found.rows]
    assert frame["verified source video/top1"] == [row.verified["video/top1"].source for row in found.rows]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        found.to_pandas()


def test_the_baseline_in_words(result: Result, front: Front) -> None:
    assert result.baseline is not None
    assert f"the best of {result.baseline.rows} measured rows" in baseline_text(result.to_dict())
    assert "measured rows within the budget form the table's own front" in front_baseline_text(front.to_dict())
    without = ncp.search("seg", **QUICK)
    assert baseline_text(without.to_dict()) == ""
    assert front_baseline_text(without.to_dict()) == ""
    least = float(table(60).values[:, 0].max())
    objective = Objective({"video": 1.0}, at_least={"seg": least})
    few = table(60).select(rows=np.flatnonzero(table(60).values[:, 0] < least))
    hopeful = ncp.fit_predictor(few.codes, few.values + 50, COLUMNS, space=MIXED, kind="gp")
    out_of_reach = ncp.search(objective, table=few, **QUICK | {"predictor": hopeful})
    assert baseline_text(out_of_reach.to_dict()) == (
        f"No baseline: none of the table's {len(few)} rows is complete, within the budget and above the minimum values."
    )


def test_a_measured_code_differs_by_checked_values() -> None:
    def row(predicted: float, checked: float, source: str) -> dict[str, Any]:
        return {
            "macs": None,
            "predicted": {"seg/mIoU": {"mean": predicted, "std": 1.0, "source": "predictor"}},
            "verified": {"seg/mIoU": {"mean": checked, "std": 0.0, "source": source}},
        }

    assert difference_text(row(70.0, 71.0, "table"), row(72.0, 75.0, "table")) == "seg -4.00"
    assert difference_text(row(70.0, 71.0, "table"), row(72.0, 75.0, "judge")) == "seg -4.00"
    assert difference_text(row(70.0, 71.0, "judge"), row(72.0, 75.0, "judge")) == "seg -2.00"
    assert difference_text(row(70.0, 71.0, "table"), row(72.0, 0.0, "judge") | {"verified": {}}) == "seg -2.00"


def test_costs_that_nearly_agree_are_not_called_the_same() -> None:
    best = {"macs": 2000, "predicted": {}, "verified": {}}
    for macs, text in (
        (2000, "the same multiply-adds; "),
        (1999, "under 1 % fewer multiply-adds; "),
        (2001, "under 1 % more multiply-adds; "),
        (1500, "25 % fewer multiply-adds; "),
    ):
        assert difference_text({**best, "macs": macs}, best) == text
