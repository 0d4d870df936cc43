"""Augmentation of whole batches, on the device of the training; all random numbers come from a generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the channels of ImageNet's photographs, as shares of 255."""
GREY = (0.299, 0.587, 0.114)
"""Shares of the channels in a grey value (ITU-R BT.601)."""
LONGEST_RATIO = log(4 / 3)
"""Logarithm of the most unequal width and height of a crop."""


def uniform(shape: Sequence[int], low: float, high: float, randomness: Generator) -> Tensor:
    """Random numbers between two bounds, on the processor."""
    return low + (high - low) * torch.rand(*shape, generator=randomness)


def shifted(images: Tensor, most: int, flip: float, randomness: Generator, size: int | None = None) -> Tensor:
    """Shift pictures and flip a share of them.

    Args:
        images: pictures of bytes `(n, h, w, c)`.
        most: most pixels that they are shifted by; the mirror image of what is at the edge moves in.
        flip: share of the pictures that are mirrored.
        randomness: a generator of the processor.
        size: height and width of the middle that is kept [pixels]; all when left out.

    Returns:
        `(n, size, size, c)`.
    """
    n, height, width, _ = images.shape
    rows, columns = shifts(n, (height, width), most, flip, randomness)
    if size is not None:
        top, left = (height - size) // 2, (width - size) // 2
        rows, columns = rows[:, top : top + size], columns[:, left : left + size]
    rows, columns = rows.to(images.device), columns.to(images.device)
    return images[torch.arange(n, device=images.device)[:, None, None], rows[:, :, None], columns[:, None, :]]


