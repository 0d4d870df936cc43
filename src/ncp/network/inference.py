"""The inference form of a network: batch norm folded, maps channels last, sums in place, bfloat16 if wanted."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Literal, Self, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ncp.errors import ConfigError
from ncp.network import winograd
from ncp.network.backbone import Backbone
from ncp.network.compiled import Compiled, recording
from ncp.network.layers import Block, Unit, convolve, resized

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

CHANNELS, PIXELS = 96, 400
"""From this number of channels and of pixels per map, Winograd's filtering is faster on a CPU."""


class InferenceNet(Backbone):
    """A network made fast; `MultiResolutionNet.for_inference` returns it.

    Batch norm is folded into convolutions, wide convolutions use Winograd's filtering, maps stay channels last, sums
    are taken in place, and the head of a segmentation network works on every branch at its own size.

    In bfloat16, weights and maps have this type from the stem to the head; batch norm is folded before its weights are
    rounded. Images, outputs and the classifier are float32.

    Attributes:
        precision: the type of weights and maps.
        compiled: the forward pass for images of one shape, if it was compiled. Copies and moved networks have none.
    """

    transform: Folded
    compiled: Compiled | None = None

    def __init__(self, net: Backbone, precision: Precision = "float32") -> None:
        super().__init__()
        require_precision(precision)
        self.precision = precision
        self.code, self.task, self.in_channels = net.code, net.task, net.in_channels
        self.feature_info, self.classes, self.metadata = net.feature_info, net.classes, net.metadata
        self.downsamples = _folded(deepcopy(net.downsamples))
        self.features = cast("nn.ModuleList", _folded(deepcopy(net.features)))
        if net.task != "features":
            self.transform, self.classifier = cast("Folded", _folded(net.transform)), deepcopy(net.classifier)
        if precision == "bfloat16":
            self.bfloat16()
            if net.task != "features":
                self.classifier.float()

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """As `Backbone.forward`, without gradients."""
        return cast("Tensor | list[Tensor]", self.computed(super().forward, image))

    def computed(self, forward: Callable[[Tensor], Any], image: Tensor) -> Any:
        """What a forward pass returns, from the compiled one if it fits; other compilers see the one that is not."""
        observed = torch.jit.is_tracing() or torch.compiler.is_compiling()  # type: ignore[attr-defined, no-untyped-call]
        if self.compiled is None or observed or not self.compiled.fits(image):
            return forward(image)
        return self.compiled(image)

    def compile_for(self, example: Tensor) -> Self:
        """Compile the forward pass for images like these; others are computed as before. Return the network.

        Weights that are changed in place afterwards do not reach the compiled forward pass: compile again.

        Raises:
            ConfigError: anything but images of the network's type on the CPU, where the network is, too.
        """
        if not isinstance(example, Tensor):
            raise ConfigError("{field} must be a tensor. Got {given}.", field="example", given=example)
        places = {example.device.type, *(each.device.type for each in self.parameters())}
        if places != {"cpu"}:
            raise ConfigError(
                "{field} and the network must be on the CPU: networks are compiled only there. Got {given}.",
                field="example",
                given=" and ".join(sorted(places)),
            )
        expected = torch.float32 if self.precision == "bfloat16" else next(self.parameters()).dtype
        if example.dtype != expected:
            raise ConfigError(f"{{field}} must be of {expected}. Got {{given}}.", field="example", given=example.dtype)
        self.compiled = None
        self(example)  # refuses images of a wrong shape
        found = Compiled(self, example)
        self.compiled = found if found.works else None
        return self

    def stem(self, image: Tensor) -> list[Tensor]:
        """As `Backbone.stem`, channels last."""
        if self.precision == "bfloat16":
            image = image.bfloat16()
        if not recording():  # a compiled network chooses its own layout
            image = image.contiguous(memory_format=torch.channels_last)
        return super().stem(image)

    def head(self, maps: list[Tensor]) -> Tensor | list[Tensor]:
        """As `Backbone.head`."""
        if self.task == "segmentation":
            return self.scores(self._transformed(maps))
        if self.task == "features" and self.precision == "bfloat16":
            return [x.float() for x in maps]
        return super().head(maps)

    def scores(self, x: Tensor) -> Tensor:
        """As `Backbone.scores`, in float32 also for maps in bfloat16."""
        return super().scores(x.float() if self.precision == "bfloat16" else x)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.compiled = None  # it has the weights as they were
        return cast("Self", super()._apply(fn, recurse))  # type: ignore[no-untyped-call]

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.compiled = None
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "compiled": None}

    def _transformed(self, maps: list[Tensor]) -> Tensor:
        """The transform before the resizing: both are linear, so their order does not matter."""
        weights = torch.split(self.transform.weight, self.feature_info.channels(), dim=1)
        total = conv2d(maps[0], weights[0], self.transform.bias)
        for x, weight in zip(maps[1:], weights[1:], strict=True):
            total += resized(conv2d(x, weight), total)
        return total.relu_()


class Folded(nn.Module):
    """A convolution with its batch norm folded in, an optional sum with another map, and a ReLU.

    Winograd's filters, which take four times the memory of the weights, are for CPUs and for single or double
    precision; a move to a GPU or to half precision drops them.
    """

    filters: Tensor | None

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
        self.weight, self.bias = fuse_conv_bn_weights(
            convolution.weight, None, mean, variance, norm.eps, norm.weight, norm.bias
        )
        self.stride, self.padding = convolution.stride, cast("tuple[int, ...]", convolution.padding)
        wide = convolution.kernel_size == (3, 3) and self.stride == (1, 1) and min(self.weight.shape[:2]) >= CHANNELS
        wide = wide and self.weight.device.type == "cpu"
        self.register_buffer("filters", winograd.transformed(self.weight) if wide else None)

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Map `x` `(n, a, h, w)`, and `added` `(n, c, h', w')`, to `(n, c, h', w')`."""
        precise = x.element_size() >= 4  # Winograd's sums cancel, which half precision does not survive
        if self.filters is not None and x.shape[2] * x.shape[3] >= PIXELS and precise:
            if recording():
                return cast("Tensor", torch.ops.ncp.winograd(x, self.filters, self.bias, added))
            return winograd.convolve(x, self.filters, self.bias, added, rectify=True)
        y = convolve(x, self.weight, self.bias, self.stride, self.padding)
        if recording():  # only sums that leave the map as it was can be fused
            return (y if added is None else y + added).relu()
        if added is not None:
            y += added
        return y.relu_()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.weight.device.type != "cpu" or self.weight.element_size() < 4:
            self.filters = None
        return self


class FoldedBlock(nn.Module):
    """A residual block of folded convolutions."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.first, self.second = Folded(block.conv1, block.bn1), Folded(block.conv2, block.bn2)

    def forward(self, x: Tensor) -> Tensor:
        """As `Block.forward`."""
        return cast("Tensor", self.second(self.first(x), x))


def require_precision(precision: object) -> None:
    """Refuse a precision that networks do not have.

    Raises:
        ConfigError: none of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise ConfigError(
            f"{{field}} must be {' or '.join(PRECISIONS)}. Got {{given}}.", field="precision", given=precision
        )


def _folded(module: nn.Module) -> nn.Module:
    """A module with every unit and block in it replaced by its folded form."""
    if isinstance(module, Unit):
        return Folded(cast("nn.Conv2d", module[0]), cast("nn.BatchNorm2d", module[1]))
    if isinstance(module, Block):
        return FoldedBlock(module)
    for name, child in module.named_children():
        module._modules[name] = _folded(child)
    return module
