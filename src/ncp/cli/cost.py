"""`ncp cost`: the exact cost of an architecture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from ncp.cli.output import exact_macs, print_json, say
from ncp.cost_text import mparams_text
from ncp.errors import ConfigError

if TYPE_CHECKING:
    from ncp.cost import Counting


def cost(
    code: CodeArgument,
    task: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Task file, whose image size, head and number of classes are counted."),
    ] = None,
    image_size: ImageSizeOption = None,
    head: HeadOption = None,
    classes: ClassesOption = None,
    as_json: AsJson = False,
) -> None:
    """Print the exact multiply-adds and parameters of an architecture."""
    from ncp.cost import Counting
    from ncp.optim.budget import counting_text

    architecture, size, read = read_code(code), read_image_size(image_size), read_head(head)
    if task is None:
        counting = Counting(size, read_classes(classes, read), read)
    elif (image_size, head, classes) == (None, None, None):
        counting = _of_task(task)
    else:
        raise ConfigError("--task decides image size, head and classes. Leave out --image-size, --head and --classes.")
    macs, params = counting.macs(architecture).item(), counting.params(architecture).item()
    if as_json:
        settings = asdict(counting)
        if task is None:
            settings = {name: settings[name] for name in ("image_size", "classes", "task")}
        print_json({"code": str(architecture), **settings, "macs": macs, "params": params})
        return
    say(f"{exact_macs(macs)} at {counting_text(counting)}")
    say(f"{mparams_text(params)} M params ({params:,})")


def _of_task(path: Path) -> Counting:
    """How costs are counted for the task of a file.

    Raises:
        ConfigError: a task whose costs are not counted.
    """
    from ncp.tasks.task import Task

    task = ncp.load_task(path)
    if not isinstance(task, Task):
        raise ConfigError(f"The networks of {path} are built by its own program, so their costs are not known.")
    if task.counting is None:
        raise ConfigError(
            f"The costs of {path} are not counted, since its images do not shrink evenly. Choose a height and a width "
            "that are multiples of 32."
        )
    return task.counting
