"""Interactive figures of a report, from the same facts as the pictures: what a point is stands beside it."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from ncp.extras import require_extra
from ncp.report.compare import Curve
from ncp.report.documents import Calibration, Claims, Tradeoff
from ncp.report.run import Run
from ncp.report.scatter import PERCENT
from ncp.spaces.arrays import Reals

BLUE, ORANGE, GREEN, PINK, RED, SKY = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"
COLOURS = (BLUE, RED, GREEN, PINK, ORANGE, SKY, "#8c8c8c", "#7a5c00")
"""Okabe and Ito's, told apart by the colour-blind, and two more; legible on light and on dark."""
GREY = "rgba(128,128,128,0.55)"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")

Figure = dict[str, Any]
"""A figure as plotly.js reads it: `data` and `layout`."""


def bundle() -> str:
    """plotly.js, compressed by gzip, in base 64.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    require_extra("report", "a report")
    from plotly.offline import get_plotlyjs

    return b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def named(column: str) -> str:
    """A column with its unit."""
    return f"{column} [%]" if column.rpartition("/")[2] in PERCENT else column


def steps_figure(name: str, values: Reals, best: int, bound: float | None = None) -> Figure:
    """One quantity along the steps, `(steps, starts)`: all starts faint, the best in colour."""
    steps = np.arange(len(values)).tolist()
    faint_x, faint_y = [], []
    for start in np.delete(np.arange(values.shape[1]), best):  # one trace: its gaps keep the lines apart
        faint_x += [*steps, None]
        faint_y += [*_short(values[:, start]), None]
    data: list[Any] = [
        {"type": "scatter", "mode": "lines", "x": faint_x, "y": faint_y, "name": "other starts", "hoverinfo": "skip"}
        | {"line": {"color": "rgba(128,128,128,0.28)", "width": 1}},
        {"type": "scatter", "mode": "lines", "x": steps, "y": _short(values[:, best]), "name": "the best start"}
        | {"line": {"color": BLUE, "width": 2.5}, "hovertemplate": "step %{x}: %{y:.4g}<extra></extra>"},
    ]
    if bound is not None:
        data.append(_line([0, steps[-1]], [bound, bound], "budget"))
    return _figure(data, "step", name)


def path_figure(run: Run) -> Figure:
    """The dimensions of the best start's code along the steps, each as a share of its range."""
    trace = {
        "type": "heatmap",
        "z": run.shares[::-1].tolist(),
        "customdata": run.path[::-1].tolist(),
        "y": list(map(_plain, run.dimensions[::-1])),
        "colorscale": "Cividis",
        "zmin": 0,
        "zmax": 1,
        "colorbar": {"title": {"text": "share of range", "side": "right"}, "thickness": 12},
        "hovertemplate": "step %{x}, %{y}: %{customdata}<extra></extra>",
    }
    figure = _figure([trace], "step", "")
    figure["layout"]["height"] = 140 + 16 * len(run.dimensions)
    figure["layout"]["yaxis"] |= {"tickfont": {"size": 10}, "dtick": 1, "showgrid": False}
    return figure


def tradeoff_figure(panel: Tradeoff) -> Figure:
    """Codes that were found over a table's rows, whose codes the page holds once for all figures."""
    data: list[Any] = []
    hover = f"%{{customdata}}<br>{_plain(panel.x_name)} %{{x:.4g}}<br>{_plain(panel.y_name)} %{{y:.4g}}<extra></extra>"
    if len(panel.rows_x):
        rows = {"type": "scatter", "mode": "markers", "x": _short(panel.rows_x), "y": _short(panel.rows_y)}
        rows |= {"name": "table's rows", "rows": panel.rows.tolist(), "hovertemplate": hover}
        data.append(rows | {"marker": {"size": 4, "color": GREY}})
    edge = np.flatnonzero(panel.edge)[np.argsort(panel.x[panel.edge], kind="stable")]
    line = {"type": "scatter", "mode": "lines", "x": _short(panel.x[edge]), "y": _short(panel.y[edge])}
    data.append(line | {"name": "front", "hoverinfo": "skip", "line": {"color": BLUE, "width": 1.5}})
    found = {"type": "scatter", "mode": "markers", "x": _short(panel.x), "y": _short(panel.y), "name": "found"}
    marker = {"size": 8, "color": BLUE, "line": {"width": 0.5, "color": "white"}}
    data.append(found | {"customdata": list(panel.texts), "hovertemplate": hover, "marker": marker})
    every = [x for x in (panel.x, panel.rows_x) if len(x)]
    low, high = min(float(x.min()) for x in every), max(float(x.max()) for x in every)
    if panel.floor is not None:
        data.append(_line([low, high], [panel.floor, panel.floor], "asked for"))
    if panel.budget is not None:
        ends = [float(f(np.concatenate([panel.y, panel.rows_y]))) for f in (np.min, np.max)]
        data.append(_line([panel.budget, panel.budget], ends, "budget"))
    return _figure(data, panel.x_name, named(panel.y_name))


