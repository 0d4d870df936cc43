"""Augmentation of scenes: points stay in their boxes, and added objects bring their points and overlap nothing."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from ncp.tasks.boxes import bev_iou, corners
from ncp.tasks.lidar_augmentation import Cutouts, Scene, cut_out, inside, moved, shuffled, with_objects


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def scene(seed: int = 0, objects: int = 5) -> Scene:
    """Boxes with twenty points each, and points everywhere."""
    rng = np.random.default_rng(seed)
    boxes = np.column_stack(
        [
            rng.uniform(0, 40, objects),
            rng.uniform(-20, 20, objects),
            rng.uniform(-1, 0, objects),
            rng.uniform(1, 4, (objects, 3)),
            rng.uniform(-4, 4, objects),
        ]
    )
    shares = rng.uniform(-0.49, 0.49, (objects, 20, 3)) * boxes[:, None, 3:6]
    cos, sin = np.cos(boxes[:, None, 6]), np.sin(boxes[:, None, 6])
    placed = np.stack(
        [cos * shares[..., 0] - sin * shares[..., 1], sin * shares[..., 0] + cos * shares[..., 1], shares[..., 2]],
        axis=-1,
    )
    points = np.concatenate([(placed + boxes[:, None, :3]).reshape(-1, 3), rng.uniform(-20, 40, (300, 3))])
    points = np.column_stack([points, rng.random(len(points))])
    return Scene(torch.tensor(points).float(), torch.tensor(boxes), torch.tensor(rng.integers(0, 3, objects)))


def test_inside_agrees_with_the_planes_of_the_box() -> None:
    found = inside(scene().points, scene().boxes).numpy()
    for k, around in enumerate(corners(scene().boxes.numpy())):
        origin, axes = around[2], (around[3] - around[2], around[1] - around[2], around[6] - around[2])
        away = scene().points[:, :3].double().numpy() - origin
        planes = np.all([(away @ axis >= 0) & (away @ axis <= axis @ axis) for axis in axes], axis=0)
        assert found[:, k].tolist() == planes.tolist()
        assert planes.sum() >= 20


@pytest.mark.parametrize("seed", range(5))
def test_points_stay_in_their_boxes_and_sizes_scale(seed: int) -> None:
    before, after = scene(), moved(scene(), 0.5, 45.0, 0.05, generator(seed))
    assert inside(after.points, after.boxes).tolist() == inside(before.points, before.boxes).tolist()
    factor = after.boxes[:, 3:6] / before.boxes[:, 3:6]
    assert factor.tolist() == [[pytest.approx(factor[0, 0].item())] * 3] * len(factor)
    assert 0.95 <= factor[0, 0] <= 1.05
    assert (after.points[:, 3] == before.points[:, 3]).all()
    assert (before.points == scene().points).all()  # decoded points are not written to


def test_every_kind_of_change_happens() -> None:
    """A box ahead of the sensor that looks left: mirrored, it looks right."""
    ahead = Scene(torch.zeros(1, 4), torch.tensor([[10.0, 0, 0, 4, 2, 1, np.pi / 2]]).double(), torch.tensor([0]))
    boxes = torch.cat([moved(ahead, 0.5, 45.0, 0.05, generator(seed)).boxes for seed in range(200)])
    angle = torch.rad2deg(torch.atan2(boxes[:, 1], boxes[:, 0]))
    assert -45 <= angle.min() < -40
    assert 40 < angle.max() <= 45
    mirrored = torch.sin(boxes[:, 6] - torch.deg2rad(angle)) < 0
    assert 70 < mirrored.sum() < 130
    assert 9.5 <= torch.hypot(boxes[:, 0], boxes[:, 1]).min() < 9.6
    assert (moved(ahead, 0.0, 0.0, 0.0, generator()).boxes == ahead.boxes).all()


def bank(*seeds: int) -> tuple[Cutouts, ...]:
    return cut_out([scene(seed) for seed in seeds], 3)


def test_objects_are_cut_out_with_their_points() -> None:
    sparse = scene(1)
    sparse = Scene(sparse.points[4:], sparse.boxes, torch.tensor([0, 1, -1, 2, 2]))  # others are not cut out
    cut = cut_out([sparse], 3)
    assert [len(each.points) for each in cut] == [1, 1, 2]
    assert cut[0].points[0].tolist() == sparse.points[inside(sparse.points, sparse.boxes)[:, 0]].tolist()
    assert cut[2].boxes.tolist() == sparse.boxes[3:].tolist()
    few = Scene(sparse.points[12:], sparse.boxes[:1], sparse.classes[:1])  # four points are left
    assert int(inside(few.points, few.boxes).sum()) == 4
    assert cut_out([few], 3)[0].points == ()


def rows(points: Tensor) -> set[tuple[float, ...]]:
    return {tuple(row) for row in points.tolist()}


@pytest.mark.parametrize("seed", range(5))
def test_added_objects_overlap_nothing_and_bring_their_points(seed: int) -> None:
    others = bank(*range(10, 20))
    before = scene(0)
    after = with_objects(before, others, 3, generator(seed))
    added = after.boxes[len(before.boxes) :]
    assert 1 <= len(added) <= 9
    assert torch.bincount(after.classes[len(before.boxes) :], minlength=3).max() <= 3
    overlaps = bev_iou(after.boxes.numpy()[:, None], added.numpy()[None])
    overlaps[len(before.boxes) + np.arange(len(added)), np.arange(len(added))] = 0
    assert not overlaps.any()
    assert (after.boxes[: len(before.boxes)] == before.boxes).all()
    within = inside(after.points, added)
    for box, own in zip(added, within.T, strict=True):
        [(number, index)] = [
            (n, i) for n, each in enumerate(others) for i, b in enumerate(each.boxes) if (b == box).all()
        ]
        assert rows(after.points[own]) == rows(others[number].points[index])
    removed = rows(before.points) - rows(after.points)
    near = added.clone()
    near[:, 3:6] += 0.11
    assert removed <= rows(before.points[inside(before.points, near).any(dim=1)])


def test_as_many_as_possible_are_added_in_random_order() -> None:
    """An object that overlaps none is always added; of two that overlap each other, one."""
    one = torch.tensor([[10.0, 0, 0, 4, 2, 1, 0], [11.0, 0, 0, 4, 2, 1, 0], [30.0, 0, 0, 4, 2, 1, 0]]).double()
    others = (Cutouts(one, tuple(box[None, :4].float() for box in one)),)
    empty = Scene(torch.zeros(0, 4), torch.zeros(0, 7).double(), torch.zeros(0).long())
    chosen = {tuple(sorted(with_objects(empty, others, 9, generator(k)).boxes[:, 0].tolist())) for k in range(20)}
    assert chosen == {(10.0, 30.0), (11.0, 30.0)}
    blocked = Scene(empty.points, one[:1], torch.tensor([-1]))
    assert with_objects(blocked, others, 9, generator()).boxes[1:, 0].tolist() == [30.0]
    assert with_objects(blocked, (Cutouts(one[:0], ()),), 9, generator()) is blocked


def test_the_generator_alone_decides() -> None:
    others = bank(1, 2)
    for change in (
        lambda g: with_objects(scene(), others, 2, g).points,
        lambda g: moved(scene(), 0.5, 45.0, 0.05, g).points,
        lambda g: shuffled(scene().points, g),
    ):
        assert (change(generator(3)) == change(generator(3))).all()
    assert rows(shuffled(scene().points, generator())) == rows(scene().points)
    assert (shuffled(scene().points, generator(1)) != shuffled(scene().points, generator(2))).any()
