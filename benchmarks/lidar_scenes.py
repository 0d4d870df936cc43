"""Scenes of a street as a lidar sees them, made by simulated rays, in the layout of KITTI without images.

Cars, pedestrians and cyclists, each of two or three boxes, are on the ground among walls, poles, bushes, crates and
vans. A ray returns the first surface that it hits, with noise, or nothing. Labels have the occlusion and truncation
that follow from the rays and from the camera.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ncp.tasks.boxes import bev_iou, corners
from ncp.tasks.kitti import AXES, Camera

Reals = NDArray[np.float64]

HEIGHT = 1.73
"""Height of the lidar above the ground [m]."""
IMAGE = (1242, 375)
PROJECTION = np.array([[721.5, 0, 609.6, 0], [0, 721.5, 172.9, 0], [0, 0, 1, 0]])
BEHIND, BELOW = 0.27, 0.08
"""How far the camera is ahead of the lidar, and below it [m]."""
NOISE, LOST = 0.02, 0.05
"""Standard deviation of distances [m], and the share of rays that do not come back."""
NEAREST, FARTHEST, HALF_WIDTH = 5.0, 28.0, 13.5
"""Where objects are [m]."""


@dataclass(frozen=True)
class Form:
    """A kind of object.

    Attributes:
        name: its label; empty for clutter.
        size: mean length, width and height [m].
        spread: standard deviation of the sizes, as a share.
        parts: boxes that it is made of: place and size, as shares of length, width and height from the bottom centre.
        count: least and most objects in a scene.
        intensity: mean reflectance.
        ragged: standard deviation of points along the rays, beside the noise [m].
    """

    name: str
    size: tuple[float, float, float]
    spread: float
    parts: tuple[tuple[float, float, float, float, float, float], ...]
    count: tuple[int, int]
    intensity: float
    ragged: float = 0.0


WHOLE = ((0.0, 0.0, 0.5, 1.0, 1.0, 1.0),)
FORMS = (
    Form("Car", (3.9, 1.6, 1.56), 0.06, ((0, 0, 0.35, 1, 1, 0.5), (-0.06, 0, 0.8, 0.6, 0.9, 0.4)), (3, 8), 0.45),
    Form("Van", (5.0, 1.9, 2.1), 0.06, ((0, 0, 0.5, 1, 1, 0.9),), (0, 1), 0.45),
    Form(
        "Pedestrian",
        (0.8, 0.6, 1.73),
        0.08,
        ((0, 0, 0.68, 0.4, 0.8, 0.64), (0.25, 0.2, 0.2, 0.35, 0.3, 0.4), (-0.25, -0.2, 0.2, 0.35, 0.3, 0.4)),
        (1, 4),
        0.3,
        0.02,
    ),
    Form(
        "Cyclist", (1.76, 0.6, 1.73), 0.06, ((0, 0, 0.3, 1, 0.15, 0.5), (-0.08, 0, 0.72, 0.3, 0.8, 0.56)), (1, 3), 0.35
    ),
    Form("", (6.0, 0.4, 2.5), 0.4, WHOLE, (1, 4), 0.2),  # walls
    Form("", (0.25, 0.25, 4.0), 0.2, WHOLE, (2, 6), 0.5),  # poles
    Form("", (1.8, 1.6, 1.5), 0.35, WHOLE, (1, 5), 0.1, 0.25),  # bushes
    Form("", (2.4, 1.5, 1.3), 0.25, WHOLE, (0, 3), 0.4),  # crates
)


@dataclass(frozen=True)
class Street:
    """The objects of a scene.

    Attributes:
        boxes: `(k, 7)` in the lidar's frame.
        forms: what they are.
    """

    boxes: Reals
    forms: tuple[Form, ...]

    def surfaces(self) -> tuple[Reals, NDArray[np.int64]]:
        """The boxes of all parts, and the object of each."""
        parts, owners = [], []
        for owner, (box, form) in enumerate(zip(self.boxes, self.forms, strict=True)):
            cos, sin = np.cos(box[6]), np.sin(box[6])
            for along, across, above, *shares in form.parts:
                x, y = along * box[3], across * box[4]
                place = [box[0] + cos * x - sin * y, box[1] + sin * x + cos * y, box[2] + (above - 0.5) * box[5]]
                parts.append([*place, *(box[3:6] * shares), box[6]])
                owners.append(owner)
        return np.array(parts), np.array(owners)


def make_scenes(folder: Path, train: int, val: int, seed: int = 0, camera: bool = True) -> None:
    """Write scenes to `folder`, as KITTI lays them out.

    Args:
        folder: a new folder.
        train: scenes to train on.
        val: scenes to evaluate on.
        seed: the seed of all scenes.
        camera: write `calib`. Without it, labels are those of a camera at the lidar.
    """
    training = folder / "training"
    for part in ("velodyne", "label_2", "ImageSets", *(["calib"] if camera else [])):
        (folder if part == "ImageSets" else training).joinpath(part).mkdir(parents=True, exist_ok=True)
    pose = np.eye(4)
    if camera:
        pose[:3, 3] = [-BEHIND, 0.0, BELOW]
    eye = Camera(pose, PROJECTION @ AXES.T, IMAGE)
    for number in range(train + val):
        rng = np.random.default_rng([seed, number])
        street = random_street(rng)
        points, seen = scanned(street, rng)
        name = f"{number:06}"
        (training / "velodyne" / f"{name}.bin").write_bytes(points.astype("<f4").tobytes())
        (training / "label_2" / f"{name}.txt").write_text("".join(labels(street, seen, eye)))
        if camera:
            (training / "calib" / f"{name}.txt").write_text(_calibration(eye))
    for split, numbers in (("train", range(train)), ("val", range(train, train + val))):
        (folder / "ImageSets" / f"{split}.txt").write_text("".join(f"{number:06}\n" for number in numbers))


def random_street(rng: np.random.Generator) -> Street:
    """Objects that do not touch each other; those with a label come first."""
    boxes: list[Reals] = []
    forms: list[Form] = []
    for form in FORMS:
        for _ in range(rng.integers(form.count[0], form.count[1] + 1)):
            for _ in range(20):
                x = rng.uniform(NEAREST, FARTHEST)
                y = rng.uniform(-1, 1) * min(HALF_WIDTH, 0.75 * x)
                size = np.array(form.size) * np.exp(form.spread * rng.standard_normal(3))
                heading = rng.choice([0.0, np.pi, np.pi / 2, -np.pi / 2]) + rng.normal(0, 0.3)
                box = np.array([x, y, size[2] / 2 - HEIGHT, *size, heading])
                wider = box + np.array([0, 0, 0, 0.4, 0.4, 0, 0])
                if not boxes or not (bev_iou(wider, np.array(boxes)) > 0).any():
                    boxes.append(box)
                    forms.append(form)
                    break
    return Street(np.array(boxes), tuple(forms))


def scanned(street: Street, rng: np.random.Generator) -> tuple[Reals, Reals]:
    """The points `(n, 4)` that rays return, and the share of each object's rays that nothing stops `(k,)`."""
    turn, rise = np.meshgrid(np.radians(np.arange(-42, 42, 0.3)), np.radians(np.linspace(-23, 2, 56)), indexing="ij")
    turn = turn + np.radians(0.3) * rng.random()
    rays = np.stack([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)], axis=-1).reshape(-1, 3)
    parts, owners = street.surfaces()
    distances = distances_to(rays, parts)
    with np.errstate(divide="ignore"):
        ground = np.where(rays[:, 2] < 0, -HEIGHT / rays[:, 2], np.inf)
    first = distances.argmin(axis=1)
    nearest = distances[np.arange(len(rays)), first]
    owner = np.where(nearest < ground, owners[first], -1)
    nearest = np.minimum(nearest, ground)
    alone = np.array([np.isfinite(distances[:, owners == k]).any(axis=1).sum() for k in range(len(street.boxes))])
    hits = np.bincount(owner[owner >= 0], minlength=len(street.boxes))
    ragged = np.array([*(form.ragged for form in street.forms), 0.0])
    shine = np.array([*(form.intensity for form in street.forms), 0.25])
    depth = nearest + NOISE * rng.standard_normal(len(rays)) + ragged[owner] * rng.standard_normal(len(rays))
    back = (nearest < 70) & (rng.random(len(rays)) > LOST)
    intensity = np.clip(shine[owner] + 0.15 * rng.standard_normal(len(rays)), 0, 1)
    points = np.column_stack([rays * np.where(back, depth, 0.0)[:, None], intensity])[back]
    return points, hits / np.maximum(alone, 1)


