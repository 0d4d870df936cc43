"""Projected points lie on the simplices and below the bounds."""

import numpy as np
import torch
from numpy.testing import assert_array_equal

from ncp import MULTIRES, Categorical, Space, macs
from ncp.optim.budget import Budget
from ncp.optim.feasible import Feasible
from ncp.optim.projection import Projection, on_simplices


def test_points_are_projected_on_the_nearest_point_of_their_simplices() -> None:
    space = Space([Categorical(f"c{k}", [f"v{i}" for i in range(2 + k % 3)]) for k in range(7)])
    x = torch.tensor(np.random.default_rng(0).normal(size=(50, space.width)))
    nearest = on_simplices(space, x)
    for where in space.slices:
        before, after = x[:, where], nearest[:, where]
        torch.testing.assert_close(after.sum(dim=1), torch.ones(50).double())
        shift = (before - after).amax(dim=1, keepdim=True)  # the conditions of a minimum of the distance
        torch.testing.assert_close(after, (before - shift).clamp_min(0))


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
