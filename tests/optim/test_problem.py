"""Moves, distinct codes and projections of many codes equal those of each code alone."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from ncp import Categorical, Space
from ncp.optim.budget import Budget
from ncp.optim.feasible import Feasible, on_simplices
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
