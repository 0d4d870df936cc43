"""What the page shows of a code, checked against the table and the predictor."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

import ncp
from ncp.app.dataset import Dataset, OpenDataset
from ncp.app.lookup import format_value, look_up
from ncp.app.points import GMACS, Filter, axis_values, draw_points, found_positions, in_view, points_data, position_of
from ncp.cost import Counting
from ncp.predictors.predictor import Predictor

CODE = [16] * 2 + [1, 1, 16] + [1] * 3 + [16] * 2 + [1] * 4 + [16] * 3 + [1] * 5 + [16] * 4 + [16]


@pytest.fixture(scope="module")
def table() -> ncp.Table:
    """Codes with two columns, one of which has missing values."""
    rng = np.random.default_rng(0)
    codes = np.unique(np.concatenate([[CODE], ncp.MULTIRES.sample(99, rng)]), axis=0)
    values = np.column_stack([rng.normal(75, 3, len(codes)), rng.normal(10, 2, len(codes))])
    values[:, 1][:7] = np.nan
    origins = np.array(["wide", "<b>small</b>"])[np.arange(len(codes)) % 2]
    return ncp.Table(ncp.MULTIRES, codes, values, ["seg/mIoU", "video/ms"], origin=origins, minimised=["video/ms"])


def dataset_of(table: ncp.Table | None, predictor: Predictor | None) -> OpenDataset:
    return OpenDataset(Dataset("mine", None, None, None), ncp.MULTIRES, predictor, None, table)


def test_a_tabulated_code_has_its_row_and_its_percentile(table: ncp.Table) -> None:
    facts = look_up(dataset_of(table, None), CODE, Counting(224, 10, "segmentation"))
    assert facts.macs == ncp.macs(CODE, 224, 10, "segmentation")[0]
    assert facts.params == ncp.params(CODE, 10, "segmentation")[0]
    row = table.row(CODE)
    assert row is not None
    assert facts.origin == str(table.origin[row])
    iou, latency = facts.columns
    assert iou.measured == table.values[row, 0]
    assert iou.percentile == (table.values[:, 0] < table.values[row, 0]).mean()
    known = table.values[:, 1][np.isfinite(table.values[:, 1])]
    if np.isfinite(table.values[row, 1]):
        assert latency.percentile == pytest.approx((known > table.values[row, 1]).mean())
    assert latency.minimised
    assert iou.mean is None


def test_without_a_table_percentiles_are_those_of_a_normal_distribution() -> None:
    predictor = ncp.load_predictor("nas-bench-mr")
    facts = look_up(dataset_of(None, predictor), CODE, Counting())
    predicted = predictor.predict(CODE)
    for j, column in enumerate(facts.columns):
        assert (column.mean, column.std) == (predicted.mean[0, j], predicted.std[0, j])
        z = (predicted.mean[0, j] - float(predictor.location[j])) / float(predictor.unit[j])
        assert column.percentile == pytest.approx(norm.cdf(z), rel=1e-4)
        assert not column.counted
    assert facts.origin is None


def test_points_are_the_rows_that_pass_a_filter(table: ncp.Table) -> None:
    dataset = dataset_of(table, None)
    axes = axis_values(dataset, Counting())
    assert list(axes) == [GMACS, "size [M params]", "seg/mIoU [%]", "video/ms"]
    cost = ncp.macs(table.codes) / 1e9
    assert (axes[GMACS] == cost).all()
    kept = Filter(("wide",), GMACS, low=1.0, high=4.0)
    points = points_data(dataset, axes, GMACS, "video/ms", kept)
    wanted = (table.origin == "wide") & (cost >= 1) & (cost <= 4) & np.isfinite(table.values[:, 1])
    assert points.rows.tolist() == np.flatnonzero(wanted).tolist()
    assert points.texts == tuple(str(ncp.Code.from_vector(code)) for code in table.codes[wanted])
    assert points.y.tolist() == table.values[wanted, 1].tolist()


def test_a_figure_names_rows_and_has_a_star_at_the_code(table: ncp.Table) -> None:
    dataset = dataset_of(table, None)
    axes = axis_values(dataset, Counting())
    points = points_data(dataset, axes, GMACS, "seg/mIoU [%]", Filter(("wide", "<b>small</b>"), GMACS))
    position = position_of(dataset, CODE, Counting(), GMACS, "seg/mIoU [%]")
    row = table.row(CODE)
    assert row is not None
    assert position == (ncp.macs(CODE)[0] / 1e9, table.values[row, 0])
    figure = draw_points(points, position)
    small, wide, star = figure["data"]
    assert (small["name"], wide["name"]) == ("&lt;b&gt;small&lt;/b&gt;", "wide")
    assert sorted([*small["customdata"], *wide["customdata"]]) == list(range(len(table)))
    assert (star["x"], star["y"]) == ([position[0]], [position[1]])
    only = draw_points(points_data(dataset, axes, GMACS, "seg/mIoU [%]", Filter(("wide",), GMACS)), None)
    assert only["data"][0]["marker"]["color"] == wide["marker"]["color"]
    assert only["data"][-1]["x"] == []


def test_a_column_colours_the_rows_that_have_a_value_in_it(table: ncp.Table) -> None:
    dataset = dataset_of(table, None)
    axes, origins = axis_values(dataset, Counting()), ("wide", "<b>small</b>")
    points = points_data(dataset, axes, GMACS, "seg/mIoU [%]", Filter(origins, GMACS), "video/ms")
    known = np.isfinite(table.values[:, 0]) & np.isfinite(table.values[:, 1])
    assert 0 < known.sum() < len(table)
    assert points.rows.tolist() == np.flatnonzero(known).tolist()
    figure = draw_points(points, None)
    *traces, star = figure["data"]
    assert len(traces) == 2
    for trace in traces:
        assert trace["marker"]["color"] == table.values[trace["customdata"], 1].tolist()
        assert not trace["showlegend"]
    assert star["marker"]["color"] == "#f0e442"
    scale, values = figure["layout"]["coloraxis"], table.values[known, 1]
    assert scale["colorbar"]["title"]["text"] == "video/ms"
    assert ((values < scale["cmin"]).mean(), (values > scale["cmax"]).mean()) == pytest.approx((0.02, 0.02), abs=0.03)
    assert values.min() <= scale["cmin"] < scale["cmax"] <= values.max()
    plain = draw_points(points_data(dataset, axes, GMACS, "seg/mIoU [%]", Filter(origins, GMACS)), None)
    assert "coloraxis" not in plain["layout"]


def test_found_codes_lie_at_their_exact_cost_and_predicted_value() -> None:
    predictor = ncp.load_predictor("nas-bench-mr")
    dataset = dataset_of(None, predictor)
    codes = ncp.MULTIRES.sample(5, np.random.default_rng(1))
    found = found_positions(dataset, codes.tolist(), Counting(), GMACS, "seg/mIoU [%]")
    assert found is not None
    assert (found[0] == ncp.macs(codes) / 1e9).all()
    assert np.allclose(found[1], predictor.predict(codes).mean[:, predictor.columns.index("seg/mIoU")])
    assert found_positions(dataset, codes.tolist(), Counting(), GMACS, "other/column") is None
    assert found_positions(dataset, [], Counting(), GMACS, "seg/mIoU [%]") is None


@pytest.mark.parametrize("lower", [False, True])
def test_the_first_view_leaves_out_the_worst_rows_but_no_found_code(table: ncp.Table, lower: bool) -> None:
    dataset, worst = dataset_of(table, None), 300.0 if lower else -300.0
    points = points_data(dataset, axis_values(dataset, Counting()), GMACS, "seg/mIoU [%]", Filter(("wide",), GMACS))
    points = replace(points, x=np.array([0.001, *points.x[1:]]), y=np.array([worst, *points.y[1:]]))

    def view(found: float | None) -> tuple[float, float]:
        codes = None if found is None else (np.array([2.0]), np.array([found]))
        low, high = draw_points(points, (1.0, 75.0), codes, True, lower)["layout"]["yaxis"]["range"]
        return low, high

    low, high = view(None)
    assert not low <= worst <= high
    assert ((low <= points.y[1:]) & (points.y[1:] <= high)).all()
    for found in (20.0, 130.0):
        low, high = view(found)
        assert low <= found <= high
        assert not low <= worst <= high
    figure = draw_points(points, None, (np.array([2.0]), np.array([70.0])), True, lower)
    assert figure["layout"]["xaxis"]["type"] == "log"
    shown = np.log10([*points.x[1:], 2.0])
    left, right = figure["layout"]["xaxis"]["range"]
    assert left == pytest.approx(shown.min() - 0.04 * np.ptp(shown))
    assert right == pytest.approx(shown.max() + 0.04 * np.ptp(shown))
    assert in_view(figure["layout"], (2.0, 70.0))
    assert not in_view(figure["layout"], (10**left / 2, 70.0))
    assert not in_view(figure["layout"], (2.0, worst))
    assert [trace["name"] for trace in figure["data"]] == ["wide", "found (predicted)", "open code"]


@pytest.mark.parametrize(
    ("number", "text"), [(76.123, "76.12"), (0.0, "0.00"), (0.0031, "0.0031"), (123456.0, "1.23e+05")]
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert format_value(number) == text
