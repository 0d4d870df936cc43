"""How commands read codes and print: one JSON document for programs, tables for people."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

import ncp
from ncp.errors import CodeError, ConfigError, quoted

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
        read = json.loads(text, object_pairs_hook=_setting)
    except CodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise CodeError(f"Expected a code's vector or setting as JSON. Got {quoted(text)}: {error}.") from None
    return ncp.Code.from_vector(read) if isinstance(read, list) else ncp.Code.from_setting(**read)


def read_code_of(space: "ncp.Space", text: str) -> tuple[int, ...]:
    """A code of any space, in any of its written forms."""
    from ncp.texts import read_code as read_any

    return read_code(text).vector if space == ncp.MULTIRES else read_any(space, text)


def read_image_size(text: str) -> tuple[int, int]:
    """`224` or `512x1024` as height and width."""
    numbers = re.fullmatch(r"([0-9]{1,9})(?:x([0-9]{1,9}))?", text, re.IGNORECASE)
    if not numbers:
        raise ConfigError(f"Expected an image size such as 224 or 512x1024. Got {quoted(text)}.")
    height, width = numbers.groups()
    return int(height), int(width or height)


def _setting(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A setting's three keys, each of them once."""
    keys = [key for key, _ in pairs]
    if sorted(keys) != ["input_channel", "last_channel", "network_setting"]:
        raise CodeError(
            f"Expected a setting with the keys input_channel, network_setting and last_channel. Got {quoted(keys)}."
        )
    return dict(pairs)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, allow_nan=False))
