"""Pillars against a loop over points, with every limit."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from torch import Tensor

from ncp.tasks.pillars import Grid, pillars_of

GRID = Grid((0.0, -2.0, -1.0), (4.0, 2.0, 1.0), (0.5, 0.25))


def scenes(sizes: list[int], seed: int = 0) -> list[Tensor]:
    """Points in and around the grid."""
    generator = torch.Generator().manual_seed(seed)
    low, span = torch.tensor([-1.0, -3, -1.5, 0]), torch.tensor([6.0, 6, 3, 1])
    return [low + span * torch.rand(size, 4, generator=generator) for size in sizes]


def by_loops(points: list[Tensor], most_pillars: int, most_points: int) -> dict[tuple[int, int, int], np.ndarray]:
    """The points of each pillar, by scene, row and column."""
    found: dict[tuple[int, int, int], list[np.ndarray]] = defaultdict(list)
    for scene, each in enumerate(points):
        own = set()
        for x, y, z, intensity in each.double().tolist():
            if not (0 <= x < 4 and -2 <= y < 2 and -1 <= z < 1):
                continue
            key = (scene, int((y + 2) / 0.25), int(x / 0.5))
            if key not in own and len(own) == most_pillars:
                continue
            own.add(key)
            if len(found[key]) < most_points:
                found[key].append(np.array([x, y, z, intensity]))
    return {key: np.array(each) for key, each in found.items()}


@pytest.mark.parametrize(("most_pillars", "most_points"), [(1000, 32), (20, 5), (1, 1)])
def test_pillars_equal_a_loop_over_points(most_pillars: int, most_points: int) -> None:
    points = scenes([700, 0, 300])
    expected = by_loops(points, most_pillars, most_points)
    features, mask, places, count = pillars_of(points, GRID, most_pillars, most_points)
    assert count == 3
    assert sorted(map(tuple, places.tolist())) == sorted(expected)
    for feature, there, (scene, row, column) in zip(features, mask, places.tolist(), strict=True):
        values = expected[scene, row, column]
        n = len(values)
        assert there.tolist() == [True] * n + [False] * (most_points - n)
        assert not feature[n:].any()
        centre = [0.5 * column + 0.25, 0.25 * row - 2 + 0.125, 0.0]
        wanted = np.hstack([values, values[:, :3] - values[:, :3].mean(axis=0), values[:, :3] - centre])
        np.testing.assert_allclose(feature[:n].numpy(), wanted, atol=1e-5)


def test_the_grid_of_the_benchmark() -> None:
    grid = Grid((0.0, -39.68, -3.0), (69.12, 39.68, 1.0), (0.16, 0.16))
    assert (grid.columns, grid.rows) == (432, 496)


def test_no_points() -> None:
    features, mask, places, _ = pillars_of(scenes([0, 0]), GRID, 10)
    assert features.shape == (0, 32, 10)
    assert mask.shape == (0, 32)
    assert places.shape == (0, 3)
