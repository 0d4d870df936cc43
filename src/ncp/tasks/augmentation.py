"""Augmentation of whole batches, on the device of the training; all random numbers come from a generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the channels of ImageNet's photographs, as shares of 255."""


GREY = (0.299, 0.587, 0.114)
"""Shares of the channels in a grey value (ITU-R BT.601)."""


def uniform(shape: Sequence[int], low: float, high: float, randomness: Generator) -> Tensor:
    """Random numbers between two bounds, on the processor."""
    return low + (high - low) * torch.rand(*shape, generator=randomness)


def shifted(images: Tensor, most: int, flip: float, randomness: Generator) -> Tensor:
    """Shift pictures `(n, h, w, c)` by up to `most` pixels, repeating their edges' mirror, and flip a share of them."""
    n, height, width, _ = images.shape
    rows, columns = (places.to(images.device) for places in shifts(n, (height, width), most, flip, randomness))
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
    """Pictures `(n, h, w, 3)` of bytes as normalised floats `(n, 3, h, w)`, channels last in memory."""
    device = images.device
    scale = torch.tensor([1 / (255 * std) for std in STD], device=device)
    offset = torch.tensor([-mean / std for mean, std in zip(MEAN, STD, strict=True)], device=device)
    return (images.float() * scale + offset).permute(0, 3, 1, 2)


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
    kept = (1 + saturation * change[0])[:, None, None]
    matrix = kept * torch.eye(3) + (1 - kept) * torch.tensor(GREY)
    matrix = matrix * (1 + contrast * change[1])[:, None, None]
    offset = (255 * brightness * change[2])[:, None, None].expand(-1, 3, 1)
    return torch.cat([matrix, offset], dim=2) / (255 * torch.tensor(STD))[:, None]


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
