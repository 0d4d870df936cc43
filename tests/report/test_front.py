"""The facts and the picture of a front."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import ncp
from ncp import MULTIRES, Budget, Objective, Table
from ncp.optim.front import Front
from ncp.optim.front_search import Refinement, pareto_search
from ncp.pareto import non_dominated
from ncp.report.facts import Tradeoff, objective_tradeoffs
from ncp.report.formats import save
from ncp.report.pictures import front_picture
from tests.predictors.fitted import COLUMNS, MIXED, fitted, rows

SVG = "{http://www.w3.org/2000/svg}"
FEW = Refinement(rounds=1, tried=300, crossed=100, directions=50)
QUICK: dict[str, Any] = {"starts": 6, "steps": 3, "size": 20, "refinement": FEW}


@pytest.fixture(scope="module")
def result() -> Front:
    wanted = ["seg", Objective({"video": -1.0}), Objective({"seg": 1.0, "video": 1.0})]
    asked = {"predictor": fitted("ensemble"), "budget": Budget(max_macs=3e9), **QUICK}
    return pareto_search(wanted, at_least={"seg": 60}, **asked)


@pytest.fixture
def table() -> Table:
    codes = np.unique(MULTIRES.sample(40, np.random.default_rng(0)), axis=0)
    values = np.column_stack([np.linspace(50, 80, len(codes))] * 3)
    values[3, 0] = np.nan
    return Table(MULTIRES, codes, values, COLUMNS)


def panels_of(result: Front, table: Table | None = None) -> tuple[Tradeoff, ...]:
    return objective_tradeoffs(result.to_dict(), table)


def test_the_numbers_are_the_fronts_and_the_tables(result: Front, table: Table) -> None:
    seg, video, both = panels_of(result, table)
    macs = np.array([row.macs for row in result.rows], dtype=float) / 1e9
    for panel in (seg, video, both):
        assert panel.x_name == "cost [GMACs]"
        assert panel.budget == 3.0
        np.testing.assert_allclose(panel.x, macs)
    assert [panel.y_name for panel in (seg, video, both)] == [
        "seg/mIoU [%]",
        "video/top1 [%] (lower is better)",
        "1 seg/mIoU + 1 video/top1 [std]",
    ]
    np.testing.assert_array_equal(seg.y, [row.predicted["seg/mIoU"].mean for row in result.rows])
    np.testing.assert_array_equal(both.y, result.predicted_scores[:, 2])
    np.testing.assert_array_equal(video.edge, non_dominated(np.column_stack([macs, video.y]), minimise=True))
    np.testing.assert_array_equal(seg.edge, non_dominated(np.column_stack([macs, seg.y]), minimise=[True, False]))
    assert (seg.minimum, video.minimum) == (60, None)
    assert len(seg.rows_x) == len(table) - 1  # a row without the value has no place
    np.testing.assert_allclose(video.rows_x, ncp.macs(table.codes) / 1e9)
    np.testing.assert_array_equal(video.rows_y, table.values[:, 2])
    assert len(both.rows_x) == 0
    assert all(len(panel.rows_x) == 0 for panel in panels_of(result))


def test_it_is_drawn(result: Front, table: Table, tmp_path: Path) -> None:
    panels = panels_of(result, table)
    save(front_picture(panels), tmp_path / "front.svg", "a run")
    texts = [str(text.text) for text in ElementTree.parse(tmp_path / "front.svg").iter(f"{SVG}text")]  # noqa: S314
    assert all(panel.y_name in texts for panel in panels)
    assert texts.count("budget") == 3
    assert texts.count("minimum") == 1
    assert texts.count("cost [GMACs]") == 3
    assert "<title>a run</title>" in (tmp_path / "front.svg").read_text("utf-8")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("wanted", "names"), [(["seg", "video"], ("seg/mIoU", "video/top1")), (["seg"], ("seg/mIoU",) * 2)]
)
def test_without_cost_tasks_are_drawn_against_the_first(
    tmp_path: Path, wanted: list[str | Objective], names: tuple[str, str]
) -> None:
    found = pareto_search(wanted, predictor=fitted("ensemble", "mixed"), **QUICK)
    (panel,) = panels_of(found)
    assert [name.partition(" ")[0] for name in (panel.x_name, panel.y_name)] == list(names)
    assert panel.edge.all()
    assert panel.budget is None
    np.testing.assert_array_equal(panel.x, [row.predicted[names[0]].mean for row in found.rows])
    np.testing.assert_array_equal(panel.y, [row.predicted[names[1]].mean for row in found.rows])
    save(front_picture([panel]), tmp_path / "front.svg")


def test_lower_values_of_a_minimised_column_are_better() -> None:
    codes, values = rows("mixed", 60)
    asked: dict[str, Any] = {"space": MIXED, "kind": "ensemble", "minimised": ["seg/mAcc"]}
    predictor = ncp.fit_predictor(codes, values, COLUMNS, **asked)
    wanted = ["seg/mIoU", "seg/mAcc", Objective({"video": -1.0, "seg/mAcc": 1.0})]
    found = pareto_search(wanted, predictor=predictor, **QUICK)
    small, mixed = panels_of(found)
    assert small.y_name == "seg/mAcc [%] (lower is better)"
    assert mixed.y_name == "-1 video/top1 + 1 seg/mAcc [std]"
    np.testing.assert_array_equal(
        small.edge, non_dominated(np.column_stack([small.x, small.y]), minimise=[False, True])
    )
    np.testing.assert_array_equal(mixed.edge, non_dominated(np.column_stack([mixed.x, mixed.y])))
