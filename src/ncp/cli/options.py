"""Options that several commands share, and what their texts stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncp.errors import ConfigError, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ncp

CodeArgument = Annotated[
    str,
    typer.Argument(
        metavar="CODE",
        help="An architecture: its text (96_128-1_1_..-64), or its vector or setting as JSON.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Also write one page of it that opens offline."),
]
ImageSizeOption = Annotated[str, typer.Option("--image-size", help="Pixels: one number, or HEIGHTxWIDTH.")]
ClassesOption = Annotated[int, typer.Option("--classes", help="Outputs of the classifier that is counted.")]
MaxGmacs = Annotated[float | None, typer.Option("--max-gmacs", help="Most multiply-adds [1e9].")]
MaxMparams = Annotated[float | None, typer.Option("--max-mparams", help="Most parameters [1e6].")]
AtLeast = Annotated[
    list[str] | None,
    typer.Option(
        "--at-least", metavar="TASK=VALUE", help="Predicted value [raw units] below which no code is returned."
    ),
]
CautionOption = Annotated[float, typer.Option("--caution", help="Deviations of the predictor taken off its promises.")]
StepsOption = Annotated[int, typer.Option("--steps", help="Steps of each.")]
StartsOption = Annotated[int, typer.Option("--starts", help="Codes that move at once.")]
PredictorOption = Annotated[
    Path | None,
    typer.Option("--predictor", metavar="FILE", help="Your own predictor, from ncp train; else the shipped one."),
]
TableOption = Annotated[
    str | None,
    typer.Option("--table", metavar="NAME|FILE", help="Measured values: verdicts on codes that stand in it."),
]


def read_code(text: str) -> ncp.Code:
    """Any of the three written forms of a network's code."""
    from ncp.texts import read_network

    return read_network(text)


def read_image_size(text: str) -> tuple[int, int]:
    """`224` or `512x1024` as height and width."""
    from ncp.texts import read_size

    return read_size(text)


def read_tasks(text: str) -> dict[str, float]:
    """`seg,video:2` as weights per task or column."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        try:
            value = float(weight) if colon else 1.0
        except ValueError:
            raise ConfigError(f"Expected a number as the weight of {name}. Got {quoted(weight)}.") from None
        if not name or name in weights:
            raise ConfigError(f"Expected tasks such as seg,video:2, each once. Got {quoted(text)}.")
        weights[name] = value
    return weights


def read_floors(texts: Sequence[str] | None) -> dict[str, float]:
    """`seg/mIoU=76`, one or many with commas between, as least values per task or column."""
    floors: dict[str, float] = {}
    for part in (part.strip() for text in texts or () for part in text.split(",")):
        name, _, least = part.rpartition("=")
        try:
            value = float(least)
        except ValueError:
            value = None
        if not name or name in floors or value is None:
            raise ConfigError(f"Expected floors such as seg/mIoU=76, each column once. Got {quoted(part)}.")
        floors[name] = value
    return floors
