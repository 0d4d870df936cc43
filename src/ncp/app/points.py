"""The benchmark as points: any two columns or costs of its rows, what of them is shown, and where a code lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.app.facts import facts_of
from ncp.app.subject import Subject
from ncp.cost import Counting
from ncp.report.figures import COLOURS, named
from ncp.spaces.arrays import Reals

GMACS, MPARAMS = "cost [GMACs]", "size [M parameters]"
MANY = 4000
"""More points than this are drawn by the graphics card."""


@dataclass(frozen=True)
class Filter:
    """Which rows are shown: those of some origins, and with an axis within bounds (None: no bound)."""

    origins: tuple[str, ...]
    axis: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Points:
    """What the picture shows.

    Attributes:
        x_name: of the horizontal axis, with its unit.
        y_name: of the vertical axis, with its unit.
        rows: of the table, `(r,)`.
        x: `(r,)`.
        y: `(r,)`.
        origins: `(r,)`.
        every_origin: of the table, each once: their colours stay whatever is shown.
        texts: the rows' codes.
    """

    x_name: str
    y_name: str
    rows: NDArray[np.int64]
    x: Reals
    y: Reals
    origins: NDArray[np.str_]
    every_origin: tuple[str, ...]
    texts: tuple[str, ...]


def axes_of(subject: Subject, counting: Counting) -> dict[str, Reals]:
    """Every axis that there is, with the table's values `(n,)`."""
    table = subject.table
    if table is None:
        return {}
    axes: dict[str, Reals] = {}
    if subject.priced:
        axes[GMACS] = counting.macs(table.codes) / 1e9
        axes[MPARAMS] = counting.params(table.codes) / 1e6
    return axes | {named(c): v for c, v in zip(table.columns, table.values.T, strict=True)}


def points_data(subject: Subject, axes: Mapping[str, Reals], x: str, y: str, kept: Filter) -> Points:
    """The rows that a filter keeps and that have both values."""
    table = subject.table
    if table is None:
        raise ValueError("points need a table")
    bounded = axes[kept.axis]
    shown = np.isin(table.origin, kept.origins) & np.isfinite(axes[x]) & np.isfinite(axes[y])
    shown &= np.isfinite(bounded) if kept.low is not None or kept.high is not None else True
    shown &= bounded >= kept.low if kept.low is not None else True
    shown &= bounded <= kept.high if kept.high is not None else True
    rows = np.flatnonzero(shown)
    texts = tuple(subject.space.text(table.codes[row]) for row in rows.tolist())
    origins = tuple(sorted(set(table.origin.tolist())))
    return Points(x, y, rows, axes[x][rows], axes[y][rows], table.origin[rows], origins, texts)


def place_of(subject: Subject, code: Sequence[int], counting: Counting, x: str, y: str) -> tuple[float, float] | None:
    """Where a code lies: measured, else as predicted; None where an axis is not known of it."""
    facts = facts_of(subject, code, counting)
    known: dict[str, float | None] = {
        named(line.column): line.mean if line.measured is None else line.measured for line in facts.lines
    }
    known[GMACS] = None if facts.macs is None else facts.macs / 1e9
    known[MPARAMS] = None if facts.params is None else facts.params / 1e6
    left, up = known.get(x), known.get(y)
    return None if left is None or up is None else (left, up)


def draw_points(points: Points, place: tuple[float, float] | None) -> dict[str, Any]:
    """A figure of plotly: a colour per origin, a star where the code in hand lies, which is the first trace."""
    star = {"x": [], "y": []} if place is None else {"x": [place[0]], "y": [place[1]]}
    kind = "scattergl" if len(points.rows) > MANY else "scatter"
    traces = []
    for number, origin in enumerate(points.every_origin):
        of = points.origins == origin
        if not of.any():
            continue
        traces.append(
            {
                "type": kind,
                "mode": "markers",
                "name": escape(origin or "rows"),
                "x": points.x[of].tolist(),
                "y": points.y[of].tolist(),
                "customdata": points.rows[of].tolist(),
                "text": [escape(points.texts[k]) for k in np.flatnonzero(of).tolist()],
                "hovertemplate": "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
                "marker": {"size": 6, "opacity": 0.7, "color": COLOURS[number % len(COLOURS)]},
            }
        )
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "open code",
            **star,
            "hovertemplate": "open code<br>%{x:.4g}, %{y:.4g}<extra></extra>",
            "marker": {"size": 16, "symbol": "star", "color": "#f0e442", "line": {"width": 1.5, "color": "#000000"}},
        }
    )
    axis = {"zeroline": False, "automargin": True, "ticks": "outside", "ticklen": 4}
    return {
        "data": traces,
        "layout": {
            "margin": {"l": 56, "r": 8, "t": 8, "b": 48},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "hovermode": "closest",
            "font": {"family": "system-ui, sans-serif", "size": 13},
            "dragmode": "pan",
            "showlegend": True,
            "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
            "xaxis": {**axis, "title": {"text": escape(points.x_name)}},
            "yaxis": {**axis, "title": {"text": escape(points.y_name)}},
        },
        "config": {
            "displaylogo": False,
            "responsive": True,
            "modeBarButtonsToRemove": ["select2d", "lasso2d", "toImage"],
        },
    }
