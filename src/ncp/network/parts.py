"""The parts of a multi-resolution network, as they were published, with the keys of the published weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ncp.errors import ConfigError


class Unit(nn.Sequential):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, kernel: int, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(_convolution(kernel, inputs, outputs, stride), nn.BatchNorm2d(outputs), nn.ReLU())


class Block(nn.Module):
    """A residual block: convolution, batch norm, ReLU, convolution, batch norm, plus the input, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(3, channels, channels), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = _convolution(3, channels, channels), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """From `(n, c, h, w)` to the same."""
        return cast("Tensor", self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + x))


class Fusion(nn.Module):
    """From branches of `before` channels to branches of `after`: each sums up its neighbours, a new one grows below.

    Branch k works at stride 4 * 2^k. The keys of `fuse_layers[i]` are the branches that output i listens to.
    """

    def __init__(self, before: Sequence[int], after: Sequence[int]) -> None:
        super().__init__()
        self.fuse_layers = nn.ModuleList()
        for i, channels in enumerate(after):
            layers: dict[str, nn.Module] = {}
            if i >= len(before):
                layers["0"] = Unit(3, after[i - 1], channels, stride=2)
            for j in range(max(i - 1, 0), min(i + 2, len(before)) if i < len(before) else 0):
                if j < i:
                    layers[str(j)] = nn.Sequential(Unit(3, before[j], channels, stride=2))
                elif j == i:
                    layers[str(j)] = Unit(3, before[j], channels)
                else:
                    layers[str(j)] = nn.Sequential(Unit(1, before[j], channels), nn.Upsample(scale_factor=2))
            self.fuse_layers.append(nn.ModuleDict(layers))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """From `before` maps to `after` maps."""
        fused: list[Tensor] = []
        for i, layers in enumerate(self.fuse_layers):
            parts = cast("nn.ModuleDict", layers).items()
            if i >= len(maps):
                fused += [layer(fused[-1]) for _, layer in parts]
                continue
            first, *others = (layer(maps[int(j)]) for j, layer in parts)
            for count, term in enumerate(others):  # the first sum is a new map: a hook may hold what a layer returned
                add = Tensor.add_ if count else torch.add
                first = add(first, resized(term, first))
            fused.append(first)  # the published ReLU of the sum changes nothing: no term is negative
        return fused


class Parallel(nn.Module):
    """On every branch so many residual blocks."""

    def __init__(self, blocks: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(Block(c) for _ in range(n))) for n, c in zip(blocks, channels, strict=True)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """From maps to maps of the same shapes."""
        return [branch(x) for branch, x in zip(self.branches, maps, strict=True)]


def require_images(images: Tensor, channels: int) -> None:
    """Refuse what is no batch of images `(n, channels, h, w)`.

    Raises:
        ConfigError: with the shape.
    """
    if images.ndim != 4 or images.shape[1] != channels or 0 in images.shape:
        raise ConfigError(
            f"Expected images (n, {channels}, height, width), of at least 1 x 1 pixel. Got {tuple(images.shape)}."
        )


def resized(x: Tensor, like: Tensor) -> Tensor:
    """A map at the size of another, bilinearly where they differ."""
    if x.shape[2:] == like.shape[2:]:
        return x
    return interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def _convolution(kernel: int, inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
