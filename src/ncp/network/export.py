"""A network for other programs: a graph of ONNX or a program of torch.export, checked against the network itself."""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.utils.flop_counter import FlopCounterMode

from ncp.cost import LARGEST_IMAGE, ImageSize, macs
from ncp.errors import ConfigError, DataError, quoted
from ncp.extras import require_extra
from ncp.io.files import as_path, whole_file
from ncp.network.net import MultiResolutionNet

if TYPE_CHECKING:
    from onnx import GraphProto

Format = Literal["onnx", "torch"]
ENDINGS: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}
OPSET = 25
"""The newest operators of ONNX that torch's exporter (with onnxscript 0.7) and onnxruntime 1.32 both know."""

TOLERANCE = 1e-3
"""The largest difference to the network's outputs, as a share of the largest of them."""

Shape = tuple[int | str, ...]
_Sizes = tuple[int, ...]
_SYMBOL = re.compile(r"\bs\d+\b")  # torch's, for a size that is free
_Run = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True)
class Exported:
    """A file that a network was written to, and what was found in it.

    Attributes:
        path: where it lies.
        format: `onnx` or `torch`.
        opset: the version of ONNX's operators; None for `torch`.
        inputs: `image` and its shape; a text stands for what is free, `32*h` for the multiples of 32.
        outputs: likewise, in their order: `scores`, or `stride4` and so on; torch returns them without these names.
        macs: multiply-adds on one image of the size, as `ncp.macs` counts them; None where it does not: at sizes that
            are no multiples of 32, and for networks with other image channels or strides of the stem.
        graph_macs: the same, counted on what was written: convolutions alone. Batch norms are folded into them, or not
            counted; so `macs` is higher by two per output element of every batch norm, and one per classifier's output.
        difference: the largest to the network's own outputs on random images, as a share of the largest of them.
    """

    path: Path
    format: Format
    opset: int | None
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    macs: int | None
    graph_macs: int
    difference: float


def export(
    net: MultiResolutionNet,
    path: str | Path,
    *,
    format: Format = "onnx",  # noqa: A002 (the word that users know)
    image_size: ImageSize = 128,
    dynamic_size: bool = False,
) -> Exported:
    """Write a network with its weights to one file, and compare what the file computes with what the network does.

    What is written is a copy in `eval` mode and single precision; `net` stays as it is. The batch is free.

    >>> export(net, "net.onnx", image_size=(512, 1024)).outputs  # doctest: +SKIP
    {'scores': ('batch', 19, 128, 256)}

    Args:
        net: the network, not what its `for_inference` returns.
        path: the file, which ends in `.onnx`, or in `.pt2` for torch.
        format: `onnx`, in operators of version `OPSET`, which onnxruntime runs; or `torch`, for `torch.export.load`.
        image_size: height and width [pixels]; one number for a square.
        dynamic_size: leave the size free, too: to multiples of the coarsest branch's stride, 32, from 64 on, since
            for these alone the exporter can prove which maps are of one size. `image_size` is then what is counted.

    Raises:
        ConfigError: another format, ending or network, or a size that the image cannot have.
        DataError: a path that cannot be written, or a file, not kept, that computes something else than the network.
        MissingExtraError: for `onnx`, the extra `export` is not installed.
    """
    target = as_path(path)
    _require_format(target, format)
    if format == "onnx":
        require_extra("export", "a network in ONNX")
    if not isinstance(net, MultiResolutionNet):  # but what its for_inference returns
        raise ConfigError(f"Expected a MultiResolutionNet. Got {type(net).__name__}. Export what it was made of.")
    size = _read_size(image_size, net.feature_info.strides[-1], dynamic_size)
    plain = deepcopy(net).cpu().float().eval().requires_grad_(False)
    with whole_file(target) as temporary:
        program = _program(plain, size, dynamic_size)
        inputs, outputs = _shapes(program, net)
        write = partial(_write_onnx, inputs=inputs, outputs=outputs) if format == "onnx" else _write_torch
        run, graph_macs = write(program, temporary, (1, net.in_channels, *size))
        difference = _difference(plain, run, size, dynamic_size)
        if not difference <= TOLERANCE:  # nor is NaN
            raise DataError(
                f"Expected the exported network's outputs to differ by {TOLERANCE:g} of the largest at most. "
                f"Got {difference:.2g}. Check that weights and outputs of the network are finite."
            )
    standard = net.in_channels == 3 and net.stem_strides == (2, 2) and not any(side % 32 for side in size)
    counted = macs(net.code, size, net.num_classes, net.task).item() if standard else None
    opset = OPSET if format == "onnx" else None
    return Exported(target, format, opset, inputs, outputs, counted, graph_macs, difference)


def _require_format(path: Path, format: Format) -> None:  # noqa: A002
    if format not in tuple(ENDINGS):
        raise ConfigError(f"Expected {' or '.join(ENDINGS)} as the format. Got {quoted(format)}.")
    if path.suffix != ENDINGS[format]:
        raise ConfigError(
            f"Expected a file ending in {ENDINGS[format]} for the format {format}. Got {quoted(path.name)}."
        )


