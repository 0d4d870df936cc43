"""`ncp export`: write an architecture's network to a file for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    AsJson,
    ClassesOption,
    CodeArgument,
    HeadOption,
    ImageSizeOption,
    read_classes,
    read_code,
    read_head,
    read_image_size,
    require_file,
)
from ncp.cli.output import exact_cost, print_json, say, written

if TYPE_CHECKING:
    from ncp.network.export import Export


def export(
    code: CodeArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="File to write, with the ending .onnx or .pt2 [default: net.onnx or net.pt2].",
        ),
    ] = None,
    format: Annotated[str, typer.Option(metavar="NAME", help="File format: onnx, or torch (torch.export).")] = "onnx",  # noqa: A002
    head: HeadOption = "classification",
    classes: ClassesOption = None,
    image_size: ImageSizeOption = "128",
    dynamic_size: Annotated[
        bool, typer.Option("--dynamic-size", help="Accept all image sizes that are multiples of 32, from 64 on.")
    ] = False,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights to load (.pth, .safetensors) [default: random].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export an architecture's network to ONNX or torch.export."""
    architecture, size, task = read_code(code), read_image_size(image_size), read_head(head)
    outputs = read_classes(classes, task)

    from ncp.network.export import ENDINGS
    from ncp.network.export import export as export_network
    from ncp.network.net import MultiResolutionNet
    from ncp.network.profile import Conditions

    path = out or Path(f"net{ENDINGS.get(format, '')}")  # type: ignore[call-overload]
    require_file(path, "out", [ENDINGS[format]] if format in ENDINGS else [])
    if min(size) > 0:
        Conditions(task, outputs, size).require_memory(architecture)
    net = MultiResolutionNet(architecture, task=task, num_classes=outputs)
    if weights is not None:
        net.load_published(weights)
    exported = export_network(net, path, format=format, image_size=size, dynamic_size=dynamic_size)  # type: ignore[arg-type]
    if as_json:
        settings = {"code": str(architecture), "task": task, "classes": outputs, "image_size": size}
        print_json({**settings, "weights": weights and str(weights), **asdict(exported), "path": str(path)})
        return
    say(*_lines(exported, weights, size))
    written(path)


def _lines(exported: Export, weights: Path | None, size: tuple[int, int]) -> Iterator[str]:
    """What a file contains, as lines of text."""
    opset = f", operators of version {exported.opset}" if exported.opset else ""
    yield f"Format: {exported.format}{opset}, {exported.path.stat().st_size / 1e6:.1f} MB"
    yield f"Weights: {weights or 'random'}"
    for title, ends in (("Input", exported.inputs), ("Output", exported.outputs)):
        for name, shape in ends.items():
            yield f"{title}: {name} ({', '.join(map(str, shape))})"
    at = f"at {size[0]} x {size[1]} pixels"
    yield f"Cost: {f'{exact_cost(exported.macs)} {at}' if exported.macs else 'known only for multiples of 32'}"
    yield f"Convolutions in the file: {exact_cost(exported.graph_macs)}"
    yield f"Largest difference from PyTorch: {exported.difference:.1e} of the largest output"
