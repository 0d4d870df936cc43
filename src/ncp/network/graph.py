"""The ONNX graph of a network for one shape of images, written down from the operations of a forward pass.

`ncp.network.export` writes files that others read, with dynamic sizes, and takes up to half a minute for a network. A
calibration needs the graphs of hundreds of networks, for one size each, so it needs each of them in about a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ncp.network.net import MultiResolutionNet

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR = 18, 10
"""Versions of the operators and of the file that runtimes have read for years."""


def onnx_graph(net: MultiResolutionNet, shape: Sequence[int]) -> ModelProto:
    """The graph of a network in evaluation mode and single precision.

    Its input is `image`. Its outputs are `scores`, or `stride4` and so on, as in exported files.

    Args:
        net: a network of images.
        shape: of the images, `(n, channels, height, width)`.
    """
    from onnx import TensorProto, helper, numpy_helper

    with torch.inference_mode(False), torch.no_grad():
        copy = deepcopy(net).cpu().float().eval().requires_grad_(False)
        image = torch.zeros(*shape)
        with _Recorder(image) as recorder:
            outputs = copy(image)
    maps = outputs if isinstance(outputs, list) else [outputs]
    names = [f"stride{stride}" for stride in net.feature_info.strides] if net.task == "features" else ["scores"]
    nodes = [helper.make_node(kind, inputs, [output], **more) for kind, inputs, output, more in recorder.nodes]
    nodes += [helper.make_node("Identity", [recorder.name(x)], [name]) for x, name in zip(maps, names, strict=True)]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, x.shape) for n, x in zip(names, maps, strict=True)],
        [numpy_helper.from_array(value.numpy(), name) for name, value in recorder.constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes each operation of a forward pass as a node.

    Attributes:
        nodes: kind, names of the inputs, name of the output, and attributes.
        constants: weights and sizes, by name.
    """

    def __init__(self, image: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.constants: dict[str, Tensor] = {}
        self._names = {id(image): "image"}
        self._kept = [image]  # as long as a tensor lives, no other one has its id

    def name(self, x: Tensor) -> str:
        """The name of a map or of a weight."""
        if id(x) not in self._names:
            self._named(x, f"c{len(self.constants)}")
            self.constants[self._names[id(x)]] = x
        return self._names[id(x)]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and write its node."""
        results = func(*args, **(kwargs or {}))
        operation = func._schema.name.removeprefix("aten::").removesuffix("_")  # in place or not, the node is the same
        if operation == "empty":  # workspace of a batch norm
            return results
        kind, inputs, attributes = _NODES[operation](*args, **(kwargs or {}))
        output = f"x{len(self.nodes)}"
        self.nodes.append((kind, [self.name(x) if isinstance(x, Tensor) else x for x in inputs], output, attributes))
        self._named(results[0] if isinstance(results, tuple) else results, output)
        return results

    def _named(self, x: Tensor, name: str) -> None:
        self._names[id(x)] = name
        self._kept.append(x)


_Node = tuple[str, list[Any], dict[str, Any]]


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, *_: Any) -> _Node:
    attributes = {"kernel_shape": weight.shape[2:], "strides": stride, "pads": [*padding, *padding]}
    return "Conv", [x, weight, *([] if bias is None else [bias])], attributes


def _batch_norm(x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *rest: Any) -> _Node:
    return "BatchNormalization", [x, weight, bias, mean, variance], {"epsilon": rest[-1]}


def _upsample(x: Tensor, size: Sequence[int], mode: str, **attributes: str) -> _Node:
    return "Resize", [x, "", "", torch.tensor([*x.shape[:2], *size])], {"mode": mode, **attributes}


_NODES: dict[str, Callable[..., _Node]] = {
    "convolution": _convolution,
    "native_batch_norm": lambda *args: _batch_norm(*args[:5], args[-1]),
    "relu": lambda x: ("Relu", [x], {}),
    "add": lambda x, y: ("Add", [x, y], {}),
    "cat": lambda maps, dim=0: ("Concat", [*maps], {"axis": dim}),
    "mean": lambda x, *_: ("GlobalAveragePool", [x], {}),  # of adaptive pooling to one pixel
    "upsample_nearest2d": lambda x, size, *_: _upsample(
        x, size, "nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "upsample_bilinear2d": lambda x, size, *_: _upsample(
        x, size, "linear", coordinate_transformation_mode="half_pixel"
    ),
}
"""The node of an operation, by torch's name: its kind, its inputs and its attributes."""
