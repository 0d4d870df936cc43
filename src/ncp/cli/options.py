"""Options that several commands share, the functions that read their values, and checks of paths to write to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.errors import ConfigError, DataError, quoted
from ncp.extras import require_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ncp
    from ncp.cost import Head

BENCHMARK = "nas-bench-mr"
"""The default table and predictor, as in `ncp.spaces.families`, which help texts must not load."""
MOST = 100_000
"""Most codes at once, so that they fit in memory."""
CLASSES = 50
"""Default number of classes."""
IMAGE_SIZE = 128
"""Default height and width of images [pixels]."""
PAGE = (".html", ".htm")
"""Endings of a report."""
PICTURE = (".svg", ".png", ".pdf")
"""Endings of a picture."""

CodeArgument = Annotated[
    str,
    typer.Argument(
        metavar="CODE", help="An architecture: its text (96_128-1_1_..-64), or its vector or setting as JSON."
    ),
]
OptionalCodeArgument = Annotated[
    str | None,
    typer.Argument(metavar="CODE", help="An architecture: its text, or its vector or setting as JSON."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
ReportOption = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Also write a self-contained HTML report.")
]
OutFolder = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write the results to.")]
TasksOption = Annotated[
    str,
    typer.Option(
        "--tasks",
        metavar="TASK[:WEIGHT],..",
        help="Objective: tasks (seg) or columns (seg/mIoU), with weights [default: 1], as in seg,video:2.",
    ),
]
ImageSizeOption = Annotated[
    str | None,
    typer.Option(
        "--image-size", metavar="SIZE", help=f"Image size [pixels]: 224, or HEIGHTxWIDTH [default: {IMAGE_SIZE}]."
    ),
]
ClassesOption = Annotated[
    int | None, typer.Option("--classes", metavar="N", min=1, help=f"Number of classes [default: {CLASSES}].")
]
HeadOption = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="NAME",
        help="Head: classification, segmentation or features (no head) [default: classification].",
    ),
]
MaxGmacs = Annotated[
    float | None, typer.Option("--max-gmacs", metavar="NUMBER", min=0, help="Most multiply-adds [1e9].")
]
MaxMparams = Annotated[
    float | None, typer.Option("--max-mparams", metavar="NUMBER", min=0, help="Most parameters [1e6].")
]
MaxLatencyMs = Annotated[
    float | None,
    typer.Option("--max-latency-ms", metavar="NUMBER", min=0, help="Highest latency [ms]; it needs --latency."),
]
LatencyOption = Annotated[
    Path | None,
    typer.Option("--latency", metavar="FILE", help="Latency model of this machine, from ncp profile --calibrate."),
]
MeasuredImageSizeOption = Annotated[
    str | None,
    typer.Option(
        "--image-size",
        metavar="SIZE",
        help=f"Image size [pixels]: 224, or HEIGHTxWIDTH [default: that of --latency, or {IMAGE_SIZE}].",
    ),
]
MeasuredHeadOption = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="NAME",
        help="Head: classification, segmentation or features (no head) [default: that of --latency, or "
        "classification].",
    ),
]
AtLeast = Annotated[
    list[str] | None,
    typer.Option(
        "--at-least", metavar="COLUMN=VALUE", help="Minimum value [raw units], as in seg/mIoU=76 (repeatable)."
    ),
]
UncertaintyPenaltyOption = Annotated[
    float,
    typer.Option(
        "--uncertainty-penalty",
        metavar="NUMBER",
        min=0,
        max=100,
        help="Standard deviations to subtract from predicted values.",
    ),
]
StepsOption = Annotated[int, typer.Option("--steps", metavar="N", min=1, help="Gradient steps per start.")]
StartsOption = Annotated[int, typer.Option("--starts", metavar="N", min=1, max=MOST, help="Number of starts.")]
TopOption = Annotated[int, typer.Option("--top", metavar="N", min=1, max=MOST, help="Most codes to return.")]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Random seed.")]
PredictorOption = Annotated[
    str | None,
    typer.Option(
        "--predictor",
        metavar="NAME|FILE",
        help=f"Predictor: {BENCHMARK}, or a file from ncp train-predictor "
        f"[default: fitted on --table, or {BENCHMARK}].",
    ),
]
TableOption = Annotated[
    str | None,
    typer.Option(
        "--table",
        metavar="NAME|FILE",
        help="Measured values: a benchmark or a table file. Its rows are candidates, and a judge is fitted on it "
        f"[default: {BENCHMARK}, if it is installed and no --predictor is given].",
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option("--root", metavar="FOLDER", help="Folder of the benchmarks' tables [default: the cache]."),
]


def require_outputs(folder: Path | None, report: Path | None) -> None:
    """Check, before long work begins, that a folder of results and a report can be written.

    Raises:
        ConfigError: the report has another ending than a page.
        DataError: a path that cannot be written to.
        MissingExtraError: the packages of a report are not installed.
    """
    if folder is not None:
        _require_writable(folder, folder)
    if report is not None:
        require_file(report, "report", PAGE)
        require_extra("report", "a report")


def require_file(path: Path, field: str, endings: Sequence[str] = ()) -> None:
    """Check, before long work begins, that a file can be written. A device or pipe can have any name.

    Args:
        path: the file.
        field: the argument that names it.
        endings: the endings that the file may have, if its ending decides the format.

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
    _require_writable(path.parent, path)


