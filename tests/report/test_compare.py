"""The curves of a comparison, and that they are drawn."""

from pathlib import Path

import numpy as np
import pytest

from ncp import Comparison, DataError
from ncp.report.compare import COLOURS, compare_data, draw_compare
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
    first, second = compare_data(result)
    assert (first.searcher, second.searcher) == ("local", "random")
    np.testing.assert_allclose(first.mean, [8, 1])
    np.testing.assert_allclose(first.high, [8 + 1.96, 1 + 1.96])
    np.testing.assert_allclose(first.low, [8 - 1.96, 0])
    np.testing.assert_allclose(second.mean, [7, 6])
    np.testing.assert_allclose([second.low[1], second.high[1]], [6, 6])


def test_every_searcher_has_a_colour() -> None:
    assert len(set(COLOURS)) == len(COLOURS) >= len(SEARCHERS)


@pytest.mark.parametrize(("ending", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_it_is_drawn(tmp_path: Path, ending: str, magic: bytes) -> None:
    draw_compare(compare_data(made(30, tuple(SEARCHERS))), tmp_path / "deep" / f"compare.{ending}")
    assert (tmp_path / "deep" / f"compare.{ending}").read_bytes().startswith(magic)
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_one_query_is_drawn(tmp_path: Path) -> None:
    draw_compare(compare_data(made(1)), tmp_path / "compare.svg")
    assert (tmp_path / "compare.svg").stat().st_size > 1000


def test_no_regret_is_drawn(tmp_path: Path) -> None:
    best = {"random": np.full((3, 4), 2.0)}
    (curve,) = compare_data(Comparison({}, best, best, 2.0))
    assert (curve.mean == 0).all()
    draw_compare((curve,), tmp_path / "compare.svg")
    assert (tmp_path / "compare.svg").stat().st_size > 1000


def test_a_path_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^Cannot write "):
        draw_compare(compare_data(made(3)), tmp_path / "file" / "compare.svg")
