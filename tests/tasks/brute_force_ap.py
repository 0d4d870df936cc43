"""Average precision as the benchmark's program computes it: loops over scenes, labels, detections and thresholds."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from ncp.tasks.boxes import corners
from ncp.tasks.objects import Objects

OVERLAPS = {"car": 0.7, "pedestrian": 0.5, "cyclist": 0.5}
NEUTRAL = {"car": "van", "pedestrian": "person_sitting", "cyclist": None}
KITTI = {"easy": (40, 0, 0.15), "moderate": (25, 1, 0.3), "hard": (25, 2, 0.5)}
RANGES = {"near": (0, 30), "middle": (30, 50), "far": (50, 1e9)}

State = tuple[list[int | None], list[int | None]]
Matrix = NDArray[np.float64]


def shared_of_rectangles(a: Matrix, b: Matrix) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return float(width * height) if width > 0 and height > 0 else 0.0


def size(rectangle: Matrix) -> float:
    return float((rectangle[2] - rectangle[0]) * (rectangle[3] - rectangle[1]))


def overlap(metric: str, truth: Objects, i: int, found: Objects, j: int) -> float:
    if metric == "bbox":
        a, b = truth.rectangles[i], found.rectangles[j]
        shared = shared_of_rectangles(a, b)
        return shared / (size(a) + size(b) - shared)
    p, q = truth.boxes[i], found.boxes[j]
    if np.hypot(*(p[:2] - q[:2])) > (np.hypot(*p[3:5]) + np.hypot(*q[3:5])) / 2:
        return 0.0
    shapes = [shapely.Polygon(corners(box)[:4, :2]) for box in (p, q)]
    shared = shapes[0].intersection(shapes[1]).area
    if metric == "bev":
        return float(shared / (p[3] * p[4] + q[3] * q[4] - shared))
    height = min(p[2] + p[5] / 2, q[2] + q[5] / 2) - max(p[2] - p[5] / 2, q[2] - q[5] / 2)
    shared *= max(height, 0)
    return float(shared / (p[3:6].prod() + q[3:6].prod() - shared))


def states(truth: Objects, found: Objects, name: str, level: str, difficulty: str) -> State:
    """0 counts, 1 is ignored, None takes no part: of each label and each detection."""
    labels: list[int | None] = []
    for i in range(len(truth)):
        kind = truth.names[i].lower()
        if difficulty == "kitti":
            least, occluded, truncated = KITTI[level]
            tall = truth.rectangles[i, 3] - truth.rectangles[i, 1]
            out = tall <= least or truth.occluded[i] > occluded or truth.truncated[i] > truncated
        else:
            out = not RANGES[level][0] <= np.hypot(*truth.boxes[i, :2]) < RANGES[level][1]
        labels.append(int(out) if kind == name else 1 if kind == NEUTRAL[name] else None)
    detections: list[int | None] = []
    for j in range(len(found)):
        if difficulty == "kitti":
            out = found.rectangles[j, 3] - found.rectangles[j, 1] < KITTI[level][0]
        else:
            out = not RANGES[level][0] <= np.hypot(*found.boxes[j, :2]) < RANGES[level][1]
        detections.append(1 if out else 0 if found.names[j].lower() == name else None)
    return labels, detections


def first_pass(overlaps: Matrix, state: State, scores: Matrix, least: float) -> list[float]:
    labels, detections = state
    taken: set[int] = set()
    true = []
    for i, label in enumerate(labels):
        best, best_score = None, -np.inf
        for j, detection in enumerate(detections):
            if label is None or detection is None or j in taken or overlaps[i, j] <= least:
                continue
            if scores[j] > best_score:
                best, best_score = j, scores[j]
        if best is not None:
            taken.add(best)
            if label == 0 and detections[best] == 0:
                true.append(float(scores[best]))
    return true


def second_pass(
    overlaps: Matrix, hidden: list[float], state: State, scores: Matrix, least: float, threshold: float
) -> tuple[int, int]:
    labels, detections = state
    taken: set[int] = set()
    true = 0
    for i, label in enumerate(labels):
        best, best_overlap, best_is_ignored = None, 0.0, False
        for j, detection in enumerate(detections):
            if label is None or detection is None or j in taken or scores[j] < threshold or overlaps[i, j] <= least:
                continue
            if detection == 0 and (overlaps[i, j] > best_overlap or best_is_ignored):
                best, best_overlap, best_is_ignored = j, overlaps[i, j], False
            elif detection == 1 and best is None:
                best, best_is_ignored = j, True
        if best is not None:
            taken.add(best)
            true += label == 0 and detections[best] == 0
    false = 0
    for j, detection in enumerate(detections):
        if detection == 0 and j not in taken and scores[j] >= threshold and hidden[j] <= least:
            false += 1
    return true, false


def thresholds_of(scores: list[float], labels: int) -> list[float]:
    scores = sorted(scores, reverse=True)
    if labels <= 40:
        slots = []
        for k in range(41):
            reached = [s for i, s in enumerate(scores) if (i + 1) / labels >= k / 40 - 1e-12]
            slots += reached[:1]
        return slots
    recall, slots = 0.0, []
    for i, score in enumerate(scores):
        left, right = (i + 1) / labels, (min(i + 1, len(scores) - 1) + 1) / labels
        if right - recall < recall - left and i < len(scores) - 1:
            continue
        slots.append(score)
        recall += 1 / 40
    return slots


def scenes(truth: Objects, found: Objects) -> Iterator[tuple[Objects, Objects]]:
    for frame in np.unique(np.concatenate([truth.frames, found.frames])):
        yield truth.where(truth.frames == frame), found.where(found.frames == frame)


def average_precisions_by_loops(truth: Objects, found: Objects, difficulty: str) -> dict[str, float]:
    values: dict[str, float] = {}
    cut = list(scenes(truth, found))
    for metric in ("bbox", "bev", "3d") if difficulty == "kitti" else ("bev", "3d"):
        matrices = [
            np.array([[overlap(metric, a, i, b, j) for j in range(len(b))] for i in range(len(a))]).reshape(
                len(a), len(b)
            )
            for a, b in cut
        ]
        hidden = [
            [
                max(
                    [
                        shared_of_rectangles(a.rectangles[i], b.rectangles[j]) / size(b.rectangles[j])
                        for i in range(len(a))
                        if a.names[i] == "DontCare" and metric == "bbox"
                    ],
                    default=0.0,
                )
                for j in range(len(b))
            ]
            for a, b in cut
        ]
        for name, least in OVERLAPS.items():
            for level in KITTI if difficulty == "kitti" else RANGES:
                all_states = [states(a, b, name, level, difficulty) for a, b in cut]
                labels = sum(state[0].count(0) for state in all_states)
                if labels == 0:
                    continue
                true = [
                    score
                    for (_, b), matrix, state in zip(cut, matrices, all_states, strict=True)
                    for score in first_pass(matrix, state, b.scores, least)
                ]
                precision = np.zeros(41)
                for k, threshold in enumerate(thresholds_of(true, labels)):
                    counts = [
                        second_pass(matrix, unlabelled, state, b.scores, least, threshold)
                        for (_, b), matrix, unlabelled, state in zip(cut, matrices, hidden, all_states, strict=True)
                    ]
                    right, wrong = (sum(each) for each in zip(*counts, strict=True))
                    precision[k] = right / (right + wrong) if right + wrong else 0.0
                for k in range(41):
                    precision[k] = precision[k:].max()
                assert all(a >= b for a, b in pairwise(precision))
                values[f"{name}_{metric}_{level}_r40"] = 100 * sum(precision[1:]) / 40
                values[f"{name}_{metric}_{level}_r11"] = 100 * sum(precision[::4]) / 11
    return values
