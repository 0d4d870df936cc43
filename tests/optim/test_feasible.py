"""Feasible codes: moves and snapping keep the space, the budget and frozen dimensions."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ncp import MULTIRES, macs
from ncp.optim.budget import Budget
from ncp.optim.feasible import Feasible
from tests.predictors.fitted import SPACES


@pytest.mark.parametrize("name", SPACES)
def test_moves_are_the_neighbours_of_each_code_without_frozen_dimensions(name: str) -> None:
    space, rng = SPACES[name], np.random.default_rng(0)
    codes, frozen = space.sample(4, rng), rng.random(len(space)) < 0.3
    moved, rows = Feasible(space, Budget(), frozen).moved(codes)
    for row, code in enumerate(codes):
        near = space.neighbours(code)
        assert_array_equal(moved[rows == row], near[(near[:, frozen] == code[frozen]).all(axis=1)])


def some_feasible(rng: np.random.Generator) -> Feasible:
    return Feasible(MULTIRES, Budget(max_macs=2e9), rng.random(27) < 0.2)


def test_snapped_points_are_within_the_budget_and_keep_frozen_values() -> None:
    rng = np.random.default_rng(1)
    feasible, start = some_feasible(rng), MULTIRES.sample(6, rng)
    start[:, feasible.frozen] = [dim.values[0] for j, dim in enumerate(MULTIRES.dimensions) if feasible.frozen[j]]
    low, high = MULTIRES.bounds
    path = rng.uniform(low, high, size=(4, 6, 27))
    codes = feasible.snap_path(path, start)
    assert codes.shape == (4, 6, 27)
    for step, points in enumerate(path):
        assert_array_equal(codes[step], feasible.snap(points, start))
    flat = codes.reshape(-1, 27)
    assert MULTIRES.contains(flat).all()
    assert (macs(flat) <= 2e9).all()
    assert (codes[..., feasible.frozen] == start[:, feasible.frozen]).all()
    nearest = np.where(feasible.frozen, start, MULTIRES.snap(path.reshape(-1, 27)).reshape(4, 6, 27))
    cheap = (macs(nearest.reshape(-1, 27)) <= 2e9).reshape(4, 6)
    assert_array_equal(codes[cheap], nearest[cheap])
