"""The multi-resolution network of a code, as published (section 3.1 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ncp.cost import MOST_CHANNELS, MOST_CLASSES, Head, Strides, as_strides, require_head
from ncp.errors import CodeError, ConfigError, DataError
from ncp.network.backbone import Backbone, FeatureInfo
from ncp.network.inference import InferenceNet, Precision
from ncp.network.layers import Fusion, Parallel, Unit, draw_weights
from ncp.network.network_file import Description, read_network
from ncp.network.weights import load_weights
from ncp.numbers import as_count
from ncp.spaces.multires import Code


class MultiResolutionNet(Backbone):
    """The network of a code, with random initial weights (Kaiming, fan out).

    >>> text = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64"
    >>> net = MultiResolutionNet(text, task="features").eval()
    >>> [tuple(x.shape) for x in net(torch.zeros(1, 3, 64, 96))]
    [(1, 128, 16, 24), (1, 128, 8, 12), (1, 128, 4, 6), (1, 128, 2, 3)]

    Args:
        code: a `Code`, its text, or its vector. Alternatively, pass the three parts of a setting by name.
        task: `classification` `(n, classes, 1, 1)`, `segmentation` `(n, classes, h / 4, w / 4)`, or `features`, a
            backbone: a list of four maps, whose channels and strides are `feature_info`.
        num_classes: outputs of the classifier.
        input_channel: stem channels.
        network_setting: a list `[branches, [blocks..], [channels..]]` per module.
        last_channel: head channels.
        in_channels: channels of the image: 3, or 64 for a pseudo-image of a point cloud.
        stem_strides: strides of the two convolutions of the stem: (2, 2), or (2, 1), which halves every later stride.

    Raises:
        CodeError: a code that cannot be read or is outside the space, or no code.
        ConfigError: an unknown task, other strides, or a number of channels or classes that is not positive.
    """

    inference_form: ClassVar[type[InferenceNet]] = InferenceNet

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
        self.code = _as_code(code, input_channel, network_setting, last_channel)
        require_head(task)
        self.task, self.in_channels = task, as_count(in_channels, "in_channels", most=MOST_CHANNELS)
        self.num_classes = as_count(num_classes, "num_classes", most=MOST_CLASSES)
        self.stem_strides = as_strides(stem_strides)
        (i1, i2), stages, head = self.code.stem, self.code.stages, self.code.head
        first, second = self.stem_strides
        self.downsamples = nn.Sequential(Unit(3, self.in_channels, i1, first), Unit(3, i1, i2, second))
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
            self.classifier = nn.Conv2d(head, self.num_classes, 1)
        draw_weights(self)

    @classmethod
    def from_file(cls, path: str | Path, task: Head | None = None) -> MultiResolutionNet:
        """The network of a file that `ncp.train` wrote, with its weights, in evaluation mode.

        `classes` has the names of its classes, `metadata` what else the file says, such as the size and normalisation
        of the input. `ncp.load_network` also loads networks of clips and of point clouds.

        >>> backbone = MultiResolutionNet.from_file("weights.safetensors", task="features")  # doctest: +SKIP

        Args:
            path: the file.
            task: `features` for the backbone alone, also of a network of clips or of point clouds; the task of the file
                when left out.

        Raises:
            ConfigError: a task that is neither `features` nor that of the file.
            DataError: the file cannot be read, is damaged, or has another network.
        """
        file = read_network(path)
        if task == "features":
            return file.backbone(MultiResolutionNet)
        about = file.description
        if about.network != cls.__name__:
            raise DataError(
                f"{path} has a {about.network}. Load it with ncp.load_network, or its backbone alone with "
                "task='features'."
            )
        net: MultiResolutionNet = file.built(cls)
        if task not in (None, net.task):
            message = "{field} must be features, or {own} as in the file. Got {given}."
            raise ConfigError(message, field="task", given=task, own=net.task)
        return net

    @property
    def description(self) -> Description:
        """How the network is built, for its file."""
        backbone = {
            "code": str(self.code),
            "in_channels": self.in_channels,
            "stem_strides": list(self.stem_strides),
        }
        own = {"task": self.task, "num_classes": self.num_classes}
        return Description("MultiResolutionNet", backbone | own, backbone)

    def check_images(self, image: Tensor) -> None:
        """Refuse images of the wrong shape, and in training a single image that batch norm cannot normalise.

        Raises:
            ConfigError: other channels, an image without pixels, or in training one image whose coarsest map has a
                single pixel.
        """
        super().check_images(image)
        coarsest = self.feature_info.strides[-1]
        if self.training and len(image) == 1 and max(image.shape[2:]) <= coarsest:
            raise ConfigError(
                f"To train on one image it needs at least {coarsest + 1} x {coarsest + 1} pixels, since batch norm "
                f"takes variances. This one has {image.shape[2]} x {image.shape[3]}. Use a larger one, or several."
            )

    def load_published(self, path: str | Path) -> MultiResolutionNet:
        """Load weights that the authors published, or that were saved from this class; return the network.

        See `ncp.network.weights.read_weights` for the formats.

        Raises:
            DataError: the file cannot be read, holds no weights, or holds those of another network.
        """
        load_weights(self, path)
        return self

    def for_inference(self, precision: Precision = "float32", example: Tensor | None = None) -> InferenceNet:
        """A faster copy for inference: its outputs equal those of `eval` mode up to rounding; it cannot be trained.

        >>> fast = net.for_inference(example=torch.rand(1, 3, 224, 224))  # doctest: +SKIP

        Args:
            precision: `float32`, or `bfloat16` for hardware that computes in it. Images and outputs are float32 in
                both. The largest error of an output in bfloat16 is 0.5 to 2 % of the largest output.
            example: images on the CPU, of the shape that the copy will get. The copy is compiled for this shape, which
                takes up to a few seconds. Images of other shapes are computed without the graph. Narrow networks gain
                most: one of 16 channels becomes 1.3 to 1.7 times as fast in float32, 1.8 to 2.5 times in bfloat16. Move
                the copy and load its weights before you compile it, with `compile_for`.

        Raises:
            ConfigError: another precision, or an example that is no batch of images on the CPU.
        """
        with torch.no_grad():
            fast: InferenceNet = self.inference_form(self, precision).eval().requires_grad_(False)
            fast = fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            return fast if example is None else fast.compile_for(example)


def _as_code(code: Any, input_channel: Any, network_setting: Any, last_channel: Any) -> Code:
    """The code, from the arguments of `MultiResolutionNet`."""
    setting = {"input_channel": input_channel, "network_setting": network_setting, "last_channel": last_channel}
    given = [name for name, value in {"code": code, **setting}.items() if value is not None]
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
