"""The facts and the picture of held-out rows of a training."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ncp.errors import DataError
from ncp.report.facts import Scatter, heldout_agreements, scatters
from ncp.report.formats import save
from ncp.report.pictures import scatter_picture
from ncp.spaces.arrays import Reals

SVG = "{http://www.w3.org/2000/svg}"
COLUMNS = ("seg/mIoU", "mine/seconds")


@pytest.fixture
def values() -> Reals:
    return np.random.default_rng(0).normal([75, 3], [2, 0.1], size=(80, 2))


def panels_of(predicted: Reals, measured: Reals, tau: float | None = 1.0) -> tuple[Scatter, ...]:
    columns = {
        column: {"predicted": p.tolist(), "std": [1.0] * len(p), "measured": m.tolist()}
        for column, p, m in zip(COLUMNS, predicted.T, measured.T, strict=False)
    }
    return scatters(heldout_agreements(columns), {column: {"tau": tau} for column in columns})


def test_the_numbers(values: Reals) -> None:
    first, second = panels_of(values + np.array([0.5, 0]), values, 0.75)
    assert (first.column, first.unit, second.column, second.unit) == ("seg/mIoU", "%", "mine/seconds", "raw units")
    np.testing.assert_array_equal(first.measured, values[:, 0])
    np.testing.assert_array_equal(first.predicted, values[:, 0] + 0.5)
    assert first.tau == 0.75
    for panel in (first, second):
        assert not panel.outside.any()
        assert panel.low < min(panel.measured.min(), panel.predicted.min())
        assert panel.high > max(panel.measured.max(), panel.predicted.max())


def test_a_failed_run_does_not_squash_the_others(values: Reals) -> None:
    predicted = values.copy()
    values[7, 0] = 0
    panel, other = panels_of(predicted, values)
    assert panel.low > 50
    assert (panel.outside.sum(), other.outside.sum()) == (1, 0)


@pytest.mark.parametrize("tau", [None, float("nan")])
def test_a_constant_column_has_no_tau_but_axes(tau: float | None) -> None:
    constant = np.full((20, 1), 4.0)
    (panel,) = panels_of(constant, constant, tau)
    assert panel.tau is None
    assert panel.low < 4 < panel.high


@pytest.mark.parametrize("count", [1, 2, 5])
def test_it_is_drawn(values: Reals, tmp_path: Path, count: int) -> None:
    values[7, 0] = 0
    panels = [panels_of(values + 0.1, values)[j % 2] for j in range(count)]
    save(scatter_picture(panels), tmp_path / "scatter.svg")
    texts = [str(text.text) for text in ElementTree.parse(tmp_path / "scatter.svg").iter(f"{SVG}text")]  # noqa: S314
    assert texts.count("seg/mIoU   tau 1.00") == texts.count("1 outside the axes") == (count + 1) // 2
    assert "80 held-out rows; on the line, predicted = measured" in texts
    assert len(list(tmp_path.iterdir())) == 1


def test_a_path_that_cannot_be_written_to(values: Reals, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Cannot write "):
        save(scatter_picture(panels_of(values, values)), tmp_path / "file" / "scatter.svg")
