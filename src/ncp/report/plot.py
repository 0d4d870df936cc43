"""Axes for plots: scales, ticks and grids, with lines, points and heat maps on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from typing import Literal

import numpy as np

from ncp.report.style import CIVIDIS
from ncp.report.svg import Path, Picture, Text, crosses, dots, polyline, rectangle
from ncp.spaces.arrays import Reals

LEVELS = 32
"""Colours of a heat map."""
SEAM = 0.6
"""Width of the outline of a heat map's boxes [pixels]."""
MULTIPLES = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Scale:
    """How values become places on an axis.

    Attributes:
        low: value at the beginning of the axis.
        high: value at its end.
        kind: `linear`; `log`; or `symlog`, which is linear from 0 to `knee` and logarithmic above.
        knee: where a symlog scale becomes logarithmic.
    """

    low: float
    high: float
    kind: Literal["linear", "log", "symlog"] = "linear"
    knee: float = 1.0

    def shares(self, values: Reals | Sequence[float]) -> Reals:
        """Places of values along the axis, from 0 at the beginning to 1 at the end."""
        low, high, inner = (self._bent(np.asarray(each, dtype=float)) for each in (self.low, self.high, values))
        span = float(high - low)
        places: Reals = (inner - low) / (span or 1.0)
        return places

    def ticks(self, most: int = 6) -> list[float]:
        """Round values to label, about `most` of them."""
        if self.kind == "linear":
            return _linear_ticks(self.low, self.high, most)
        first = self.low if self.kind == "log" else self.knee
        decades = range(floor(log10(first)), ceil(log10(max(self.high, first))) + 1)
        zero = [0.0] if self.kind == "symlog" else []
        for multiples in (MULTIPLES, (1.0, 3.0), (1.0,)):
            inside = [m * 10.0**e for e in decades for m in multiples if first <= m * 10.0**e <= self.high]
            if len(inside) <= most:
                break
        if len(inside) < 2:
            return _linear_ticks(self.low, self.high, most)
        return zero + inside

    def _bent(self, values: Reals) -> Reals:
        if self.kind == "log":
            return np.log10(values)
        if self.kind == "symlog":
            above = np.log10(np.maximum(values, self.knee) / self.knee)
            return np.minimum(values / self.knee, 1.0) + above
        return values


