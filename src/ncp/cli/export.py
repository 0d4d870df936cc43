"""`ncp export`: write a network, trained or not, to a file for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    AsJson,
    ClassesOption,
    OptionalCodeArgument,
    read_classes,
    read_code,
    read_head,
    read_image_size,
    require_file,
)
from ncp.cli.output import earlier_file, exact_macs, print_json, say, written
from ncp.errors import ConfigError, DataError
from ncp.io.files import is_file

if TYPE_CHECKING:
    from ncp.network.export import Export
    from ncp.network.net import MultiResolutionNet
    from ncp.network.pillar_net import PillarNet

SHOWN = 10
"""Most names of classes that are printed."""

RunOption = Annotated[
    Path | None, typer.Option("--run", metavar="FOLDER", help="Export what ncp train has trained into this folder.")
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="Weights of the CODE (.pth, .safetensors); without a CODE, a file from ncp train [default: random].",
    ),
]
OutFile = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="File to write, with the ending .onnx or .pt2 [default: net.onnx or net.pt2].",
    ),
]
FormatOption = Annotated[str, typer.Option(metavar="NAME", help="File format: onnx, or torch (torch.export).")]
HeadOption = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="NAME",
        help="Head: classification, segmentation or features (no head) [default: as trained, or classification].",
    ),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--image-size", metavar="SIZE", help="Image size [pixels]: 224, or HEIGHTxWIDTH [default: as trained, or 128]."
    ),
]
FramesOption = Annotated[
    int | None, typer.Option("--frames", metavar="N", min=1, help="Frames per clip [default: as trained].")
]
DynamicSize = Annotated[
    bool, typer.Option("--dynamic-size", help="Accept all image sizes that are multiples of 32, from 64 on.")
]


def export(
    code: OptionalCodeArgument = None,
    run: RunOption = None,
    weights: WeightsOption = None,
    out: OutFile = None,
    format: FormatOption = "onnx",  # noqa: A002
    head: HeadOption = None,
    classes: ClassesOption = None,
    image_size: SizeOption = None,
    frames: FramesOption = None,
    dynamic_size: DynamicSize = False,
    as_json: AsJson = False,
) -> None:
    """Export a network to ONNX or torch.export."""
    file = _file(code, run, weights)
    given_size = None if image_size is None else read_image_size(image_size)

    from ncp.network.export import ENDINGS, exportable
    from ncp.network.export import export as export_network
    from ncp.network.profile import Conditions

    path = out or Path(f"net{ENDINGS.get(format, '')}")  # type: ignore[call-overload]
    require_file(path, "out", [ENDINGS[format]] if format in ENDINGS else [])
    net = exportable(_trained(file, head, classes) if code is None else _of_code(code, head, classes, weights))
    size = given_size or _size(net)
    if min(size) > 0:
        Conditions(net.task, net.num_classes, size).require_memory(net.code)
    replaced = earlier_file(path)
    exported = export_network(
        net,
        path,
        format=format,  # type: ignore[arg-type]
        image_size=size,
        dynamic_size=dynamic_size,
        frames=frames,
    )
    if as_json:
        settings = {
            "code": str(net.code),
            "task": net.task,
            "classes": net.num_classes,
            "class_names": None if net.task == "features" else net.classes,
            "image_size": size,
        }
        print_json({**settings, "weights": file and str(file), **asdict(exported), "path": str(path)})
    else:
        say(*_lines(exported, net, file, size))
    written(path, replaced=replaced, as_json=as_json)


def _file(code: str | None, run: Path | None, weights: Path | None) -> Path | None:
    """The file of the weights, if there is one.

    Raises:
        ConfigError: no network is named, or two.
        DataError: a folder without weights.
    """
    if run is None:
        if code is None and weights is None:
            raise ConfigError("Name the network to export: a CODE, or what was trained with --run FOLDER.")
        return weights
    if code is not None or weights is not None:
        raise ConfigError("--run names the code and the weights. Leave out CODE and --weights, or --run.")
    file = run / "weights.safetensors"
    if not is_file(file):
        raise DataError(
            f"There are no weights in {run}. Name the folder of a run that is done and whose weights were kept."
        )
    return file


def _of_code(code: str, head: str | None, classes: int | None, weights: Path | None) -> MultiResolutionNet:
    """The network of a code, with random weights or those of a file."""
    from ncp.network.net import MultiResolutionNet

    task = read_head(head or "classification")
    net = MultiResolutionNet(read_code(code), task=task, num_classes=read_classes(classes, task))
    return net if weights is None else net.load_published(weights)


def _trained(file: Path | None, head: str | None, classes: int | None) -> MultiResolutionNet | PillarNet:
    """The network of a file, or its backbone.

    Raises:
        ConfigError: a number of classes, or another head than that of the file.
    """
    from ncp.network.loading import load_network
    from ncp.network.net import MultiResolutionNet

    if classes is not None:
        raise ConfigError("--classes is known of a trained network. Leave it out.")
    if head is not None and read_head(head) == "features":
        return MultiResolutionNet.from_file(file or "", task="features")
    net = load_network(file or "")
    own = getattr(net, "task", None)
    if head is not None and head != own:
        message = "{field} must be {own}features for this network. Got {given}."
        raise ConfigError(message, field="task", given=head, own=f"{own} or " if own else "")
    return net


def _size(net: MultiResolutionNet) -> tuple[int, int]:
    """The image size that the network was evaluated at, if it is known."""
    size = net.metadata.get("image_size")
    if isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size):
        return size[0], size[1]
    return 128, 128


def _lines(exported: Export, net: MultiResolutionNet, file: Path | None, size: tuple[int, int]) -> Iterator[str]:
    """What a file contains, as lines of text."""
    opset = f", operators of version {exported.opset}" if exported.opset else ""
    yield f"Format: {exported.format}{opset}, {exported.path.stat().st_size / 1e6:.1f} MB"
    yield f"Weights: {file or 'random'}"
    if net.classes and net.task != "features":
        more = f" and {len(net.classes) - SHOWN} more" if len(net.classes) > SHOWN else ""
        yield f"Classes: {', '.join(net.classes[:SHOWN])}{more}"
    for title, ends in (("Input", exported.inputs), ("Output", exported.outputs)):
        for name, shape in ends.items():
            yield f"{title}: {name} ({', '.join(map(str, shape))})"
    at, stride = f"at {size[0]} x {size[1]} pixels", net.feature_info.strides[-1]
    yield f"Cost: {f'{exact_macs(exported.macs)} {at}' if exported.macs else f'known only for multiples of {stride}'}"
    yield f"Convolutions in the file: {exact_macs(exported.graph_macs)}"
    yield f"Largest difference from PyTorch: {exported.difference:.1e} of the largest output"
