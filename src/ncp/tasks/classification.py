"""Classification: one class per picture, in one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, Field
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from ncp.cost import Counting
from ncp.errors import DataError, counted
from ncp.network.net import MultiResolutionNet
from ncp.tasks.augmentation import MEAN, STD, centred, color_changes, colored, mixed, normalised, resized_crops, shifted
from ncp.tasks.decoding import IMAGES, read_image
from ncp.tasks.kind import Batch, Dataset, Kind, Listing, Metric, Sample
from ncp.tasks.metrics import TopK
from ncp.tasks.recipe import (
    Count,
    DataSection,
    NotNegative,
    NotNegativeCount,
    Optimiser,
    Recipe,
    Schedule,
    Share,
    ascending,
)

SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""The splits that folders with these names are meant to be, in lower case."""
HELD_OUT = 0.2
"""Share of each class's pictures that are evaluated on where the folder has no split."""


class ClassificationRecipe(Recipe):
    """The recipe of a classification.

    Attributes:
        image_size: height and width of the network's input [pixels].
        store_size: height and width of decoded pictures [pixels]; `image_size` when left out. Larger ones are evaluated
            on their centre, smaller ones are resized.
        shift: most pixels that a decoded picture is shifted by, unless `crop_area` is given.
        crop_area: smallest and largest share of the area that random crops have; null to shift pictures instead.
        flip: share of pictures that are mirrored.
        brightness: largest change of brightness, as a share of the range.
        contrast: largest change of contrast, as a share.
        saturation: largest change of saturation, as a share.
        mixup: pictures are blended with others, in parts that follow Beta(`mixup`, `mixup`); 0 for none.
        cutmix: rectangles come from other pictures, with areas that follow Beta(`cutmix`, `cutmix`); 0 for none. With
            `mixup`, too, each batch has either of them.
    """

    epochs: Count = 20
    batch: Count = 64
    optimiser: Optimiser = Optimiser(lr=0.05)
    schedule: Schedule = Schedule(warmup=2.0)
    label_smoothing: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.1
    image_size: Count = 64
    store_size: Count | None = None
    shift: NotNegativeCount = 4
    crop_area: Annotated[tuple[Share, Share], AfterValidator(ascending)] | None = None
    flip: Share = 0.5
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0
    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0


class Classification(Kind):
    """Classification of pictures in `train/<class>/` and `val/<class>/`."""

    name = "classification"
    metrics = ("top1", "top5")
    recipe = ClassificationRecipe

    def listing(self, folder: Path, data: DataSection) -> Listing:
        """Classes are folders, in text order."""
        return class_folders(folder, IMAGES)

    def decoding(self, data: DataSection, recipe: ClassificationRecipe) -> dict[str, Any]:
        """The size of decoded pictures."""
        return {"size": recipe.store_size or recipe.image_size}

    def read(
        self, folder: Path, sample: Sample, classes: Sequence[str], data: Any, recipe: ClassificationRecipe
    ) -> dict[str, NDArray[Any]]:
        """A picture `image` `(size, size, 3)` and its `label`."""
        side = recipe.store_size or recipe.image_size
        return {"image": read_image(folder / sample.files[0], (side, side)), "label": np.array(sample.label)}

    def augmented(self, batch: Batch, dataset: Dataset, recipe: ClassificationRecipe, randomness: Generator) -> Batch:
        """Pictures that are shifted or cropped, mirrored, changed in color and mixed."""
        images, size = batch["image"], recipe.image_size
        n, side = images.shape[:2]
        colors = (recipe.brightness, recipe.contrast, recipe.saturation)
        if recipe.crop_area is None:
            images = shifted(images, recipe.shift, recipe.flip, randomness, min(size, side))
        if recipe.crop_area is None and not any(colors):
            inputs = normalised(images)
        else:
            inputs, changes = centred(images), color_changes(n, *colors, randomness)
            if recipe.crop_area is not None:
                inputs = resized_crops(n, side, size, recipe.crop_area, recipe.flip, randomness).of_images(inputs)
            inputs = colored(inputs, changes)
        inputs = _sized(inputs, size)
        return mixed({"input": inputs, "label": batch["label"]}, recipe.mixup, recipe.cutmix, randomness)

    def prepared(self, batch: Batch, recipe: ClassificationRecipe) -> Batch:
        """The centre of each picture."""
        images, size = batch["image"], recipe.image_size
        edge = max(images.shape[1] - size, 0) // 2
        images = images[:, edge : edge + size, edge : edge + size]
        return {"input": _sized(normalised(images), size), "label": batch["label"]}

    def network(self, code: Any, classes: Sequence[str], recipe: ClassificationRecipe) -> nn.Module:
        """The network with a global average and a linear classifier."""
        return MultiResolutionNet(code, task="classification", num_classes=len(classes))

    def loss(self, outputs: Tensor, batch: Batch, recipe: ClassificationRecipe) -> Tensor:
        """Cross-entropy, of mixed pictures with both labels."""
        scores, smoothing = outputs.float().flatten(1), recipe.label_smoothing
        if "other" not in batch:
            return cross_entropy(scores, batch["label"], label_smoothing=smoothing)
        own, other = (
            cross_entropy(scores, batch[name], label_smoothing=smoothing, reduction="none")
            for name in ("label", "other")
        )
        return torch.lerp(other, own, batch["share"]).mean()

    def metric(self, dataset: Dataset, recipe: ClassificationRecipe) -> Metric:
        """`top1` and `top5`."""
        return TopK()

    def counting(self, classes: Sequence[str], recipe: ClassificationRecipe) -> Counting | None:
        """Cost at the size of the input."""
        return Counting(recipe.image_size, len(classes), "classification") if recipe.image_size % 32 == 0 else None

    def metadata(self, recipe: ClassificationRecipe) -> dict[str, Any]:
        """Size and normalisation of the input."""
        return {"image_size": [recipe.image_size, recipe.image_size], "mean": MEAN, "std": STD}


