"""`ncp cost`: what an architecture costs."""

from typing import Annotated

import typer

import ncp
from ncp.cli.options import AsJson, CodeArgument, ImageSizeOption, read_code, read_image_size
from ncp.cli.output import print_json, say


def cost(
    code: CodeArgument,
    image_size: ImageSizeOption = "128",
    classes: Annotated[int, typer.Option(min=1, help="Outputs of the classifier.")] = 50,
    task: Annotated[
        str, typer.Option(metavar="NAME", help="classification, segmentation or features.")
    ] = "classification",
    as_json: AsJson = False,
) -> None:
    """Print the exact multiply-adds and parameters of an architecture."""
    architecture, size = read_code(code), read_image_size(image_size)
    macs = ncp.macs(architecture, image_size=size, classes=classes, task=task).item()  # type: ignore[call-overload]
    params = ncp.params(architecture, classes=classes, task=task).item()  # type: ignore[call-overload]
    if as_json:
        asked = {"code": str(architecture), "image_size": list(size), "classes": classes, "task": task}
        print_json(asked | {"macs": macs, "params": params})
        return
    say(f"{macs / 1e9:.4f} GMACs ({macs:,}) at {size[0]} x {size[1]} pixels, {classes} classes, {task}")
    say(f"{params / 1e6:.4f} M params ({params:,})")
