"""Export a network to ONNX or torch.export, and check the file against the network."""

from __future__ import annotations

import json
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

from ncp.cost import LARGEST_IMAGE, MOST_FRAMES, Counting, ImageSize
from ncp.errors import ConfigError, DataError, quoted
from ncp.extras import require_extra
from ncp.io.files import as_path, plain, whole_file
from ncp.network.clip_net import ClipNet
from ncp.network.net import MultiResolutionNet
from ncp.network.pillar_net import PillarNet
from ncp.numbers import as_count

if TYPE_CHECKING:
    from onnx import GraphProto

Format = Literal["onnx", "torch"]
ENDINGS: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}
OPSET = 25
"""The newest ONNX operator set that both torch's exporter (with onnxscript 0.7) and onnxruntime 1.32 support."""

TOLERANCE = 1e-3
"""The largest accepted difference of outputs, relative to the largest output."""

Shape = tuple[int | str, ...]
_Sizes = tuple[int, ...]
_SYMBOL = re.compile(r"\bs\d+\b")  # torch's name of a dynamic size
_Run = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True)
class Export:
    """A network that was exported to a file.

    Attributes:
        path: the file.
        format: `onnx` or `torch`.
        opset: the ONNX operator set; None for `torch`.
        inputs: the shape of `image`, or of `clip`. A text is a dynamic size; `32*h` is any multiple of 32.
        outputs: the shapes of the outputs, in order: `scores`, or `stride4` and so on. torch's format has no names.
        macs: multiply-adds per image or clip as `Counting.macs` counts them. None at image sizes that are not multiples
            of the coarsest stride.
        graph_macs: multiply-adds of the convolutions in the file, per image or clip. `macs` is higher by two per output
            element of each batch norm, which are folded into the convolutions or not counted, and by one per output of
            the classifier.
        difference: the largest difference to the network's outputs on random inputs, relative to the largest output.
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
    frames: int | None = None,
) -> Export:
    """Write a network with its weights to one file, and compare the outputs of the file with those of the network.

    The file holds a copy in `eval` mode and single precision, with a dynamic batch size. `net` is not changed. What is
    known of a network that was loaded from a file, such as the names of its classes, is in the exported file, too: as
    properties of the ONNX model (a text as it is, other values as json), or as `ncp.json` among torch's extra files.

    >>> export(net, "net.onnx", image_size=(512, 1024)).outputs  # doctest: +SKIP
    {'scores': ('batch', 19, 128, 256)}

    Args:
        net: the network, not its inference form.
        path: the file; its name ends in `.onnx`, or in `.pt2` for torch.
        format: `onnx` (operator set `OPSET`, for onnxruntime) or `torch` (for `torch.export.load`).
        image_size: height and width [pixels]; one number for a square.
        dynamic_size: for images, make height and width dynamic, too. They must then be multiples of the coarsest
            stride, 32, and at least 64, since the exporter can prove equal sizes of maps only for these. `image_size`
            is then the size at which multiply-adds are counted.
        frames: frames per clip, for a `ClipNet`; those of its training when left out.

    Raises:
        ConfigError: an unknown format, a wrong file ending, the inference form of a network, one of point clouds, or an
            impossible size or number of frames.
        DataError: a path that cannot be written, or outputs that differ; the file is then not kept.
        MissingExtraError: the extra `export` is not installed (for `onnx`).
    """
    target = as_path(path)
    _require_format(target, format)
    if format == "onnx":
        require_extra("export", "a network in ONNX")
    net = exportable(net)
    size = _as_size(image_size, net.feature_info.strides[-1], dynamic_size)
    count = _as_frames(net, frames, dynamic_size)
    one = (net.in_channels, *size) if count is None else (count, net.in_channels, *size)
    copy = deepcopy(net).cpu().float().eval().requires_grad_(False)
    with whole_file(target) as temporary:
        program = _program(copy, one, dynamic_size)
        inputs, outputs = _shapes(program, net)
        write = partial(_write_onnx, inputs=inputs, outputs=outputs) if format == "onnx" else _write_torch
        run, graph_macs = write(program, temporary, (1, *one), plain({"code": str(net.code), **net.metadata}))
        difference = _difference(copy, run, one, dynamic_size)
        if math.isnan(difference) or difference > TOLERANCE:
            raise DataError(
                f"The outputs of the exported network differ by {difference:.2g} of the largest output, more than "
                f"{TOLERANCE:g}. Check that the network's weights and outputs are finite."
            )
    opset = OPSET if format == "onnx" else None
    return Export(target, format, opset, inputs, outputs, _macs(net, size, count), graph_macs, difference)


def _require_format(path: Path, format: Format) -> None:  # noqa: A002
    if format not in tuple(ENDINGS):
        raise ConfigError(f"{{field}} must be {' or '.join(ENDINGS)}. Got {{given}}.", field="format", given=format)
    if path.suffix != ENDINGS[format]:
        raise ConfigError(
            f"Expected a file ending in {ENDINGS[format]} for the format {format}. Got {quoted(path.name)}."
        )


def exportable(net: object) -> MultiResolutionNet:
    """The network, if it is one of images or clips.

    Raises:
        ConfigError: a network of point clouds, an inference form, or something else.
    """
    if isinstance(net, PillarNet):
        raise ConfigError(
            "Networks of point clouds are not exported, since the number of their points varies. Export the backbone, "
            "which takes pseudo-images, with {task} features.",
            field="net",
        )
    if not isinstance(net, MultiResolutionNet):
        raise ConfigError(
            "{field} must be a MultiResolutionNet, not its inference form. Got {given}.",
            field="net",
            given=type(net).__name__,
        )
    return net


def _as_frames(net: MultiResolutionNet, frames: int | None, dynamic_size: bool) -> int | None:
    """Frames per clip; None for images."""
    if not isinstance(net, ClipNet):
        if frames is not None:
            raise ConfigError("{field} is for networks of clips. Leave it out.", field="frames", given=frames)
        return None
    if dynamic_size:
        message = "Networks of clips are exported for one size of images. Leave out {field}."
        raise ConfigError(message, field="dynamic_size", given=True)
    given = net.metadata.get("frames") if frames is None else frames
    if given is None:
        raise ConfigError("{field} must be given for a network of clips.", field="frames")
    return as_count(given, "frames", most=MOST_FRAMES)


def _macs(net: MultiResolutionNet, size: tuple[int, int], frames: int | None) -> int | None:
    """Multiply-adds of an image or a clip; None at sizes at which they are not counted."""
    if any(side % net.feature_info.strides[-1] for side in size):
        return None
    counting = Counting(size, net.num_classes, net.task, net.in_channels, net.stem_strides, frames)
    return int(counting.macs(net.code).item())


def _as_size(image_size: Any, stride: int, dynamic: bool) -> tuple[int, int]:
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


def _program(net: MultiResolutionNet, one: _Sizes, dynamic: bool) -> ExportedProgram:
    """The program that torch.export makes of a network; `one` is the shape of one image or clip."""
    stride, last = net.feature_info.strides[-1], len(one)
    sides = {last - 1: stride * Dim("h", min=1), last: stride * Dim("w", min=1)} if dynamic else {}
    given = torch.zeros(2, *one)  # with a batch of one, torch would fix the batch size
    with _quiet():
        program = torch.export.export(net, (given,), dynamic_shapes=({0: Dim("batch", min=1)} | sides,), strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


def _shapes(program: ExportedProgram, net: MultiResolutionNet) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """The shapes of the inputs and of the outputs, by name."""
    given = next(x.meta["val"] for x in program.graph.nodes if x.name in program.graph_signature.user_inputs)
    maps = [x.meta["val"] for x in program.graph.output_node().args[0]]
    free = {str(given.shape[axis]): letter for axis, letter in ((0, "batch"), (-2, "h"), (-1, "w"))}
    letters = {symbol: letter for side, letter in free.items() for symbol in _SYMBOL.findall(side)}

    def shape(tensor: Tensor) -> Shape:
        sides = (_SYMBOL.sub(lambda symbol: letters[symbol[0]], str(side)) for side in tensor.shape)
        return tuple(int(side) if side.isdigit() else side for side in sides)

    names = [f"stride{stride}" for stride in net.feature_info.strides] if net.task == "features" else ["scores"]
    inputs = {"clip" if isinstance(net, ClipNet) else "image": shape(given)}
    return inputs, {name: shape(x) for name, x in zip(names, maps, strict=True)}


def _write_torch(program: ExportedProgram, path: Path, shape: _Sizes, about: dict[str, Any]) -> tuple[_Run, int]:
    """Write the program; return a function that runs the file, and its multiply-adds on an input of this shape."""
    with _quiet():
        torch.export.save(program, path, extra_files={"ncp.json": json.dumps(about)})
        module = torch.export.load(path).module()
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(shape))
    return lambda x: _as_list(module(x)), counter.get_total_flops() // 2


def _write_onnx(
    program: ExportedProgram,
    path: Path,
    shape: _Sizes,
    about: dict[str, Any],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
) -> tuple[_Run, int]:
    """Write the graph; return a function that runs the file, and its multiply-adds on an input of this shape."""
    import onnxruntime
    from onnx.helper import set_model_props
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
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
    set_model_props(model, texts)
    del model.graph.value_info[:]  # inner maps, whose dynamic sizes have torch's names
    path.write_bytes(model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.ClearField("shape")
    for number in shape:
        model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=number)
    graph_macs = _convolutions(infer_shapes(model, strict_mode=True, data_prop=True).graph)
    [name] = inputs
    return lambda x: [torch.from_numpy(y) for y in session.run([*outputs], {name: x.numpy()})], graph_macs


def _convolutions(graph: GraphProto) -> int:
    """Multiply-adds of the convolutions in a graph with fixed sizes."""
    maps = {x.name: [s.dim_value for s in x.type.tensor_type.shape.dim] for x in (*graph.value_info, *graph.output)}
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return sum(math.prod(maps[x.output[0]]) * math.prod(weights[x.input[1]][1:]) for x in convolutions)


def _difference(net: MultiResolutionNet, run: _Run, one: _Sizes, dynamic: bool) -> float:
    """The largest difference of outputs, on one input and on three, of another size if that is dynamic."""
    generator, stride = torch.Generator().manual_seed(0), net.feature_info.strides[-1]
    *leading, height, width = one
    size = (height, width)
    other = (2 * stride, 3 * stride) if size != (2 * stride, 3 * stride) else (3 * stride, 2 * stride)
    shares = []
    for batch, sides in ((1, size), (3, other if dynamic else size)):
        given = torch.randn(batch, *leading, *sides, generator=generator)
        for own, got in zip(_as_list(net(given)), run(given), strict=True):
            shares.append((got - own).abs().max() / own.abs().max().clamp(min=1e-30))  # a map may be zero everywhere
    return torch.stack(shares).max().item()


def _as_list(outputs: Tensor | list[Tensor]) -> list[Tensor]:
    return outputs if isinstance(outputs, list) else [outputs]


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide messages of torch's exporter: a deprecation, and that torchvision is missing."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        log.setLevel(level)
