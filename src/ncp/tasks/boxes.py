"""Upright boxes in space: corners, overlaps seen from above and in three dimensions, and non-maximum suppression.

Notation: a box is `(x, y, z, dx, dy, dz, heading)`: its centre and sizes [m], and the angle from the x axis to the side
dx, counter-clockwise seen from above [rad]. Arrays of boxes are `(.., 7)` float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

ROUNDING = 1e-12
"""Shared areas below this share of both areas together are rounding errors, and count as 0."""
_AROUND = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])
"""The corners of a rectangle of sides 1, counter-clockwise."""


def corners(boxes: Reals) -> Reals:
    """The corners `(.., 8, 3)` of boxes `(.., 7)`: four of the bottom counter-clockwise, then those above them.

    >>> corners(np.array([0, 0, 0, 4, 2, 1, np.pi / 2])).round(3)[:2].tolist()
    [[-1.0, 2.0, -0.5], [-1.0, -2.0, -0.5]]
    """
    flat = _rectangles(boxes)
    level = boxes[..., None, 2] + boxes[..., None, 5] * np.array([-0.5, 0.5]).repeat(4)
    return np.concatenate([np.concatenate([flat, flat], axis=-2), level[..., None]], axis=-1)


def overlap_areas(first: Reals, second: Reals) -> Reals:
    """The areas that pairs of boxes share, seen from above [m^2].

    In the frame of the second rectangle, where it is `|x| <= a, |y| <= b`, the shared area is the integral of `x dy`
    around the first one with both coordinates clamped to those limits. Along an edge that integral has a closed form,
    which is exact for rectangles that touch, coincide or contain each other, too.

    Args:
        first: boxes `(.., 7)`.
        second: boxes `(.., 7)`; the leading dimensions of both broadcast.
    """
    half = second[..., None, 3:5] / 2
    centre = _turned(first[..., :2] - second[..., :2], -second[..., 6])
    turn = np.asarray(first[..., 6] - second[..., 6])[..., None]
    around = centre[..., None, :] + _turned(first[..., None, 3:5] * _AROUND, turn)
    x, y = around[..., 0], around[..., 1]
    run, rise = np.roll(x, -1, axis=-1) - x, np.roll(y, -1, axis=-1) - y
    low, high = np.clip(y, -half[..., 1], half[..., 1]), np.clip(y + rise, -half[..., 1], half[..., 1])
    begin, end = (x + run * ((each - y) / np.where(rise == 0, 1.0, rise)) for each in (low, high))
    areas = ((high - low) * _mean_clamped(begin, end, half[..., 0])).sum(axis=-1)
    least, most = ROUNDING * (_area(first) + _area(second)), np.minimum(_area(first), _area(second))
    return np.where(areas > least, np.minimum(areas, most), 0.0)[()]


def bev_iou(first: Reals, second: Reals) -> Reals:
    """Intersection over union of pairs of boxes seen from above; arguments as in `overlap_areas`.

    >>> bev_iou(np.array([0, 0, 0, 4, 2, 1, 0.0]), np.array([2, 0, 9, 4, 2, 1, 0.0])).round(6)
    np.float64(0.333333)
    """
    shared = overlap_areas(first, second)
    return _share(shared, _area(first) + _area(second) - shared)


def iou_3d(first: Reals, second: Reals) -> Reals:
    """Intersection over union of the volumes of pairs of boxes; arguments as in `overlap_areas`."""
    top = np.minimum(first[..., 2] + first[..., 5] / 2, second[..., 2] + second[..., 5] / 2)
    bottom = np.maximum(first[..., 2] - first[..., 5] / 2, second[..., 2] - second[..., 5] / 2)
    shared = overlap_areas(first, second) * np.clip(top - bottom, 0.0, None)
    return _share(shared, _area(first) * first[..., 5] + _area(second) * second[..., 5] - shared)


def suppress(boxes: Reals, scores: Reals, iou: float = 0.01, most: int = 500) -> NDArray[np.int64]:
    """Non-maximum suppression seen from above: the boxes that overlap no box of a higher score that is kept.

    Args:
        boxes: `(n, 7)`.
        scores: `(n,)`; among equal scores the first box comes first.
        iou: two boxes that are kept overlap at most this much.
        most: how many boxes are kept.

    Returns:
        Indices of the boxes that are kept, the highest score first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    reach = np.hypot(boxes[:, 3], boxes[:, 4]) / 2
    left = np.ones(len(boxes), dtype=bool)
    kept: list[int] = []
    while len(kept) < most and left.any():
        best = int(left.argmax())
        kept.append(best)
        left[best] = False
        away = np.hypot(*(boxes[:, :2] - boxes[best, :2]).T)
        near = np.flatnonzero(left & (away < reach + reach[best]))
        left[near] = bev_iou(boxes[best], boxes[near]) <= iou
    return order[kept]


def _area(boxes: Reals) -> Reals:
    return np.asarray(boxes[..., 3] * boxes[..., 4])


def _rectangles(boxes: Reals) -> Reals:
    """The corners `(.., 4, 2)` of boxes seen from above, counter-clockwise."""
    return boxes[..., None, :2] + _turned(boxes[..., None, 3:5] * _AROUND, boxes[..., None, 6])


def _turned(points: Reals, angle: Reals) -> Reals:
    """Points `(.., 2)` turned counter-clockwise around the origin by angles `(..)`."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _mean_clamped(begin: Reals, end: Reals, limit: Reals) -> Reals:
    """The mean of a number clamped to plus or minus `limit`, while it goes evenly from `begin` to `end`."""
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    length = high - low
    whole = np.where(length == 0, 1.0, length)
    below, above = np.clip(-limit - low, 0.0, length) / whole, np.clip(high - limit, 0.0, length) / whole
    middle = (np.clip(low, -limit, limit) + np.clip(high, -limit, limit)) / 2
    return np.asarray((1 - below - above) * middle + (above - below) * limit)


def _share(part: Reals, whole: Reals) -> Reals:
    """A part of a whole, from 0 to 1; 0 of a whole of 0."""
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)[()]