def claims_figure(predicted_scores: Claims, said: str = "predicted_score", known: str = "verified_score") -> Figure:
    """Verdicts against claims, with the diagonal and the predicted deviations."""
    ends = [float(f(np.concatenate([predicted_scores.predicted, predicted_scores.verified]))) for f in (np.min, np.max)]
    few = len(predicted_scores.predicted) <= 100
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": _short(predicted_scores.predicted),
        "y": _short(predicted_scores.verified),
        "customdata": [list(pair) for pair in zip(predicted_scores.texts, predicted_scores.sources, strict=True)],
        "hovertemplate": f"%{{customdata[0]}}<br>{said} %{{x:.4g}}, %{{customdata[1]}} %{{y:.4g}}<extra></extra>",
        "marker": {"size": 8 if few else 4, "color": BLUE, "opacity": 1.0 if few else 0.5},
        "name": "codes",
    }
    if few:
        points["error_x"] = {
            "type": "data",
            "array": _short(predicted_scores.std),
            "thickness": 0.8,
            "width": 0,
            "color": GREY,
        }
    column = named(predicted_scores.column)
    return _figure([_line(ends, ends, "equal"), points], f"{said}: {column}", f"{known}: {column}")


def calibration_figure(found: Sequence[Calibration]) -> Figure:
    """Shares of values within intervals against what these should hold."""
    data: list[Any] = [_line([0, 1], [0, 1], "as it should be")]
    for number, each in enumerate(found):
        style = {"color": COLOURS[number % len(COLOURS)], "dash": DASHES[number % len(DASHES)], "width": 2}
        trace = {"type": "scatter", "mode": "lines", "x": _short(each.levels), "y": _short(each.shares)}
        hover = "%{x:.0%} intervals hold %{y:.0%}<extra></extra>"
        data.append(trace | {"name": each.column, "line": style, "hovertemplate": hover})
    figure = _figure(data, "share that an interval should hold", "share that it holds")
    for axis in ("xaxis", "yaxis"):
        figure["layout"][axis] |= {"range": [0, 1], "tickformat": ".0%"}
    return figure


def curves_figure(curves: Sequence[Curve], measure: str) -> Figure:
    """Regrets along the queries with bands of 95 % intervals of the mean."""
    data: list[Any] = []
    for number, curve in enumerate(curves):
        queries = np.arange(1, len(curve.mean) + 1).tolist()
        colour = COLOURS[number % len(COLOURS)]
        band: dict[str, Any] = {
            "type": "scatter",
            "mode": "lines",
            "x": queries + queries[::-1],
            "fill": "toself",
            "hoverinfo": "skip",
        }
        band |= {"y": _short(curve.low) + _short(curve.high)[::-1], "line": {"width": 0}, "fillcolor": _faint(colour)}
        data.append(band | {"showlegend": False, "legendgroup": curve.searcher})
        line = {"color": colour, "width": 2, "dash": DASHES[number % len(DASHES)]}
        trace = {"type": "scatter", "mode": "lines", "x": queries, "y": _short(curve.mean), "name": curve.searcher}
        hover = f"{_plain(curve.searcher)}, %{{x}} queries: %{{y:.4g}}<extra></extra>"
        data.append(trace | {"line": line, "legendgroup": curve.searcher, "hovertemplate": hover})
    figure = _figure(data, "queries [rows paid for]", f"regret: {measure}")
    figure["layout"] |= {"height": 460}
    figure["layout"]["yaxis"] |= {"rangemode": "tozero"}
    return figure


def _line(x: list[float], y: list[float], name: str) -> dict[str, Any]:
    style = {"color": ORANGE, "width": 1.5, "dash": "dash"}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": style, "hoverinfo": "skip"}


def _short(numbers: Reals) -> list[float]:
    """Numbers in five digits: a page of thousands stays small."""
    return [float(f"{number:.5g}") for number in numbers]


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def _plain(text: str) -> str:
    """A name without what plotly reads as markup or as a placeholder."""
    return escape(text, quote=False).replace("%{", "% {")


def _figure(data: list[Any], x: str, y: str) -> Figure:
    """The legend stands above the axes, where it covers nothing; colours of text are the page's."""
    for trace in data:
        trace["name"] = _plain(trace.get("name", ""))
    axis = {"gridcolor": "rgba(128,128,128,0.22)", "zeroline": False, "automargin": True}
    return {
        "data": data,
        "layout": {
            "height": 340,
            "margin": {"l": 56, "r": 14, "t": 34, "b": 48},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": axis | {"title": {"text": _plain(x), "standoff": 6}},
            "yaxis": axis | {"title": {"text": _plain(y), "standoff": 6}},
            "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 11}},
            "hovermode": "closest",
            "hoverlabel": {"align": "left", "namelength": -1},
        },
    }
