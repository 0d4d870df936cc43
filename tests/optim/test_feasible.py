"""Feasible codes and points: moves, snapping and projections keep the space, the budget and frozen dimensions."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from ncp import MULTIRES, Categorical, Space, macs
from ncp.optim.budget import Budget
from ncp.optim.feasible import Feasible, Projection, on_simplices
from ncp.spaces.arrays import distinct
from tests.predictors.fitted import SPACES


@pytest.mark.parametrize("name", SPACES)
def test_moves_are_the_neighbours_of_each_code_without_frozen_dimensions(name: str) -> None:
    space, rng = SPACES[name], np.random.default_rng(0)
    codes, frozen = space.sample(4, rng), rng.random(len(space)) < 0.3
    moved, rows = Feasible(space, Budget(), frozen).moved(codes)
    for row, code in enumerate(codes):
        near = space.neighbours(code)
        assert_array_equal(moved[rows == row], near[(near[:, frozen] == code[frozen]).all(axis=1)])


def test_distinct_codes_come_in_their_order() -> None:
    codes = np.random.default_rng(0).integers(3, size=(200, 4))[:, ::2]  # not contiguous
    first, which = distinct(codes)
    assert list(map(tuple, codes[first].tolist())) == list(dict.fromkeys(map(tuple, codes.tolist())))
    assert_array_equal(codes[first][which], codes)


def test_points_are_projected_on_the_nearest_point_of_their_simplices() -> None:
    space = Space([Categorical(f"c{k}", [f"v{i}" for i in range(2 + k % 3)]) for k in range(7)])
    x = torch.tensor(np.random.default_rng(0).normal(size=(50, space.width)))
    nearest = on_simplices(space, x)
    for where in space.slices:
        before, after = x[:, where], nearest[:, where]
        torch.testing.assert_close(after.sum(dim=1), torch.ones(50).double())
        shift = (before - after).amax(dim=1, keepdim=True)  # the conditions of a minimum of the distance
        torch.testing.assert_close(after, (before - shift).clamp_min(0))


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


def test_projected_points_are_below_their_own_bounds() -> None:
    rng = np.random.default_rng(2)
    feasible = Feasible.of(MULTIRES, Budget(max_macs=2e9))
    low, high = MULTIRES.bounds
    start = torch.tensor(MULTIRES.relax(feasible.smallest(MULTIRES.sample(8, rng))))
    bound = torch.logspace(7.5, 9.5, 8, dtype=torch.float64)
    project = Projection(feasible, start, {"max_macs": bound})
    x = torch.tensor(rng.uniform(low, high, size=(8, 27)))
    projected, above = project(x)
    assert (macs(projected) <= bound * (1 + 1e-9)).all()
    assert_array_equal(above.numpy(), (macs(x) > bound).numpy())
    assert_array_equal(projected[~above].numpy(), x[~above].numpy())
    again, above = project(projected)
    torch.testing.assert_close(again, projected)
    assert not above.any()
