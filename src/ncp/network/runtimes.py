"""The runtimes in which a network is deployed on a processor: torch, onnxruntime and OpenVINO."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncp.cost import LARGEST_IMAGE
from ncp.errors import ConfigError
from ncp.extras import require_extra
from ncp.network.clip_net import ClipNet
from ncp.network.export import exportable
from ncp.network.graph import onnx_graph
from ncp.network.inference import PRECISIONS, Precision, require_precision
from ncp.network.net import MultiResolutionNet
from ncp.numbers import as_count

if TYPE_CHECKING:
    from collections.abc import Iterator

RuntimeName = Literal["torch", "onnxruntime", "openvino"]
Forward = Callable[[Tensor], Tensor | list[Tensor]]
"""Maps images `(n, channels, h, w)` in float32 to what the network returns, in float32."""


class Runtime(ABC):
    """A library that computes networks.

    Attributes:
        name: the name of the library.
        extra: the extra that installs it; None if it is always there.
        precisions: those in which it computes on a processor.
    """

    name: ClassVar[RuntimeName]
    extra: ClassVar[str | None]
    precisions: ClassVar[tuple[Precision, ...]]

    def require(self, precision: Precision) -> None:
        """Refuse a precision that this runtime or this processor lacks, or a runtime that is not installed.

        Raises:
            ConfigError: the precision.
            MissingExtraError: the runtime is not installed.
        """
        if precision not in self.precisions:
            others = " or ".join(each.name for each in RUNTIMES.values() if precision in each.precisions)
            raise ConfigError(
                f"{{field}} must be {' or '.join(self.precisions)} for {self.name}. Got {{given}}. "
                f"{precision} needs {others}.",
                field="precision",
                given=precision,
            )
        if self.extra is not None:
            require_extra(self.extra, f"the runtime {self.name}")

    @abstractmethod
    def prepared(self, net: MultiResolutionNet, shape: Sequence[int], precision: Precision) -> Forward:
        """Prepare a network for images of a shape `(n, channels, h, w)`, with torch's number of threads."""


class Torch(Runtime):
    """PyTorch, with the inference form of the network, compiled."""

    name, extra, precisions = "torch", None, PRECISIONS

    def prepared(self, net: MultiResolutionNet, shape: Sequence[int], precision: Precision) -> Forward:
        """As `Runtime.prepared`; the images may also have another shape, but they take longer then."""
        weight = next(net.parameters())
        return net.for_inference(precision, torch.zeros(*shape, dtype=weight.dtype, device="cpu"))


class OnnxRuntime(Runtime):
    """onnxruntime, which computes in float32 on processors."""

    name, extra, precisions = "onnxruntime", "export", ("float32",)

    def prepared(self, net: MultiResolutionNet, shape: Sequence[int], precision: Precision) -> Forward:  # noqa: ARG002
        """As `Runtime.prepared`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        graph = onnx_graph(net, shape).SerializeToString()
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return _forward(net, shape, lambda image: session.run(None, {"image": image}))


class OpenVino(Runtime):
    """OpenVINO."""

    name, extra, precisions = "openvino", "openvino", PRECISIONS

    def require(self, precision: Precision) -> None:
        """As `Runtime.require`; OpenVINO computes in bfloat16 only where the processor does.

        Raises:
            ConfigError: the precision.
            MissingExtraError: the runtime is not installed.
        """
        super().require(precision)
        if precision == "bfloat16" and "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ConfigError(
                "{field} is bfloat16, but OpenVINO finds no instructions for it in this processor. Use float32.",
                field="precision",
                given=precision,
            )

    def prepared(self, net: MultiResolutionNet, shape: Sequence[int], precision: Precision) -> Forward:
        """As `Runtime.prepared`."""
        core = _core()
        settings = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # on a pinned core it would wait for whatever else runs there
        }
        compiled = core.compile_model(core.read_model(onnx_graph(net, shape).SerializeToString()), "CPU", settings)
        request = compiled.create_infer_request()
        return _forward(net, shape, lambda image: list(request.infer([image], share_inputs=True).values()))


RUNTIMES: dict[RuntimeName, Runtime] = {each.name: each for each in (Torch(), OnnxRuntime(), OpenVino())}
"""Every runtime, by its name."""


def as_runtime(name: object) -> Runtime:
    """The runtime of a name.

    Raises:
        ConfigError: another name.
    """
    if not isinstance(name, str) or name not in tuple(RUNTIMES):
        raise ConfigError(
            f"{{field}} must be one of {', '.join(RUNTIMES)}. Got {{given}}.", field="runtime", given=name
        )
    return RUNTIMES[name]


def prepare(
    net: MultiResolutionNet,
    runtime: RuntimeName = "onnxruntime",
    precision: Precision = "float32",
    *,
    image_size: int | tuple[int, int] = 224,
    batch: int = 1,
) -> Forward:
    """Prepare a network for inference in a runtime on a processor, with as many threads as torch has now.

    The network is computed in evaluation mode. `net` is not changed. For a file that other programs read, use
    `ncp.network.export.export`.

    >>> forward = prepare(net, "openvino", "bfloat16", image_size=224)  # doctest: +SKIP
    >>> forward(torch.rand(1, 3, 224, 224)).shape  # doctest: +SKIP
    torch.Size([1, 50, 1, 1])

    Args:
        net: a network of images, not its inference form.
        runtime: `torch` (`net.for_inference`, compiled), `onnxruntime` (extra `export`) or `openvino` (extra
            `openvino`).
        precision: `float32`, or `bfloat16` with torch or OpenVINO.
        image_size: height and width [pixels]; one number for a square.
        batch: images per forward pass.

    Returns:
        A function from images `(batch, channels, height, width)` to what the network returns, in float32. Torch also
        takes other shapes.

    Raises:
        ConfigError: an unknown runtime, a precision that it lacks, a network of clips or point clouds or an inference
            form, or a size or batch that is not positive.
        MissingExtraError: the runtime is not installed.
    """
    library = as_runtime(runtime)
    require_precision(precision)
    if isinstance(net, ClipNet):
        raise ConfigError("{field} must be a network of images. Got one of clips.", field="net")
    net = exportable(net)
    sides = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(sides) != 2:
        raise ConfigError("{field} must be one number or two. Got {given}.", field="image_size", given=image_size)
    height, width = (as_count(side, "image_size", most=LARGEST_IMAGE) for side in sides)
    library.require(precision)
    return library.prepared(net, (as_count(batch, "batch"), net.in_channels, height, width), precision)


def _forward(
    net: MultiResolutionNet, shape: Sequence[int], run: Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]
) -> Forward:
    """A function of tensors from one of arrays."""
    one, expected = net.task != "features", tuple(shape)

    def forward(image: Tensor) -> Tensor | list[Tensor]:
        if tuple(image.shape) != expected:
            raise ConfigError(
                f"The network was prepared for images {expected}. Got {tuple(image.shape)}. Prepare it for this shape."
            )
        maps = [torch.from_numpy(y) for y in run(image.detach().numpy())]
        return maps[0] if one else maps

    return forward


@cache
def _core() -> Any:
    """OpenVINO's entry point, one for the whole process.

    Each one replaces the stack on which a thread handles signals. When two of them end in the order in which they
    began, the thread is left with a stack that has been freed, and the next signal ends the process.
    """
    with _no_telemetry():
        import openvino
    return openvino.Core()


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Hide the package through which OpenVINO reports to its makers that it was imported."""
    package = "openvino_telemetry"
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # as Python marks modules that cannot be imported
    try:
        yield
    finally:
        del sys.modules[package]
