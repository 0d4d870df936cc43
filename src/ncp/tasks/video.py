"""Video: one class per clip, in one folder per class, or HMDB51 with its splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ncp.cost import Counting
from ncp.errors import DataError
from ncp.network.clip_net import ClipNet
from ncp.tasks.augmentation import MEAN, STD, centred, color_changes, colored, normalised, scaled_crops, shifts
from ncp.tasks.classification import class_folders
from ncp.tasks.decoded import NAMES
from ncp.tasks.decoding import VIDEOS, read_clip
from ncp.tasks.kind import Batch, Dataset, Kind, Listing, Metric, Sample
from ncp.tasks.metrics import TopK
from ncp.tasks.recipe import Count, DataSection, NotNegativeCount, Optimiser, Recipe, Scale, Schedule, Share, Size

USES = {"1": "train", "2": "val", "0": None}
"""What HMDB51's splits say of a clip."""


class VideoData(DataSection):
    """The data of a video task.

    Attributes:
        split: which of the three splits of HMDB51.
    """

    split: Literal[1, 2, 3] = 1


class VideoRecipe(Recipe):
    """The recipe of a video task. A window of `frames` x `stride` frames of the clip gives `frames` to the network.

    Attributes:
        image_size: height and width of the network's input [pixels].
        frames: frames that the network sees.
        stride: frames of the clip per frame that the network sees.
        jitter: most frames that the window is shifted by, from the middle of the clip.
        shift: most pixels that a clip is shifted by.
        scale: smallest and largest factor by which clips are resized.
        flip: share of clips that are mirrored; 0 where left and right differ in meaning.
        brightness: largest change of brightness, as a share of the range.
        contrast: largest change of contrast, as a share.
        saturation: largest change of saturation, as a share.
    """

    epochs: Count = 40
    batch: Count = 16
    optimiser: Optimiser = Optimiser(name="adamw", lr=2e-3, weight_decay=0.05)
    schedule: Schedule = Schedule(warmup=2.0)
    image_size: Size = (96, 96)
    frames: Count = 8
    stride: Count = 2
    jitter: NotNegativeCount = 4
    shift: NotNegativeCount = 8
    scale: Scale = (1.0, 1.0)
    flip: Share = 0.0
    brightness: Share = 0.2
    contrast: Share = 0.2
    saturation: Share = 0.2


