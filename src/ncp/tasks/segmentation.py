"""Segmentation: one class per pixel, from masks beside the pictures, or from Cityscapes as it is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from ncp.cost import Counting
from ncp.errors import DataError
from ncp.io.files import reason_of
from ncp.network.net import MultiResolutionNet
from ncp.tasks.augmentation import MEAN, STD, centred, color_changes, colored, normalised, scaled_crops
from ncp.tasks.decoding import IMAGES, read_image, read_mask, resized_image, resized_mask
from ncp.tasks.kind import Batch, Dataset, Kind, Listing, Metric, Sample
from ncp.tasks.metrics import IGNORED, Confusion
from ncp.tasks.recipe import Count, DataSection, Optimiser, Recipe, Scale, Schedule, Share, Size

CLASSES_FILE = "classes.txt"
CITYSCAPES = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27,
    "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
"""Classes of Cityscapes in the order of its evaluation, and their ids in its masks; other ids are ignored."""
LAST_ID = 33
"""The largest id of Cityscapes."""


class SegmentationRecipe(Recipe):
    """The recipe of a segmentation.

    Attributes:
        image_size: height and width of whole pictures, as the network is evaluated on them [pixels].
        crop: height and width of the crops that it is trained on [pixels]; `image_size` when left out.
        scale: smallest and largest factor by which pictures are resized before they are cropped.
        flip: share of pictures that are mirrored.
        brightness: largest change of brightness, as a share of the range.
        contrast: largest change of contrast, as a share.
        saturation: largest change of saturation, as a share.
    """

    epochs: Count = 30
    batch: Count = 8
    optimiser: Optimiser = Optimiser(name="adamw", lr=3e-3, weight_decay=0.05)
    schedule: Schedule = Schedule(warmup=2.0)
    image_size: Size = (192, 256)
    crop: Size | None = None
    scale: Scale = (0.75, 1.5)
    flip: Share = 0.5
    brightness: Share = 0.1
    contrast: Share = 0.2
    saturation: Share = 0.2


class Segmentation(Kind):
    """Segmentation of `images/<split>/NAME.*` by `masks/<split>/NAME.png`, or of Cityscapes."""

    name = "segmentation"
    metrics = ("mIoU", "mAcc", "aAcc")
    recipe = SegmentationRecipe
    ragged = ("truth",)

    def listing(self, folder: Path, data: DataSection) -> Listing:
        """Pictures with their masks, in text order."""
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}. Set data.path in the task file.")
        if (folder / "leftImg8bit").is_dir():
            splits = {split: _cityscapes(folder, split) for split in ("train", "val")}
            return Listing(tuple(CITYSCAPES), splits)
        held_out = "val" if (folder / "images" / "val").is_dir() else "test"
        splits = {"train": _pairs(folder, "train"), "val": _pairs(folder, held_out)}
        return Listing(_classes(folder / CLASSES_FILE), splits, (CLASSES_FILE,))

    def decoding(self, data: DataSection, recipe: SegmentationRecipe) -> dict[str, Any]:
        """The size of decoded pictures."""
        return {"size": list(recipe.image_size)}

    def read(
        self, folder: Path, sample: Sample, classes: Sequence[str], data: Any, recipe: SegmentationRecipe
    ) -> dict[str, NDArray[Any]]:
        """A picture `image` `(h, w, 3)`. To train on, its `mask` `(h, w)`; else the mask's own pixels.

        The latter are `truth` `(H W,)`, a mask of height and width `size` `(2,)`.
        """
        image, mask = (folder / name for name in sample.files)
        pixels, labels = read_image(image), read_mask(mask)
        if pixels.shape[:2] != labels.shape:
            sizes = " and ".join(f"{height} x {width}" for height, width in (pixels.shape[:2], labels.shape))
            raise DataError(f"{image} and its mask {mask} have different sizes: {sizes} pixels.")
        if sample.files[0].startswith("leftImg8bit/"):
            labels = _class_numbers(labels, mask)
        else:
            _require_classes(labels, mask, len(classes))
        read = {"image": resized_image(pixels, recipe.image_size)}
        if Path(sample.files[0]).parts[1] == "train":
            return read | {"mask": resized_mask(labels, recipe.image_size)}
        return read | {"truth": labels.ravel(), "size": np.array(labels.shape)}

    def augmented(self, batch: Batch, dataset: Dataset, recipe: SegmentationRecipe, randomness: Generator) -> Batch:
        """Crops of pictures that are resized, mirrored and changed in color."""
        images, masks = centred(batch["image"]), batch["mask"]
        old = (masks.shape[1], masks.shape[2])
        crops = scaled_crops(len(masks), old, recipe.crop or old, recipe.scale, recipe.flip, randomness)
        changes = color_changes(len(masks), recipe.brightness, recipe.contrast, recipe.saturation, randomness)
        return {
            "input": colored(crops.of_images(images), changes),
            "mask": crops.of_masks(masks, IGNORED),
        }

    def prepared(self, batch: Batch, recipe: SegmentationRecipe) -> Batch:
        """Whole pictures."""
        return {"input": normalised(batch["image"]), "truth": batch["truth"], "size": batch["size"]}

    def network(self, code: Any, classes: Sequence[str], recipe: SegmentationRecipe) -> nn.Module:
        """The network with a score per class and pixel, at a quarter of the picture's size."""
        return MultiResolutionNet(code, task="segmentation", num_classes=len(classes))

    def loss(self, outputs: Tensor, batch: Batch, recipe: SegmentationRecipe) -> Tensor:
        """Cross-entropy of the labelled pixels at the size of the crop; 0 without any."""
        mask = batch["mask"].long()
        scores = interpolate(outputs.float(), size=mask.shape[1:], mode="bilinear", align_corners=False)
        smoothing = recipe.label_smoothing
        total = cross_entropy(scores, mask, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)
        return total.div((mask != IGNORED).sum().clamp(min=1))

    def metric(self, dataset: Dataset, recipe: SegmentationRecipe) -> Metric:
        """`mIoU`, `mAcc`, `aAcc` and the IoU of every class."""
        return Confusion(dataset.classes)

    def counting(self, classes: Sequence[str], recipe: SegmentationRecipe) -> Counting | None:
        """Cost of a whole picture."""
        return _counting(recipe.image_size, classes)

    def training_counting(self, classes: Sequence[str], recipe: SegmentationRecipe) -> Counting | None:
        """Cost of a crop."""
        return _counting(recipe.crop or recipe.image_size, classes)

    def metadata(self, recipe: SegmentationRecipe) -> dict[str, Any]:
        """Size and normalisation of the input."""
        return {"image_size": list(recipe.image_size), "mean": MEAN, "std": STD}


