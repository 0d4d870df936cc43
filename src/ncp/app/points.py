"""Rows of a table as points: which rows are shown, on which axes, and where the open code lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.app.dataset import OpenDataset
from ncp.app.lookup import look_up
from ncp.cost import Counting
from ncp.report.facts import worst_edge
from ncp.report.style import COST, GREY, SERIES, with_unit
from ncp.spaces.arrays import Reals

Range = tuple[float, float]
GMACS, MPARAMS = COST, "size [M params]"
MANY = 4000
"""More points than this are drawn by WebGL."""
FEW = 60
"""Groups with fewer rows are drawn larger."""
CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d", "toImage"]}


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
        colour_name: name of the axis that colours the points, with its unit; empty if their origins do.
        colours: positions on that axis `(r,)`; None if origins colour the points.
    """

    x_name: str
    y_name: str
    rows: NDArray[np.int64]
    x: Reals
    y: Reals
    origins: NDArray[np.str_]
    every_origin: tuple[str, ...]
    texts: tuple[str, ...]
    colour_name: str = ""
    colours: Reals | None = None


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


def points_data(
    dataset: OpenDataset, axes: Mapping[str, Reals], x: str, y: str, kept: Filter, colour: str = ""
) -> Points:
    """The rows that pass a filter and have a value on both axes, and on the one that colours them if one is named."""
    table = dataset.table
    if table is None:
        raise ValueError("points need a table")
    bounded = axes[kept.axis]
    shown = np.isin(table.origin, kept.origins) & np.isfinite(axes[x]) & np.isfinite(axes[y])
    shown &= np.isfinite(axes[colour]) if colour else True
    shown &= np.isfinite(bounded) if kept.low is not None or kept.high is not None else True
    shown &= bounded >= kept.low if kept.low is not None else True
    shown &= bounded <= kept.high if kept.high is not None else True
    rows = np.flatnonzero(shown)
    texts = tuple(dataset.space.text(table.codes[row]) for row in rows.tolist())
    origins = tuple(sorted(set(table.origin.tolist())))
    colours = axes[colour][rows] if colour else None
    return Points(x, y, rows, axes[x][rows], axes[y][rows], table.origin[rows], origins, texts, colour, colours)


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


def found_positions(
    dataset: OpenDataset, codes: Sequence[Sequence[int]], counting: Counting, x: str, y: str
) -> tuple[Reals, Reals] | None:
    """The positions of found codes by exact cost and predicted values; None if an axis is neither."""
    if not len(codes) or dataset.predictor is None:
        return None
    array, predicted = np.array(codes), dataset.predictor.predict(codes).mean
    known = {with_unit(column): predicted[:, j] for j, column in enumerate(dataset.predictor.columns)}
    if dataset.has_cost:
        known |= {GMACS: counting.macs(array) / 1e9, MPARAMS: counting.params(array) / 1e6}
    return None if x not in known or y not in known else (known[x], known[y])


def draw_points(
    points: Points,
    position: tuple[float, float] | None,
    found: tuple[Reals, Reals] | None = None,
    log_x: bool = False,
    lower: bool = False,
) -> dict[str, Any]:
    """A plotly figure: a trace per origin, the found codes, and last a star at the position of the open code.

    Found codes and the star keep their colours if a column colours the rows.

    Args:
        points: rows of the table.
        position: of the open code.
        found: positions of codes that a search has found. A click on one gives -2 less its number.
        log_x: whether the x axis is logarithmic.
        lower: whether lower is better on the y axis. The worst 2 % of the rows lie outside of the first view.
    """
    counts = {origin: int((points.origins == origin).sum()) for origin in points.every_origin}
    ordered = sorted((origin for origin in counts if counts[origin]), key=lambda origin: -counts[origin])
    traces = [_rows_trace(points, origin) for origin in ordered]  # the smallest group on top
    if found is not None:
        traces.append(found_trace(found))
    traces.append(star_trace(position))
    others = [] if position is None else [position]
    others += [] if found is None else zip(*found, strict=True)
    x, y = np.array(others, dtype=float).reshape(-1, 2).T
    y_range = _heights(points.y, y, lower)
    seen = slice(0) if y_range is None else (points.y >= y_range[0]) & (points.y <= y_range[1])
    x_range = _widths(np.concatenate([points.x[seen], x]), log_x)
    drawn = layout(points.x_name, points.y_name, log_x, x_range, y_range) | _colour_axis(points)
    return {"data": traces, "layout": drawn, "config": CONFIG}


