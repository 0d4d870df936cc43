"""The numbers behind the scatter of rows held out, and that it is drawn."""

from pathlib import Path

import numpy as np
import pytest

from ncp.errors import DataError
from ncp.predictors.base import Prediction
from ncp.report.scatter import draw_scatter, scatter_data
from ncp.spaces.arrays import Reals

COLUMNS = ("seg/mIoU", "mine/seconds")


@pytest.fixture
def values() -> Reals:
    return np.random.default_rng(0).normal([75, 3], [2, 0.1], size=(80, 2))


def test_the_numbers(values: Reals) -> None:
    first, second = scatter_data(Prediction(values + np.array([0.5, 0]), np.zeros_like(values)), values, COLUMNS)
    assert (first.column, first.unit, second.column, second.unit) == ("seg/mIoU", "%", "mine/seconds", "raw units")
    np.testing.assert_array_equal(first.measured, values[:, 0])
    np.testing.assert_array_equal(first.predicted, values[:, 0] + 0.5)
    assert first.tau == pytest.approx(1)
    assert first.mae == pytest.approx(0.5)
    assert second.mae == 0
    for panel in (first, second):
        assert panel.beyond == 0
        assert panel.low < min(panel.measured.min(), panel.predicted.min())
        assert panel.high > max(panel.measured.max(), panel.predicted.max())


def test_a_failed_run_does_not_squash_the_others(values: Reals) -> None:
    predicted = values.copy()
    values[7, 0] = 0
    panel, other = scatter_data(Prediction(predicted, np.zeros_like(predicted)), values, COLUMNS)
    assert panel.low > 50
    assert (panel.beyond, other.beyond) == (1, 0)


def test_a_constant_column_has_no_tau_but_axes() -> None:
    constant = np.full((20, 1), 4.0)
    (panel,) = scatter_data(Prediction(constant, np.zeros_like(constant)), constant, COLUMNS[:1])
    assert np.isnan(panel.tau)
    assert panel.low < 4 < panel.high


@pytest.mark.parametrize(("ending", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_it_is_drawn(values: Reals, tmp_path: Path, count: int, ending: str, magic: bytes) -> None:
    values[7, 0] = 0
    many = np.tile(values, 3)[:, :count]
    panels = scatter_data(Prediction(many + 0.1, np.zeros_like(many)), many, [f"task{j}/top1" for j in range(count)])
    draw_scatter(panels, tmp_path / f"scatter.{ending}")
    assert (tmp_path / f"scatter.{ending}").read_bytes().startswith(magic)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_path_that_cannot_be_written_to(values: Reals, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    panels = scatter_data(Prediction(values, np.zeros_like(values)), values, COLUMNS)
    with pytest.raises(DataError, match="Cannot write "):
        draw_scatter(panels, tmp_path / "file" / "scatter.svg")
