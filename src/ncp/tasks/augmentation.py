"""Augmentation of whole batches, on the device of the training; all random numbers come from a generator."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the channels of ImageNet's photographs, as shares of 255."""


def uniform(count: int, low: float, high: float, randomness: Generator, device: torch.device) -> Tensor:
    """Random numbers `(count,)` between two bounds."""
    return (low + (high - low) * torch.rand(count, generator=randomness)).to(device)


def shifted(images: Tensor, most: int, flip: float, randomness: Generator) -> Tensor:
    """Shift pictures `(n, h, w, c)` by up to `most` pixels, repeating their edges' mirror, and flip a share of them."""
    n, height, width, _ = images.shape
    device = images.device
    dy, dx = (torch.randint(-most, most + 1, (n, 1), generator=randomness) for _ in range(2))
    flipped = torch.rand(n, 1, generator=randomness) < flip
    rows = _mirrored(torch.arange(height) + dy, height).to(device)
    columns = _mirrored(torch.where(flipped, torch.arange(width - 1, -1, -1), torch.arange(width)) + dx, width).to(
        device
    )
    return images[torch.arange(n, device=device)[:, None, None], rows[:, :, None], columns[:, None, :]]


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