def _rows_trace(points: Points, origin: str) -> dict[str, Any]:
    """The rows of an origin."""
    of = points.origins == origin
    few = of.sum() <= FEW
    colour, hovered = SERIES[points.every_origin.index(origin) % len(SERIES)], "%{text}<br>%{x:.4g}, %{y:.4g}"
    marker: dict[str, Any] = {"size": 9 if few else 6, "opacity": 1 if few else 0.6, "color": colour}
    marker |= {"line": {"width": 1, "color": "#ffffff"}} if few else {}
    if points.colours is not None:
        line = {"width": 0.5, "color": GREY}  # so that both ends of the scale are seen on light and on dark paper
        marker |= {"opacity": 1, "color": points.colours[of].tolist(), "coloraxis": "coloraxis", "line": line}
        hovered += f"<br>{escape(points.colour_name)}: %{{marker.color:.4g}}"
    return {
        "type": "scattergl" if len(points.rows) > MANY else "scatter",
        "mode": "markers",
        "name": escape(origin or "rows"),
        "showlegend": points.colours is None,
        "x": points.x[of].tolist(),
        "y": points.y[of].tolist(),
        "customdata": points.rows[of].tolist(),
        "text": [escape(points.texts[k]) for k in np.flatnonzero(of).tolist()],
        "hovertemplate": f"{hovered}<extra></extra>",
        "marker": marker,
    }


def _colour_axis(points: Points) -> dict[str, Any]:
    """The scale of the colours, whose ends leave out 2 % of the rows each; empty if origins colour the points."""
    if points.colours is None or not len(points.colours):
        return {}
    low, high = np.quantile(points.colours, [0.02, 0.98]).tolist()
    ends = {"cmin": low, "cmax": high} if low < high else {}
    bar = {"title": {"text": escape(points.colour_name), "side": "right"}, "thickness": 10}
    return {"coloraxis": {"colorscale": "Cividis", "colorbar": bar, **ends}}


def found_trace(found: tuple[Reals, Reals]) -> dict[str, Any]:
    """Codes that a search has found, as diamonds."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "found (predicted)",
        "x": found[0].tolist(),
        "y": found[1].tolist(),
        "customdata": [-2 - k for k in range(len(found[0]))],
        "text": [f"found, code {k + 1}" for k in range(len(found[0]))],
        "hovertemplate": "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        "marker": {"size": 10, "symbol": "diamond", "color": "#c44601", "line": {"width": 1, "color": "#ffffff"}},
    }


def star_trace(position: tuple[float, float] | None) -> dict[str, Any]:
    """The open code as a star; without a place if it has none."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "open code",
        "x": [] if position is None else [position[0]],
        "y": [] if position is None else [position[1]],
        "hovertemplate": "open code<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        "marker": {"size": 16, "symbol": "star", "color": "#f0e442", "line": {"width": 1.5, "color": "#000000"}},
    }


def layout(
    x_name: str, y_name: str, log_x: bool, x_range: Range | None = None, y_range: Range | None = None
) -> dict[str, Any]:
    """The layout of a figure of points, which shows all of them where it gets no range."""
    axis = {"zeroline": False, "automargin": True, "ticks": "outside", "ticklen": 4}
    return {
        "margin": {"l": 56, "r": 8, "t": 8, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "dragmode": "zoom",
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        "xaxis": {**axis, "title": {"text": escape(x_name)}, "type": "log" if log_x else "linear", **_ranged(x_range)},
        "yaxis": {**axis, "title": {"text": escape(y_name)}, "type": "linear", **_ranged(y_range)},
    }


def in_view(layout: dict[str, Any], position: tuple[float, float]) -> bool:
    """Whether a position lies in the first view of a figure with a layout."""
    for axis, value in zip((layout["xaxis"], layout["yaxis"]), position, strict=True):
        low, high = axis.get("range", (-math.inf, math.inf))
        if not low <= (_log10(value) if axis["type"] == "log" else value) <= high:
            return False
    return True


def _log10(value: float) -> float:
    return math.log10(value) if value > 0 else -math.inf


def _ranged(given: Range | None) -> dict[str, Any]:
    return {"autorange": True} if given is None else {"autorange": False, "range": list(given)}


def _heights(rows: Reals, others: Reals, lower: bool) -> Range | None:
    """The range of the y axis without the worst 2 % of the rows, but with all others; None without rows."""
    if not len(rows):
        return None
    edge = worst_edge(rows, lower)
    kept = rows[rows <= edge] if lower else rows[rows >= edge]
    return _with_margin(np.concatenate([kept, [edge], others]))


def _widths(shown: Reals, log: bool) -> Range | None:
    """The range of the x axis with all points that are shown, in powers of ten on a logarithmic axis."""
    known = np.log10(shown[shown > 0]) if log else shown
    return _with_margin(known) if len(known) else None


def _with_margin(values: Reals) -> Range:
    least, most = float(values.min()), float(values.max())
    margin = 0.04 * (most - least) or 1.0
    return least - margin, most + margin
