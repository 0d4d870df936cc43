"""Options that several commands share, what their texts stand for, and whether their files can be written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ncp.errors import ConfigError, DataError, quoted
from ncp.extras import require_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ncp
    from ncp.optim.propagation import StrategyName

MOST = 100_000
"""Codes at once: more take more memory than machines have."""
CLASSES = 50
"""Outputs of a classifier, unless the user says so."""
PAGE = (".html", ".htm")
PICTURE = (".svg", ".png", ".pdf")
"""Endings of what is written."""

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
HeadClassesOption = Annotated[
    int | None,
    typer.Option("--classes", min=1, help=f"Outputs of the classifier; {CLASSES} if left out."),
]
ClassesOption = Annotated[int, typer.Option("--classes", min=1, help="Outputs of the classifier that is counted.")]
MaxGmacs = Annotated[float | None, typer.Option("--max-gmacs", min=0, help="Most multiply-adds [1e9].")]
MaxMparams = Annotated[float | None, typer.Option("--max-mparams", min=0, help="Most parameters [1e6].")]
AtLeast = Annotated[
    list[str] | None,
    typer.Option(
        "--at-least", metavar="TASK=VALUE", help="Predicted value [raw units] below which no code is returned."
    ),
]
UncertaintyPenaltyOption = Annotated[
    float,
    typer.Option("--uncertainty-penalty", min=0, max=100, help="Standard deviations subtracted from predicted values."),
]
StepsOption = Annotated[int, typer.Option("--steps", min=1, help="Steps of each.")]
StartsOption = Annotated[int, typer.Option("--starts", min=1, max=MOST, help="Codes that move at once.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of the starts and fits.")]
PredictorOption = Annotated[
    Path | None,
    typer.Option(
        "--predictor",
        metavar="FILE",
        help="Your own predictor, from ncp train. Left out: one fitted on --table, or the shipped one.",
    ),
]
TableOption = Annotated[
    str | None,
    typer.Option(
        "--table",
        metavar="NAME|FILE",
        help="Measured values: its rows are candidates, and it gives a predictor and a judge.",
    ),
]


def require_outputs(folder: Path | None, report: Path | None) -> None:
    """Refuse, before the work begins, a folder of results or a page that cannot be written.

    Raises:
        ConfigError: an ending that no page has.
        DataError: a path that cannot be written to.
        MissingExtraError: the packages of a report are not installed.
    """
    if folder is not None:
        _require_place(folder, folder)
    if report is not None:
        require_file(report, "report", PAGE)
        require_extra("report", "a report")


def require_file(path: Path, field: str, endings: Sequence[str] = ()) -> None:
    """Refuse, before the work begins, a file that cannot be written; a device or pipe can have any name.

    Args:
        path: the file.
        field: the argument that names it.
        endings: what its name may end in, where that says the format.

    Raises:
        ConfigError: another ending.
        DataError: a path that cannot be written to.
    """
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises where it may not look)
        raise DataError(f"Cannot write {path}: it is a folder. Name a file in it.")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 (likewise)
        return
    if endings and path.suffix.lower() not in endings:
        listed = " or ".join(filter(None, [", ".join(endings[:-1]), endings[-1]]))
        raise ConfigError("{field} must end in {endings}, got {given}.", field=field, given=str(path), endings=listed)
    _require_place(path.parent, path)


def _require_place(folder: Path, path: Path) -> None:
    """Refuse a path whose folder neither is there, with the right to write in it, nor can be made."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass  # it can be made, or else the loop below finds what is in its way
    except OSError as error:  # such as a name that is too long
        raise DataError(f"Cannot write {quoted(str(path))}: {error.strerror}. Choose another path.") from None
    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not os.path.isdir(place):  # noqa: PTH112
        raise DataError(f"Cannot write {path}: {place} is not a folder. Choose another path.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise DataError(f"Cannot write {path}: you have no right to write in {place}. Choose another path.")


def read_code(text: str) -> ncp.Code:
    """Any of the three written forms of a network's code."""
    from ncp.spaces.multires import read_network

    return read_network(text)


def read_image_size(text: str) -> tuple[int, int]:
    """`224` or `512x1024` as height and width."""
    from ncp.cost import read_image_size

    return read_image_size(text)


def read_classes(classes: int | None, task: str) -> int:
    """How many classes a network has: as many as in a budget, unless the user says so.

    Raises:
        ConfigError: a number for a network without a classifier.
    """
    if classes is not None and task == "features":
        raise ConfigError("--classes does nothing with --task features, which has no classifier. Leave it out.")
    return CLASSES if classes is None else classes


def require_root(root: Path | None, table: str | None) -> None:
    """Refuse the folder of the benchmarks' tables beside a table that is not one of them.

    Raises:
        ConfigError: a table of one's own.
    """
    from ncp.spaces.families import table_names

    if root is not None and table is not None and table not in table_names():
        raise ConfigError(f"--root does nothing with a table of your own, {table}. Leave it out.")


def read_tasks(text: str) -> dict[str, float]:
    """`seg,video:2` as weights per task or column."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        try:
            value = float(weight) if colon else 1.0
        except ValueError:
            raise ConfigError(f"Expected a number as the weight of {quoted(name)}. Got {quoted(weight)}.") from None
        if not name or name in weights:
            raise ConfigError(f"Expected tasks such as seg,video:2, each once. Got {quoted(text)}.")
        weights[name] = value
    return weights


def read_strategy(text: str) -> StrategyName:
    """The name of a strategy of `ncp.propagate`.

    Raises:
        ConfigError: another name.
    """
    from ncp.optim.propagation import STRATEGIES

    if text not in STRATEGIES:
        names = ", ".join(STRATEGIES)
        raise ConfigError("{field} must be one of {names}, got {given}.", field="strategy", given=text, names=names)
    return cast("StrategyName", text)


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
