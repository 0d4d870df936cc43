"""The facts and the picture of a comparison."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ncp import Comparison, DataError
from ncp.report.facts import Curve, regret_curves
from ncp.report.formats import save
from ncp.report.pictures import comparison_picture
from ncp.report.style import SERIES
from ncp.searchers.registry import SEARCHERS


def made(queries: int, names: tuple[str, ...] = ("random", "local"), optimum: float = 9.0) -> Comparison:
    rng = np.random.default_rng(0)
    best = {
        name: np.maximum.accumulate(rng.uniform(0, 5 + i / 4, size=(6, queries)), axis=1)
        for i, name in enumerate(names)
    }
    return Comparison({}, best, {name: np.ones((6, queries)) for name in best}, optimum)


def test_the_numbers() -> None:
    best = {"random": np.array([[1.0, 3.0], [3.0, 3.0]]), "local": np.array([[0.0, 7.0], [2.0, 9.0]])}
    result = Comparison({}, best, {name: np.ones((2, 2)) for name in best}, 9.0)
    first, second = regret_curves(result)
    assert (first.searcher, second.searcher) == ("local", "random")
    np.testing.assert_allclose(first.mean, [8, 1])
    np.testing.assert_allclose(first.high, [8 + 1.96, 1 + 1.96])
    np.testing.assert_allclose(first.low, [8 - 1.96, 0])
    np.testing.assert_allclose(second.mean, [7, 6])
    np.testing.assert_allclose([second.low[1], second.high[1]], [6, 6])


def test_every_searcher_has_a_colour() -> None:
    assert len(set(SERIES)) == len(SERIES) >= len(SEARCHERS)


def drawn(curves: tuple[Curve, ...], path: Path) -> str:
    save(comparison_picture(curves), path)
    return path.read_text("utf-8")


@pytest.mark.parametrize("queries", [1, 2, 30])
def test_every_searcher_is_drawn(tmp_path: Path, queries: int) -> None:
    text = drawn(regret_curves(made(queries, tuple(SEARCHERS))), tmp_path / "deep" / "compare.svg")
    ElementTree.fromstring(text)  # noqa: S314
    for name, colour in zip(SEARCHERS, SERIES, strict=False):
        assert f">{name}</text>" in text
        assert text.count(f'stroke="{colour}"') == 2  # its curve, and its line in the legend
        assert text.count(f'fill="{colour}"') == 1  # its interval
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["compare.svg"]


def test_no_regret_is_drawn(tmp_path: Path) -> None:
    best = {"random": np.full((3, 4), 2.0)}
    (curve,) = regret_curves(Comparison({}, best, best, 2.0))
    assert (curve.mean == 0).all()
    assert "nan" not in drawn((curve,), tmp_path / "compare.svg")


@pytest.mark.parametrize(("least", "begins_at_zero"), [(0.0, True), (0.5, False)])
def test_the_axis_begins_at_zero_only_near_the_optimum(tmp_path: Path, least: float, begins_at_zero: bool) -> None:
    mean = np.linspace(4, least, 20)
    text = drawn((Curve("random", mean, mean, mean + 0.1),), tmp_path / "compare.svg")
    assert (">0</text>" in text) == begins_at_zero
    assert ">2</text>" in text


def test_a_path_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^Cannot write "):
        drawn(regret_curves(made(3)), tmp_path / "file" / "compare.svg")