def _counting(size: tuple[int, int], classes: Sequence[str]) -> Counting | None:
    return None if any(side % 32 for side in size) else Counting(size, len(classes), "segmentation")


def _classes(path: Path) -> tuple[str, ...]:
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read {path}: {reason_of(error)}. It has the name of one class per line.") from None
    if not 0 < len(names) <= IGNORED or len(set(names)) < len(names):
        raise DataError(f"{path} must have 1 to {IGNORED} different names, one per line. It has {len(names)}.")
    return names


def _pairs(folder: Path, split: str) -> tuple[Sample, ...]:
    """The pictures of a split and their masks.

    Raises:
        DataError: no pictures, or a picture or a mask without the other.
    """
    images = _by_name(folder / "images" / split, IMAGES)
    masks = _by_name(folder / "masks" / split, (".png",))
    return _matched(folder, split, images, masks, f"images/{split}/NAME.jpg and masks/{split}/NAME.png")


def _cityscapes(folder: Path, split: str) -> tuple[Sample, ...]:
    ends = ("_leftImg8bit.png", "_gtFine_labelIds.png")
    images, masks = (
        {name[: -len(end)]: path for name, path in _by_name(folder / room / split, (".png",), end).items()}
        for room, end in zip(("leftImg8bit", "gtFine"), ends, strict=True)
    )
    return _matched(folder, split, images, masks, f"leftImg8bit/{split}/CITY/ and gtFine/{split}/CITY/")


def _by_name(folder: Path, endings: Sequence[str], end: str = "") -> dict[str, Path]:
    """The files of a folder and its folders, by their path without what comes after the last dot, or with `end`."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob(f"*{end}")):
        if path.suffix.lower() not in endings or path.name.startswith("."):
            continue
        name = path.relative_to(folder).as_posix() if end else path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise DataError(f"{found[name]} and {path} have the same name, so both would have the same mask.")
        found[name] = path
    return found


def _matched(
    folder: Path, split: str, images: dict[str, Path], masks: dict[str, Path], expected: str
) -> tuple[Sample, ...]:
    if not images:
        raise DataError(f"Found no samples of the split {split} in {folder}. Expected {expected}.")
    alone = sorted(images.keys() ^ masks.keys())
    if alone:
        path = images.get(alone[0]) or masks[alone[0]]
        lacks = "mask" if alone[0] in images else "picture"
        raise DataError(
            f"{len(alone)} files of the split {split} lack a {lacks}, the first is {path}. Expected {expected}."
        )
    return tuple(
        Sample(tuple(path.relative_to(folder).as_posix() for path in (images[name], masks[name])))
        for name in sorted(images)
    )


def _require_classes(labels: NDArray[np.uint8], path: Path, classes: int) -> None:
    wrong = labels[(labels >= classes) & (labels != IGNORED)]
    if wrong.size:
        raise DataError(
            f"{path} has the value {wrong[0]} in {wrong.size} pixels. Values are 0 to {classes - 1} for the lines of "
            f"{CLASSES_FILE}, and {IGNORED} for pixels to ignore."
        )


def _class_numbers(ids: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    """The classes of Cityscapes' ids."""
    wrong = ids[(ids > LAST_ID) & (ids != IGNORED)]
    if wrong.size:
        raise DataError(f"{path} has the value {wrong[0]}, but ids of Cityscapes end at {LAST_ID}.")
    numbers = np.full(256, IGNORED, np.uint8)
    numbers[list(CITYSCAPES.values())] = range(len(CITYSCAPES))
    return numbers[ids]
