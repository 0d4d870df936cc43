"""Simulated scenes: rays hit the nearest surface, and labels say what is visible."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.lidar_scenes import FORMS, HEIGHT, IMAGE, Street, distances_to, make_scenes, random_street, scanned
from ncp.tasks.boxes import bev_iou
from ncp.tasks.kitti import read_camera, read_labels, read_points
from ncp.tasks.lidar_augmentation import inside

CAR = FORMS[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    make_scenes(folder, train=3, val=2, seed=4)
    return folder


def test_distances_to_boxes_by_hand() -> None:
    rays = np.array([[1.0, 0, 0], [0, 1, 0], [0.6, 0.8, 0]])
    boxes = np.array([[10.0, 0, 0, 4, 2, 2, 0], [10.0, 0, 0, 4, 2, 2, np.pi / 2], [6.0, 8.0, 0, 2, 2, 2, 0.0]])
    inf = np.inf
    assert distances_to(rays, boxes) == pytest.approx(
        np.array([[8.0, 9, inf], [inf, inf, inf], [inf, inf, 7 / 0.8]]), abs=1e-12
    )


def test_a_car_behind_a_wall_is_occluded() -> None:
    wall, car = FORMS[4], np.array([20.0, 0, 0.78 - HEIGHT, 3.9, 1.6, 1.56, 0])
    for height, seen in ((2.5, (0.0, 0.0)), (1.0, (0.3, 0.9)), (0.2, (0.99, 1.0))):
        street = Street(np.array([car, [12.0, 0, height / 2 - HEIGHT, 0.4, 9, height, 0]]), (CAR, wall))
        points, shares = scanned(street, np.random.default_rng(0))
        assert seen[0] <= shares[0] <= seen[1]
        assert shares[1] == 1
        within = inside(torch.tensor(points), torch.tensor(car[None])).sum()
        assert (within > 0) == (seen[1] > 0)


def test_objects_do_not_touch_and_points_are_on_the_ground_or_on_objects() -> None:
    rng = np.random.default_rng(1)
    street = random_street(rng)
    overlaps = bev_iou(street.boxes[:, None], street.boxes[None])
    assert np.count_nonzero(overlaps) == len(street.boxes)
    points, _ = scanned(street, rng)
    wider = torch.tensor(street.boxes + np.array([0, 0, 0, 2.0, 2.0, 2.0, 0]))
    on_objects = inside(torch.tensor(points), wider).any(dim=1).numpy()
    assert np.abs(points[~on_objects, 2] + HEIGHT).max() < 0.1
    assert 0.05 < on_objects.mean() < 0.95


def test_files_are_those_of_the_benchmark(folder: Path) -> None:
    assert (folder / "ImageSets" / "train.txt").read_text().split() == ["000000", "000001", "000002"]
    assert (folder / "ImageSets" / "val.txt").read_text().split() == ["000003", "000004"]
    kinds, occlusions = set(), set()
    for path in sorted((folder / "training" / "label_2").iterdir()):
        labels = read_labels(path)
        camera = read_camera(folder / "training" / "calib" / path.name, IMAGE)
        points = read_points(folder / "training" / "velodyne" / f"{path.stem}.bin")
        np.testing.assert_allclose(camera.rectangles(labels.boxes), labels.rectangles, atol=0.05)
        counts = inside(torch.tensor(points), torch.tensor(camera.to_lidar(labels.boxes))).sum(dim=0)
        assert (counts[labels.occluded < 2] >= 3).all()
        kinds |= set(labels.names.tolist())
        occlusions |= set(labels.occluded.tolist())
    assert kinds >= {"Car", "Pedestrian", "Cyclist"}
    assert occlusions >= {0, 1, 2}
    [alpha, *_] = [float(line.split()[3]) for line in path.read_text().splitlines()]
    box = labels.boxes[0]
    turn = -box[6] - np.pi / 2
    assert np.cos(alpha - (turn - np.arctan2(-box[1], box[0]))) == pytest.approx(1, abs=1e-3)


def test_the_seed_decides(folder: Path, tmp_path: Path) -> None:
    make_scenes(tmp_path / "same", 1, 0, seed=4)
    make_scenes(tmp_path / "other", 1, 0, seed=5)
    name = "training/velodyne/000000.bin"
    same, other, first = ((each / name).read_bytes() for each in (tmp_path / "same", tmp_path / "other", folder))
    assert same == first != other
