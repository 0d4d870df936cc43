"""Files of the KITTI object benchmark: points, labels, calibration, image sizes and splits.

Notation: a frame of reference has the axes ahead, left and up. `lidar` is that of the points. `camera` is that of the
rectified left camera, whose own axes (right, down, ahead) are turned, so that boxes keep their form and heading.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ncp.errors import DataError, quoted
from ncp.tasks.boxes import corners
from ncp.tasks.objects import Objects, Reals

AXES = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""From the camera's own axes (right, down, ahead) to ahead, left and up."""
NEAREST = 0.1
"""Least depth of a corner that is projected [m]; corners behind the camera have no place in the image."""
SINGULAR = 1e-6
"""Least determinant of a pose that has an inverse; that of a rotation is 1."""
UNLABELLED = "DontCare"
"""The class of regions of the image without labels; they have no place in space."""
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Camera:
    """Where the camera is, and how it projects.

    Attributes:
        pose: from lidar to camera `(4, 4)`.
        projection: from camera to pixels, homogeneous `(3, 4)`.
        size: width and height of the image [px].
    """

    pose: Reals
    projection: Reals
    size: tuple[int, int]

    def pixels(self, points: Reals) -> tuple[Reals, Reals]:
        """Where points `(.., 3)` of the camera's frame are in the image `(.., 2)` [px], and their depths `(..)` [m]."""
        found = _homogeneous(points) @ self.projection.T
        depth = found[..., 2]
        return found[..., :2] / np.maximum(depth, NEAREST)[..., None], depth

    def sees(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which points `(n, 3)` of the lidar's frame are in the image."""
        pixels, depth = self.pixels(_homogeneous(points[:, :3]) @ self.pose[:3].T)
        return np.asarray((depth >= 0) & (pixels >= 0).all(axis=1) & (pixels < self.size).all(axis=1))

    def rectangles(self, boxes: Reals) -> Reals:
        """Left, top, right and bottom `(n, 4)` of boxes of the camera's frame, within the image [px]."""
        pixels, _ = self.pixels(corners(boxes))
        ends = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
        return np.asarray(np.clip(ends, 0.0, np.tile(np.array(self.size) - 1.0, 2)))

    def from_lidar(self, boxes: Reals) -> Reals:
        """Boxes `(n, 7)` of the lidar's frame in the camera's."""
        return _moved(boxes, self.pose)

    def to_lidar(self, boxes: Reals) -> Reals:
        """Boxes `(n, 7)` of the camera's frame in the lidar's."""
        return _moved(boxes, np.asarray(np.linalg.inv(self.pose), dtype=float))


def read_points(path: Path) -> NDArray[np.float32]:
    """The points of a frame `(n, 4)`: ahead, left, up [m] and intensity.

    Raises:
        DataError: the file cannot be read, is cut off, or has values that are not finite.
    """
    data = _bytes(path)
    if len(data) % 16:
        raise DataError(f"{path} has {len(data)} bytes. Expected four numbers of 4 bytes per point: it may be cut off.")
    points = np.frombuffer(data, dtype="<f4").reshape(-1, 4).astype(np.float32)
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise DataError(f"{path} has values that are not finite in {bad.sum()} of {len(points)} points.")
    return points


def read_labels(path: Path) -> Objects:
    """The labels of a frame, with boxes in the camera's frame; regions without labels have the class `UNLABELLED`.

    Raises:
        DataError: the file cannot be read, or a line is not a label.
    """
    names, rows = [], []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        name, *values = line.split() or [""]
        if not name:
            continue
        row = _numbers(values)
        if row is None or len(row) not in (14, 15):
            raise DataError(f"{path}, line {number}: expected a class and 14 numbers. Got {quoted(line)}.")
        if name != UNLABELLED and min(row[7:10]) <= 0:
            raise DataError(f"{path}, line {number}: height, width and length must be positive. Got {quoted(line)}.")
        names.append(name)
        rows.append(row[:14])
    truncated, occluded, _, left, top, right, bottom, height, width, length, x, y, z, turn = (
        np.array(rows).reshape(-1, 14).T
    )
    return Objects.of(
        0,
        names,
        np.stack([z, -x, height / 2 - y, length, width, height, -turn - np.pi / 2], axis=1),
        np.stack([left, top, right, bottom], axis=1),
        truncated,
        occluded,
    )


def read_camera(path: Path, size: tuple[int, int]) -> Camera:
    """The left colour camera of a frame, from its file of calibration.

    Args:
        path: the file, with the keys `P2`, `R0_rect` and `Tr_velo_to_cam`.
        size: width and height of the image [px].

    Raises:
        DataError: the file cannot be read, lacks a key, or has a pose without an inverse.
    """
    entries = dict(line.split(":", 1) for line in _text(path).splitlines() if ":" in line)
    shapes = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4)}
    matrices = {}
    for key, shape in shapes.items():
        values = _numbers(entries.get(key, "").split())
        if values is None or len(values) != shape[0] * shape[1]:
            raise DataError(
                f"{path}: expected {shape[0] * shape[1]} numbers after {key}. Got {quoted(entries.get(key))}."
            )
        matrices[key] = np.eye(4)
        matrices[key][: shape[0], : shape[1]] = np.array(values).reshape(shape)
    pose = AXES @ matrices["R0_rect"] @ matrices["Tr_velo_to_cam"]
    if abs(np.linalg.det(pose)) < SINGULAR:
        raise DataError(f"{path}: R0_rect and Tr_velo_to_cam must be rotations with a shift. These have no inverse.")
    return Camera(pose, (matrices["P2"] @ AXES.T)[:3], size)


def read_image_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG image [px], from its header.

    Raises:
        DataError: the file cannot be read, or is not a PNG image.
    """
    head = _bytes(path, 24)
    if len(head) < 24 or not head.startswith(PNG):
        raise DataError(f"{path} is not a PNG image.")
    width, height = struct.unpack(">II", head[16:])
    return int(width), int(height)


def read_split(path: Path) -> list[str]:
    """The names of the frames of a split, such as `000010`, one a line.

    Raises:
        DataError: the file cannot be read, names no frame, or names one twice, which would then count twice.
    """
    names = _text(path).split()
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated:
        raise DataError(f"{path} names the frame {repeated} more than once. Remove the repetitions.")
    if not names:
        raise DataError(f"{path} names no frame. Write one name a line, such as 000010.")
    return names


def _moved(boxes: Reals, matrix: Reals) -> Reals:
    """Boxes whose bottom centres are moved by a matrix `(4, 4)`; they stay upright and keep their heading."""
    rise = np.zeros((len(boxes), 3))
    rise[:, 2] = boxes[:, 5] / 2
    centres = _homogeneous(boxes[:, :3] - rise) @ matrix[:3].T + rise
    return np.concatenate([centres, boxes[:, 3:]], axis=1)


def _homogeneous(points: NDArray[np.floating]) -> Reals:
    return np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)


def _numbers(texts: list[str]) -> list[float] | None:
    """Finite numbers; None if a text is not one."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a text file.") from None


def _bytes(path: Path, most: int = -1) -> bytes:
    """The beginning of a file, or all of it."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from None
