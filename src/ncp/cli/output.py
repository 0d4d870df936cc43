"""How commands read codes and print: one JSON document for programs, tables for people."""

import json
import shlex
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

import ncp

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
    from ncp.texts import read_network

    return read_network(text)


def read_code_of(space: "ncp.Space", text: str) -> tuple[int, ...]:
    """A code of any space, in any of its written forms."""
    from ncp.texts import read_written

    return read_written(space, text)


def read_image_size(text: str) -> tuple[int, int]:
    """`224` or `512x1024` as height and width."""
    from ncp.texts import read_size

    return read_size(text)


def command() -> str:
    """What the user typed."""
    return shlex.join(["ncp", *sys.argv[1:]])


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, allow_nan=False))
