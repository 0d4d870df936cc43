"""Anchors of a detector: boxes of typical sizes all over the grid, their labels, and boxes as offsets from them.

Notation: `A` anchors of a scene, by row (y), column (x), class and rotation; `p` anchors with an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ncp.tasks.pillars import Grid

ROTATIONS = (0.0, 1.57)
"""Headings of the anchors at each place [rad]."""
IGNORED, BACKGROUND = -1, 0
"""Labels of anchors without an object; those of class k have the label k + 1."""


@dataclass(frozen=True)
class AnchorClass:
    """The anchors of one class.

    Attributes:
        name: the class.
        size: dx, dy and dz [m].
        bottom: height of the bottom in the lidar's frame [m].
        matched: overlap from which an anchor has an object.
        unmatched: overlap below which an anchor is background; anchors in between are ignored.
    """

    name: str
    size: tuple[float, float, float]
    bottom: float
    matched: float
    unmatched: float


ANCHORS = (
    AnchorClass("Car", (3.9, 1.6, 1.56), -1.78, 0.6, 0.45),
    AnchorClass("Pedestrian", (0.8, 0.6, 1.73), -0.6, 0.5, 0.35),
    AnchorClass("Cyclist", (1.76, 0.6, 1.73), -0.6, 0.5, 0.35),
)
"""Those of the published PointPillars for KITTI."""
PER_PLACE = len(ANCHORS) * len(ROTATIONS)


class Labels(NamedTuple):
    """What the anchors of several scenes should predict.

    Attributes:
        classes: `IGNORED`, `BACKGROUND`, or the class's number plus 1 `(n, A)`.
        scenes: scenes of the anchors with an object `(p,)`.
        anchors: numbers of these anchors `(p,)`.
        boxes: their objects `(p, 7)`.
    """

    classes: Tensor
    scenes: Tensor
    anchors: Tensor
    boxes: Tensor


def anchor_boxes(grid: Grid, rows: int, columns: int) -> Tensor:
    """The anchors `(rows * columns * PER_PLACE, 7)` at places from one end of the grid to the other.

    >>> kitti = Grid((0.0, -39.68, -3.0), (69.12, 39.68, 1.0), (0.16, 0.16))
    >>> len(anchor_boxes(kitti, kitti.rows // 2, kitti.columns // 2))
    321408
    """
    y = torch.linspace(grid.low[1], grid.high[1], rows)[:, None, None].expand(rows, columns, PER_PLACE)
    x = torch.linspace(grid.low[0], grid.high[0], columns)[None, :, None].expand(rows, columns, PER_PLACE)
    forms = [(each.bottom + each.size[2] / 2, *each.size, turn) for each in ANCHORS for turn in ROTATIONS]
    rest = torch.tensor(forms).expand(rows, columns, PER_PLACE, 5)
    return torch.cat([x[..., None], y[..., None], rest], dim=-1).reshape(-1, 7)


def label_anchors(anchors: Tensor, boxes: Sequence[Tensor], classes: Sequence[Tensor]) -> Labels:
    """Decide which anchors have which object.

    An anchor is compared with the objects of its class, by the overlap of the nearest rectangles along the axes. It has
    the object that it overlaps most, if that is at least `matched`. The best anchor of every object has that object,
    whatever the overlap is above 0.

    Args:
        anchors: `(A, 7)`.
        boxes: objects of each scene `(k, 7)`.
        classes: numbers of their classes `(k,)`.
    """
    rectangles = nearest_rectangles(anchors)
    labels = torch.full((len(boxes), len(anchors)), BACKGROUND, device=anchors.device)
    matched = torch.full_like(labels, -1)
    of_class = torch.arange(len(anchors), device=anchors.device) // len(ROTATIONS) % len(ANCHORS)
    for number, form in enumerate(ANCHORS):
        own = torch.nonzero(of_class == number)[:, 0]
        for scene, (scene_boxes, scene_classes) in enumerate(zip(boxes, classes, strict=True)):
            objects = torch.nonzero(scene_classes == number)[:, 0]
            if len(objects) == 0:
                continue
            overlaps = overlaps_of_all(rectangles[own], nearest_rectangles(scene_boxes[objects]))
            highest, best = overlaps.max(dim=1)
            labels[scene, own[(highest >= form.unmatched) & (highest < form.matched)]] = IGNORED
            most, anchor = overlaps.max(dim=0)
            best[anchor[most > 0]] = torch.arange(len(objects), device=anchors.device)[most > 0]
            found = highest >= form.matched
            found[anchor[most > 0]] = True
            labels[scene, own[found]] = number + 1
            matched[scene, own[found]] = objects[best[found]]
    scenes, places = torch.nonzero(matched >= 0, as_tuple=True)
    first = torch.tensor([0, *(len(each) for each in boxes[:-1])], device=anchors.device).cumsum(0)
    return Labels(labels, scenes, places, torch.cat(list(boxes))[first[scenes] + matched[scenes, places]])


def nearest_rectangles(boxes: Tensor) -> Tensor:
    """Least and largest x and y `(n, 4)` of boxes, each turned to the nearest axis."""
    across = (torch.remainder(boxes[:, 6] + torch.pi / 4, torch.pi) >= torch.pi / 2)[:, None]
    half = torch.where(across, boxes[:, [4, 3]], boxes[:, [3, 4]]) / 2
    return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1)


def overlaps_of_all(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union `(n, m)` of rectangles `(n, 4)` and `(m, 4)` along the axes."""
    sides = torch.minimum(first[:, None, 2:], second[:, 2:]) - torch.maximum(first[:, None, :2], second[:, :2])
    shared = sides.clamp(min=0).prod(dim=2)
    areas = [(each[:, 2:] - each[:, :2]).prod(dim=1) for each in (first, second)]
    return shared / (areas[0][:, None] + areas[1] - shared).clamp(min=1e-9)


def encoded(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Boxes `(p, 7)` as offsets from their anchors `(p, 7)`."""
    diagonal = torch.hypot(anchors[:, 3], anchors[:, 4])[:, None]
    places = (boxes[:, :2] - anchors[:, :2]) / diagonal
    height = (boxes[:, 2:3] - anchors[:, 2:3]) / anchors[:, 5:6]
    return torch.cat([places, height, (boxes[:, 3:6] / anchors[:, 3:6]).log(), boxes[:, 6:] - anchors[:, 6:]], dim=1)


def decoded(codes: Tensor, anchors: Tensor) -> Tensor:
    """The boxes `(p, 7)` of offsets from anchors; the reverse of `encoded`."""
    diagonal = torch.hypot(anchors[:, 3], anchors[:, 4])[:, None]
    places = codes[:, :2] * diagonal + anchors[:, :2]
    height = codes[:, 2:3] * anchors[:, 5:6] + anchors[:, 2:3]
    return torch.cat([places, height, codes[:, 3:6].exp() * anchors[:, 3:6], codes[:, 6:] + anchors[:, 6:]], dim=1)
