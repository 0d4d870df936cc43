"""Augmentation of scenes of a lidar: objects of other scenes are added, and scenes mirrored, turned and scaled.

Source of added objects: Yan et al., "SECOND: sparsely embedded convolutional detection", Sensors 2018.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from ncp.tasks.boxes import overlap_areas

MARGIN = 0.1
"""How far points around an added object are removed [m]."""
FEWEST_POINTS = 5
"""Least points of an object that is added to other scenes."""
_NO_BOXES = torch.zeros(0, 7, dtype=torch.float64)


@dataclass(frozen=True)
class Scene:
    """A scene on the device of the training.

    Attributes:
        points: x, y, z [m] and intensity `(n, 4)`.
        boxes: objects `(k, 7)` float64, on the processor.
        classes: numbers of their classes `(k,)`, on the processor; -1 for other objects, which nothing may overlap.
    """

    points: Tensor
    boxes: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Cutouts:
    """Objects of one class with their points, cut out of all scenes.

    Attributes:
        boxes: `(k, 7)` float64.
        points: per object `(n, 4)`.
    """

    boxes: Tensor
    points: tuple[Tensor, ...]


def cut_out(scenes: Iterable[Scene], classes: int) -> tuple[Cutouts, ...]:
    """The objects of each class that have at least `FEWEST_POINTS` points."""
    found: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(classes)]
    for scene in scenes:
        within = inside(scene.points, scene.boxes)
        for box, number, own in zip(scene.boxes, scene.classes.tolist(), within.T, strict=True):
            if number >= 0 and int(own.sum()) >= FEWEST_POINTS:
                found[number].append((box, scene.points[own]))
    return tuple(
        Cutouts(torch.stack([box for box, _ in each]) if each else _NO_BOXES, tuple(own for _, own in each))
        for each in found
    )


def with_objects(scene: Scene, others: tuple[Cutouts, ...], each: int, randomness: Generator) -> Scene:
    """Add up to `each` objects per class, at the places where they were, unless they overlap another object.

    Points of the scene in and close to an added object are removed.
    """
    boxes, classes, points = [], [], []
    for number, objects in enumerate(others):
        for index in torch.randperm(len(objects.points), generator=randomness)[:each].tolist():
            boxes.append(objects.boxes[index])
            classes.append(number)
            points.append(objects.points[index])
    if not boxes:
        return scene
    before = len(scene.boxes)
    there = np.concatenate([scene.boxes.numpy(), torch.stack(boxes).numpy()])
    overlaps: NDArray[np.bool_] = overlap_areas(there[before:, None], there[None]) > 0
    blocked = np.asarray(overlaps[:, :before].any(axis=1))
    chosen: list[int] = []
    for i, blocks in enumerate(overlaps[:, before:].T):
        if not blocked[i]:
            chosen.append(i)
            blocked |= blocks
    added = torch.from_numpy(there[before:][chosen])
    wider = added + torch.tensor([0, 0, 0, MARGIN, MARGIN, MARGIN, 0], dtype=added.dtype)
    left = scene.points[~inside(scene.points, wider).any(dim=1)]
    return Scene(
        torch.cat([left, *(points[i].to(left.device) for i in chosen)]),
        torch.cat([scene.boxes, added]),
        torch.cat([scene.classes, torch.tensor([classes[i] for i in chosen])]),
    )


def moved(scene: Scene, flip: float, turn: float, scale: float, randomness: Generator) -> Scene:
    """Mirror left and right, turn around the sensor, and scale.

    Args:
        scene: the scene.
        flip: share of scenes that are mirrored.
        turn: largest turn to either side [degrees].
        scale: largest change of scale, as a share.
        randomness: the generator.
    """
    chance, part, size = torch.rand(3, generator=randomness, dtype=torch.float64).tolist()
    points, boxes = scene.points.clone(), scene.boxes.clone()
    if chance < flip:
        points[:, 1] *= -1
        boxes[:, [1, 6]] *= -1
    angle, factor = radians(turn * (2 * part - 1)), 1 + scale * (2 * size - 1)
    points[:, :2], boxes[:, :2] = _turned(points[:, :2], angle), _turned(boxes[:, :2], angle)
    boxes[:, 6] += angle
    points[:, :3] *= factor
    boxes[:, :6] *= factor
    return Scene(points, boxes, scene.classes)


def shuffled(points: Tensor, randomness: Generator) -> Tensor:
    """Points in random order, so that a limit on their number chooses at random."""
    return points[torch.randperm(len(points), generator=randomness).to(points.device)]


def inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Which points `(n, 3 or more)` are in which boxes `(k, 7)`: `(n, k)` on the device of the points."""
    near = boxes.to(points.device, points.dtype)
    away = points[:, None, :3] - near[:, :3]
    ahead, left = near[:, 6].cos(), near[:, 6].sin()
    along = ahead * away[..., 0] + left * away[..., 1]
    across = ahead * away[..., 1] - left * away[..., 0]
    placed = torch.stack([along, across, away[..., 2]], dim=-1)
    return (placed.abs() <= near[:, 3:6] / 2).all(dim=-1)


def _turned(places: Tensor, angle: float) -> Tensor:
    x, y = places.unbind(dim=1)
    return torch.stack([cos(angle) * x - sin(angle) * y, sin(angle) * x + cos(angle) * y], dim=1)
