"""The layers of a multi-resolution network, with the parameter names of the published weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

from ncp.errors import ConfigError

NARROW = 2
"""Maps of at most this width [pixels] are halved in float32: in bfloat16 with AMX, oneDNN 3.12 gets them wrong."""


class Convolution(nn.Conv2d):
    """A convolution without bias that keeps the size of a map, or divides it by the stride."""

    def __init__(self, kernel: int | tuple[int, int], inputs: int, outputs: int, stride: int = 1) -> None:
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        super().__init__(inputs, outputs, kernel, stride, (height // 2, width // 2), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(n, inputs, h, w)` to `(n, outputs, h', w')`."""
        return convolve(x, self.weight, None, self.stride, cast("tuple[int, ...]", self.padding))


class Unit(nn.Sequential):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, kernel: int | tuple[int, int], inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(Convolution(kernel, inputs, outputs, stride), nn.BatchNorm2d(outputs), nn.ReLU())


class Block(nn.Module):
    """A residual block: convolution, batch norm, ReLU, convolution, batch norm, plus the input, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = Convolution(3, channels, channels), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = Convolution(3, channels, channels), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(n, c, h, w)` to the same shape."""
        return cast("Tensor", self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + x))


class Fusion(nn.Module):
    """Exchange between branches: each output is the sum of its neighbouring inputs; a new branch continues the last.

    Branch k has stride 4 * 2^k. The keys of `fuse_layers[i]` are the input branches of output i.

    Args:
        before: channels of the input branches.
        after: channels of the output branches; one more than `before` at the start of a stage.
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
        """Map the input branches to the output branches."""
        fused: list[Tensor] = []
        for i, layers in enumerate(self.fuse_layers):
            by_branch = cast("nn.ModuleDict", layers).items()
            if i >= len(maps):
                fused += [layer(fused[-1]) for _, layer in by_branch]
                continue
            first, *others = (layer(maps[int(j)]) for j, layer in by_branch)
            fused.append(_sum(first, others))  # the published ReLU of the sum is left out: no term is negative
        return fused


class Parallel(nn.Module):
    """Residual blocks on every branch.

    Args:
        blocks: blocks per branch.
        channels: channels per branch.
    """

    def __init__(self, blocks: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(Block(c) for _ in range(n))) for n, c in zip(blocks, channels, strict=True)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map every branch to the same shape."""
        return [branch(x) for branch, x in zip(self.branches, maps, strict=True)]


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...], padding: tuple[int, ...]
) -> Tensor:
    """Convolve maps, as torch's `conv2d`; on a CPU in half precision, halve narrow maps in float32 (`NARROW`)."""
    if stride[1] > 1 and x.device.type == "cpu":
        mixed = torch.is_autocast_enabled("cpu") and x.dtype != torch.float64  # which autocast leaves as it is
        dtype = torch.get_autocast_dtype("cpu") if mixed else x.dtype
        if dtype.itemsize < 4 and x.shape[3] <= NARROW:  # the width last: in an export it may be unknown
            with torch.autocast("cpu", enabled=False):
                full = None if bias is None else bias.float()
                return conv2d(x.float(), weight.float(), full, stride, padding).to(dtype)
    return conv2d(x, weight, bias, stride, padding)


def require_images(images: Tensor, channels: int) -> None:
    """Refuse anything but a batch of images `(n, channels, h, w)`.

    Raises:
        ConfigError: another shape, or an image without pixels.
    """
    if images.ndim != 4 or images.shape[1] != channels or 0 in images.shape:
        raise ConfigError(
            f"Expected images (n, {channels}, height, width), of at least 1 x 1 pixel. Got {tuple(images.shape)}."
        )


def resized(x: Tensor, like: Tensor) -> Tensor:
    """A map at the size of another, resized bilinearly if they differ."""
    if x.shape[2:] == like.shape[2:]:
        return x
    return interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def _sum(first: Tensor, others: list[Tensor]) -> Tensor:
    """The sum of maps at the size of the first."""
    if not others:
        return first
    total = first + resized(others[0], first)  # a new map: a hook may keep the first
    for other in others[1:]:
        total += resized(other, total)
    return total


def merged(maps: list[Tensor], like: Tensor) -> Tensor:
    """All maps at the size of one of them, concatenated along the channels."""
    return torch.cat([resized(x, like) for x in maps], dim=1)


def draw_weights(module: nn.Module) -> None:
    """Draw the weights of all convolutions anew (Kaiming, fan out), as published."""
    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight, mode="fan_out", nonlinearity="relu")
