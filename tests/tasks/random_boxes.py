"""Random boxes, pairs of boxes of every relation, and random labels with imperfect detections."""

import numpy as np
import shapely
from numpy.typing import NDArray

from ncp.tasks.boxes import corners
from ncp.tasks.objects import Objects

Reals = NDArray[np.float64]
NAMES = ["Car", "Car", "Van", "Pedestrian", "Person_sitting", "Cyclist", "DontCare", "Truck"]


def random_boxes(n: int, rng: np.random.Generator, reach: float = 3.0) -> Reals:
    return np.column_stack([rng.uniform(-reach, reach, (n, 3)), rng.uniform(0.2, 5.0, (n, 3)), rng.uniform(-10, 10, n)])


def related_pairs(n: int, rng: np.random.Generator) -> tuple[Reals, Reals]:
    """Pairs in a hundred rows of each relation: apart, touching, contained, equal, turned by right angles, tiny."""
    first, second = random_boxes(n, rng), random_boxes(n, rng)
    kind = np.arange(n) % 10
    along = np.column_stack([np.cos(first[:, 6]), np.sin(first[:, 6])])
    for relation in (1, 2, 3, 4, 5):
        second[kind == relation] = first[kind == relation]
    touching, turned, contained, tilted = kind == 1, kind == 3, kind == 4, kind == 5
    second[touching, :2] += along[touching] * first[touching, 3:4]
    second[turned, 6] += np.pi / 2 * rng.integers(-4, 5, turned.sum())
    second[contained, 3:6] *= rng.uniform(0.01, 1, (contained.sum(), 3))
    second[tilted, 6] += rng.choice([-1e-15, 1e-12, 1e-9, 1e-6], tilted.sum())
    tiny = kind == 6
    second[tiny, :2], second[tiny, 3:6] = first[tiny, :2], 1e-4
    both_tiny = kind == 7
    first[both_tiny, :6] *= 1e-4
    second[both_tiny, :6] *= 1e-4
    far = kind == 8
    first[far, :2] += 1000
    second[far, :2] += 1000
    return first, second


def polygons(boxes: Reals) -> NDArray[np.object_]:
    return np.asarray(shapely.polygons(corners(boxes)[:, :4, :2]))


def random_labels(rng: np.random.Generator, frames: int, most: int, spread: float) -> Objects:
    """Labels of boxes and of rectangles, which are independent of each other."""
    frame = np.repeat(np.arange(frames), rng.integers(0, most + 1, frames))
    n = len(frame)
    boxes = np.column_stack(
        [rng.uniform(0, spread, (n, 2)), rng.uniform(-1, 1, n), rng.uniform(0.5, 4, (n, 3)), rng.uniform(-4, 4, n)]
    )
    corner = np.column_stack([rng.uniform(0, 400, n), rng.uniform(0, 100, n)])
    rectangles = np.hstack([corner, corner + rng.uniform(15, 80, (n, 2))])
    truncated = rng.choice([0, 0.15, 0.2, 0.4, 0.6], n)
    return Objects.of(frame, rng.choice(NAMES, n), boxes, rectangles, truncated, rng.integers(0, 4, n))


def imperfect(truth: Objects, rng: np.random.Generator, name_errors: float = 0.1) -> Objects:
    """Detections: most labels twice, moved a little, some with another class; false ones; equal scores."""
    rows = np.concatenate([rng.choice(len(truth), int(0.85 * len(truth)), replace=False), np.arange(len(truth))])
    found = truth.where(rows)
    n = len(found)
    move = rng.choice([0.0, 0.02, 0.3], (n, 1)) * rng.standard_normal((n, 7))
    shift = rng.choice([0.0, 1.0, 8.0], (n, 1)) * rng.standard_normal((n, 4))
    names = np.where(np.isin(found.names, ["Car", "Pedestrian", "Cyclist"]), found.names, "Car")
    names = np.where(rng.random(n) < name_errors, "Pedestrian", names)
    boxes = found.boxes + move
    boxes[:, 3:6] = np.abs(boxes[:, 3:6]) + 0.1
    rectangles = found.rectangles + shift
    rectangles[:, 2:] = np.maximum(rectangles[:, 2:], rectangles[:, :2] + 5)
    scores = rng.integers(0, 60, n) / 60
    return Objects.of(found.frames, names, boxes, rectangles, scores=scores)
