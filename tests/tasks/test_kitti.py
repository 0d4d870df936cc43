"""Files of KITTI: three real frames, whose boxes contain points and project onto their rectangles; and bad files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ncp.errors import DataError
from ncp.tasks.average_precision import average_precisions
from ncp.tasks.boxes import corners
from ncp.tasks.kitti import Camera, read_camera, read_image_size, read_labels, read_points, read_split
from ncp.tasks.objects import Objects, Reals

FRAMES = ("000000", "000001", "000002")


@pytest.fixture
def kitti(shared: Path) -> Path:
    if not (shared / "data" / "tasks" / "kitti").is_dir():
        pytest.skip("needs data/tasks/kitti")
    return shared / "data" / "tasks" / "kitti"


def frame(kitti: Path, name: str) -> tuple[Reals, Objects, Camera]:
    folder = kitti / "training"
    camera = read_camera(folder / "calib" / f"{name}.txt", read_image_size(folder / "image_2" / f"{name}.png"))
    labels = read_labels(folder / "label_2" / f"{name}.txt")
    return read_points(folder / "velodyne" / f"{name}.bin").astype(float), labels, camera


def inside(points: Reals, box: Reals) -> np.ndarray:
    """Which points are in a box: by the planes through its corners."""
    around = corners(box)
    origin, axes = around[2], (around[3] - around[2], around[1] - around[2], around[6] - around[2])
    return np.all([((p := (points[:, :3] - origin) @ axis) >= 0) & (p <= axis @ axis) for axis in axes], axis=0)


def test_the_benchmark_s_own_pixels(kitti: Path) -> None:
    """A point through the three matrices of the file as they stand, by hand."""
    camera = read_camera(kitti / "training" / "calib" / "000000.txt", (1224, 370))
    rows = dict(line.split(": ") for line in (kitti / "training/calib/000000.txt").read_text().splitlines() if line)
    p2, r0, tr = (np.array(rows[key].split(), dtype=float) for key in ("P2", "R0_rect", "Tr_velo_to_cam"))
    point = np.array([12.0, 3.0, -1.0])
    rectified = r0.reshape(3, 3) @ (tr.reshape(3, 4) @ [*point, 1])
    pixel = p2.reshape(3, 4) @ [*rectified, 1]
    found, depth = camera.pixels(camera.pose[:3] @ [*point, 1])
    assert found == pytest.approx(pixel[:2] / pixel[2])
    assert depth == pytest.approx(pixel[2])
    assert (camera.pose[:3] @ [*point, 1]) == pytest.approx(rectified[[2, 0, 1]] * [1, -1, -1])


@pytest.mark.parametrize("name", FRAMES)
def test_boxes_project_onto_their_rectangles(kitti: Path, name: str) -> None:
    _, labels, camera = frame(kitti, name)
    cared = labels.where(labels.names != "DontCare")
    found = camera.rectangles(cared.boxes)  # rectangles were drawn by hand
    shared = (np.minimum(found, cared.rectangles)[:, 2:] - np.maximum(found, cared.rectangles)[:, :2]).prod(axis=1)
    union = sum((each[:, 2:] - each[:, :2]).prod(axis=1) for each in (found, cared.rectangles)) - shared
    assert (shared / union > 0.85).all()
    np.testing.assert_allclose(found, cared.rectangles, atol=10)


@pytest.mark.parametrize("name", FRAMES)
def test_points_are_in_the_boxes_and_in_their_rectangles(kitti: Path, name: str) -> None:
    points, labels, camera = frame(kitti, name)
    cared = labels.where(labels.names != "DontCare")
    boxes = camera.to_lidar(cared.boxes)
    for box, rectangle in zip(boxes, cared.rectangles, strict=True):
        chosen = inside(points, box)
        assert chosen.sum() >= (20 if box[0] < 40 else 5)
        assert camera.sees(points[chosen]).mean() > 0.95
        pixels, _ = camera.pixels(points[chosen, :3] @ camera.pose[:3, :3].T + camera.pose[:3, 3])
        assert (pixels >= rectangle[:2] - 3).all()
        assert (pixels <= rectangle[2:] + 3).all()
        moved = box.copy()
        moved[2] += box[5]  # the place above the box is empty
        assert inside(points, moved).sum() < chosen.sum() / 4


def test_only_points_ahead_within_the_image_are_seen(kitti: Path) -> None:
    points, _, camera = frame(kitti, "000000")
    seen = points[camera.sees(points)]
    assert 0.1 < len(seen) / len(points) < 0.25  # the camera's 80 degrees of 360
    assert (seen[:, 0] > 0).all()
    assert (np.abs(np.degrees(np.arctan2(seen[:, 1], seen[:, 0]))) < 45).all()


@pytest.mark.parametrize("name", FRAMES)
def test_boxes_go_to_the_lidar_and_back(kitti: Path, name: str) -> None:
    """By the formulas of the benchmark: the bottom centre is moved, and the heading is -(rotation_y + pi / 2)."""
    _, labels, camera = frame(kitti, name)
    boxes = camera.to_lidar(labels.boxes)
    np.testing.assert_allclose(camera.from_lidar(boxes), labels.boxes, atol=1e-9)
    values = [line.split() for line in (kitti / f"training/label_2/{name}.txt").read_text().splitlines()]
    for box, (*_, height, width, length, x, y, z, turn) in zip(boxes, values, strict=True):
        rectified = camera.pose @ [*(box[:3] - [0, 0, float(height) / 2]), 1]
        assert [-rectified[1], -rectified[2], rectified[0]] == pytest.approx([float(x), float(y), float(z)])
        assert box[3:].tolist() == pytest.approx(
            [float(length), float(width), float(height), -float(turn) - np.pi / 2], abs=1e-6
        )


def test_perfect_detections_of_the_real_frames_have_100_percent(kitti: Path) -> None:
    parts = []
    for number, name in enumerate(FRAMES):
        labels = frame(kitti, name)[1]
        parts.append(replace(labels, frames=np.full(len(labels), number)))
    truth = Objects.joined(parts)
    found = truth.where(truth.names != "DontCare")
    values = average_precisions(truth, found)
    assert {name.split("_")[0] for name in values} == {"car", "pedestrian"}  # the cyclist is occluded
    assert set(values.values()) == {100.0}


def test_splits_and_image_sizes(kitti: Path) -> None:
    assert read_split(kitti / "ImageSets" / "train.txt")[:1] == ["000000"]
    assert read_image_size(kitti / "training" / "image_2" / "000000.png") == (1224, 370)


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_points, b"\0" * 30, "has 30 bytes"),
        (read_points, np.array([1, 2, np.nan, 0], dtype="<f4").tobytes(), "not finite in 1 of 1 points"),
        (read_labels, b"Car 0 0 1.5", "line 1: expected a class and 14 numbers. Got 'Car 0 0 1.5'"),
        (read_labels, b"\nCar" + b" nan" * 14, "line 2"),
        (read_labels, b"\xff\xfe\0", "not a text file"),
        (read_labels, b"Car" + b" 1" * 8 + b" 0" + b" 1" * 5, "line 1: height, width and length must be positive"),
        (lambda path: read_camera(path, (9, 9)), b"P2: 1 2 3\n", "expected 12 numbers after P2"),
        (
            lambda path: read_camera(path, (9, 9)),
            b"P2:" + b" 1" * 12 + b"\nR0_rect:" + b" 0" * 9 + b"\nTr_velo_to_cam:" + b" 1" * 12,
            "must be rotations with a shift. These have no inverse",
        ),
        (read_image_size, b"GIF89a" + b"\0" * 30, "is not a PNG image"),
        (read_split, b"\n \n", "names no frame"),
        (read_split, b"000001\n000010\n000001\n", "names the frame 000001 more than once"),
    ],
)
def test_bad_files_are_refused(read: object, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(DataError, match="Cannot read"):
        read(path)  # type: ignore[operator]
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(path)  # type: ignore[operator]


def test_frames_without_objects_or_points(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert len(read_labels(path)) == len(read_points(path)) == 0
