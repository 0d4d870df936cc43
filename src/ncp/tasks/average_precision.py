"""Average precision of detected objects by the rules of the KITTI object benchmark, or by ranges of distance.

Sources: Geiger et al., "Are we ready for autonomous driving?", CVPR 2012; Simonelli et al., "Disentangling monocular 3D
object detection", ICCV 2019 (40 recall positions). Notation: `p` pairs of a label and a detection that overlap enough,
`t` score thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ncp.tasks.boxes import bev_iou, iou_3d
from ncp.tasks.kitti import UNLABELLED
from ncp.tasks.objects import Objects, Reals

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Difficulty = Literal["kitti", "range"]

SLOTS = 41
"""Positions of recall, from 0 to 1 in steps of 1/40."""
CLASSES: dict[str, tuple[float, str]] = {
    "Car": (0.7, "Van"),
    "Pedestrian": (0.5, "Person_sitting"),
    "Cyclist": (0.5, ""),
}
"""Per class the overlap that a detection must exceed, and the class whose labels count neither way."""
KITTI = {"easy": (40.0, 0, 0.15), "moderate": (25.0, 1, 0.3), "hard": (25.0, 2, 0.5)}
"""Per difficulty the least height [px], the most occlusion and the most truncation of a label that counts."""
RANGES = {"near": (0.0, 30.0), "middle": (30.0, 50.0), "far": (50.0, np.inf)}
"""Distances of the box from the sensor, from and below [m]."""


def average_precisions(truth: Objects, found: Objects, difficulty: Difficulty = "kitti") -> dict[str, float]:
    """Average precisions of detections [%], by class, overlap and difficulty, such as `car_3d_moderate_r40`.

    A label outside of a difficulty is ignored: a detection that matches it is neither right nor wrong. So is a
    detection outside of it. As in the benchmark's own program, such a detection of another class can match a label.
    Where no label counts there is no value.

    With 40 labels or fewer the benchmark's program cannot fill all 41 positions of recall. Here a position then takes
    the highest score whose recall reaches it, so that perfect detections have 100 % in any number of frames.

    Args:
        truth: the labels, with regions without labels, whose class is `DontCare`.
        found: the detections.
        difficulty: `kitti` (easy, moderate, hard; overlaps of rectangles in the image, of boxes seen from above, and of
            boxes in space), or `range` (near, middle, far; without the image).
    """
    pairs = _near_pairs(truth, found)
    cares = ~_is(truth, UNLABELLED)[pairs[0]]
    values = {}
    for metric in ("bbox", "bev", "3d") if difficulty == "kitti" else ("bev", "3d"):
        overlaps = _overlaps(truth, found, pairs, metric)
        hidden = _hidden_shares(truth, found, pairs, ~cares) if metric == "bbox" else np.zeros(len(found))
        for name, (least, neutral) in CLASSES.items():
            of_class, of_neutral = _is(truth, name), _is(truth, neutral)
            close = cares & (overlaps > least) & (of_class | of_neutral)[pairs[0]]
            near = _Pairs.of(truth.frames, pairs[0][close], pairs[1][close], overlaps[close])
            for level, truth_outside, found_outside in _levels(truth, found, difficulty):
                counts = of_class & ~truth_outside
                if not counts.any():
                    continue
                match = _Match(near, counts, _is(found, name) & ~found_outside, found_outside, found.scores)
                curve = match.precisions(hidden > least)
                values[f"{name.lower()}_{metric}_{level}_r40"] = 100 * float(curve[1:].mean())
                values[f"{name.lower()}_{metric}_{level}_r11"] = 100 * float(curve[::4].mean())
    return values


def recall_thresholds(scores: Reals, labels: int) -> Reals:
    """The scores at which recall advances by 1/40, at most `SLOTS` of them, the highest first.

    Args:
        scores: scores of the detections that match a label `(n,)`.
        labels: how many labels count.
    """
    scores = np.sort(scores)[::-1]
    if labels < SLOTS:
        reached = np.arange(1, len(scores) + 1) * (SLOTS - 1)
        needed = np.arange(SLOTS) * labels
        first = np.searchsorted(reached, needed)
        return scores[first[first < len(scores)]]
    chosen, recall = [], 0.0
    for i, score in enumerate(scores):
        here, after = (i + 1) / labels, (i + 2) / labels
        if i < len(scores) - 1 and after - recall < recall - here:
            continue
        chosen.append(score)
        recall += 1 / (SLOTS - 1)
    return np.array(chosen[:SLOTS])


@dataclass(frozen=True)
class _Pairs:
    """Labels and detections that overlap enough, in the order in which labels choose: by rank within their frame.

    The pairs of one rank are of different frames, so that their labels choose independently. `starts` are the first
    pairs of each label, and `ranks` the limits of each rank among them.
    """

    truth: Ints
    found: Ints
    overlaps: Reals
    starts: Ints
    ranks: Ints

    @classmethod
    def of(cls, frames: Ints, truth: Ints, found: Ints, overlaps: Reals) -> _Pairs:
        labels, inverse = np.unique(truth, return_inverse=True)
        by_frame = np.argsort(frames[labels], kind="stable")
        _, first, count = np.unique(frames[labels][by_frame], return_index=True, return_counts=True)
        rank = np.empty(len(labels), dtype=np.int64)
        rank[by_frame] = np.arange(len(labels)) - np.repeat(first, count)
        order = np.lexsort((found, truth, rank[inverse]))
        truth, found, overlaps = truth[order], found[order], overlaps[order]
        starts = np.flatnonzero(np.diff(truth, prepend=-1))
        ranks = np.flatnonzero(np.diff(rank[inverse][order][starts], prepend=-1))
        return cls(truth, found, overlaps, starts, np.append(ranks, len(starts)))

    def choose(self, wanted: Reals, taken: Bools) -> Bools:
        """Which pairs `(t, p)` match: each label takes the most wanted detection that none took before it.

        Args:
            wanted: how much a label wants a detection `(t, p)`; minus infinity if it may not have it.
            taken: which detections are taken `(t, n)`; updated in place.
        """
        chosen = np.zeros(wanted.shape, dtype=bool)
        ends = np.append(self.starts, len(self.truth))
        for low, high in zip(self.ranks[:-1], self.ranks[1:], strict=True):
            pairs = slice(ends[low], ends[high])
            starts, sizes = ends[low:high] - ends[low], np.diff(ends[low : high + 1])
            left = np.where(taken[:, self.found[pairs]], -np.inf, wanted[:, pairs])
            best = np.repeat(np.maximum.reduceat(left, starts, axis=1), sizes, axis=1)
            places = np.where((left == best) & (left > -np.inf), np.arange(left.shape[1]), left.shape[1])
            first = np.repeat(np.minimum.reduceat(places, starts, axis=1), sizes, axis=1)
            chosen[:, pairs] = (places == first) & (places < left.shape[1])
            taken[:, self.found[pairs]] |= chosen[:, pairs]
        return chosen


@dataclass(frozen=True)
class _Match:
    """Labels and detections of one class, overlap and difficulty.

    `pairs` may have labels that are ignored. `counts` marks labels that count, `valid` detections that count, `outside`
    detections that are ignored. Other detections take no part.
    """

    pairs: _Pairs
    counts: Bools
    valid: Bools
    outside: Bools
    scores: Reals

    def precisions(self, hidden: Bools) -> Reals:
        """Precision at each of the `SLOTS`, not increasing; `hidden` marks detections of regions without labels."""
        right = self.counts[self.pairs.truth] & self.valid[self.pairs.found]
        scores = self.scores[self.pairs.found]
        takes_part = (self.valid | self.outside)[self.pairs.found]
        first = self.pairs.choose(np.where(takes_part, scores, -np.inf)[None], self._none_taken(1))[0]
        thresholds = recall_thresholds(scores[first & right], int(self.counts.sum()))
        taken = self._none_taken(len(thresholds))
        wanted = np.where(self.valid[self.pairs.found], self.pairs.overlaps, 0.0)
        wanted = np.where(takes_part & (scores >= thresholds[:, None]), wanted, -np.inf)
        chosen = self.pairs.choose(wanted, taken)
        true = (chosen & right).sum(axis=1)
        certain = self.scores[self.valid]
        claimed = len(certain) - np.searchsorted(np.sort(certain), thresholds)
        explained = (chosen & self.valid[self.pairs.found]).sum(axis=1)
        unlabelled = hidden & self.valid
        forgiven = ((self.scores[unlabelled] >= thresholds[:, None]) & ~taken[:, unlabelled]).sum(axis=1)
        judged = true + claimed - explained - forgiven
        curve = np.zeros(SLOTS)
        curve[: len(thresholds)] = np.divide(true, judged, out=np.zeros(len(thresholds)), where=judged > 0)
        return np.maximum.accumulate(curve[::-1])[::-1]

    def _none_taken(self, thresholds: int) -> Bools:
        return np.zeros((thresholds, len(self.scores)), dtype=bool)


def _is(objects: Objects, name: str) -> Bools:
    return np.asarray(np.char.lower(objects.names) == name.lower())


def _levels(truth: Objects, found: Objects, difficulty: Difficulty) -> Iterator[tuple[str, Bools, Bools]]:
    """The name of each difficulty, and which labels and detections are outside of it."""
    if difficulty == "kitti":
        tall, seen = (each.rectangles[:, 3] - each.rectangles[:, 1] for each in (truth, found))
        for name, (least, occluded, truncated) in KITTI.items():
            outside = (tall <= least) | (truth.occluded > occluded) | (truth.truncated > truncated)
            yield name, outside, seen < least
        return
    far, away = (np.hypot(each.boxes[:, 0], each.boxes[:, 1]) for each in (truth, found))
    for name, (low, high) in RANGES.items():
        yield name, (far < low) | (far >= high), (away < low) | (away >= high)


def _near_pairs(truth: Objects, found: Objects) -> tuple[Ints, Ints]:
    """Indices of all labels and detections of the same frame."""
    order = np.argsort(found.frames, kind="stable")
    frames = found.frames[order]
    low, high = np.searchsorted(frames, truth.frames), np.searchsorted(frames, truth.frames, side="right")
    count = high - low
    first = np.repeat(np.arange(len(truth)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return first, order[np.repeat(low, count) + within]


def _overlaps(truth: Objects, found: Objects, pairs: tuple[Ints, Ints], metric: str) -> Reals:
    """Intersection over union of each pair."""
    if metric == "bbox":
        first, second = truth.rectangles[pairs[0]], found.rectangles[pairs[1]]
        shared = _shared(first, second)
        whole = _shared(first, first) + _shared(second, second) - shared
        return np.divide(shared, whole, out=np.zeros(len(shared)), where=whole > 0)
    first, second = truth.boxes[pairs[0]], found.boxes[pairs[1]]
    away = np.hypot(*(first[:, :2] - second[:, :2]).T)
    near = away < (np.hypot(*first[:, 3:5].T) + np.hypot(*second[:, 3:5].T)) / 2
    overlaps = np.zeros(len(near))
    overlaps[near] = (bev_iou if metric == "bev" else iou_3d)(first[near], second[near])
    return overlaps


def _hidden_shares(truth: Objects, found: Objects, pairs: tuple[Ints, Ints], unlabelled: Bools) -> Reals:
    """The largest share of each detection that one region without labels covers in the image."""
    first, second = pairs[0][unlabelled], pairs[1][unlabelled]
    rectangles = found.rectangles[second]
    area = _shared(rectangles, rectangles)
    covered = _shared(truth.rectangles[first], rectangles)
    shares = np.zeros(len(found))
    np.maximum.at(shares, second, np.divide(covered, area, out=np.zeros(len(area)), where=area > 0))
    return shares


def _shared(first: Reals, second: Reals) -> Reals:
    """The areas that pairs of rectangles `(n, 4)` share [px^2]."""
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    return np.asarray(np.clip(sides, 0.0, None).prod(axis=1))