def _require_writable(folder: Path, path: Path) -> None:
    """Check that the folder of a path can be written to, or be made."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass  # it does not exist yet; the loop below looks at its folders
    except OSError as error:  # such as a name that is too long
        raise DataError(f"Cannot write {quoted(str(path))}: {error.strerror}. Choose another path.") from None
    existing = folder.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not os.path.isdir(existing):  # noqa: PTH112
        raise DataError(f"Cannot write {path}: {existing} is not a folder. Choose another path.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise DataError(f"Cannot write {path}: you have no right to write in {existing}. Choose another path.")


def read_code(text: str) -> ncp.Code:
    """A network's code from any of its three written forms."""
    from ncp.spaces.multires import read_network

    return read_network(text)


def read_image_size(text: str | None) -> tuple[int, int]:
    """Height and width from `224` or `512x1024`, or their default."""
    from ncp.cost import read_image_size

    return (IMAGE_SIZE, IMAGE_SIZE) if text is None else read_image_size(text)


def read_head(text: str | None) -> Head:
    """A head from its name, or the default.

    Raises:
        ConfigError: another name.
    """
    from ncp.cost import HEADS

    if text is None:
        return "classification"
    for head in HEADS:
        if text == head:
            return head
    raise ConfigError("{field} must be one of {names}, got {given}.", field="head", given=text, names=", ".join(HEADS))


def read_classes(classes: int | None, head: Head) -> int:
    """The number of classes, or its default.

    Raises:
        ConfigError: a number for a network without a classifier.
    """
    if classes is not None and head == "features":
        raise ConfigError("--classes does nothing with --head features, which has no classifier. Leave it out.")
    return CLASSES if classes is None else classes


def read_tasks(text: str) -> dict[str, float]:
    """Weights by task or column from `seg,video:2`."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        try:
            value = float(weight) if colon else 1.0
        except ValueError:
            raise ConfigError(f"The weight of {quoted(name)} must be a number, got {quoted(weight)}.") from None
        if not name or name in weights:
            raise ConfigError(
                "{field} must name tasks such as seg,video:2, each once, got {given}.", field="tasks", given=text
            )
        weights[name] = value
    return weights


def read_minimums(texts: Sequence[str] | None) -> dict[str, float]:
    """Minimum values by task or column, from texts such as `seg/mIoU=76` or `seg/mIoU=76,video=40`."""
    minimums: dict[str, float] = {}
    for part in (part.strip() for text in texts or () for part in text.split(",")):
        name, _, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = None
        if not name or name in minimums or value is None:
            raise ConfigError(
                "{field} must look like seg/mIoU=76, each column once, got {given}.", field="at_least", given=part
            )
        minimums[name] = value
    return minimums


def read_budget(
    max_gmacs: float | None,
    max_mparams: float | None,
    image_size: str | None,
    head: str | None,
    classes: int | None,
    max_latency_ms: float | None = None,
    latency: Path | None = None,
) -> ncp.Budget:
    """The budget that options describe, in the units of the options; `latency` is a calibration file.

    What is left out is as in the calibration, if there is one.

    Raises:
        ConfigError: an option with a wrong value, or without its partner.
        DataError: a calibration file that cannot be used on this machine.
    """
    import ncp

    if max_latency_ms is not None and latency is None:
        raise ConfigError(
            "--max-latency-ms needs a latency model of this machine. Run ncp profile --calibrate FILE once, then add "
            "--latency FILE."
        )
    if latency is not None and max_latency_ms is None:
        raise ConfigError("--latency does nothing without --max-latency-ms. Add --max-latency-ms.")
    if classes is not None:
        read_classes(classes, read_head(head))
    counted: dict[str, Any] = {
        "image_size": None if image_size is None else read_image_size(image_size),
        "task": None if head is None else read_head(head),
        "classes": classes,
    }
    return ncp.Budget(
        max_macs=None if max_gmacs is None else max_gmacs * 1e9,
        max_params=None if max_mparams is None else max_mparams * 1e6,
        max_latency_ms=max_latency_ms,
        latency=None if latency is None else ncp.load_latency(latency),
        **counted,
    )


def load_table(table: str | None, root: Path | None) -> ncp.Table | None:
    """The table that options name, or None if they name none.

    Raises:
        ConfigError: a folder of the benchmarks' tables beside a table file.
        DataError: a table that cannot be read.
    """
    import ncp

    require_root(root, table)
    return None if table is None else ncp.load_table(table, root)


def searched_table(table: str | None, root: Path | None, predictor: str | None) -> ncp.Table | None:
    """The table that a search compares with: the one that options name, or by default the benchmark's.

    A search with a predictor of the user's has no default: the predictor may be of another space.

    Raises:
        ConfigError: a folder of the benchmarks' tables beside a table file.
        DataError: a table that cannot be read.
    """
    named = load_table(table, root)
    return installed_table(root) if named is None and predictor is None else named


def installed_table(root: Path | None) -> ncp.Table | None:
    """The default table, or None if it is not installed."""
    import ncp
    from ncp.tables.cache import is_installed

    return ncp.load_table(BENCHMARK, root) if is_installed(BENCHMARK, root) else None


def require_root(root: Path | None, table: str | None) -> None:
    """Refuse --root beside a table file.

    Raises:
        ConfigError: the table is not a benchmark's.
    """
    from ncp.spaces.families import table_names

    if root is not None and table is not None and table not in table_names():
        raise ConfigError(f"--root does nothing with the table {table}. Leave it out.")