class Video(Kind):
    """Classification of clips in `train/<class>/` and `val/<class>/`, or of HMDB51."""

    name = "video"
    metrics = ("top1", "top5")
    data = VideoData
    recipe = VideoRecipe

    def listing(self, folder: Path, data: VideoData) -> Listing:
        """Classes are folders, in text order."""
        lists = sorted(folder.rglob(f"*_test_split{data.split}.txt"))
        if lists and not (folder / "train").is_dir():
            return _hmdb51(folder, lists)
        return class_folders(folder, VIDEOS)

    def decoding(self, data: VideoData, recipe: VideoRecipe) -> dict[str, Any]:
        """Number and size of decoded frames."""
        return {"frames": _stored(recipe), "size": list(recipe.image_size)}

    def read(
        self, folder: Path, sample: Sample, classes: Sequence[str], data: Any, recipe: VideoRecipe
    ) -> dict[str, NDArray[Any]]:
        """The frames `clip` `(t, h, w, 3)` that a window can reach, and the `label`."""
        clip = read_clip(folder / sample.files[0], _stored(recipe), recipe.image_size)
        return {"clip": clip, "label": np.array(sample.label)}

    def augmented(self, batch: Batch, dataset: Dataset, recipe: VideoRecipe, randomness: Generator) -> Batch:
        """Clips whose frames are shifted, resized, mirrored and changed in color all alike."""
        clips = batch["clip"]
        n, _, height, width, _ = clips.shape
        first = torch.randint(0, 2 * recipe.jitter + 1, (n, 1), generator=randomness)
        frames = first + _window(recipe)
        rows, columns = shifts(n, (height, width), recipe.shift, recipe.flip, randomness)
        changes = color_changes(n, recipe.brightness, recipe.contrast, recipe.saturation, randomness)
        images = centred(_gathered(clips, frames, rows, columns))
        if recipe.scale != (1.0, 1.0):
            crops = scaled_crops(n, (height, width), (height, width), recipe.scale, 0.0, randomness)
            images = crops.of_images(images.flatten(1, 2)).view(images.shape)
        return {"input": colored(images, changes).transpose(1, 2), "label": batch["label"]}

    def prepared(self, batch: Batch, recipe: VideoRecipe) -> Batch:
        """The window in the middle of each clip."""
        frames = recipe.jitter + _window(recipe)
        return {"input": normalised(batch["clip"][:, frames]), "label": batch["label"]}

    def network(self, code: Any, classes: Sequence[str], recipe: VideoRecipe) -> nn.Module:
        """The network of every frame, with a convolution over time in its head."""
        return ClipNet(code, num_classes=len(classes))

    def loss(self, outputs: Tensor, batch: Batch, recipe: VideoRecipe) -> Tensor:
        """Cross-entropy."""
        return cross_entropy(outputs.float(), batch["label"], label_smoothing=recipe.label_smoothing)

    def metric(self, dataset: Dataset, recipe: VideoRecipe) -> Metric:
        """`top1` and `top5`."""
        return TopK()

    def counting(self, classes: Sequence[str], recipe: VideoRecipe) -> Counting | None:
        """Cost of a whole clip."""
        if any(side % 32 for side in recipe.image_size):
            return None
        return Counting(recipe.image_size, len(classes), "classification", frames=recipe.frames)

    def metadata(self, recipe: VideoRecipe) -> dict[str, Any]:
        """Frames, size and normalisation of the input."""
        size = list(recipe.image_size)
        return {"frames": recipe.frames, "stride": recipe.stride, "image_size": size, "mean": MEAN, "std": STD}


def _stored(recipe: VideoRecipe) -> int:
    """The frames that a window can reach."""
    return recipe.frames * recipe.stride + 2 * recipe.jitter


def _window(recipe: VideoRecipe) -> Tensor:
    """The frames `(frames,)` of a window that begins at 0."""
    return torch.arange(recipe.frames) * recipe.stride + recipe.stride // 2


def _gathered(clips: Tensor, frames: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Some frames `(n, t)`, rows `(n, h)` and columns `(n, w)` of every clip `(n, .., .., .., 3)`."""
    device = clips.device
    places = (
        torch.arange(len(clips))[:, None, None, None],
        frames[:, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    )
    return clips[tuple(each.to(device) for each in places)]


def _hmdb51(folder: Path, lists: Sequence[Path]) -> Listing:
    """The clips that the lists of a split name.

    Raises:
        DataError: a line that cannot be read, or a clip that is missing.
    """
    classes = tuple(sorted(path.name.rpartition("_test_split")[0] for path in lists))
    splits: dict[str, list[Sample]] = {"train": [], "val": []}
    for path in lists:
        name = path.name.rpartition("_test_split")[0]
        for number, line in enumerate(path.read_text(*NAMES).splitlines(), start=1):
            if not line.strip():
                continue
            clip, _, use = line.rstrip().rpartition(" ")
            if use not in USES:
                raise DataError(f"Expected the name of a clip and 0, 1 or 2 in line {number} of {path}. Got {line!r}.")
            split = USES[use]
            if split is not None:
                splits[split].append(Sample((f"{name}/{clip.rstrip()}",), classes.index(name)))
    missing = [
        sample.files[0] for samples in splits.values() for sample in samples if not (folder / sample.files[0]).is_file()
    ]
    if missing:
        raise DataError(f"{len(missing)} clips of the lists are missing, the first is {folder / missing[0]}.")
    ordered = {split: tuple(sorted(samples, key=lambda sample: sample.files)) for split, samples in splits.items()}
    return Listing(classes, ordered, tuple(path.relative_to(folder).as_posix() for path in lists))