def _read_size(image_size: Any, stride: int, dynamic: bool) -> tuple[int, int]:
    """Height and width [pixels]."""
    pair = list(image_size) if isinstance(image_size, (tuple, list)) else [image_size] * 2
    least, step = (2 * stride, stride) if dynamic else (1, 1)
    if len(pair) != 2 or not all(type(s) is int and least <= s <= LARGEST_IMAGE and s % step == 0 for s in pair):
        sides, advice = (f"multiples of {step}", " Other sizes can only be fixed.") if dynamic else ("integers", "")
        raise ConfigError(
            f"Expected {sides} from {least} to {LARGEST_IMAGE} as height and width of the image. "
            f"Got {quoted(image_size)}.{advice}"
        )
    return pair[0], pair[1]


def _program(net: MultiResolutionNet, size: _Sizes, dynamic: bool) -> ExportedProgram:
    """The network as torch.export sees it."""
    stride = net.feature_info.strides[-1]
    sides = {2: stride * Dim("h", min=1), 3: stride * Dim("w", min=1)} if dynamic else {}
    image = torch.zeros(2, net.in_channels, *size)  # of a batch of one, it would see a batch that is fixed
    with _quiet():
        program = torch.export.export(net, (image,), dynamic_shapes=({0: Dim("batch", min=1)} | sides,), strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


def _shapes(program: ExportedProgram, net: MultiResolutionNet) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Those of the inputs and of the outputs, by name."""
    image = next(x.meta["val"] for x in program.graph.nodes if x.name in program.graph_signature.user_inputs)
    maps = [x.meta["val"] for x in program.graph.output_node().args[0]]
    free = {str(side): letter for side, letter in zip(image.shape, ("batch", "", "h", "w"), strict=True)}
    letters = {symbol: letter for side, letter in free.items() for symbol in _SYMBOL.findall(side)}

    def shape(tensor: Tensor) -> Shape:
        sides = (_SYMBOL.sub(lambda symbol: letters[symbol[0]], str(side)) for side in tensor.shape)
        return tuple(int(side) if side.isdigit() else side for side in sides)

    names = [f"stride{stride}" for stride in net.feature_info.strides] if net.task == "features" else ["scores"]
    return {"image": shape(image)}, {name: shape(x) for name, x in zip(names, maps, strict=True)}


def _write_torch(program: ExportedProgram, path: Path, shape: _Sizes) -> tuple[_Run, int]:
    """Write the program; return what runs the file, and its multiply-adds on one image."""
    with _quiet():
        torch.export.save(program, path)
        module = torch.export.load(path).module()
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(shape))
    return lambda x: _listed(module(x)), counter.get_total_flops() // 2


def _write_onnx(
    program: ExportedProgram, path: Path, shape: _Sizes, inputs: dict[str, Shape], outputs: dict[str, Shape]
) -> tuple[_Run, int]:
    """Write the graph; return what runs the file, and its multiply-adds on one image."""
    import onnxruntime
    from onnx.shape_inference import infer_shapes

    with _quiet():
        exported = torch.onnx.export(
            program, dynamo=True, verbose=False, opset_version=OPSET, input_names=[*inputs], output_names=[*outputs]
        )
    model = exported.model_proto  # type: ignore[union-attr]
    for value in (*model.graph.input, *model.graph.output):
        for side, named in zip(value.type.tensor_type.shape.dim, (inputs | outputs)[value.name], strict=True):
            if isinstance(named, str):
                side.dim_param = named
    del model.graph.value_info[:]  # maps within, by torch's names of what is free
    path.write_bytes(model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.ClearField("shape")
    for number in shape:
        model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=number)
    graph_macs = _convolutions(infer_shapes(model, strict_mode=True, data_prop=True).graph)
    return lambda x: [torch.from_numpy(y) for y in session.run([*outputs], {"image": x.numpy()})], graph_macs


def _convolutions(graph: GraphProto) -> int:
    """Multiply-adds of the convolutions of a graph in which all sizes are known."""
    maps = {x.name: [s.dim_value for s in x.type.tensor_type.shape.dim] for x in (*graph.value_info, *graph.output)}
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return sum(math.prod(maps[x.output[0]]) * math.prod(weights[x.input[1]][1:]) for x in convolutions)


def _difference(net: MultiResolutionNet, run: _Run, size: _Sizes, dynamic: bool) -> float:
    """The largest to the network's outputs: on one image, and on three, of another size where that is free."""
    generator, stride = torch.Generator().manual_seed(0), net.feature_info.strides[-1]
    other = (2 * stride, 3 * stride) if size != (2 * stride, 3 * stride) else (3 * stride, 2 * stride)
    shares = []
    for batch, sides in ((1, size), (3, other if dynamic else size)):
        image = torch.randn(batch, net.in_channels, *sides, generator=generator)
        for own, got in zip(_listed(net(image)), run(image), strict=True):
            shares.append((got - own).abs().max() / own.abs().max().clamp(min=1e-30))  # a map may be zero everywhere
    return torch.stack(shares).max().item()


def _listed(outputs: Tensor | list[Tensor]) -> list[Tensor]:
    return outputs if isinstance(outputs, list) else [outputs]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the screen what torch's exporter says of itself: a deprecation, and that torchvision is absent."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        log.setLevel(level)
