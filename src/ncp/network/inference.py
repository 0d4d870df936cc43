"""A network made fast: batch norm folded into convolutions, maps kept channels last, sums taken in place."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Self, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, conv2d
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ncp.network import winograd
from ncp.network.parts import Block, Unit, require_images, resized

if TYPE_CHECKING:
    from ncp.cost import Head
    from ncp.network.net import MultiResolutionNet

CHANNELS, PIXELS = 96, 400
"""From so many channels and pixels of a map on, Winograd's filtering pays on a processor."""


class InferenceNet(nn.Module):
    """A network made fast: what `MultiResolutionNet.for_inference` returns.

    Batch norm is folded into convolutions, wide ones are filtered by Winograd's method, maps are kept channels last,
    sums are taken in place, and the head of a segmentation works on every branch at its own size. `code`, `task` and
    `feature_info` are the network's.
    """

    def __init__(self, net: MultiResolutionNet) -> None:
        super().__init__()
        self.task: Head = net.task
        self.code, self.feature_info, self.in_channels = net.code, net.feature_info, net.in_channels
        self.downsamples = _folded(deepcopy(net.downsamples))
        self.features = cast("nn.ModuleList", _folded(deepcopy(net.features)))
        if net.task != "features":
            self.transform, self.classifier = cast("Folded", _folded(net.transform)), deepcopy(net.classifier)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """As the network's own."""
        maps = self.stem(image)
        for part in self.features:
            maps = part(maps)
        return self.head(maps)

    @torch.no_grad()
    def stem(self, image: Tensor) -> list[Tensor]:
        """From images `(n, in_channels, h, w)` to the first branch.

        Raises:
            ConfigError: other channels, or an image without pixels.
        """
        require_images(image, self.in_channels)
        return [self.downsamples(image.contiguous(memory_format=torch.channels_last))]

    @torch.no_grad()
    def head(self, maps: list[Tensor]) -> Tensor | list[Tensor]:
        """From the last module's branches to what the task asks for."""
        if self.task == "features":
            return maps
        if self.task == "segmentation":
            return cast("Tensor", self.classifier(self._transformed(maps)))
        merged = self.transform(torch.cat([resized(x, maps[-1]) for x in maps], dim=1))
        return cast("Tensor", self.classifier(adaptive_avg_pool2d(merged, 1)))

    def _transformed(self, maps: list[Tensor]) -> Tensor:
        """The transform of all branches at the first one's size: it and the resizing are linear, so it may go first."""
        weights = torch.split(self.transform.weight, self.feature_info.channels(), dim=1)
        total = conv2d(maps[0], weights[0], self.transform.bias)
        for x, weight in zip(maps[1:], weights[1:], strict=True):
            total += resized(conv2d(x, weight), total)
        return total.relu_()


class Folded(nn.Module):
    """A convolution with the batch norm after it in its weights; then what is added, then a ReLU.

    Winograd's filters, four times the weights, are for processors: a copy that leaves for a GPU leaves them behind.
    """

    filters: Tensor | None

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
        self.weight, self.bias = fuse_conv_bn_weights(
            convolution.weight, None, mean, variance, norm.eps, norm.weight, norm.bias
        )
        self.stride, self.padding = convolution.stride, cast("tuple[int, int]", convolution.padding)
        wide = convolution.kernel_size == (3, 3) and self.stride == (1, 1) and min(self.weight.shape[:2]) >= CHANNELS
        wide = wide and self.weight.device.type == "cpu"
        self.register_buffer("filters", winograd.transformed(self.weight) if wide else None)

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """From `(n, a, h, w)` to `(n, c, h', w')`."""
        precise = x.element_size() >= 4  # Winograd's sums cancel: half precision would leave little
        if self.filters is not None and x.shape[2] * x.shape[3] >= PIXELS and precise:
            return winograd.convolve(x, self.filters, self.bias, added, rectify=True)
        y = conv2d(x, self.weight, self.bias, self.stride, self.padding)
        if added is not None:
            y += added
        return y.relu_()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.weight.device.type != "cpu":
            self.filters = None
        return self


class FoldedBlock(nn.Module):
    """A residual block."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.first, self.second = Folded(block.conv1, block.bn1), Folded(block.conv2, block.bn2)

    def forward(self, x: Tensor) -> Tensor:
        """As the block's own."""
        return cast("Tensor", self.second(self.first(x), x))


def _folded(part: nn.Module) -> nn.Module:
    """A part, with every unit and every block in it replaced by its folded form."""
    if isinstance(part, Unit):
        return Folded(cast("nn.Conv2d", part[0]), cast("nn.BatchNorm2d", part[1]))
    if isinstance(part, Block):
        return FoldedBlock(part)
    for name, child in part.named_children():
        part._modules[name] = _folded(child)
    return part
