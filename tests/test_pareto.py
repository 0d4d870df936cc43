"""Non-dominated points and hypervolumes, compared with their definitions."""

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncp import ConfigError
from ncp.pareto import hypervolume, non_dominated
from tests.strategies import generators


def dominates(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool((a >= b).all() and (a > b).any())


@given(generators, st.integers(0, 40), st.integers(1, 5), st.data())
def test_non_dominated_points_are_marked_once(rng: np.random.Generator, n: int, k: int, data: st.DataObject) -> None:
    points = rng.integers(0, 4, size=(n, k)).astype(float)  # so few values that ties are common
    minimise = data.draw(st.one_of(st.booleans(), st.lists(st.booleans(), min_size=k, max_size=k)))
    mask = non_dominated(points, minimise)
    wanted = points * np.where(np.broadcast_to(minimise, k), -1, 1)
    seen = set()
    for i, point in enumerate(wanted):
        alone = not any(dominates(other, point) for other in wanted)
        assert mask[i] == (alone and tuple(point) not in seen)
        seen.add(tuple(point))
    assert mask.shape == (n,)
    assert mask.any() == (n > 0)


@given(generators, st.integers(0, 30), st.integers(1, 4))
def test_the_hypervolume_counts_dominated_cells(rng: np.random.Generator, n: int, k: int) -> None:
    points = rng.integers(-2, 6, size=(n, k))
    cells = np.stack(np.meshgrid(*[np.arange(6)] * k, indexing="ij"), axis=-1).reshape(-1, k) + 1
    below = np.array([(cells <= point).all(axis=1) for point in points]).reshape(n, len(cells))
    assert hypervolume(points, [0] * k) == pytest.approx(below.any(axis=0).sum())


def test_the_hypervolume_begins_at_the_reference() -> None:
    points = [[2.0, 1.0], [1.0, 2.0], [0.5, 0.5], [-1.0, 9.0]]
    assert hypervolume(points, [0, 0]) == 3.0
    assert hypervolume(points, [1, 0]) == 1.0
    assert hypervolume(points, [2, 2]) == 0.0
    assert hypervolume(np.empty((0, 2)), [0, 0]) == 0.0


def test_hypervolumes_of_many_objectives_are_close_and_fast() -> None:
    points = np.random.default_rng(0).uniform(0.7, 1, size=(100, 9))
    found = hypervolume(points, [0] * 9)
    drawn = np.random.default_rng(1).random((20_000, 9))
    inside = np.zeros(len(drawn), dtype=bool)
    for point in points:
        inside |= (drawn <= point).all(axis=1)
    assert found == pytest.approx(inside.mean(), rel=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: non_dominated([1.0, 2.0]), "Expected finite points, (n, objectives). Got [1.0, 2.0]."),
        (
            lambda: non_dominated([[1.0, np.nan]]),
            "Expected finite points, (n, objectives). Got [[1.0, nan]].",
        ),
        (lambda: non_dominated([["a"]]), "Expected finite points, (n, objectives). Got [['a']]."),
        (lambda: non_dominated([[1.0, 2.0]], [True]), None),
        (
            lambda: non_dominated([[1.0, 2.0]], [True, False, True]),
            "Expected True or False, or one of them per objective, as minimise. Got [True, False, True].",
        ),
        (
            lambda: non_dominated([[1.0, 2.0]], [1, 0]),  # type: ignore[list-item]
            "Expected True or False, or one of them per objective, as minimise. Got [1, 0].",
        ),
        (lambda: hypervolume([[1.0, 2.0]], [0.0]), "Expected a reference of 2 finite numbers. Got [0.0]."),
        (lambda: hypervolume([[1.0]], [np.inf]), "Expected a reference of 1 finite numbers. Got [inf]."),
        (lambda: hypervolume([[np.inf]], [0.0]), "Expected finite points, (n, objectives). Got [[inf]]."),
    ],
)
def test_invalid_points_are_refused(call: Any, message: str | None) -> None:
    if message is None:  # one direction for all
        assert call().tolist() == [True]
        return
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        call()


def test_torch_is_not_loaded() -> None:
    code = "import sys, ncp.pareto; assert 'torch' not in sys.modules and 'moocore' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603
