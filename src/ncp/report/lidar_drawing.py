"""A frame of a lidar, drawn: points and boxes seen from above, and boxes projected into the image of a camera."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ncp.report.svg import Path, Picture, Text, dots, polyline, rectangle
from ncp.tasks.boxes import corners
from ncp.tasks.kitti import NEAREST, Camera
from ncp.tasks.objects import Objects, Reals

MARGIN, WIDTH, LINE = 8.0, 760.0, 16.0  # all lengths are in pixels
COLOURS = {"car": "blue", "van": "blue", "pedestrian": "mark", "person_sitting": "mark", "cyclist": "green"}
"""Colours of classes; all others are grey."""
BOTTOM, TOP, SIDES = (0, 1, 2, 3, 0), (4, 5, 6, 7, 4), ((0, 4), (1, 5), (2, 6), (3, 7))
"""The edges of a box, as lines through its corners."""


def lidar_picture(
    points: NDArray[np.floating],
    objects: Objects,
    extent: tuple[float, float, float, float] = (0.0, -40.0, 70.0, 40.0),
    camera: Camera | None = None,
) -> Picture:
    """A frame from above, ahead to the right; below it the camera's view, if there is a camera.

    Args:
        points: points `(n, 3)` or `(n, 4)` in the lidar's frame [m].
        objects: boxes in the lidar's frame.
        extent: least distance ahead and to the left, then the largest ones [m].
        camera: the camera, to draw points and boxes in its image.
    """
    names = dict.fromkeys(str(name) for name in objects.names if name != "DontCare")
    shown = objects.where(objects.names != "DontCare")
    height, above = _from_above(points, shown, extent)
    items: list[Path | Text] = [*above]
    for number, name in enumerate(names):
        place = 2 * MARGIN + 110 * number
        items.append(Text(place, height + LINE, name, fill=COLOURS.get(name.lower(), "faint"), bold=True))
    height += LINE + MARGIN
    if camera is not None:
        view, ahead = _from_camera(points, shown, camera, height)
        height += view + MARGIN
        items += ahead
    counted = ", ".join(f"{int((shown.names == name).sum())} {name}" for name in names)
    label = f"A frame of a lidar. Points: {len(points)}. Boxes: {counted or 'none'}."
    return Picture(WIDTH + 2 * MARGIN, height, label, items)


def _from_above(
    points: NDArray[np.floating], objects: Objects, extent: tuple[float, float, float, float]
) -> tuple[float, list[Path | Text]]:
    """Where the panel ends, and what is in it."""
    near, right, far, left = extent
    scale = WIDTH / (far - near)

    def placed(found: NDArray[np.floating]) -> Reals:
        return np.stack([MARGIN + (found[..., 0] - near) * scale, MARGIN + (left - found[..., 1]) * scale], axis=-1)

    within = (points[:, 0] > near) & (points[:, 0] < far) & (points[:, 1] > right) & (points[:, 1] < left)
    height = (left - right) * scale
    rings = [(ring, placed(np.array([ring, right]))[0]) for ring in np.arange(np.ceil(near / 10) * 10, far + 1, 10.0)]
    items: list[Path | Text] = [
        Path(rectangle(MARGIN, MARGIN, WIDTH, height), fill="band"),
        *(Path(polyline([(x, MARGIN), (x, MARGIN + height)]), stroke="line") for _, x in rings),
        *(Text(x, MARGIN + height - 3, f"{ring:g} m", 9.0, "faint", anchor="end") for ring, x in rings if x > 40),
        Path(dots(placed(points[within])), stroke="faint", width=0.9, round=True),
    ]
    around_each = np.clip(placed(corners(objects.boxes)), MARGIN, [MARGIN + WIDTH, MARGIN + height])
    for name, around in zip(objects.names, around_each, strict=True):
        front = (around[[0, 3]].mean(axis=0), around[:4].mean(axis=0))
        items.append(_outline(str(name), [around[list(BOTTOM)], front]))
    return MARGIN + height, items


def _from_camera(
    points: NDArray[np.floating], objects: Objects, camera: Camera, top: float
) -> tuple[float, list[Path | Text]]:
    """The height of the panel, and what is in it."""
    scale = WIDTH / camera.size[0]
    height = camera.size[1] * scale
    seen = points[camera.sees(points), :3].astype(float)
    pixels, _ = camera.pixels(seen @ camera.pose[:3, :3].T + camera.pose[:3, 3])
    items: list[Path | Text] = [
        Path(rectangle(MARGIN, top, WIDTH, height), fill="band"),
        Path(dots(pixels * scale + [MARGIN, top]), stroke="faint", width=0.9, round=True),
    ]
    around, depths = camera.pixels(corners(camera.from_lidar(objects.boxes)))
    for name, place, depth in zip(objects.names, around * scale + [MARGIN, top], depths, strict=True):
        if (depth > NEAREST).all():
            inside = np.clip(place, [MARGIN, top], [MARGIN + WIDTH, top + height])
            items.append(_outline(str(name), [inside[list(line)] for line in (BOTTOM, TOP, *SIDES)]))
    return height, items


def _outline(name: str, lines: Iterable[Reals | Sequence[Reals]]) -> Path:
    colour = COLOURS.get(name.lower(), "faint")
    return Path("".join(polyline(np.asarray(line).tolist()) for line in lines), stroke=colour, width=1.4)