def _sized(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    return interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


def class_folders(folder: Path, endings: Sequence[str]) -> Listing:
    """Samples in one folder per class.

    `train` and `val` (or `test`) hold the folders of the classes. Without `val`, `train` or the folder itself holds all
    samples, and about a fifth of each class is evaluated on: files whose paths have small hashes.

    Raises:
        DataError: no such folders, fewer than two classes, classes without samples to train on, or a split without any.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Set data.path in the task file.")
    trained = "train" if (folder / "train").is_dir() else ""
    held_out = next((name for name in ("val", "test") if trained and (folder / name).is_dir()), None)
    if not held_out:
        _refuse_other_splits(folder)
    train = _samples(folder, trained, endings)
    if held_out:
        val = _samples(folder, held_out, endings)
    else:
        val = {name: _held_out(files) for name, files in train.items()}
        train = {name: [file for file in files if file not in val[name]] for name, files in train.items()}
    unknown = sorted(set(val) - set(train))
    if unknown:
        raise DataError(f"{folder / str(held_out)} has the class {unknown[0]}, which {folder / 'train'} has not.")
    classes = tuple(sorted(train))
    empty = [name for name in classes if not train[name]]
    if empty and any(train.values()):
        if not held_out and val[empty[0]]:
            size = counted(len(val[empty[0]]), "sample")
            raise DataError(
                f"The class {empty[0]} has {size}, and the split by names leaves none to train on. "
                f"Make the folders train and val in {folder}, with samples of every class in both."
            )
        raise DataError(
            f"{folder / trained / empty[0]} has no samples to train on. Expected files {', '.join(endings)}. "
            "Add some, or remove the folder."
        )
    if len(classes) == 1:
        raise DataError(f"{folder} has the samples of one class, {classes[0]}. Expected one folder for each class.")
    splits = {
        name: tuple(Sample((file,), label) for label, each in enumerate(classes) for file in found.get(each, ()))
        for name, found in (("train", train), ("val", val))
    }
    for name, samples in splits.items():
        if not samples:
            raise DataError(
                f"Found no samples of the split {name} in {folder}. "
                f"Expected files {', '.join(endings)} in {name}/CLASS/."
            )
    return Listing(classes, splits)


def _refuse_other_splits(folder: Path) -> None:
    """Refuse folders whose names say that they are a split, and that would be taken for a class or ignored."""
    for path in sorted(folder.iterdir()):
        split = SPLIT_NAMES.get(path.name.lower())
        if split and path.name != split and path.is_dir():
            raise DataError(
                f"{path} seems to be the split {split}. Rename it to {split}. "
                "If it is a class, put the folders of all classes into a folder train."
            )
        if split in ("val", "test") and not (folder / "train").is_dir():
            raise DataError(f"{folder} has the folder {path.name}, but no folder train. Add it, or rename {path.name}.")


def _samples(folder: Path, split: str, endings: Sequence[str]) -> dict[str, list[str]]:
    """The files of each class, in text order, relative to the folder."""
    return {
        each.name: sorted(
            file.relative_to(folder).as_posix()
            for file in each.rglob("*")
            if file.suffix.lower() in endings and not file.name.startswith(".")
        )
        for each in (folder / split).iterdir()
        if each.is_dir() and not each.name.startswith(".")
    }


def _held_out(files: Sequence[str]) -> list[str]:
    """About a fifth of the files of a class: those whose paths have small hashes, but at least one of several."""
    hashes = {name: int.from_bytes(sha256(name.encode()).digest()[:4]) for name in files}
    found = [name for name, number in hashes.items() if number < HELD_OUT * 2**32]
    return found if found or len(files) < 2 else [min(files, key=hashes.__getitem__)]
