"""`ncp export`: an architecture's network in a file for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.cli.options import (
    AsJson,
    CodeArgument,
    HeadClassesOption,
    read_classes,
    read_code,
    read_image_size,
    require_file,
)
from ncp.cli.output import print_json, say, written

if TYPE_CHECKING:
    from ncp.network.export import Exported


def export(
    code: CodeArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Ends in .onnx, or in .pt2 for torch; net.onnx or net.pt2 if left out."
        ),
    ] = None,
    format: Annotated[str, typer.Option(metavar="NAME", help="onnx, or torch for torch.export.")] = "onnx",  # noqa: A002
    task: Annotated[
        str, typer.Option(metavar="NAME", help="classification, segmentation or features.")
    ] = "classification",
    classes: HeadClassesOption = None,
    size: Annotated[str, typer.Option("--size", "--image-size", help="Pixels: one number, or HEIGHTxWIDTH.")] = "128",
    dynamic_size: Annotated[
        bool, typer.Option("--dynamic-size", help="Leave the size free: to multiples of 32 from 64 on.")
    ] = False,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of torch or safetensors; drawn at random if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export an architecture's network to ONNX or torch.export."""
    architecture, image_size, outputs = read_code(code), read_image_size(size), read_classes(classes, task)

    from ncp.network.export import ENDINGS
    from ncp.network.export import export as export_network
    from ncp.network.net import MultiResolutionNet
    from ncp.network.profile import Conditions

    path = out or Path(f"net{ENDINGS.get(format, '')}")  # type: ignore[call-overload]
    require_file(path, "out", [ENDINGS[format]] if format in ENDINGS else [])
    if min(image_size) > 0:
        Conditions(task, outputs, image_size).require_memory(architecture)  # type: ignore[arg-type]
    net = MultiResolutionNet(architecture, task=task, num_classes=outputs)  # type: ignore[arg-type]
    if weights is not None:
        net.load_published(weights)
    exported = export_network(net, path, format=format, image_size=image_size, dynamic_size=dynamic_size)  # type: ignore[arg-type]
    if as_json:
        settings = {"code": str(architecture), "task": task, "classes": outputs, "image_size": image_size}
        print_json({**settings, "weights": weights and str(weights), **asdict(exported), "path": str(path)})
        return
    say(*_lines(exported, weights, image_size))
    written(path)


def _lines(exported: Exported, weights: Path | None, size: tuple[int, int]) -> Iterator[str]:
    """What people want to know of a file."""
    opset = f", operators of version {exported.opset}" if exported.opset else ""
    yield f"Format: {exported.format}{opset}, {exported.path.stat().st_size / 1e6:.1f} MB"
    yield f"Weights: {weights or 'drawn at random'}"
    for title, ends in (("Input", exported.inputs), ("Output", exported.outputs)):
        for name, shape in ends.items():
            yield f"{title}: {name} ({', '.join(map(str, shape))})"
    at = f"at {size[0]} x {size[1]} pixels"
    yield f"Cost: {f'{_gmacs(exported.macs)} {at}' if exported.macs else 'counted only at multiples of 32'}"
    yield f"In the file: {_gmacs(exported.graph_macs)}, of convolutions alone"
    yield f"Largest difference to the network: {exported.difference:.1e} of its largest output"


def _gmacs(macs: int) -> str:
    return f"{macs / 1e9:.4f} GMACs ({macs:,})"