def padded(low: float, high: float, margin: float = 0.05) -> tuple[float, float]:
    """A range with a margin on both sides; one of no width is made wider by 1 on both sides."""
    width = margin * (high - low) or 1.0
    return low - width, high + width


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    span = high - low
    if not span > 0:
        return [low]
    rough = span / most
    unit = 10.0 ** floor(log10(rough))
    step = next(m * unit for m in (*MULTIPLES, 10.0) if m * unit >= rough * (1 - 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [float(f"{k * step:.10g}") for k in range(first, last + 1)]


@dataclass(frozen=True)
class Axes:
    """A rectangle of a picture with a horizontal and a vertical scale.

    Attributes:
        picture: the picture to draw on.
        left: left edge of the rectangle [pixels].
        top: top edge of the rectangle [pixels].
        width: width of the rectangle [pixels].
        height: height of the rectangle [pixels].
        x: the horizontal scale.
        y: the vertical scale, upwards.
    """

    picture: Picture
    left: float
    top: float
    width: float
    height: float
    x: Scale
    y: Scale

    @property
    def bottom(self) -> float:
        """The lower edge [pixels]."""
        return self.top + self.height

    def across(self, values: Reals | Sequence[float]) -> Reals:
        """Horizontal places of values [pixels]."""
        return self.left + self.width * self.x.shares(values)

    def down(self, values: Reals | Sequence[float]) -> Reals:
        """Vertical places of values [pixels]."""
        return self.top + self.height * (1 - self.y.shares(values))

    def places(self, x: Reals | Sequence[float], y: Reals | Sequence[float]) -> Iterator[tuple[float, float]]:
        """Places of points [pixels]."""
        return zip(self.across(x).tolist(), self.down(y).tolist(), strict=True)

    def frame(self, title: str = "", x_label: str = "", y_label: str = "") -> None:
        """Draw the grid, the axes with their ticks and names, and a title above."""
        ticks_x, ticks_y = self.x.ticks(max(2, int(self.width // 42))), self.y.ticks(max(2, int(self.height // 27)))
        across, down = self.across(ticks_x).tolist(), self.down(ticks_y).tolist()
        grid = "".join(f"M{x:.1f} {self.top:g}V{self.bottom:g}" for x in across)
        grid += "".join(f"M{self.left:g} {y:.1f}H{self.left + self.width:g}" for y in down)
        self.add(Path(grid, stroke="line", width=0.7))
        self.add(Path(f"M{self.left:g} {self.top:g}V{self.bottom:g}H{self.left + self.width:g}", stroke="edge"))
        self.text(across, [self.bottom + 14] * len(across), [f"{tick:g}" for tick in ticks_x], "middle")
        self.text([self.left - 6] * len(down), [y + 3.5 for y in down], [f"{tick:g}" for tick in ticks_y], "end")
        if title:
            self.add(Text(self.left, self.top - 9, title, 12.5))
        if x_label:
            self.add(Text(self.left + self.width / 2, self.bottom + 29, x_label, 10.5, anchor="middle"))
        if y_label:
            middle = self.top + self.height / 2
            self.add(Text(self.left - 40, middle, y_label, 10.5, anchor="middle", turned=True))

    def text(self, x: Sequence[float], y: Sequence[float], texts: Sequence[str], anchor: str) -> None:
        """Write small labels at places [pixels]."""
        for each in zip(x, y, texts, strict=True):
            self.add(Text(*each, size=10, fill="faint", anchor=anchor))

    def line(self, x: Reals, y: Reals, colour: str, width: float = 2.0, dash: str = "") -> None:
        """Draw a line through points."""
        if len(x):
            self.add(Path(polyline(self.places(x, y)), stroke=colour, width=width, dash=dash, round=True))

    def band(self, x: Reals, low: Reals, high: Reals, colour: str) -> None:
        """Shade what lies between two lines."""
        edge = [*self.places(x, high), *self.places(x[::-1], low[::-1])]
        self.add(Path(f"{polyline(edge)}Z", fill=colour, opacity=0.16))

    def points(self, x: Reals, y: Reals, colour: str, size: float, opacity: float = 1.0) -> None:
        """Draw dots, without those above or below the axes."""
        inside = (self.y.low <= y) & (y <= self.y.high)
        if inside.any():
            d = dots(self.places(x[inside], y[inside]))
            self.add(Path(d, stroke=colour, width=size, opacity=opacity, round=True))

    def crosses(self, x: Reals, y: Reals, colour: str) -> None:
        """Draw crosses."""
        if len(x):
            self.add(Path(crosses(self.places(x, y)), stroke=colour, width=1.6))

    def horizontal(self, y: float, dash: str, label: str = "") -> None:
        """Draw a horizontal line across the axes, with a label above its beginning."""
        (at,) = self.down([y]).tolist()
        self.add(Path(f"M{self.left:g} {at:.1f}H{self.left + self.width:g}", stroke="ink", dash=dash))
        if label:
            self.add(Text(self.left + 4, at - 4, label, 10))

    def vertical(self, x: float, dash: str, label: str = "") -> None:
        """Draw a vertical line across the axes, with a label to the left of its foot."""
        (at,) = self.across([x]).tolist()
        self.add(Path(f"M{at:.1f} {self.top:g}V{self.bottom:g}", stroke="ink", dash=dash))
        if label:
            self.add(Text(at - 4, self.bottom - 5, label, 10, anchor="end"))

    def add(self, item: Path | Text) -> None:
        """Draw an item."""
        self.picture.items.append(item)


def draw_heat(picture: Picture, shares: Reals, left: float, top: float, width: float, row: float) -> None:
    """Draw a matrix of numbers from 0 to 1, `(rows, columns)`, as coloured boxes of height `row` [pixels].

    A thin outline of the same colour closes the seams that viewers draw between boxes at other scales.
    """
    levels = np.clip((shares * (LEVELS - 1)).round(), 0, LEVELS - 1).astype(int)
    edges = (left + width * np.arange(levels.shape[1] + 1) / levels.shape[1]).round().astype(int).tolist()
    shapes: dict[int, list[str]] = {}
    for k, line in enumerate(levels):
        changes = [0, *(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
        for begin, end in pairwise(changes):
            x = edges[begin]
            shapes.setdefault(int(line[begin]), []).append(rectangle(x, top + k * row, edges[end] - x, row))
    for level in sorted(shapes):
        colour = _colour(level / (LEVELS - 1))
        picture.items.append(Path("".join(shapes[level]), colour, stroke=colour, width=SEAM))


def draw_colour_bar(picture: Picture, left: float, top: float, height: float, label: str) -> None:
    """Draw the colours of a heat map from 0 at the bottom to 1 at the top."""
    edges = [round(top + height * k / LEVELS) for k in range(LEVELS + 1)]
    for k in range(LEVELS):
        d = rectangle(left, edges[k], 12, edges[k + 1] - edges[k])
        colour = _colour(1 - k / (LEVELS - 1))
        picture.items.append(Path(d, colour, stroke=colour, width=SEAM))
    for share in (0.0, 0.5, 1.0):
        picture.items.append(Text(left + 17, top + height * (1 - share) + 3.5, f"{share:g}", 10, "faint"))
    picture.items.append(Text(left + 48, top + height / 2, label, 10.5, anchor="middle", turned=True))


def _colour(share: float) -> str:
    """The colour of a number from 0 to 1, between those of Cividis."""
    place = share * (len(CIVIDIS) - 1)
    k = min(int(place), len(CIVIDIS) - 2)
    low, high = ([int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in CIVIDIS[k : k + 2])
    mixed = (round(a + (b - a) * (place - k)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
