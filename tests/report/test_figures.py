"""Interactive figures: which values their axes show, and what they mark."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ncp.report.facts import Agreement, Tradeoff, Trained, square_limits, tradeoffs
from ncp.report.figures import agreement_figure, tradeoff_figure
from ncp.report.style import COST
from ncp.spaces.arrays import Reals
from tests.predictors.fitted import COLUMNS

N = 200


def panel_of(rows_y: Reals, **given: Any) -> Tradeoff:
    """Two found codes of 1 and 2 GMACs over a table's rows of 0.1 to 10 GMACs."""
    cost, found, edge = np.geomspace(0.1, 10, N), np.array([1.0, 2.0]), np.array([True, True])
    y = np.array([75.0, 76.0])
    return Tradeoff(COST, "seg", found, y, ("a", "b"), edge, cost, rows_y, np.arange(N), 4.0, None, **given)


@pytest.mark.parametrize("lower", [False, True])
def test_failed_rows_do_not_waste_the_vertical_axis(lower: bool) -> None:
    good = np.linspace(70, 80, N - 3)
    failed = [0.5, 1.0, 2.0] if not lower else [990.0, 995.0, 999.0]
    panel = panel_of(np.append(good, failed), lower=lower)
    low, high = tradeoff_figure(panel)["layout"]["yaxis"]["range"]
    least, most = (good.min(), np.sort(good)[-2]) if lower else (np.sort(good)[1], good.max())
    assert 60 < low < least < most < high < 90


def test_the_range_includes_codes_and_baseline_beyond_the_rows() -> None:
    panel = panel_of(np.linspace(77, 80, N), baseline=Trained(3.0, 71.0, "c"))
    assert panel.heights == (71.0, 80.0)
    figure = tradeoff_figure(panel)
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < 71 < 80 < high
    (marked,) = [trace for trace in figure["data"] if trace["name"] == "best trained row"]
    assert (marked["x"], marked["y"], marked["customdata"]) == ([3.0], [71.0], ["c"])
    (budget,) = [trace for trace in figure["data"] if trace["name"] == "budget"]
    assert (budget["x"], budget["y"]) == ([4.0, 4.0], [low, high])


def test_costs_have_a_logarithmic_axis_if_they_differ_enough() -> None:
    rows = np.linspace(70, 80, N)
    assert tradeoff_figure(panel_of(rows))["layout"]["xaxis"]["type"] == "log"
    none = np.empty(0)
    near = replace(panel_of(rows), rows_x=none, rows_y=none, rows=np.empty(0, dtype=np.int64))
    assert "type" not in tradeoff_figure(near)["layout"]["xaxis"]


def test_the_baseline_of_a_search_has_a_place_in_every_trade_off() -> None:
    def values(mean: float) -> dict[str, Any]:
        return {column: {"mean": mean, "std": 0.0, "source": "table"} for column in COLUMNS[:2]}

    row = {"code": "a", "macs": 10**9, "predicted": values(70.0)}
    known = {"code": "c", "macs": 2 * 10**9, "measured": values(71.5) | {"seg/mAcc": values(82.5)[COLUMNS[0]]}}
    asked = {"weights": {"seg/mIoU": 1.0}, "columns": COLUMNS, "minimised": []}
    first, second = tradeoffs({"rows": [row], "provenance": asked, "baseline": known})
    assert (first.baseline, second.baseline) == (Trained(2.0, 71.5, "c"), Trained(2.0, 82.5, "c"))
    (pair,) = tradeoffs({"rows": [row | {"macs": None}], "provenance": asked, "baseline": known | {"macs": None}})
    assert pair.baseline == Trained(71.5, 82.5, "c")
    of_front = {"rows": 17, "size": 3, "hypervolume": 2.5, "judged_hypervolume": None}
    assert [panel.baseline for panel in tradeoffs({"rows": [row], "provenance": asked, "baseline": of_front})] == [
        None
    ] * 2


def test_both_axes_of_an_agreement_are_the_same_and_leave_failed_runs_out() -> None:
    predicted = np.linspace(70, 80, N)
    known = predicted + 0.1
    known[[3, 7]] = 0.0
    found = Agreement("seg/mIoU", predicted, np.ones(N), known, ("",) * N, ("table",) * N)
    figure = agreement_figure(found, "measured")
    x, y = (figure["layout"][axis] for axis in ("xaxis", "yaxis"))
    assert x["range"] == y["range"] == list(square_limits(np.stack([known, predicted])))
    assert 50 < x["range"][0] < 70 < 80.1 < x["range"][1]
    assert y["scaleanchor"] == "x"
    assert figure["data"][0]["x"] == figure["data"][0]["y"] == x["range"]
    assert figure["layout"]["annotations"][0]["text"] == "2 outside the axes"
    inside = agreement_figure(Agreement("a/b", predicted, predicted, predicted, ("",) * N, ("",) * N), "measured")
    assert "annotations" not in inside["layout"]
