"""Pictures of shapes and texts, and their SVG: within a page, or as a file for light and dark backgrounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from ncp.errors import printable
from ncp.report.style import DARK, LIGHT, MONO, SANS


@dataclass(frozen=True)
class Path:
    """A shape.

    Attributes:
        d: SVG path data with the absolute commands M, L, H, V, C and Z, or with relative ones where the picture is
            only written as SVG.
        fill: a named colour of `ncp.report.style`, a colour as `#rrggbb`, or `none`.
        stroke: likewise.
        width: width of the stroke [pixels].
        dash: lengths of dashes and gaps [pixels], in SVG notation.
        opacity: from 0 to 1.
        round: whether line ends are round, so that a line of length 0 is a dot.
    """

    d: str
    fill: str = "none"
    stroke: str = "none"
    width: float = 1.0
    dash: str = ""
    opacity: float = 1.0
    round: bool = False


@dataclass(frozen=True)
class Text:
    """A text at a place.

    Attributes:
        x: horizontal place [pixels].
        y: place of the baseline [pixels].
        text: what it says; control characters are shown escaped.
        size: font size [pixels].
        fill: a named colour.
        anchor: `start`, `middle` or `end`: which part of the text is at `x`.
        bold: whether it is bold.
        mono: whether all its characters have the same width.
        turned: whether it runs upwards.
    """

    x: float
    y: float
    text: str
    size: float = 11.0
    fill: str = "ink"
    anchor: str = "start"
    bold: bool = False
    mono: bool = False
    turned: bool = False


@dataclass
class Picture:
    """Shapes and texts in the order in which they are drawn.

    Attributes:
        width: width of the picture [pixels].
        height: height of the picture [pixels].
        label: the alternative text, for readers who cannot see the picture.
        items: the shapes and texts.
    """

    width: float
    height: float
    label: str
    items: list[Path | Text] = field(default_factory=list)

    def element(self, classes: str = "") -> str:
        """The picture as an element of a page whose styles include `picture_css()`."""
        names = f"picture {classes}" if classes else "picture"
        return self._svg(f'class="{names}"', "")

    def document(self, title: str | None = None) -> str:
        """The picture as a file of its own, which follows the reader's light or dark scheme.

        Args:
            title: the document's title, such as the id of a run.
        """
        head = "" if title is None else f"<title>{_escaped(title)}</title>"
        style = f"<style>{_file_css()}</style>"
        ground = f'<path class="f-paper" d="{rectangle(0, 0, self.width, self.height)}"/>'
        attributes = (
            f'xmlns="http://www.w3.org/2000/svg" class="picture" width="{self.width:g}" height="{self.height:g}"'
        )
        return f'<?xml version="1.0" encoding="utf-8"?>\n{self._svg(attributes, head + style + ground)}\n'

    def _svg(self, attributes: str, head: str) -> str:
        box = f'viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label="{_escaped(self.label)}"'
        return f"<svg {attributes} {box}>{head}{''.join(map(_element, self.items))}</svg>"


def _element(item: Path | Text) -> str:
    return _path(item) if isinstance(item, Path) else _text(item)


def _path(path: Path) -> str:
    colours = [("f", "fill", path.fill), ("s", "stroke", path.stroke)]
    classes = " ".join(f"{letter}-{colour}" for letter, _, colour in colours if colour in LIGHT)
    attributes = f' class="{classes}"' if classes else ""
    attributes += "".join(f' {name}="{colour}"' for _, name, colour in colours if colour.startswith("#"))
    attributes += ' fill="none"' if path.fill == "none" else ""
    if path.stroke != "none":
        attributes += f' stroke-width="{path.width:g}"'
        attributes += f' stroke-dasharray="{path.dash}"' if path.dash else ""
        attributes += ' stroke-linecap="round"' if path.round else ""
    attributes += f' opacity="{path.opacity:g}"' if path.opacity < 1 else ""
    return f'<path{attributes} d="{path.d}"/>'


def _text(text: Text) -> str:
    classes = [f"f-{text.fill}"] if text.fill != "ink" else []
    classes += [name for name, on in (("bold", text.bold), ("mono", text.mono)) if on]
    attributes = f' class="{" ".join(classes)}"' if classes else ""
    attributes += f' text-anchor="{text.anchor}"' if text.anchor != "start" else ""
    attributes += f' transform="rotate(-90 {text.x:g} {text.y:g})"' if text.turned else ""
    return f'<text x="{text.x:g}" y="{text.y:g}" font-size="{text.size:g}"{attributes}>{_escaped(text.text)}</text>'


def _escaped(text: str) -> str:
    return escape(printable(text).replace("\n", " "))


def picture_css() -> str:
    """Rules for pictures within a page that defines the named colours as CSS variables."""
    return _rules({name: f"var(--{name})" for name in LIGHT})


def _file_css() -> str:
    """Rules for a picture in a file of its own, without variables, which not every viewer knows."""
    return f"{_rules(LIGHT)}@media (prefers-color-scheme:dark){{{_rules(DARK, colours_only=True)}}}"


def _rules(colours: dict[str, str], colours_only: bool = False) -> str:
    rules = [
        f".picture .{letter}-{name}{{{attribute}:{colour}}}"
        for letter, attribute in (("f", "fill"), ("s", "stroke"))
        for name, colour in colours.items()
    ]
    fonts = [
        f".picture text{{font-family:{SANS};white-space:pre}}",
        ".picture .bold{font-weight:600}",
        f".picture .mono{{font-family:{MONO}}}",
    ]
    text = f".picture text{{fill:{colours['ink']}}}"
    return "".join([*([] if colours_only else fonts), text, *rules])


def rectangle(x: float, y: float, width: float, height: float) -> str:
    """Path data of a rectangle whose upper left corner is `(x, y)`."""
    return f"M{x:g} {y:g}H{x + width:g}V{y + height:g}H{x:g}Z"


def polyline(points: Iterable[Sequence[float]]) -> str:
    """Path data of lines through points, rounded to a tenth of a pixel."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def coarse_polyline(points: Iterable[Sequence[float]]) -> str:
    """The same in whole pixels and relative moves, which take a third of the bytes: for many faint lines."""
    whole = [(round(x), round(y)) for x, y in points]
    parts, level = [f"M{whole[0][0]} {whole[0][1]}"], 0
    for (x, y), (u, v) in pairwise(whole):
        if v == y:
            level += u - x
            continue
        parts += [f"h{level}"] if level else []
        parts.append(f"l{u - x}{'' if v < y else ' '}{v - y}")
        level = 0
    return "".join([*parts, *([f"h{level}"] if level else [])])


def dots(points: Iterable[Sequence[float]]) -> str:
    """Path data of dots, rounded to half a pixel, each place once; to be drawn with `round=True`."""
    places = dict.fromkeys((round(2 * x) / 2, round(2 * y) / 2) for x, y in points)
    return "".join(f"M{x:g} {y:g}h0" for x, y in places)


def crosses(points: Iterable[Sequence[float]], reach: float = 3.0) -> str:
    """Path data of crosses whose arms reach so far [pixels]."""
    return "".join(
        f"M{x - reach:.1f} {y - reach:.1f}L{x + reach:.1f} {y + reach:.1f}"
        f"M{x - reach:.1f} {y + reach:.1f}L{x + reach:.1f} {y - reach:.1f}"
        for x, y in points
    )
