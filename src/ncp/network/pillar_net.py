"""The network of a point cloud: PointPillars' encoder, our network as its backbone, and heads for boxes.

PointPillars: Lang et al., PointPillars: Fast Encoders for Object Detection from Point Clouds, CVPR 2019.

Notation:
    pillar: a cell of the ground that has points; there are m in a batch of n scenes, with at most p points each.
    pseudo-image: the encoded pillars at their places in the grid, and zeros elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ncp.cost import LARGEST_IMAGE, MOST_CHANNELS, MOST_CLASSES
from ncp.errors import ConfigError
from ncp.network.backbone import Backbone
from ncp.network.inference import Precision
from ncp.network.net import MultiResolutionNet
from ncp.network.network_file import Description
from ncp.numbers import as_count, as_items
from ncp.spaces.multires import Code

CHANNELS = 64
"""Channels of the pseudo-image."""
STEM_STRIDES = (2, 1)
"""Strides of the backbone's stem, which keep small objects apart."""
BOX, DIRECTIONS = 7, 2
"""Numbers of a box, and bins of its direction."""
PRIOR = 0.01
"""The score of every class before training, so that the many anchors without an object start with a small loss."""


class Pillars(NamedTuple):
    """The points of a batch, by pillar.

    Attributes:
        features: features of the points, zero where there is none, `(m, p, point_features)`.
        mask: which points there are, `(m, p)`, boolean.
        places: scene, row and column of each pillar, `(m, 3)`, int64; each place at most once.
        scenes: the number of scenes, n.
    """

    features: Tensor
    mask: Tensor
    places: Tensor
    scenes: int


class Maps(NamedTuple):
    """Outputs for the anchors at each place of the finest branch, `(n, .., h, w)`.

    Attributes:
        classes: logits; channel `anchor * num_classes + class`.
        boxes: codes of boxes; channel `anchor * 7 + number`.
        directions: logits of two bins; channel `anchor * 2 + bin`.
    """

    classes: Tensor
    boxes: Tensor
    directions: Tensor


