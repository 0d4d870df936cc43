"""`ncp cost`: the exact cost of an architecture."""

import ncp
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
)
from ncp.cli.output import exact_cost, print_json, say


def cost(
    code: CodeArgument,
    image_size: ImageSizeOption = "128",
    head: HeadOption = "classification",
    classes: ClassesOption = None,
    as_json: AsJson = False,
) -> None:
    """Print the exact multiply-adds and parameters of an architecture."""
    architecture, size, task = read_code(code), read_image_size(image_size), read_head(head)
    outputs = read_classes(classes, task)
    macs = ncp.macs(architecture, image_size=size, classes=outputs, task=task).item()
    params = ncp.params(architecture, classes=outputs, task=task).item()
    if as_json:
        settings = {"code": str(architecture), "image_size": list(size), "classes": outputs, "task": task}
        print_json(settings | {"macs": macs, "params": params})
        return
    say(f"{exact_cost(macs)} at {size[0]} x {size[1]} pixels, {outputs} classes, {task}")
    say(f"{params / 1e6:.4f} M params ({params:,})")
