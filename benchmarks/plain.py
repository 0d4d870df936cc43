"""The network written plainly with torch's own modules: the baseline of all speed comparisons."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ncp import Code


def unit(kernel: int, inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class Block(nn.Module):
    """A residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Two convolutions, added to the input."""
        y = self.relu(self.bn1(self.conv1(x)))
        z: Tensor = self.relu(self.bn2(self.conv2(y)) + x)
        return z


class Fusion(nn.Module):
    """Each branch becomes the sum of itself and its neighbours."""

    def __init__(self, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        super().__init__()
        self.relu, self.fuse_layers = nn.ReLU(), nn.ModuleList()
        for i, channels in enumerate(after):
            layers: dict[str, nn.Module] = {}
            if i >= len(before):
                layers["0"] = unit(3, after[i - 1], channels, 2)
            else:
                for j in range(max(0, i - 1), min(len(before), i + 2)):
                    if j < i:
                        layers[str(j)] = nn.Sequential(unit(3, before[j], channels, 2))
                    elif j == i:
                        layers[str(j)] = unit(3, before[j], channels)
                    else:
                        layers[str(j)] = nn.Sequential(unit(1, before[j], channels), nn.Upsample(scale_factor=2))
            self.fuse_layers.append(nn.ModuleDict(layers))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The sums after a ReLU."""
        fused: list[Tensor] = []
        for i, layers in enumerate(cast("list[nn.ModuleDict]", self.fuse_layers)):
            if i >= len(maps):
                fused.append(layers["0"](fused[-1]))
                continue
            total = None
            for j, layer in layers.items():
                term = layer(maps[int(j)])
                total = term if total is None else total + resized(term, total)
            fused.append(self.relu(total))
        return fused


class Plain(nn.Module):
    """The whole network."""

    def __init__(self, code: Code, task: str, classes: int = 50) -> None:
        super().__init__()
        self.task, (i1, i2) = task, code.stem
        self.downsamples = nn.Sequential(unit(3, 3, i1, 2), unit(3, i1, i2, 2))
        self.features = nn.ModuleList()
        before: tuple[int, ...] = (i2,)
        for stage in code.stages:
            for _ in range(stage.modules):
                self.features.append(Fusion(before, stage.channels))
                parallel = nn.Module()
                parallel.branches = nn.ModuleList(
                    nn.Sequential(*(Block(c) for _ in range(n)))
                    for n, c in zip(stage.blocks, stage.channels, strict=True)
                )
                self.features.append(parallel)
                before = stage.channels
        self.transform = unit(1, sum(before), code.head)
        self.classifier = nn.Conv2d(code.head, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """From images to logits."""
        maps = [self.downsamples(image)]
        for layer in self.features:
            if isinstance(layer, Fusion):
                maps = layer(maps)
            else:
                maps = [branch(x) for branch, x in zip(cast("nn.ModuleList", layer.branches), maps, strict=True)]
        like = maps[0] if self.task == "segmentation" else maps[-1]
        merged = self.transform(torch.cat([resized(x, like) for x in maps], 1))
        logits: Tensor = self.classifier(merged if self.task == "segmentation" else adaptive_avg_pool2d(merged, 1))
        return logits


def resized(x: Tensor, like: Tensor) -> Tensor:
    """Resize bilinearly if sizes differ."""
    if x.shape[2:] == like.shape[2:]:
        return x
    return interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
