"""The multi-resolution network behind a code, part by part as it was published (section 3.1 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ncp.cost import HEADS, Head, require_countable
from ncp.errors import CodeError, ConfigError, quoted
from ncp.network.inference import InferenceNet
from ncp.network.parts import Fusion, Parallel, Unit, require_images, resized
from ncp.network.weights import load_weights
from ncp.spaces.multires import Code

Strides = tuple[int, int]


@dataclass(frozen=True)
class FeatureInfo:
    """What a backbone's maps are like, finest first, with the methods of timm's `FeatureInfo`.

    >>> info = FeatureInfo((96, 128), (4, 8))
    >>> info.channels(), info.reduction(1), info.out_indices
    ([96, 128], 8, (0, 1))

    Attributes:
        widths: channels of every map.
        strides: pixels of the image per pixel of every map.
    """

    widths: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def out_indices(self) -> tuple[int, ...]:
        """Indices of the maps."""
        return tuple(range(len(self.widths)))

    def channels(self, idx: int | Sequence[int] | None = None) -> Any:
        """The channels of one map, of several, or of all when left out."""
        return _picked(self.widths, idx)

    def reduction(self, idx: int | Sequence[int] | None = None) -> Any:
        """The stride of one map, of several, or of all when left out."""
        return _picked(self.strides, idx)


class MultiResolutionNet(nn.Module):
    """The network of a code, with weights drawn at random (Kaiming, fan out).

    >>> text = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64"
    >>> net = MultiResolutionNet(text, task="features").eval()
    >>> [tuple(x.shape) for x in net(torch.zeros(1, 3, 64, 96))]
    [(1, 128, 16, 24), (1, 128, 8, 12), (1, 128, 4, 6), (1, 128, 2, 3)]

    Args:
        code: a `Code`, its text, or its vector; or in its stead the three parts of a setting, by their names.
        task: `classification` `(n, classes, 1, 1)`, `segmentation` `(n, classes, h / 4, w / 4)`, or `features`, a
            backbone: a list of four maps, whose channels and strides are `feature_info`.
        num_classes: outputs of the classifier.
        input_channel: stem channels.
        network_setting: a list `[branches, [blocks..], [channels..]]` per module.
        last_channel: head channels.
        in_channels: of the image: 3, or the 64 of a pseudo-image.
        stem_strides: of the two convolutions of the stem: (2, 2), or (2, 1), which halves every stride below.

    Raises:
        CodeError: no code, or one outside the space.
        ConfigError: another task, or strides, or a number of channels or classes that is none.
    """

    def __init__(
        self,
        code: Code | str | Sequence[int] | None = None,
        *,
        task: Head = "classification",
        num_classes: int = 50,
        input_channel: Sequence[int] | None = None,
        network_setting: Sequence[Sequence[Any]] | None = None,
        last_channel: int | None = None,
        in_channels: int = 3,
        stem_strides: Strides = (2, 2),
    ) -> None:
        super().__init__()
        self.code = _read(code, input_channel, network_setting, last_channel)
        if not isinstance(task, str) or task not in HEADS:
            raise ConfigError(f"Expected one of {', '.join(HEADS)} as the task. Got {quoted(task)}.")
        if not isinstance(stem_strides, (tuple, list)) or tuple(stem_strides) not in ((2, 2), (2, 1)):
            raise ConfigError(f"Expected (2, 2) or (2, 1) as the strides of the stem. Got {quoted(stem_strides)}.")
        if type(in_channels) is not int or in_channels < 1:
            raise ConfigError(f"Expected a positive number of image channels. Got {quoted(in_channels)}.")
        require_countable(32, num_classes)
        self.task, self.num_classes, self.in_channels = task, num_classes, in_channels
        self.stem_strides: Strides = (2, int(stem_strides[1]))
        (i1, i2), stages, head = self.code.stem, self.code.stages, self.code.head
        first, second = self.stem_strides
        self.downsamples = nn.Sequential(Unit(3, in_channels, i1, first), Unit(3, i1, i2, second))
        self.features = nn.ModuleList()
        before: Sequence[int] = (i2,)
        for stage in stages:
            for _ in range(stage.modules):
                self.features += [Fusion(before, stage.channels), Parallel(stage.blocks, stage.channels)]
                before = stage.channels
        stride = first * second
        self.feature_info = FeatureInfo(tuple(before), tuple(stride * 2**k for k in range(len(before))))
        if task != "features":
            self.transform = Unit(1, sum(before), head)
            self.classifier = nn.Conv2d(head, num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Images `(n, in_channels, h, w)` of any size to what the task asks for.

        Raises:
            ConfigError: other channels, an image without pixels, or in training so small a batch that the coarsest
                branch has one pixel in all, of which batch norm can take no variance.
        """
        require_images(image, self.in_channels)
        self._require_variance(image)
        maps = [self.downsamples(image)]
        for part in self.features:
            maps = part(maps)
        if self.task == "features":
            return maps
        like = maps[0] if self.task == "segmentation" else maps[-1]
        merged = self.transform(torch.cat([resized(x, like) for x in maps], dim=1))
        if self.task == "classification":
            merged = adaptive_avg_pool2d(merged, 1)
        return cast("Tensor", self.classifier(merged))

    def load_published(self, path: str | Path) -> MultiResolutionNet:
        """Load weights that the authors published, or that this class saved; see `ncp.network.weights.read_weights`.

        Raises:
            DataError: no such file, one that holds anything but weights, or those of another network.
        """
        load_weights(self, path)
        return self

    def for_inference(self) -> InferenceNet:
        """A copy that computes the same as this does in `eval` mode, to rounding, faster, and does not learn."""
        with torch.no_grad():
            fast: InferenceNet = InferenceNet(self).eval().requires_grad_(False)
            return fast.to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]

    def _require_variance(self, image: Tensor) -> None:
        coarsest = self.feature_info.strides[-1]
        if self.training and len(image) == 1 and max(image.shape[2:]) <= coarsest:
            raise ConfigError(
                f"Expected an image of at least {coarsest + 1} x {coarsest + 1} pixels, or two and more of them, to "
                f"train on: batch norm takes variances. Got one of {image.shape[2]} x {image.shape[3]}."
            )


def _picked(numbers: tuple[int, ...], idx: int | Sequence[int] | None) -> Any:
    if isinstance(idx, int):
        return numbers[idx]
    return [numbers[i] for i in (range(len(numbers)) if idx is None else idx)]


def _read(code: Any, input_channel: Any, network_setting: Any, last_channel: Any) -> Code:
    """The code from what `MultiResolutionNet` was given."""
    setting = {"input_channel": input_channel, "network_setting": network_setting, "last_channel": last_channel}
    given = ["code"] * (code is not None) + [name for name, part in setting.items() if part is not None]
    if given not in (["code"], [*setting]):
        raise CodeError(
            f"Expected a code, or the three parts of a setting ({', '.join(setting)}). "
            f"Got {', '.join(given) or 'neither'}."
        )
    if code is None:
        return Code.from_setting(**setting)
    if isinstance(code, Code):
        return code
    return Code.parse(code) if isinstance(code, str) else Code.from_vector(code)
