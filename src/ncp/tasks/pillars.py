"""Points of a lidar as pillars: vertical columns of a grid with up to 32 points each.

Source: Lang et al., "PointPillars: fast encoders for object detection from point clouds", CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ncp.network.pillar_net import Pillars


@dataclass(frozen=True)
class Grid:
    """The part of space that is seen, and its pillars.

    Attributes:
        low: least x, y and z [m].
        high: largest x, y and z [m].
        voxel: sides of a pillar along x and y [m].
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    voxel: tuple[float, float]

    @property
    def rows(self) -> int:
        """Pillars along y."""
        return round((self.high[1] - self.low[1]) / self.voxel[1])

    @property
    def columns(self) -> int:
        """Pillars along x."""
        return round((self.high[0] - self.low[0]) / self.voxel[0])

    def holds(self, places: Tensor) -> Tensor:
        """Which places `(n, 3)` are in it."""
        low, high = places.new_tensor(self.low), places.new_tensor(self.high)
        return ((places >= low) & (places < high)).all(dim=1)


def pillars_of(points: Sequence[Tensor], grid: Grid, most_pillars: int, most_points: int = 32) -> Pillars:
    """The pillars of scenes.

    Args:
        points: per scene `(n, 4)`: x, y, z [m] and intensity. Points outside of the grid are left out.
        grid: the grid.
        most_pillars: pillars that are kept per scene: those whose first points come first.
        most_points: points that are kept per pillar: those that come first.
    """
    counts = torch.tensor([len(each) for each in points], device=points[0].device)
    scene = torch.repeat_interleave(torch.arange(len(points), device=counts.device), counts)
    every = torch.cat(list(points)).float()
    inside = grid.holds(every[:, :3])
    every, scene = every[inside], scene[inside]
    column, row = ((every[:, :2] - every.new_tensor(grid.low[:2])) / every.new_tensor(grid.voxel)).long().unbind(dim=1)
    row, column = row.clamp(max=grid.rows - 1), column.clamp(max=grid.columns - 1)  # against rounding
    keys, order = torch.sort((scene * grid.rows + row) * grid.columns + column, stable=True)
    _, pillar, sizes = torch.unique_consecutive(keys, return_inverse=True, return_counts=True)
    begin = sizes.cumsum(0) - sizes
    first = order[begin]
    kept = _rank_in_scene(first, scene[first], len(points)) < most_pillars
    position = torch.arange(len(keys), device=keys.device) - begin[pillar]
    chosen = kept[pillar] & (position < most_points)
    place = ((kept.cumsum(0) - 1)[pillar[chosen]], position[chosen])
    first = first[kept]
    values = every.new_zeros(len(first), most_points, 4)
    mask = torch.zeros(len(first), most_points, dtype=torch.bool, device=keys.device)
    values[place], mask[place] = every[order[chosen]], True
    places = torch.stack([scene[first], row[first], column[first]], dim=1)
    return Pillars(_features(values, mask, places, grid), mask, places, len(points))


def _rank_in_scene(first: Tensor, scene: Tensor, scenes: int) -> Tensor:
    """How many pillars of the same scene begin earlier, given the indices of first points, which go scene by scene."""
    rank = torch.empty_like(first)
    rank[first.argsort()] = torch.arange(len(first), device=first.device)
    count = torch.bincount(scene, minlength=scenes)
    return rank - (count.cumsum(0) - count)[scene]


def _features(values: Tensor, mask: Tensor, places: Tensor, grid: Grid) -> Tensor:
    """Features `(m, points, 10)` of points `(m, points, 4)`: themselves, and offsets from their mean and the centre."""
    xyz = values[..., :3]
    mean = xyz.sum(dim=1, keepdim=True) / mask.sum(dim=1).clamp(min=1)[:, None, None]
    low, high = values.new_tensor(grid.low), values.new_tensor(grid.high)
    middle = ((low + high) / 2).expand(len(places), 3).clone()
    middle[:, :2] = low[:2] + (places[:, [2, 1]] + 0.5) * values.new_tensor(grid.voxel)
    features = torch.cat([values, xyz - mean, xyz - middle[:, None]], dim=-1)
    return features * mask[..., None]
