"""The loss of a detector's maps, and the boxes that they stand for."""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot, smooth_l1_loss

from ncp.network.pillar_net import Maps
from ncp.tasks.anchors import ANCHORS, BACKGROUND, IGNORED, PER_PLACE, Labels, decoded, encoded
from ncp.tasks.boxes import Reals, suppress

ALPHA, GAMMA = 0.25, 2.0
"""Weight of objects, and focus on what is hard, of the focal loss (Lin et al., ICCV 2017)."""
BETA = 1 / 9
"""Where the loss of a box turns from a square to an absolute value."""
WEIGHTS = (1.0, 2.0, 0.2)
"""Weights of the losses of classes, boxes and directions."""
DIRECTION = 0.78539
"""Where the first of the two directions begins [rad]; directions are half turns."""
LEAST_SCORE, MOST_CANDIDATES, LARGEST_OVERLAP, MOST_BOXES = 0.1, 4096, 0.01, 500
"""Which detections are kept."""
LARGEST_LOG = 4.0
"""Largest logarithm of a ratio of sizes, so that no box is infinite."""


class Detections(NamedTuple):
    """What is found in one scene.

    Attributes:
        boxes: `(k, 7)`.
        classes: numbers of the classes `(k,)`.
        scores: `(k,)`, the highest first.
    """

    boxes: Reals
    classes: NDArray[np.int64]
    scores: Reals


def detection_loss(maps: Maps, anchors: Tensor, labels: Labels) -> Tensor:
    """The mean over scenes of the losses of classes, boxes and directions, each divided by the anchors with an object.

    Args:
        maps: what the network returned.
        anchors: `(A, 7)`.
        labels: what it should have returned.
    """
    classes, boxes, directions = _by_anchor(maps)
    scenes = len(classes)
    objects = torch.bincount(labels.scenes, minlength=scenes).clamp(min=1).float()
    target = one_hot(labels.classes.clamp(min=BACKGROUND), len(ANCHORS) + 1)[..., 1:].float()
    focal = _focal(classes, target) * (labels.classes != IGNORED)[..., None]
    where = (labels.scenes, labels.anchors)
    found, wanted = boxes[where], encoded(labels.boxes, anchors[labels.anchors])
    turn = torch.sin(found[:, 6:] - wanted[:, 6:])
    offsets = torch.cat([found[:, :6] - wanted[:, :6], turn], dim=1)
    box = smooth_l1_loss(offsets, torch.zeros_like(offsets), beta=BETA, reduction="none").sum(dim=1)
    direction = cross_entropy(directions[where], directions_of(labels.boxes[:, 6]), reduction="none")
    share = 1 / objects[labels.scenes]
    sums = (focal.sum(dim=(1, 2)) / objects).sum(), (box * share).sum(), (direction * share).sum()
    return (WEIGHTS[0] * sums[0] + WEIGHTS[1] * sums[1] + WEIGHTS[2] * sums[2]) / scenes


def directions_of(headings: Tensor) -> Tensor:
    """Which half turn each heading is in: 0 or 1."""
    return torch.remainder(headings - DIRECTION, 2 * pi).div(pi).long().clamp(max=1)


@torch.no_grad()
def detections(maps: Maps, anchors: Tensor) -> list[Detections]:
    """The boxes that are found in each scene, without those that overlap a box of a higher score."""
    found = []
    for classes, boxes, directions in zip(*_by_anchor(maps), strict=True):
        scores, numbers = classes.sigmoid().max(dim=1)
        sure = torch.nonzero(scores >= LEAST_SCORE)[:, 0]
        sure = sure[scores[sure].argsort(descending=True, stable=True)[:MOST_CANDIDATES]]
        codes = boxes[sure]
        codes[:, 3:6] = codes[:, 3:6].clamp(-LARGEST_LOG, LARGEST_LOG)
        places = decoded(codes, anchors[sure])
        half_turns = directions[sure].argmax(dim=1)
        places[:, 6] = torch.remainder(places[:, 6] - DIRECTION, pi) + DIRECTION + pi * half_turns
        candidates, certain = places.double().cpu().numpy(), scores[sure].double().cpu().numpy()
        kept = suppress(candidates, certain, LARGEST_OVERLAP, MOST_BOXES)
        found.append(Detections(candidates[kept], numbers[sure].cpu().numpy()[kept], certain[kept]))
    return found


def _by_anchor(maps: Maps) -> tuple[Tensor, Tensor, Tensor]:
    """The maps as `(n, A, values)` float32."""
    classes, boxes, directions = (
        each.float().permute(0, 2, 3, 1).reshape(len(each), -1, each.shape[1] // PER_PLACE) for each in maps
    )
    return classes, boxes, directions


def _focal(logits: Tensor, target: Tensor) -> Tensor:
    """The focal loss of each logit."""
    share = torch.sigmoid(logits)
    wrong = target * (1 - share) + (1 - target) * share
    weight = target * ALPHA + (1 - target) * (1 - ALPHA)
    return weight * wrong**GAMMA * binary_cross_entropy_with_logits(logits, target, reduction="none")
