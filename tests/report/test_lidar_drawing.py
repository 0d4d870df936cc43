"""A drawn frame: boxes and points are where they should be, above and in the camera's image."""

import re
import xml.etree.ElementTree as Tree

import numpy as np
import pytest

from ncp.report.lidar_drawing import lidar_picture
from ncp.report.svg import Path, Picture
from ncp.tasks.kitti import Camera
from ncp.tasks.objects import Objects

CAR = Objects.of(0, ["Car", "DontCare"], [[20.0, 5, 0, 4, 2, 1.5, 0], [0.0, 0, 0, -1, -1, -1, 0]])
POINT = np.array([[20.0, 5.0, 0.0]])


def places(picture: Picture, stroke: str) -> list[np.ndarray]:
    """The corners of every shape of a colour."""
    paths = [item.d for item in picture.items if isinstance(item, Path) and item.stroke == stroke]
    return [np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), dtype=float) for path in paths]


def test_a_box_above_is_around_its_point_and_at_its_scale() -> None:
    picture = lidar_picture(POINT, CAR, extent=(0, -38, 76, 38))  # 10 pixels a metre
    [box] = places(picture, "blue")
    [[point]] = places(picture, "faint")
    assert np.ptp(box, axis=0) == pytest.approx([40, 20], abs=0.2)
    assert (box.min(axis=0) + box.max(axis=0)) / 2 == pytest.approx(point, abs=0.6)
    assert point.tolist() == [8 + 200, 8 + 330]
    assert picture.label == "A frame of a lidar. Points: 1. Boxes: 1 Car."
    Tree.fromstring(picture.document())  # noqa: S314


def test_the_camera_sees_the_box_around_the_projected_point() -> None:
    """A camera at the lidar, 500 pixels of focal length, image centre (380, 200), at the scale of the drawing."""
    projection = np.array([[380.0, -500, 0, 0], [200, 0, -500, 0], [1, 0, 0, 0]])
    picture = lidar_picture(POINT, CAR, camera=Camera(np.eye(4), projection, (760, 400)))
    top = picture.height - 8 - 400
    box, (point,) = places(picture, "blue")[1], places(picture, "faint")[1]
    assert point == pytest.approx([8 + 380 - 500 * 5 / 20, top + 200], abs=0.5)
    left = 380 - 500 * 6 / 18  # the nearest corner on the left
    assert box[:, 0].min() == pytest.approx(8 + left, abs=0.1)
    assert np.ptp(box[:, 1]) == pytest.approx(500 * 1.5 / 18, abs=0.2)
