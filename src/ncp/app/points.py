"""Rows of a table as points: which rows are shown, on which axes, and where the open code lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.app.dataset import OpenDataset
from ncp.app.lookup import look_up
from ncp.cost import Counting
from ncp.report.style import COST, SERIES, with_unit
from ncp.spaces.arrays import Reals

GMACS, MPARAMS = COST, "size [M parameters]"
MANY = 4000
"""More points than this are drawn by WebGL."""


@dataclass(frozen=True)
class Filter:
    """Select rows by their origin and by bounds on one axis (None: no bound)."""

    origins: tuple[str, ...]
    axis: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a figure.

    Attributes:
        x_name: name of the x axis, with its unit.
        y_name: name of the y axis, with its unit.
        rows: indices of the table's rows `(r,)`.
        x: positions `(r,)`.
        y: positions `(r,)`.
        origins: origins of the rows `(r,)`.
        every_origin: all origins of the table, so that each keeps its colour when others are hidden.
        texts: the rows' codes as text.
    """

    x_name: str
    y_name: str
    rows: NDArray[np.int64]
    x: Reals
    y: Reals
    origins: NDArray[np.str_]
    every_origin: tuple[str, ...]
    texts: tuple[str, ...]


def axis_values(dataset: OpenDataset, counting: Counting) -> dict[str, Reals]:
    """All axes by name: costs and columns, each with the values of the table's rows `(n,)`."""
    table = dataset.table
    if table is None:
        return {}
    axes: dict[str, Reals] = {}
    if dataset.has_cost:
        axes[GMACS] = counting.macs(table.codes) / 1e9
        axes[MPARAMS] = counting.params(table.codes) / 1e6
    return axes | {with_unit(c): v for c, v in zip(table.columns, table.values.T, strict=True)}


def points_data(dataset: OpenDataset, axes: Mapping[str, Reals], x: str, y: str, kept: Filter) -> Points:
    """The rows that pass a filter and have a value on both axes."""
    table = dataset.table
    if table is None:
        raise ValueError("points need a table")
    bounded = axes[kept.axis]
    shown = np.isin(table.origin, kept.origins) & np.isfinite(axes[x]) & np.isfinite(axes[y])
    shown &= np.isfinite(bounded) if kept.low is not None or kept.high is not None else True
    shown &= bounded >= kept.low if kept.low is not None else True
    shown &= bounded <= kept.high if kept.high is not None else True
    rows = np.flatnonzero(shown)
    texts = tuple(dataset.space.text(table.codes[row]) for row in rows.tolist())
    origins = tuple(sorted(set(table.origin.tolist())))
    return Points(x, y, rows, axes[x][rows], axes[y][rows], table.origin[rows], origins, texts)


def position_of(
    dataset: OpenDataset, code: Sequence[int], counting: Counting, x: str, y: str
) -> tuple[float, float] | None:
    """The position of a code, by its measured values or else the predicted ones; None if one is missing."""
    facts = look_up(dataset, code, counting)
    known: dict[str, float | None] = {
        with_unit(c.column): c.mean if c.measured is None else c.measured for c in facts.columns
    }
    known[GMACS] = None if facts.macs is None else facts.macs / 1e9
    known[MPARAMS] = None if facts.params is None else facts.params / 1e6
    x_value, y_value = known.get(x), known.get(y)
    return None if x_value is None or y_value is None else (x_value, y_value)


def draw_points(points: Points, position: tuple[float, float] | None) -> dict[str, Any]:
    """A plotly figure: a trace per origin, and last a star at the position of the open code."""
    star = {"x": [], "y": []} if position is None else {"x": [position[0]], "y": [position[1]]}
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
                "marker": {"size": 6, "opacity": 0.7, "color": SERIES[number % len(SERIES)]},
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
