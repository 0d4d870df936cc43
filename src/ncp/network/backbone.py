"""The frame that the trainable network and its inference form share: stem, stages, head and feature information."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ncp.cost import Head
from ncp.network.layers import merged, require_images
from ncp.spaces.multires import Code


@dataclass(frozen=True)
class FeatureInfo:
    """The feature maps of a backbone, finest first, with the interface of timm's `FeatureInfo`.

    >>> info = FeatureInfo((96, 128), (4, 8))
    >>> info.channels(), info.reduction(1), info.out_indices
    ([96, 128], 8, (0, 1))
    >>> info[1]
    {'num_chs': 128, 'reduction': 8, 'module': 'features', 'index': 1}

    Attributes:
        widths: channels of each map.
        strides: image pixels per pixel of each map.
    """

    widths: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def out_indices(self) -> tuple[int, ...]:
        """The indices of the maps."""
        return tuple(range(len(self.widths)))

    def channels(self, idx: int | Sequence[int] | None = None) -> Any:
        """The channels of one map, of several, or of all when left out."""
        return self.get("num_chs", idx)

    def reduction(self, idx: int | Sequence[int] | None = None) -> Any:
        """The stride of one map, of several, or of all when left out."""
        return self.get("reduction", idx)

    def module_name(self, idx: int | Sequence[int] | None = None) -> Any:
        """The module that computes one map, several, or all when left out."""
        return self.get("module", idx)

    def get(self, key: str, idx: int | Sequence[int] | None = None) -> Any:
        """One entry of `self[idx]`; a list for several maps, or for all when `idx` is left out."""
        if isinstance(idx, int):
            return self[idx][key]
        return [self[each][key] for each in (self.out_indices if idx is None else idx)]

    def get_dicts(
        self, keys: Sequence[str] | None = None, out_indices: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """The dicts `self[idx]` of some maps, or of all; with some keys, or with all."""
        found = [self[idx] for idx in (self.out_indices if out_indices is None else out_indices)]
        return [{key: each[key] for key in (each if keys is None else keys)} for each in found]

    def __getitem__(self, idx: int) -> dict[str, Any]:
        return {
            "num_chs": self.widths[idx],
            "reduction": self.strides[idx],
            "module": "features",
            "index": self.out_indices[idx],
        }

    def __len__(self) -> int:
        return len(self.widths)


class Backbone(nn.Module):
    """Stem, stages and head; subclasses fill in the modules.

    Attributes:
        code: the architecture.
        task: what the head returns.
        in_channels: channels of the images.
        feature_info: channels and strides of the last maps.
        classes: names of the classes, if the network was loaded from a file that has them.
        metadata: what else that file says.
        downsamples: the stem.
        features: for each module of each stage, a fusion and its parallel branches.
        transform: the head's first convolution; absent for the task `features`.
        classifier: the head's second convolution; absent for the task `features`.
    """

    code: Code
    task: Head
    in_channels: int
    feature_info: FeatureInfo
    classes: tuple[str, ...] | None
    metadata: Mapping[str, Any]
    downsamples: nn.Module
    features: nn.ModuleList
    transform: nn.Module
    classifier: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.classes, self.metadata = None, {}

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Map images `(n, in_channels, h, w)` of any size to the output of the task.

        Raises:
            ConfigError: images that `check_images` refuses.
        """
        self.check_images(image)
        return self.head(self.maps(image))

    def check_images(self, image: Tensor) -> None:
        """Refuse images of the wrong shape.

        Raises:
            ConfigError: other channels, or an image without pixels.
        """
        require_images(image, self.in_channels)

    def maps(self, image: Tensor) -> list[Tensor]:
        """Map images `(n, in_channels, h, w)` to the last branches, finest first."""
        maps = self.stem(image)
        for layer in self.features:
            maps = layer(maps)
        return maps

    def stem(self, image: Tensor) -> list[Tensor]:
        """Map images `(n, in_channels, h, w)` to the first branch."""
        return [self.downsamples(image)]

    def stages(self) -> list[list[nn.Module]]:
        """The fusions and parallel branches of each stage."""
        layers = iter(self.features)
        return [list(islice(layers, 2 * stage.modules)) for stage in self.code.stages]

    def head(self, maps: list[Tensor]) -> Tensor | list[Tensor]:
        """Map the last branches to the output of the task."""
        if self.task == "features":
            return maps
        like = maps[0] if self.task == "segmentation" else maps[-1]
        transformed = self.transform(merged(maps, like))
        if self.task == "classification":
            transformed = adaptive_avg_pool2d(transformed, 1)
        return self.scores(transformed)

    def scores(self, x: Tensor) -> Tensor:
        """Map the head's last map to the scores of the classes."""
        return cast("Tensor", self.classifier(x))
