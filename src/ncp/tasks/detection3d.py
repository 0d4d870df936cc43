"""Detection of cars, pedestrians and cyclists in the points of a lidar, from data in the layout of KITTI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Generator, Tensor, nn

from ncp.cost import Counting
from ncp.errors import ConfigError, DataError
from ncp.network.pillar_net import Maps, PillarNet
from ncp.tasks.anchor_head import detection_loss, detections
from ncp.tasks.anchors import ANCHORS, PER_PLACE, anchor_boxes, label_anchors
from ncp.tasks.average_precision import KITTI, RANGES, average_precisions
from ncp.tasks.kind import Batch, Dataset, Kind, Listing, Metric, Sample
from ncp.tasks.kitti import (
    AXES,
    UNLABELLED,
    Camera,
    read_camera,
    read_image_size,
    read_labels,
    read_points,
    read_split,
)
from ncp.tasks.lidar_augmentation import Cutouts, Scene, cut_out, moved, shuffled, with_objects
from ncp.tasks.objects import Objects
from ncp.tasks.pillars import Grid, pillars_of
from ncp.tasks.recipe import Count, DataSection, Optimiser, Positive, Recipe, Schedule, Share

CLASSES = tuple(each.name for each in ANCHORS)
NAMES = (*CLASSES, "Van", "Person_sitting", UNLABELLED, "Other")
"""Classes of labels; those that neither count nor are neutral are `Other`."""
BOX = slice(7, 14)
"""Where the box is in a row of `labels`: number of the class, truncation, occlusion, rectangle and box."""
SPLITS = {"train": "train.txt", "val": "val.txt"}
Metre = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Place = tuple[Metre, Metre, Metre]


class DetectionData(DataSection):
    """Where the data is, and how it is scored.

    Attributes:
        difficulty: `kitti`, by height in the image, occlusion and truncation; needs `calib` and the size of images.
            `range`, by distance: the metrics `easy`, `moderate` and `hard` are then those of 0-30, 30-50 and 50+ m.
        image_size: width and height of all images [pixels]; read from `image_2` when left out.
    """

    difficulty: Literal["kitti", "range"] = "kitti"
    image_size: tuple[Count, Count] | None = None


class DetectionRecipe(Recipe):
    """The recipe of a detection; the defaults are those of PointPillars for KITTI, but for the batch.

    Attributes:
        low: least x, y and z of points that are used [m].
        high: largest x, y and z [m].
        voxel: sides of a pillar along x and y [m].
        pillars: most pillars of a scene in training and in evaluation.
        points: most points of a pillar.
        flip: share of scenes that are mirrored.
        turn: largest turn of a scene to either side [degrees].
        scale: largest change of a scene's scale, as a share.
        added: objects of other scenes that are added, per class.
    """

    epochs: Count = 80
    batch: Count = 4
    optimiser: Optimiser = Optimiser(name="adam", lr=0.003, beta2=0.99, weight_decay=0.01, clip=10.0)
    schedule: Schedule = Schedule(name="one-cycle")
    low: Place = (0.0, -39.68, -3.0)
    high: Place = (69.12, 39.68, 1.0)
    voxel: tuple[Positive, Positive] = (0.16, 0.16)
    pillars: tuple[Count, Count] = (16000, 40000)
    points: Count = 32
    flip: Share = 0.5
    turn: Annotated[float, Field(strict=True, ge=0, le=180)] = 45.0
    scale: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.05
    added: Annotated[int, Field(strict=True, ge=0)] = 15

    @model_validator(mode="after")
    def _whole_pillars(self) -> DetectionRecipe:
        """Refuse a range without a whole number of pillars."""
        for low, high, side in zip(self.low, self.high, (*self.voxel, 0.0), strict=True):
            pillars = (high - low) / side if side else 1.0
            if low >= high or abs(pillars - round(pillars)) > 1e-4:
                raise ConfigError(
                    "{field} must be greater than low, by a multiple of voxel along x and y. Got {given}.",
                    field="high",
                    given=self.high,
                )
        return self

    @property
    def grid(self) -> Grid:
        """The range and its pillars."""
        return Grid(self.low, self.high, self.voxel)


class Detection3d(Kind):
    """Detection in `training/{velodyne,label_2,calib,image_2}/NAME.*` with `ImageSets/{train,val}.txt`.

    Only points in the image are used. `image_size` gives the size of all images where `image_2` is not there.

    For data without images, `difficulty: range` uses all points. Where `calib` is not there either, labels are those of
    a camera at the lidar itself, with x to the right, y down and z ahead; as in KITTI they give the centre of a box's
    bottom. Rectangles, truncation and occlusion can then be zeros.
    """

    name = "detection3d"
    metrics = ("moderate", "easy", "hard")
    data = DetectionData
    recipe = DetectionRecipe
    ragged = ("points", "labels")

    def listing(self, folder: Path, data: DetectionData) -> Listing:
        """The frames that the files of the splits name, in their order."""
        training = folder / "training"
        for needed in ("velodyne", "label_2", *(["calib"] if data.difficulty == "kitti" else [])):
            if not (training / needed).is_dir():
                raise DataError(f"There is no folder {training / needed}. Set data.path in the task file.")
        images = data.difficulty == "kitti" and data.image_size is None
        if images and not (training / "image_2").is_dir():
            raise DataError(
                f"There is no folder {training / 'image_2'}, and scores by difficulty need the size of images. "
                "Set data.image_size to their width and height, or data.difficulty to range."
            )
        kept = {"velodyne": "bin", "label_2": "txt"}
        kept |= {"calib": "txt"} if (training / "calib").is_dir() else {}
        kept |= {"image_2": "png"} if images else {}
        splits = {}
        for split, file in SPLITS.items():
            names = read_split(folder / "ImageSets" / file)
            splits[split] = tuple(
                Sample(tuple(f"training/{part}/{name}.{ending}" for part, ending in kept.items())) for name in names
            )
        return Listing(CLASSES, splits, tuple(f"ImageSets/{file}" for file in SPLITS.values()))

    def decoding(self, data: DetectionData, recipe: Any) -> dict[str, Any]:
        """Whether points are those in the image, and the size of images that are not there."""
        return {"difficulty": data.difficulty, "image_size": data.image_size}

    def read(
        self, folder: Path, sample: Sample, classes: Sequence[str], data: DetectionData, recipe: Any
    ) -> dict[str, NDArray[Any]]:
        """Points `(n, 4)`, labels `(k, 14)` with boxes in the lidar's frame, and the camera; its size 0 for none."""
        files = {Path(name).parent.name: folder / name for name in sample.files}
        points, objects = read_points(files["velodyne"]), read_labels(files["label_2"])
        size = (0, 0)
        if data.difficulty == "kitti":
            size = data.image_size or read_image_size(files["image_2"])
        camera = read_camera(files["calib"], size) if "calib" in files else Camera(np.eye(4), AXES.T[:3], size)
        if data.difficulty == "kitti":
            points = points[camera.sees(points)]
        number = [NAMES.index(name) if name in NAMES else len(NAMES) - 1 for name in objects.names]
        columns = (number, objects.truncated, objects.occluded, objects.rectangles, camera.to_lidar(objects.boxes))
        return {
            "points": points,
            "labels": np.column_stack(columns).astype(float).reshape(-1, 14),
            "pose": camera.pose,
            "projection": camera.projection,
            "size": np.array(size),
        }

    def augmented(self, batch: Batch, dataset: Dataset, recipe: DetectionRecipe, randomness: Generator) -> Batch:
        """Scenes with objects of others, mirrored, turned and scaled."""
        others = objects_of(dataset) if recipe.added else ()  # type: ignore[arg-type]  # data sets are frozen
        scenes = []
        for scene in _scenes(batch):
            changed = with_objects(scene, others, recipe.added, randomness)
            changed = moved(changed, recipe.flip, recipe.turn, recipe.scale, randomness)
            scenes.append(Scene(shuffled(changed.points, randomness), changed.boxes, changed.classes))
        return _ready(scenes, recipe, recipe.pillars[0])

    def prepared(self, batch: Batch, recipe: DetectionRecipe) -> Batch:
        """Scenes as they are."""
        return batch | _ready(_scenes(batch), recipe, recipe.pillars[1])

    def network(self, code: Any, classes: Sequence[str], recipe: DetectionRecipe) -> nn.Module:
        """The network with an encoder of pillars, and maps of classes, boxes and directions."""
        grid = recipe.grid
        return PillarNet(code, num_classes=len(CLASSES), anchors=PER_PLACE, grid=(grid.rows, grid.columns))

    def loss(self, outputs: Maps, batch: Batch, recipe: DetectionRecipe) -> Tensor:
        """The losses of classes, boxes and directions."""
        anchors = _anchors(recipe.grid, outputs)
        return detection_loss(outputs, anchors, label_anchors(anchors, batch["boxes"], batch["classes"]))

    def metric(self, dataset: Dataset, recipe: DetectionRecipe) -> Metric:
        """Average precisions of cars in space; NaN for a difficulty without a label."""
        return DetectionMetric(recipe.grid)

    def counting(self, classes: Sequence[str], recipe: DetectionRecipe) -> Counting | None:
        """Cost of everything after the encoder of pillars, whose cost depends on the points."""
        grid, outputs = recipe.grid, PER_PLACE * (len(CLASSES) + 7 + 2)
        if grid.rows % 16 or grid.columns % 16:
            return None
        return Counting((grid.rows, grid.columns), outputs, "segmentation", in_channels=64, stem_strides=(2, 1))

    def metadata(self, recipe: DetectionRecipe) -> dict[str, Any]:
        """The range, the pillars and the anchors."""
        anchors = [{"name": each.name, "size": each.size, "bottom": each.bottom} for each in ANCHORS]
        return {"low": recipe.low, "high": recipe.high, "voxel": recipe.voxel, "anchors": anchors}


