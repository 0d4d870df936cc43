"""Small stand-ins for the parts of other libraries that docs/use-elsewhere.md uses, with their checks and names.

They are written from the documented interfaces of mmsegmentation 1, detectron2 0.6, torchvision and timm 1.
"""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log2
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


class Registry:
    """Classes or functions by name: `register_module` in OpenMMLab's libraries, `register` in detectron2."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def register_module(self) -> Callable[[Any], Any]:
        return self._register

    def register(self) -> Callable[[Any], Any]:
        return self._register

    def _register(self, given: Any) -> Any:
        assert given.__name__ not in self.known
        self.known[given.__name__] = given
        return given

    def build(self, config: dict[str, Any]) -> nn.Module:
        options = dict(config)
        built: nn.Module = self.known[options.pop("type")](**options)
        return built


class BaseModule(nn.Module):
    """A module of mmengine, whose `init_weights` fills the modules below that have such a method."""

    def __init__(self, init_cfg: Any = None) -> None:
        super().__init__()
        self.init_cfg = init_cfg

    def init_weights(self) -> None:
        for child in self.children():
            if hasattr(child, "init_weights"):
                child.init_weights()


class UPerHead(nn.Module):
    """A segmentation head with a convolution for each map that it selects."""

    def __init__(self, in_channels: Sequence[int], in_index: Sequence[int], channels: int, num_classes: int) -> None:
        super().__init__()
        self.in_index = in_index
        self.lateral = nn.ModuleList(nn.Conv2d(each, channels, 1) for each in in_channels)
        self.out = nn.Conv2d(channels, num_classes, 1)

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        assert isinstance(maps, tuple)
        chosen = [layer(maps[k]) for layer, k in zip(self.lateral, self.in_index, strict=True)]
        size = chosen[0].shape[2:]
        return self.out(sum(interpolate(each, size, mode="bilinear") for each in chosen))


class FeaturePyramidNetwork(nn.Module):
    """torchvision's pyramid: maps by name, finest first, to maps of equal channels by the same names."""

    def __init__(self, in_channels_list: list[int], out_channels: int) -> None:
        super().__init__()
        assert all(each > 0 for each in in_channels_list)
        self.inner = nn.ModuleList(nn.Conv2d(each, out_channels, 1) for each in in_channels_list)

    def forward(self, maps: OrderedDict[str, Tensor]) -> OrderedDict[str, Tensor]:
        names, given = list(maps.keys()), list(maps.values())
        result = [self.inner[-1](given[-1])]
        for layer, each in zip(self.inner[-2::-1], given[-2::-1], strict=True):
            result.insert(0, layer(each) + interpolate(result[0], each.shape[2:]))
        return OrderedDict(zip(names, result, strict=True))


ShapeSpec = namedtuple("ShapeSpec", ["channels", "height", "width", "stride"], defaults=[None] * 4)


class Backbone(nn.Module):
    """The base class of detectron2's backbones."""

    @property
    def size_divisibility(self) -> int:
        return 0


class LastLevelMaxPool(nn.Module):
    """One more level, by subsampling the coarsest."""

    num_levels, in_feature = 1, "p5"

    def forward(self, x: Tensor) -> list[Tensor]:
        return [x[..., ::2, ::2]]


class FPN(Backbone):
    """detectron2's pyramid: it names its maps by their strides, of which each is twice the one before."""

    def __init__(self, bottom_up: Any, in_features: Sequence[str], out_channels: int, top_block: Any = None) -> None:
        super().__init__()
        assert isinstance(bottom_up, Backbone)
        shapes = bottom_up.output_shape()
        strides = [shapes[name].stride for name in in_features]
        assert all(b == 2 * a for a, b in pairwise(strides))
        self.bottom_up, self.in_features, self.top_block = bottom_up, in_features, top_block
        self.pyramid = FeaturePyramidNetwork([shapes[name].channels for name in in_features], out_channels)
        self.names = [f"p{int(log2(stride))}" for stride in strides]

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        maps = self.bottom_up(image)
        found = self.pyramid(OrderedDict((name, maps[name]) for name in self.in_features))
        named = dict(zip(self.names, found.values(), strict=True))
        return named | {f"p{6 + k}": x for k, x in enumerate(self.top_block(named[self.top_block.in_feature]))}


MODEL_NAMES: dict[str, Callable[..., nn.Module]] = {}
"""timm's models by name."""


def register_model(function: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """timm's decorator of functions that make models."""
    MODEL_NAMES[function.__name__] = function
    return function


def create_model(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
    """timm's maker of models, which leaves out options that are None."""
    given = {key: value for key, value in options.items() if value is not None}
    return MODEL_NAMES[name](pretrained=pretrained, pretrained_cfg=None, pretrained_cfg_overlay=None, **given)


def modules() -> dict[str, ModuleType]:
    """The stand-ins as modules, by the names under which programs import them."""
    contents: dict[str, dict[str, Any]] = {
        "mmengine": {},
        "mmengine.model": {"BaseModule": BaseModule},
        "mmseg": {},
        "mmseg.registry": {"MODELS": Registry()},
        "torchvision": {},
        "torchvision.ops": {"FeaturePyramidNetwork": FeaturePyramidNetwork},
        "detectron2": {},
        "detectron2.modeling": {"BACKBONE_REGISTRY": Registry(), "Backbone": Backbone, "ShapeSpec": ShapeSpec},
        "detectron2.modeling.backbone": {},
        "detectron2.modeling.backbone.fpn": {"FPN": FPN, "LastLevelMaxPool": LastLevelMaxPool},
        "timm": {},
        "timm.models": {"register_model": register_model},
    }
    made = {name: ModuleType(name) for name in contents}
    for name, content in contents.items():
        vars(made[name]).update(content)
    return made


def image(batch: int = 2, side: int = 64) -> Tensor:
    """Images to try a model on."""
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