class PillarEncoder(nn.Module):
    """A linear layer, batch norm and ReLU on every point, and the maximum over the points of a pillar."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, CHANNELS, bias=False)
        self.norm = nn.BatchNorm1d(CHANNELS, eps=1e-3, momentum=0.01)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Map points `(m, p, inputs)` to pillars `(m, 64)` in single precision; batch norm sees real points only."""
        with torch.autocast(features.device.type, enabled=False):
            x = self._normalised(self.linear(features[mask].float())).relu()
            pillar = mask.nonzero()[:, :1].expand_as(x)
            return x.new_zeros(len(mask), CHANNELS).scatter_reduce(0, pillar, x, "amax")  # no x is negative

    def _normalised(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return cast("Tensor", self.norm(x))
        mean, variance = cast("Tensor", self.norm.running_mean), cast("Tensor", self.norm.running_var)
        return nn.functional.batch_norm(x, mean, variance, self.norm.weight, self.norm.bias, eps=self.norm.eps)


class PillarNet(nn.Module):
    """The network of a point cloud, with random initial weights.

    Points are encoded by pillar and scattered to a pseudo-image of 64 channels. The backbone is a segmentation network
    whose stem has strides (2, 1): its finest branch has half the grid's size, rounded up. Its classifier has the
    outputs of all anchors.

    >>> text = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
    >>> net = PillarNet(text, grid=(48, 32)).eval()
    >>> mask = torch.ones(1, 5, dtype=torch.bool)
    >>> pillars = Pillars(torch.ones(1, 5, 10), mask, places=torch.tensor([[0, 20, 30]]), scenes=1)
    >>> [tuple(x.shape) for x in net(pillars)]
    [(1, 18, 24, 16), (1, 42, 24, 16), (1, 12, 24, 16)]

    Args:
        code: a `Code`, its text, or its vector.
        num_classes: classes of objects.
        anchors: anchors at each place.
        grid: rows and columns of the pseudo-image.
        point_features: features of a point.

    Raises:
        CodeError: a code that cannot be read or is outside the space.
        ConfigError: a number that is not positive or too large, or a grid that is not a pair.
    """

    backbone: Backbone
    classes: tuple[str, ...] | None
    metadata: Mapping[str, Any]

    def __init__(
        self,
        code: Code | str | Sequence[int],
        *,
        num_classes: int = 3,
        anchors: int = 6,
        grid: tuple[int, int] = (496, 432),
        point_features: int = 10,
    ) -> None:
        super().__init__()
        self.classes, self.metadata = None, {}
        self.num_classes = as_count(num_classes, "num_classes", most=MOST_CLASSES // 2)
        self.anchors = as_count(anchors, "anchors", most=MOST_CLASSES // (self.num_classes + BOX + DIRECTIONS))
        sides = [as_count(side, "grid", most=LARGEST_IMAGE) for side in as_items(grid, "grid", "rows and columns")]
        if len(sides) != 2:
            raise ConfigError("{field} must be a pair, rows and columns. Got {given}.", field="grid", given=grid)
        self.grid = (sides[0], sides[1])
        self.encoder = PillarEncoder(as_count(point_features, "point_features", most=MOST_CHANNELS))
        backbone = MultiResolutionNet(
            code,
            task="segmentation",
            num_classes=self.anchors * (self.num_classes + BOX + DIRECTIONS),
            in_channels=CHANNELS,
            stem_strides=STEM_STRIDES,
        )
        self.code, self.backbone = backbone.code, backbone
        _draw_heads(cast("nn.Conv2d", backbone.classifier), self.anchors * self.num_classes, self.anchors * BOX)

    def forward(self, pillars: Pillars) -> Maps:
        """Map pillars to the outputs for all anchors.

        Raises:
            ConfigError: points with another number of features, or no scene.
        """
        features, mask, places, scenes = pillars
        inputs = self.encoder.linear.in_features
        if features.ndim != 3 or features.shape[2] != inputs or mask.shape != features.shape[:2] or scenes < 1:
            raise ConfigError(
                f"Expected the features (pillars, points, {inputs}) of at least one scene, and a mask of their points. "
                f"Got features {tuple(features.shape)} and a mask {tuple(mask.shape)} of {scenes} scenes."
            )
        outputs = self.backbone(self.pseudo_image(self.encoder(features, mask), places, scenes))
        return Maps(*torch.split(outputs, [self.anchors * size for size in (self.num_classes, BOX, DIRECTIONS)], dim=1))

    def pseudo_image(self, encoded: Tensor, places: Tensor, scenes: int) -> Tensor:
        """The pillars `(m, 64)` at their places, and zeros elsewhere: `(n, 64, rows, columns)`, channels last."""
        rows, columns = self.grid
        scene, row, column = places.unbind(1)
        cells = encoded.new_zeros(scenes * rows * columns, CHANNELS)
        cells = cells.index_copy(0, (scene * rows + row) * columns + column, encoded)
        return cells.view(scenes, rows, columns, CHANNELS).permute(0, 3, 1, 2)

    @property
    def description(self) -> Description:
        """How the network is built, for its file."""
        code = str(self.code)
        arguments = {
            "code": code,
            "num_classes": self.num_classes,
            "anchors": self.anchors,
            "grid": list(self.grid),
            "point_features": self.encoder.linear.in_features,
        }
        backbone = {"code": code, "in_channels": CHANNELS, "stem_strides": list(STEM_STRIDES)}
        return Description("PillarNet", arguments, backbone, prefix="backbone.")

    def for_inference(self, precision: Precision = "float32") -> PillarNet:
        """A faster copy for inference: its outputs equal those of `eval` mode up to rounding; it cannot be trained.

        Args:
            precision: that of the backbone, as for `MultiResolutionNet.for_inference`. Nothing is compiled.

        Raises:
            ConfigError: another precision.
        """
        fast = deepcopy(self)
        fast.backbone = cast("MultiResolutionNet", fast.backbone).for_inference(precision)
        return fast.eval().requires_grad_(False)


def _draw_heads(classifier: nn.Conv2d, scores: int, boxes: int) -> None:
    """Draw the weights of the heads as published: those of boxes are small, and at first every class is improbable.

    Args:
        classifier: all heads in one convolution.
        scores: its outputs that are scores of classes.
        boxes: its next outputs, which are codes of boxes.
    """
    classifier.reset_parameters()
    with torch.no_grad():
        classifier.weight[scores : scores + boxes].normal_(std=0.001)
        cast("Tensor", classifier.bias)[:scores].fill_(-math.log((1 - PRIOR) / PRIOR))
