"""Write a picture to a file, whose ending says the format: SVG by ourselves, PNG and PDF by matplotlib."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncp.errors import ConfigError
from ncp.extras import require_extra
from ncp.io.files import whole_file
from ncp.report.style import LIGHT
from ncp.report.svg import Picture, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.path import Path as Outline

ENDINGS = (".svg", ".png", ".pdf")
UNDATED: dict[str, dict[str, Any]] = {".png": {}, ".pdf": {"CreationDate": None}}
"""Metadata per format, without the date, so that the same picture is the same file."""
POINTS = 0.75
"""Points per pixel."""
_TOKEN = re.compile(r"[MLHVCZ]|-?\d+(?:\.\d+)?(?:e-?\d+)?")


def require_ending(path: str | Path) -> None:
    """Refuse, before any work, a file whose format cannot be written.

    Raises:
        ConfigError: the path has another ending than .svg, .png or .pdf.
        MissingExtraError: PNG or PDF without matplotlib.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError("{field} must end in .svg, .png or .pdf, got {given}.", field="path", given=str(path))
    if ending != ".svg":
        require_extra("draw", "a picture as PNG or PDF")


def save(picture: Picture, path: str | Path, title: str | None = None) -> None:
    """Write a picture in the format that the path's ending names. PNG and PDF have the light colours.

    Args:
        picture: the picture.
        path: the file; missing folders are created.
        title: title of the SVG document, such as the id of a run.

    Raises:
        ConfigError: the path has another ending than .svg, .png or .pdf.
        DataError: the path cannot be written to.
        MissingExtraError: PNG or PDF without matplotlib.
    """
    require_ending(path)
    ending = Path(path).suffix.lower()
    with whole_file(path) as temporary:
        if ending == ".svg":
            temporary.write_text(picture.document(title), encoding="utf-8")
        else:
            _write_with_matplotlib(picture, temporary, ending)


def _write_with_matplotlib(picture: Picture, path: Path, ending: str) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"text.parse_math": False, "text.usetex": False, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(picture.width * POINTS / 72, picture.height * POINTS / 72))
        _draw(picture, figure)
        figure.savefig(path, format=ending[1:], dpi=192, metadata=UNDATED[ending])


def _draw(picture: Picture, figure: Figure) -> None:
    """Draw the items on axes whose units are the picture's pixels."""
    from matplotlib.patches import PathPatch

    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, picture.width), ylim=(picture.height, 0))
    ax.set_axis_off()
    for order, item in enumerate(picture.items):
        if isinstance(item, Text):
            ax.text(
                item.x,
                item.y,
                item.text,
                color=LIGHT[item.fill],
                fontsize=item.size * POINTS * 0.92,  # DejaVu Sans is wider than the fonts of browsers
                family="DejaVu Sans Mono" if item.mono else "DejaVu Sans",
                weight="bold" if item.bold else "normal",
                ha={"start": "left", "middle": "center", "end": "right"}[item.anchor],
                rotation=90 if item.turned else 0,
                rotation_mode="anchor",
                zorder=order,
            )
            continue
        dash = [float(length) / item.width for length in item.dash.split()]
        patch = PathPatch(
            _outline(item.d),
            facecolor=LIGHT.get(item.fill, item.fill),
            edgecolor=LIGHT.get(item.stroke, item.stroke),
            linewidth=item.width * POINTS,
            linestyle=(0, tuple(dash)) if dash else "-",
            alpha=item.opacity,
            zorder=order,
        )
        ax.add_patch(patch)


def _outline(d: str) -> Outline:
    """Path data as matplotlib's path."""
    from matplotlib.path import Path as Outline

    vertices: list[tuple[float, float]] = []
    codes: list[int] = []
    for command, (x, y), *controls in _commands(d):
        kind = {"M": Outline.MOVETO, "C": Outline.CURVE4, "Z": Outline.CLOSEPOLY}.get(command, Outline.LINETO)
        points = [*controls, (x, y)]
        vertices += points
        codes += [int(kind)] * len(points)
    return Outline(vertices, codes)


def _commands(d: str) -> Iterator[tuple[Any, ...]]:
    """Every command of path data with its end, and the control points of curves."""
    tokens = _TOKEN.findall(d)
    start = end = (0.0, 0.0)
    command, k = "M", 0
    while k < len(tokens):
        if tokens[k].isalpha():
            command, k = tokens[k], k + 1
        count = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "Z": 0}[command]
        numbers = [float(token) for token in tokens[k : k + count]]
        k += count
        match command:
            case "H":
                end = (numbers[0], end[1])
            case "V":
                end = (end[0], numbers[0])
            case "Z":
                end = start
            case _:
                end = (numbers[-2], numbers[-1])
        start = end if command == "M" else start
        controls = [(numbers[0], numbers[1]), (numbers[2], numbers[3])] if command == "C" else []
        yield (command, end, *controls)
