"""How commands read codes and print: one JSON document for programs, tables for people."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

import ncp
from ncp.errors import CodeError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
CodeArgument = Annotated[
    str,
    typer.Argument(
        metavar="CODE",
        help="An architecture: its text (96_128-1_1_..-64), or its vector or setting as JSON.",
    ),
]
ImageSizeOption = Annotated[str, typer.Option("--image-size", help="Pixels: one number, or HEIGHTxWIDTH.")]


def read_code(text: str) -> "ncp.Code":
    """Any of the three written forms of a code."""
    if not text.lstrip().startswith(("[", "{")):
        return ncp.Code.parse(text)
    try:
        read = json.loads(text)
    except json.JSONDecodeError as error:
        raise CodeError(f"Expected a code's vector or setting as JSON. Got {text!r}: {error}.") from None
    if isinstance(read, list):
        return ncp.Code.from_vector(read)
    keys = {"input_channel", "network_setting", "last_channel"}
    if set(read) != keys:
        raise CodeError(f"Expected a setting with the keys {', '.join(sorted(keys))}. Got {', '.join(sorted(read))}.")
    return ncp.Code.from_setting(**read)


def read_image_size(text: str) -> tuple[int, int]:
    """`224` or `512x1024` as height and width."""
    numbers = text.lower().split("x")
    if len(numbers) > 2 or not all(number.isdecimal() for number in numbers):
        raise CodeError(f"Expected an image size such as 224 or 512x1024. Got {text!r}.")
    return int(numbers[0]), int(numbers[-1])


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, allow_nan=False))
