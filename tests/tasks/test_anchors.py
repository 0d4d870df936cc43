"""Anchors: their places, labels against loops, offsets there and back, the loss by hand, and perfect maps."""

import numpy as np
import pytest
import shapely
import torch
from torch import Tensor

from ncp.network.pillar_net import Maps
from ncp.tasks.anchor_head import detection_loss, detections, directions_of
from ncp.tasks.anchors import (
    ANCHORS,
    PER_PLACE,
    anchor_boxes,
    decoded,
    encoded,
    label_anchors,
    nearest_rectangles,
    overlaps_of_all,
)
from ncp.tasks.boxes import bev_iou
from ncp.tasks.pillars import Grid
from tests.tasks.perfect_maps import perfect_maps

GRID = Grid((0.0, -8.0, -3.0), (16.0, 8.0, 1.0), (0.5, 0.5))
ROWS = COLUMNS = 16


@pytest.fixture
def anchors() -> Tensor:
    return anchor_boxes(GRID, ROWS, COLUMNS)


def objects(seed: int, count: int = 9) -> tuple[Tensor, Tensor]:
    """Boxes a little larger or smaller than their anchors, and their classes."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, count)
    sizes = np.array([ANCHORS[k].size for k in classes]) * rng.uniform(0.8, 1.25, (count, 3))
    places = np.column_stack([rng.uniform(0, 16, count), rng.uniform(-8, 8, count), rng.uniform(-2, 0, count)])
    boxes = np.column_stack([places, sizes, rng.uniform(-7, 7, count)])
    return torch.tensor(boxes).float(), torch.tensor(classes)


def test_anchors_go_from_one_end_to_the_other(anchors: Tensor) -> None:
    placed = anchors.reshape(ROWS, COLUMNS, PER_PLACE, 7)
    assert placed[0, 0, 0].tolist() == pytest.approx([0, -8, -1.78 + 0.78, 3.9, 1.6, 1.56, 0])
    assert placed[-1, -1, -1].tolist() == pytest.approx([16, 8, -0.6 + 0.865, 1.76, 0.6, 1.73, 1.57])
    assert placed[3, 5, 2].tolist() == pytest.approx([16 * 5 / 15, -8 + 16 * 3 / 15, 0.265, 0.8, 0.6, 1.73, 0])


def test_nearest_rectangles_overlap_as_shapely_says() -> None:
    boxes, _ = objects(0, 40)
    found = overlaps_of_all(nearest_rectangles(boxes[:20]), nearest_rectangles(boxes[20:]))
    shapes = []
    for x, y, _, dx, dy, _, heading in boxes.tolist():
        across = abs(np.sin(heading)) > np.sqrt(0.5)
        a, b = (dy, dx) if across else (dx, dy)
        shapes.append(shapely.box(x - a / 2, y - b / 2, x + a / 2, y + b / 2))
    for i in range(20):
        for j in range(20):
            p, q = shapes[i], shapes[20 + j]
            assert found[i, j].item() == pytest.approx(p.intersection(q).area / p.union(q).area, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_labels_equal_loops(seed: int, anchors: Tensor) -> None:
    scenes = [objects(seed), (torch.zeros(0, 7), torch.zeros(0, dtype=torch.long)), objects(seed + 10, 3)]
    labels = label_anchors(anchors, [boxes for boxes, _ in scenes], [classes for _, classes in scenes])
    held = dict(zip(zip(labels.scenes.tolist(), labels.anchors.tolist(), strict=True), labels.boxes, strict=True))
    assert (labels.classes > 0).sum() == len(held) > 0
    for scene, (boxes, classes) in enumerate(scenes):
        overlaps = overlaps_of_all(nearest_rectangles(anchors), nearest_rectangles(boxes))
        best_of = {}
        for j, k in enumerate(classes.tolist()):
            own = [i for i in range(len(anchors)) if i % 6 // 2 == k]
            best = max(own, key=lambda i: overlaps[i, j])
            if overlaps[best, j] > 0:
                best_of[best] = j
        for i in range(len(anchors)):
            form = ANCHORS[i % 6 // 2]
            same = [j for j, k in enumerate(classes.tolist()) if k == i % 6 // 2]
            most = max(same, key=lambda j: overlaps[i, j], default=None)
            chosen = best_of.get(i, most if most is not None and overlaps[i, most] >= form.matched else None)
            if chosen is not None:
                assert labels.classes[scene, i] == classes[chosen] + 1
                assert held[scene, i].tolist() == boxes[chosen].tolist()
            elif most is not None and overlaps[i, most] >= form.unmatched:
                assert labels.classes[scene, i] == -1
            else:
                assert labels.classes[scene, i] == 0


def test_offsets_there_and_back(anchors: Tensor) -> None:
    boxes, _ = objects(3)
    chosen = anchors[torch.arange(len(boxes)) * 37]
    np.testing.assert_allclose(decoded(encoded(boxes, chosen), chosen), boxes, atol=1e-5)
    car = torch.tensor([[1.0, 2, -1, 3.9, 1.6, 1.56, 0]])
    moved = torch.tensor([[1 + 4.2154, 2, -1 + 1.56, 3.9 * np.e, 1.6, 1.56, 0.5]])
    assert encoded(moved.float(), car)[0].tolist() == pytest.approx([1, 0, 1, 1, 0, 0, 0.5], abs=1e-4)


def test_directions_are_half_turns_from_45_degrees() -> None:
    degrees = torch.tensor([46.0, 90, 224, 226, 360, 404, 406, -90, -136])
    assert directions_of(torch.deg2rad(degrees)).tolist() == [0, 0, 0, 1, 1, 1, 0, 1, 0]


def test_perfect_maps_give_the_objects_back_and_no_loss(anchors: Tensor) -> None:
    boxes = torch.tensor(
        [
            [4.0, -4, -1, 4.2, 1.7, 1.5, 0.3],
            [10.0, -4, -1, 3.6, 1.5, 1.5, 3.3],  # looks back
            [4.0, 4, 0.2, 0.8, 0.6, 1.7, -1.5],
            [10.0, 4, 0.2, 1.8, 0.6, 1.8, 2.0],
        ]
    )
    classes = torch.tensor([0, 0, 1, 2])
    maps = perfect_maps({"boxes": [boxes], "classes": [classes]}, GRID)
    [found] = detections(maps, anchors)
    assert sorted(found.classes.tolist()) == [0, 0, 1, 2]
    for box, kind in zip(boxes.double().numpy(), classes.tolist(), strict=True):
        best = np.argmax(bev_iou(found.boxes, box))
        assert found.classes[best] == kind
        np.testing.assert_allclose(found.boxes[best, :6], box[:6], atol=1e-4)
        assert np.cos(found.boxes[best, 6] - box[6]) == pytest.approx(1, abs=1e-4)
    assert (np.diff(found.scores) <= 0).all()
    labels = label_anchors(anchors, [boxes], [classes])
    assert detection_loss(maps, anchors, labels).item() == pytest.approx(0, abs=1e-5)


def test_the_loss_by_hand(anchors: Tensor) -> None:
    """Two scenes of zero maps, one with one car exactly on an anchor but for 0.05 diagonals and 0.2 rad."""
    box = anchors.reshape(ROWS, COLUMNS, PER_PLACE, 7)[8, 8, 0].clone()
    diagonal = float(np.hypot(3.9, 1.6))
    box[0] += 0.05 * diagonal
    box[6] = 0.2
    labels = label_anchors(anchors, [box[None], torch.zeros(0, 7)], [torch.tensor([0]), torch.zeros(0).long()])
    shape = (2, ROWS, COLUMNS)
    maps = Maps(*(torch.zeros(shape[0], PER_PLACE * n, *shape[1:]) for n in (3, 7, 2)))
    ignored = int((labels.classes == -1).sum())
    objects_found = len(labels.anchors)
    negatives = [3 * len(anchors) - 3 * ignored - objects_found, 3 * len(anchors)]
    focal = 0.25 * np.log(2) * np.array([0.25 * objects_found + 0.75 * negatives[0], 0.75 * negatives[1]])
    focal /= [objects_found, 1]
    offsets = encoded(labels.boxes, anchors[labels.anchors]).double().numpy()
    offsets[:, 6] = np.sin(offsets[:, 6])
    size = np.abs(offsets)
    boxes = np.where(size < 1 / 9, size**2 / 2 * 9, size - 1 / 18).sum() / objects_found
    expected = (focal.sum() + 2 * boxes + 0.2 * np.log(2)) / 2
    assert detection_loss(maps, anchors, labels).item() == pytest.approx(expected, rel=1e-5)
    assert [0.05, 0, 0, 0, 0, 0, np.sin(0.2)] in [pytest.approx(row, abs=1e-5) for row in offsets]


def test_nothing_is_found_in_maps_that_are_not_sure(anchors: Tensor) -> None:
    maps = Maps(*(torch.full((2, PER_PLACE * n, ROWS, COLUMNS), -9.0) for n in (3, 7, 2)))
    assert [len(found.boxes) for found in detections(maps, anchors)] == [0, 0]


def test_scenes_without_objects_have_a_loss(anchors: Tensor) -> None:
    none = [torch.zeros(0, 7)] * 2
    labels = label_anchors(anchors, none, [torch.zeros(0).long()] * 2)
    maps = Maps(*(torch.zeros(2, PER_PLACE * n, ROWS, COLUMNS, requires_grad=True) for n in (3, 7, 2)))
    loss = detection_loss(maps, anchors, labels)
    loss.backward()
    assert loss.item() == pytest.approx(0.75 * 0.25 * np.log(2) * 3 * len(anchors), rel=1e-5)
    assert all(each.grad is not None and each.grad.isfinite().all() for each in maps)
