"""What the page says of a code, against the table and the predictor themselves."""

import numpy as np
import pytest
from scipy.stats import norm

import ncp
from ncp.app.facts import facts_of, shown
from ncp.app.points import GMACS, Filter, axes_of, draw_points, place_of, points_data
from ncp.app.subject import Place, Subject
from ncp.cost import Counting
from ncp.predictors.base import Predictor

CODE = [16] * 2 + [1, 1, 16] + [1] * 3 + [16] * 2 + [1] * 4 + [16] * 3 + [1] * 5 + [16] * 4 + [16]


@pytest.fixture(scope="module")
def table() -> ncp.Table:
    """Small codes with two columns, one of which has a value missing."""
    rng = np.random.default_rng(0)
    codes = np.unique(np.concatenate([[CODE], ncp.MULTIRES.sample(99, rng)]), axis=0)
    values = np.column_stack([rng.normal(75, 3, len(codes)), rng.normal(10, 2, len(codes))])
    values[:, 1][:7] = np.nan
    origins = np.array(["wide", "<b>small</b>"])[np.arange(len(codes)) % 2]
    return ncp.Table(ncp.MULTIRES, codes, values, ["seg/mIoU", "video/ms"], origin=origins, minimised=["video/ms"])


def subject(table: ncp.Table | None, predictor: Predictor | None) -> Subject:
    return Subject(Place("mine", None, None, None), ncp.MULTIRES, predictor, None, table)


def test_a_tabulated_code_has_its_row_and_its_rank(table: ncp.Table) -> None:
    facts = facts_of(subject(table, None), CODE, Counting(224, 10, "segmentation"))
    assert facts.macs == ncp.macs(CODE, 224, 10, "segmentation")[0]
    assert facts.params == ncp.params(CODE, 10, "segmentation")[0]
    row = table.row(CODE)
    assert row is not None
    assert facts.origin == str(table.origin[row])
    best, least = facts.lines
    assert best.measured == table.values[row, 0]
    assert best.better == (table.values[:, 0] < table.values[row, 0]).mean()
    known = table.values[:, 1][np.isfinite(table.values[:, 1])]
    if np.isfinite(table.values[row, 1]):
        assert least.better == pytest.approx((known > table.values[row, 1]).mean())
    assert least.least
    assert best.mean is None


def test_without_a_table_ranks_are_of_a_normal() -> None:
    predictor = ncp.load_predictor("nas-bench-mr")
    facts = facts_of(subject(None, predictor), CODE, Counting())
    predicted = predictor.predict(CODE)
    for j, line in enumerate(facts.lines):
        assert (line.mean, line.std) == (predicted.mean[0, j], predicted.std[0, j])
        z = (predicted.mean[0, j] - float(predictor.location[j])) / float(predictor.unit[j])
        assert line.better == pytest.approx(norm.cdf(z), rel=1e-4)
        assert not line.exact
    assert facts.origin is None


def test_points_are_the_rows_that_a_filter_keeps(table: ncp.Table) -> None:
    own = subject(table, None)
    axes = axes_of(own, Counting())
    assert list(axes) == [GMACS, "size [M parameters]", "seg/mIoU [%]", "video/ms"]
    cost = ncp.macs(table.codes) / 1e9
    assert (axes[GMACS] == cost).all()
    kept = Filter(("wide",), GMACS, low=1.0, high=4.0)
    points = points_data(own, axes, GMACS, "video/ms", kept)
    wanted = (table.origin == "wide") & (cost >= 1) & (cost <= 4) & np.isfinite(table.values[:, 1])
    assert points.rows.tolist() == np.flatnonzero(wanted).tolist()
    assert points.texts == tuple(str(ncp.Code.from_vector(code)) for code in table.codes[wanted])
    assert points.y.tolist() == table.values[wanted, 1].tolist()


def test_a_figure_names_rows_and_shows_where_the_code_lies(table: ncp.Table) -> None:
    own = subject(table, None)
    axes = axes_of(own, Counting())
    points = points_data(own, axes, GMACS, "seg/mIoU [%]", Filter(("wide", "<b>small</b>"), GMACS))
    place = place_of(own, CODE, Counting(), GMACS, "seg/mIoU [%]")
    row = table.row(CODE)
    assert row is not None
    assert place == (ncp.macs(CODE)[0] / 1e9, table.values[row, 0])
    figure = draw_points(points, place)
    small, wide, star = figure["data"]
    assert (small["name"], wide["name"]) == ("&lt;b&gt;small&lt;/b&gt;", "wide")
    assert sorted([*small["customdata"], *wide["customdata"]]) == list(range(len(table)))
    assert (star["x"], star["y"]) == ([place[0]], [place[1]])
    only = draw_points(points_data(own, axes, GMACS, "seg/mIoU [%]", Filter(("wide",), GMACS)), None)
    assert only["data"][0]["marker"]["color"] == wide["marker"]["color"]
    assert only["data"][-1]["x"] == []


@pytest.mark.parametrize(
    ("number", "text"), [(76.123, "76.12"), (0.0, "0.00"), (0.0031, "0.0031"), (123456.0, "1.23e+05")]
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert shown(number) == text