def shifts(count: int, size: tuple[int, int], most: int, flip: float, randomness: Generator) -> tuple[Tensor, Tensor]:
    """Which rows `(count, h)` and columns `(count, w)` of pictures make up the shifted and flipped ones."""
    height, width = size
    dy, dx = (torch.randint(-most, most + 1, (count, 1), generator=randomness) for _ in range(2))
    flipped = torch.rand(count, 1, generator=randomness) < flip
    columns = torch.where(flipped, torch.arange(width - 1, -1, -1), torch.arange(width))
    return _mirrored(torch.arange(height) + dy, height), _mirrored(columns + dx, width)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places beyond an edge, as those that mirror them."""
    places = places.abs()
    return torch.where(places >= size, 2 * (size - 1) - places, places).clamp(0, size - 1)


def normalised(images: Tensor) -> Tensor:
    """Pictures `(n, .., h, w, 3)` of bytes as normalised floats `(n, .., 3, h, w)`, channels last in memory."""
    device = images.device
    scale = torch.tensor([1 / (255 * std) for std in STD], device=device)
    offset = torch.tensor([-mean / std for mean, std in zip(MEAN, STD, strict=True)], device=device)
    return (images.float() * scale + offset).movedim(-1, -3)


def color_changes(count: int, brightness: float, contrast: float, saturation: float, randomness: Generator) -> Tensor:
    """Random changes of color, as matrices `(count, 3, 4)` from centred bytes to normalised floats.

    Contrast stretches about `MEAN`, and saturation mixes a color with its grey value.

    Args:
        count: how many.
        brightness: largest change of brightness, as a share of 255.
        contrast: largest change of contrast, as a share.
        saturation: largest change of saturation, as a share.
        randomness: a generator of the processor.
    """
    change = 2 * torch.rand(3, count, generator=randomness) - 1
    kept, stretched = 1 + saturation * change[0], 1 + contrast * change[1]
    grey, mean = torch.tensor(GREY), torch.tensor(MEAN)
    matrix = kept[:, None, None] * torch.eye(3) + (1 - kept)[:, None, None] * grey
    offset = (1 - kept)[:, None] * (grey @ mean - mean)  # the mean of photographs is not grey
    both = stretched[:, None, None] * torch.cat([matrix, 255 * offset[:, :, None]], dim=2)
    both[:, :, 3] += 255 * brightness * change[2][:, None]
    return both / (255 * torch.tensor(STD))[:, None]


def colored(images: Tensor, changes: Tensor) -> Tensor:
    """Apply `color_changes` to centred bytes `(n, 3, ..)`."""
    matrix = changes.to(images.device)
    return torch.baddbmm(matrix[:, :, 3:], matrix[:, :, :3], images.flatten(2)).view(images.shape)


def centred(images: Tensor) -> Tensor:
    """Pictures of bytes `(n, .., h, w, 3)` as floats `(n, 3, .., h, w)` whose zero is the mean of photographs."""
    mean = torch.tensor(MEAN, device=images.device).mul_(255).view(3, *[1] * (images.ndim - 2))
    return images.movedim(-1, 1).contiguous().float().sub_(mean)


@dataclass(frozen=True)
class Crops:
    """Where the pixels of new pictures lie in the old ones. Rows and columns are independent.

    Attributes:
        rows: places `(n, height)` [pixels]; those outside a picture are padding.
        columns: places `(n, width)` [pixels].
    """

    rows: Tensor
    columns: Tensor

    def of_images(self, images: Tensor) -> Tensor:
        """Pictures `(n, c, h, w)` of floats, interpolated bilinearly; 0 outside."""
        height, width = images.shape[2:]
        y, x = (2 * self.rows + 1) / height - 1, (2 * self.columns + 1) / width - 1
        shape = (len(images), y.shape[1], x.shape[1])
        grid = torch.stack([x[:, None, :].expand(shape), y[:, :, None].expand(shape)], dim=3)
        return grid_sample(images, grid.to(images.device), align_corners=False)

    def of_masks(self, masks: Tensor, padding: int) -> Tensor:
        """Masks `(n, h, w)`, from the nearest pixel; `padding` outside."""
        _, height, width = masks.shape
        y, x = (places.add(0.5).floor().long() for places in (self.rows, self.columns))
        inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
        y, x = y.clamp(0, height - 1).to(masks.device), x.clamp(0, width - 1).to(masks.device)
        found = masks[torch.arange(len(masks), device=masks.device)[:, None, None], y[:, :, None], x[:, None, :]]
        return found.masked_fill_(~inside.to(masks.device), padding)


def scaled_crops(
    count: int,
    old: tuple[int, int],
    new: tuple[int, int],
    scale: tuple[float, float],
    flip: float,
    randomness: Generator,
) -> Crops:
    """Random crops of pictures that are first resized by a random factor, and some of them mirrored.

    Args:
        count: how many.
        old: height and width of the pictures [pixels].
        new: height and width of the crops [pixels].
        scale: smallest and largest factor.
        flip: share of the pictures that are mirrored.
        randomness: a generator of the processor.
    """
    factor = uniform((count, 1), *scale, randomness)
    flipped = torch.rand(count, 1, generator=randomness) < flip
    places = []
    for before, after in zip(old, new, strict=True):
        beyond = factor * before - after
        start = torch.rand(count, 1, generator=randomness) * beyond
        places.append((torch.arange(after) + start + 0.5) / factor - 0.5)
    rows, columns = places
    return Crops(rows, torch.where(flipped, columns.flip(1), columns))


def resized_crops(
    count: int, old: int, new: int, area: tuple[float, float], flip: float, randomness: Generator
) -> Crops:
    """Random crops of square pictures, resized to one size, and some of them mirrored.

    Args:
        count: how many.
        old: height and width of the pictures [pixels].
        new: height and width of the resized crops [pixels].
        area: smallest and largest share of the picture's area; proportions are 3:4 to 4:3.
        flip: share of the pictures that are mirrored.
        randomness: a generator of the processor.
    """
    share = uniform((count, 1), *area, randomness)
    ratio = uniform((count, 1), -LONGEST_RATIO, LONGEST_RATIO, randomness).exp()
    flipped = torch.rand(count, 1, generator=randomness) < flip
    places = []
    for side in ((share / ratio).sqrt().clamp(max=1), (share * ratio).sqrt().clamp(max=1)):
        start = torch.rand(count, 1, generator=randomness) * (1 - side)
        places.append((old * (start + side * (torch.arange(new) + 0.5) / new) - 0.5).clamp(0, old - 1))
    rows, columns = places
    return Crops(rows, torch.where(flipped, columns.flip(1), columns))


def mixed(batch: dict[str, Tensor], mixup: float, cutmix: float, randomness: Generator) -> dict[str, Tensor]:
    """Mix every picture with the one before it in the batch.

    Args:
        batch: pictures `input` `(n, c, h, w)` and labels `label` `(n,)`.
        mixup: parameter of the beta distribution of the shares of blended pictures; 0 for none.
        cutmix: that of the shares of the area that stay when a rectangle is replaced; 0 for none.
        randomness: a generator of the processor.

    Returns:
        the batch; if it is mixed, with the labels of the other pictures as `other`, and the `share` of the own label.
    """
    if not mixup and not cutmix:
        return batch
    blend = bool(mixup) and (not cutmix or bool(torch.rand((), generator=randomness) < 0.5))
    images, labels = batch["input"], batch["label"]
    n, _, height, width = images.shape
    share = _beta(n, mixup if blend else cutmix, randomness)
    others = images.roll(1, 0)
    if blend:
        images = torch.lerp(others, images, share.to(images)[:, None, None, None])
    else:
        side = (1 - share).sqrt()
        rows, columns = (_span(length, side, randomness) for length in (height, width))
        share = 1 - rows.float().mean(1) * columns.float().mean(1)
        replaced = (rows[:, :, None] & columns[:, None, :])[:, None].to(images.device)
        images = torch.where(replaced, others, images)
    return {"input": images, "label": labels, "other": labels.roll(1), "share": share.to(images)}


def _beta(count: int, parameter: float, randomness: Generator) -> Tensor:
    """Numbers `(count,)` of a symmetric beta distribution, which torch does not draw from a generator."""
    seed = int(torch.randint(2**62, (), generator=randomness))
    return torch.from_numpy(np.random.default_rng(seed).beta(parameter, parameter, count)).float()


def _span(length: int, share: Tensor, randomness: Generator) -> Tensor:
    """Which of `length` pixels lie in an interval of a share of them, anywhere in a picture: `(n, length)`."""
    middle = torch.rand(len(share), generator=randomness) * length
    distance = (torch.arange(length) + 0.5 - middle[:, None]).abs()
    return distance < share[:, None] * length / 2