def distances_to(rays: Reals, boxes: Reals) -> Reals:
    """How far along rays `(r, 3)` from the origin boxes `(k, 7)` begin: `(r, k)`; infinity where a box is missed."""
    cos, sin = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    zero, one = np.zeros(len(boxes)), np.ones(len(boxes))
    axes = np.array([[cos, sin, zero], [-sin, cos, zero], [zero, zero, one]])  # of each box, by axis and coordinate
    turned = np.einsum("rj,ijk->irk", rays, axes)
    start = -np.einsum("kj,ijk->ik", boxes[:, :3], axes)[:, None]
    half = boxes[:, 3:6].T[:, None] / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        first, last = (-half - start) / turned, (half - start) / turned
    enter, leave = np.minimum(first, last).max(axis=0), np.maximum(first, last).min(axis=0)
    return np.where((enter <= leave) & (enter > 0), enter, np.inf)


def labels(street: Street, seen: Reals, eye: Camera) -> list[str]:
    """The lines of the labels of objects that are partly in the image and hit by a ray."""
    lines = []
    boxes = eye.from_lidar(street.boxes)
    pixels, _ = eye.pixels(corners(boxes))
    unclipped = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
    for box, form, share, inner, outer in zip(boxes, street.forms, seen, eye.rectangles(boxes), unclipped, strict=True):
        area = (inner[2] - inner[0]) * (inner[3] - inner[1])
        if not form.name or share == 0 or area <= 0:
            continue
        truncated = 1 - area / ((outer[2] - outer[0]) * (outer[3] - outer[1]))
        occluded = int(share < 0.75) + int(share < 0.4) + int(share < 0.1)
        turn = (-box[6] - np.pi / 2 + np.pi) % (2 * np.pi) - np.pi
        x, y, z = -box[1], box[5] / 2 - box[2], box[0]
        alpha = turn - np.arctan2(x, z)
        numbers = [*inner, box[5], box[4], box[3], x, y, z, turn]
        written = " ".join(f"{number:.4f}" for number in numbers)
        lines.append(f"{form.name} {truncated:.2f} {occluded} {alpha:.2f} {written}\n")
    return lines


def _calibration(eye: Camera) -> str:
    """The file that `ncp.tasks.kitti.read_camera` reads."""
    matrices = {"P2": PROJECTION, "R0_rect": np.eye(3), "Tr_velo_to_cam": (AXES.T @ eye.pose)[:3]}
    return "".join(f"{key}: {' '.join(f'{x:.12e}' for x in matrix.ravel())}\n" for key, matrix in matrices.items())