class DetectionMetric(Metric):
    """Average precisions over a split, by the rules of KITTI where frames have images, else by distance."""

    def __init__(self, grid: Grid) -> None:
        self.grid, self.frames, self.images = grid, 0, True
        self.truth: list[Objects] = []
        self.found: list[Objects] = []

    def update(self, outputs: Maps, batch: Batch) -> None:
        """Add the labels and the detections of a batch."""
        for i, found in enumerate(detections(outputs, _anchors(self.grid, outputs))):
            labels = batch["labels"][i].cpu().numpy()
            pose, projection, size = (batch[name][i].cpu().numpy() for name in ("pose", "projection", "size"))
            names = np.array(CLASSES)[found.classes]
            self.images = bool(size.all())
            boxes, labelled, rectangles = found.boxes, labels[:, BOX], None
            if self.images:
                camera = Camera(pose, projection, tuple(size))
                boxes, labelled = camera.from_lidar(boxes), camera.from_lidar(labelled)
                rectangles = camera.rectangles(boxes)
            kinds = np.array(NAMES)[labels[:, 0].astype(int)]
            self.truth.append(Objects.of(self.frames, kinds, labelled, labels[:, 3:7], labels[:, 1], labels[:, 2]))
            self.found.append(Objects.of(self.frames, names, boxes, rectangles, scores=found.scores))
            self.frames += 1

    def values(self) -> dict[str, float]:
        """Average precision of cars in space at 40 recalls, then all others by class, overlap and difficulty."""
        difficulty: Literal["kitti", "range"] = "kitti" if self.images else "range"
        every = average_precisions(Objects.joined(self.truth), Objects.joined(self.found), difficulty)
        levels = dict(zip(("easy", "moderate", "hard"), KITTI if self.images else RANGES, strict=True))
        main = {name: every.get(f"car_3d_{levels[name]}_r40", float("nan")) for name in Detection3d.metrics}
        return main | every


