"""The network of a clip: the network of an image on every frame, with a convolution over time in the head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ncp.cost import Strides
from ncp.errors import ConfigError
from ncp.network.backbone import Backbone
from ncp.network.inference import InferenceNet
from ncp.network.layers import Unit, draw_weights, merged
from ncp.network.net import MultiResolutionNet
from ncp.network.network_file import Description
from ncp.spaces.multires import Code


class _OverClips(Backbone):
    """The forward pass of a network of clips, trainable or for inference."""

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips `(n, t, in_channels, h, w)` of any length and size to scores `(n, classes)`.

        Raises:
            ConfigError: clips of another shape, or in training a clip of one frame that batch norm cannot normalise.
        """
        if clips.ndim != 5 or clips.shape[2] != self.in_channels or 0 in clips.shape:
            raise ConfigError(
                f"Expected clips (n, frames, {self.in_channels}, height, width), of at least one frame of 1 x 1 pixel. "
                f"Got {tuple(clips.shape)}."
            )
        frames = clips.flatten(0, 1)
        self.check_images(frames)
        maps = self.maps(frames)
        pixels = merged(maps, maps[-1]).flatten(2)
        over_time = pixels.view(*clips.shape[:2], *pixels.shape[1:]).transpose(1, 2)
        averaged = adaptive_avg_pool2d(self.transform(over_time), 1)
        return self.scores(averaged).flatten(1)


class InferenceClipNet(_OverClips, InferenceNet):
    """A network of clips made fast; `ClipNet.for_inference` returns it."""

    @torch.no_grad()
    def forward(self, clips: Tensor) -> Tensor:
        """As `ClipNet.forward`, without gradients."""
        return cast("Tensor", self.computed(super().forward, clips))


class ClipNet(_OverClips, MultiResolutionNet):
    """The network of a clip, with random initial weights.

    Every frame goes through the stem and the stages. The head resizes and concatenates the branches as for images, then
    applies a convolution over three frames of each pixel, and takes the mean over time and space. Parameters have the
    names of `MultiResolutionNet`, and all but `transform` have its shapes.

    >>> text = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
    >>> ClipNet(text, num_classes=5)(torch.zeros(2, 4, 3, 64, 64)).shape
    torch.Size([2, 5])

    Args:
        code: a `Code`, its text, or its vector.
        num_classes: outputs of the classifier.
        in_channels: channels of the frames.
        stem_strides: as for `MultiResolutionNet`.

    Raises:
        CodeError: a code that cannot be read or is outside the space.
        ConfigError: other strides, or an invalid number of channels or classes.
    """

    inference_form = InferenceClipNet

    def __init__(
        self,
        code: Code | str | Sequence[int],
        *,
        num_classes: int = 50,
        in_channels: int = 3,
        stem_strides: Strides = (2, 2),
    ) -> None:
        super().__init__(code, num_classes=num_classes, in_channels=in_channels, stem_strides=stem_strides)
        # A 3 x 1 x 1 convolution over time, height and width is a 3 x 1 convolution over time and pixels.
        self.transform = Unit((3, 1), sum(self.feature_info.widths), self.code.head)
        draw_weights(self.transform)

    @property
    def description(self) -> Description:
        """How the network is built, for its file."""
        backbone = super().description.backbone
        return Description("ClipNet", {**backbone, "num_classes": self.num_classes}, backbone)