def _scenes(batch: Batch) -> list[Scene]:
    """The scenes of decoded samples; labels without a place in space are left out."""
    scenes = []
    for points, labels in zip(batch["points"], batch["labels"], strict=True):
        cared = labels.cpu()
        cared = cared[cared[:, 0] != NAMES.index(UNLABELLED)]
        number = cared[:, 0].long()
        scenes.append(Scene(points, cared[:, BOX], torch.where(number < len(CLASSES), number, -1)))
    return scenes


def _ready(scenes: list[Scene], recipe: DetectionRecipe, most: int) -> Batch:
    """The pillars of scenes, and the objects within the grid that the network is to find."""
    grid, device = recipe.grid, scenes[0].points.device
    wanted = []
    for scene in scenes:
        places = scene.boxes[:, :3].clone()
        places[:, 2] = (grid.low[2] + grid.high[2]) / 2
        wanted.append((scene.classes >= 0) & grid.holds(places))
    return {
        "input": pillars_of([scene.points for scene in scenes], grid, most, recipe.points),
        "boxes": [scene.boxes[own].float().to(device) for scene, own in zip(scenes, wanted, strict=True)],
        "classes": [scene.classes[own].to(device) for scene, own in zip(scenes, wanted, strict=True)],
    }


@lru_cache(maxsize=2)
def objects_of(dataset: Dataset) -> tuple[Cutouts, ...]:
    """The objects of each class in a split. Objects that are too small, occluded or truncated are left out."""
    least, occluded, truncated = KITTI["hard"]

    def countable() -> Iterator[Scene]:
        for row in range(len(dataset)):
            batch = dataset.batch([row])
            [labels], [size] = batch["labels"], batch["size"]
            [scene] = _scenes(batch)
            labels = labels[labels[:, 0] != NAMES.index(UNLABELLED)]
            seen = (labels[:, 2] <= occluded) & (labels[:, 1] <= truncated)
            if size.all():
                seen &= labels[:, 6] - labels[:, 4] > least
            yield Scene(scene.points, scene.boxes[seen], scene.classes[seen])

    return cut_out(countable(), len(CLASSES))


def _anchors(grid: Grid, maps: Maps) -> Tensor:
    rows, columns = maps.classes.shape[2:]
    return _cached_anchors(grid, rows, columns, maps.classes.device)


@lru_cache(maxsize=8)
def _cached_anchors(grid: Grid, rows: int, columns: int, device: torch.device) -> Tensor:
    return anchor_boxes(grid, rows, columns).to(device)
