"""Interactive figures of a report, from the same facts as the pictures; a point shows its code and values."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from ncp.extras import require_extra
from ncp.report.facts import Agreement, Calibration, Curve, Tradeoff, square_limits
from ncp.report.plot import padded
from ncp.report.study_facts import CostAndValue, Deviations, Learning
from ncp.report.style import COST, DASHES, GREY, GRID, SERIES, with_unit
from ncp.report.trace import Trace
from ncp.spaces.arrays import Reals

BLUE, ORANGE = SERIES[0], SERIES[4]

NARROW = 5.0
"""Costs whose ratio is smaller are drawn on a linear axis: a logarithmic one would have hardly a tick."""
Figure = dict[str, Any]
"""A figure as plotly.js reads it: `data` and `layout`."""


def packed_library() -> str:
    """The text of plotly.js, compressed by gzip, in base 64.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    require_extra("report", "a report")
    from plotly.offline import get_plotlyjs

    return b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def steps_figure(name: str, values: Reals, best: int, budget: float | None = None) -> Figure:
    """One quantity by step, `(steps, starts)`: all starts as faint lines, the best one in colour."""
    steps = np.arange(len(values)).tolist()
    faint_x, faint_y = [], []
    for start in np.delete(np.arange(values.shape[1]), best):  # one trace: its gaps keep the lines apart
        faint_x += [*steps, None]
        faint_y += [*short(values[:, start]), None]
    data: list[Any] = [
        {"type": "scatter", "mode": "lines", "x": faint_x, "y": faint_y, "name": "other starts", "hoverinfo": "skip"}
        | {"line": {"color": "rgba(128,128,128,0.28)", "width": 1}},
        {"type": "scatter", "mode": "lines", "x": steps, "y": short(values[:, best]), "name": "the best start"}
        | {"line": {"color": BLUE, "width": 2.5}, "hovertemplate": "step %{x}: %{y:.4g}<extra></extra>"},
    ]
    if budget is not None:
        data.append(dashed_line([0, steps[-1]], [budget, budget], "budget"))
    return base_figure(data, "step", with_unit(name))


def code_figure(trace: Trace) -> Figure:
    """The best start's code by step, each dimension as a share of its range."""
    heat = {
        "type": "heatmap",
        "z": trace.shares[::-1].tolist(),
        "customdata": trace.path[::-1].tolist(),
        "y": list(map(plain, trace.dimensions[::-1])),
        "colorscale": "Cividis",
        "zmin": 0,
        "zmax": 1,
        "colorbar": {"title": {"text": "share of range", "side": "right"}, "thickness": 12},
        "hovertemplate": "step %{x}, %{y}: %{customdata}<extra></extra>",
    }
    figure = base_figure([heat], "step", "")
    figure["layout"]["height"] = 140 + 16 * len(trace.dimensions)
    figure["layout"]["xaxis"] |= {"showgrid": False}
    figure["layout"]["yaxis"] |= {"tickfont": {"size": 10}, "dtick": 1, "showgrid": False}
    return figure


def tradeoff_figure(panel: Tradeoff) -> Figure:
    """Codes that were found, over a table's rows. A trace of rows has their numbers; the page has their codes."""
    data: list[Any] = []
    hover = f"%{{customdata}}<br>{plain(panel.x_name)} %{{x:.4g}}<br>{plain(panel.y_name)} %{{y:.4g}}<extra></extra>"
    if len(panel.rows_x):
        rows = {"type": "scatter", "mode": "markers", "x": short(panel.rows_x), "y": short(panel.rows_y)}
        rows |= {"name": "table's rows", "rows": panel.rows.tolist(), "hovertemplate": hover}
        data.append(rows | {"marker": {"size": 4, "color": GREY}})
    edge = np.flatnonzero(panel.edge)[np.argsort(panel.x[panel.edge], kind="stable")]
    line = {"type": "scatter", "mode": "lines", "x": short(panel.x[edge]), "y": short(panel.y[edge])}
    data.append(line | {"name": "front", "hoverinfo": "skip", "line": {"color": BLUE, "width": 1.5}})
    found = {"type": "scatter", "mode": "markers", "x": short(panel.x), "y": short(panel.y), "name": "found"}
    marker = {"size": 8, "color": BLUE, "line": {"width": 0.5, "color": "white"}}
    data.append(found | {"customdata": list(panel.codes), "hovertemplate": hover, "marker": marker})
    if panel.baseline is not None:
        x, y, code = panel.baseline
        trained = {"type": "scatter", "mode": "markers", "x": [x], "y": [y], "name": "best trained row"}
        star = {"size": 12, "symbol": "diamond", "color": SERIES[1], "line": {"width": 1, "color": "white"}}
        data.append(trained | {"customdata": [code], "hovertemplate": hover, "marker": star})
    every = np.concatenate([panel.x, panel.rows_x])
    heights = padded(*panel.heights)
    if panel.minimum is not None:
        data.append(dashed_line([float(every.min()), float(every.max())], [panel.minimum] * 2, "minimum"))
    if panel.budget is not None:
        data.append(dashed_line([panel.budget] * 2, list(heights), "budget"))
    figure = base_figure(data, panel.x_name, panel.y_name)
    figure["layout"]["yaxis"] |= {"range": list(heights)}
    if panel.x_name == COST:
        stretch_costs(figure, every if panel.budget is None else np.append(every, panel.budget))
    return figure


def agreement_figure(found: Agreement, known: str) -> Figure:
    """Predicted values, with their standard deviations, against known values, with the diagonal and equal axes.

    Args:
        found: the values.
        known: what the known values are called, such as `measured`.
    """
    pairs = np.stack([found.predicted, found.known])
    ends = list(square_limits(pairs))
    few = len(found.predicted) <= 100
    points: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "x": short(found.predicted),
        "y": short(found.known),
        "customdata": [list(pair) for pair in zip(found.codes, found.sources, strict=True)],
        "hovertemplate": "%{customdata[0]}<br>predicted %{x:.4g}, %{customdata[1]} %{y:.4g}<extra></extra>",
        "marker": {"size": 8 if few else 4, "color": BLUE, "opacity": 1.0 if few else 0.5},
        "name": "codes",
    }
    if few:
        points["error_x"] = {"type": "data", "array": short(found.std), "thickness": 0.8, "width": 0, "color": GREY}
    column = with_unit(found.column)
    figure = base_figure([dashed_line(ends, ends, "equal"), points], f"predicted: {column}", f"{known}: {column}")
    layout = figure["layout"]
    layout["height"] = 400
    layout["xaxis"] |= {"range": ends, "constrain": "domain"}
    layout["yaxis"] |= {"range": ends, "constrain": "domain", "scaleanchor": "x"}
    outside = int(((pairs < ends[0]) | (pairs > ends[1])).any(axis=0).sum())
    if outside:
        corner = {"xref": "x domain", "yref": "y domain", "x": 0.98, "y": 0.03, "xanchor": "right", "showarrow": False}
        layout["annotations"] = [corner | {"text": f"{outside} outside the axes", "font": {"size": 11}}]
    return figure


def calibration_figure(found: Sequence[Calibration]) -> Figure:
    """The share of values within intervals, by the confidence level of the intervals."""
    data: list[Any] = [dashed_line([0, 1], [0, 1], "well calibrated")]
    for number, each in enumerate(found):
        style = {"color": SERIES[number % len(SERIES)], "dash": DASHES[number % len(DASHES)], "width": 2}
        trace = {"type": "scatter", "mode": "lines", "x": short(each.levels), "y": short(each.shares)}
        hover = "%{y:.0%} of values in %{x:.0%} intervals<extra></extra>"
        data.append(trace | {"name": each.column, "line": style, "hovertemplate": hover})
    figure = base_figure(data, "confidence level of the interval", "share of values within it")
    for axis in ("xaxis", "yaxis"):
        figure["layout"][axis] |= {"range": [0, 1], "tickformat": ".0%"}
    return figure


def curves_figure(curves: Sequence[Curve], measure: str) -> Figure:
    """Regrets by evaluations, with 95 % intervals of the mean."""
    data: list[Any] = []
    for number, curve in enumerate(curves):
        queries = np.arange(1, len(curve.mean) + 1).tolist()
        colour = SERIES[number % len(SERIES)]
        band: dict[str, Any] = {
            "type": "scatter",
            "mode": "lines",
            "x": queries + queries[::-1],
            "fill": "toself",
            "hoverinfo": "skip",
        }
        band |= {"y": short(curve.low) + short(curve.high)[::-1], "line": {"width": 0}, "fillcolor": _faint(colour)}
        data.append(band | {"showlegend": False, "legendgroup": curve.searcher})
        line = {"color": colour, "width": 2, "dash": DASHES[number % len(DASHES)]}
        trace = {"type": "scatter", "mode": "lines", "x": queries, "y": short(curve.mean), "name": curve.searcher}
        hover = f"{plain(curve.searcher)}, %{{x}} evaluations: %{{y:.4g}}<extra></extra>"
        data.append(trace | {"line": line, "legendgroup": curve.searcher, "hovertemplate": hover})
    figure = base_figure(data, "evaluations", f"regret: {measure}")
    figure["layout"] |= {"height": 460}
    figure["layout"]["yaxis"] |= {"rangemode": "tozero"}
    return figure


def learning_figure(found: Learning) -> Figure:
    """A task's metric by epoch: all runs as faint lines, the one that ended best in colour."""
    faint_x: list[float | None] = []
    faint_y: list[float | None] = []
    names: list[str] = []
    for place, (epochs, values) in enumerate(zip(found.epochs, found.values, strict=True)):
        if place != found.best:
            faint_x += [*short(epochs), None]
            faint_y += [*short(values), None]
            names += [f"seed {found.seeds[place]} of {found.codes[place]}"] * (len(epochs) + 1)
    hover = "%{customdata}<br>epoch %{x}: %{y:.4g}<extra></extra>"
    faint = {"color": "rgba(128,128,128,0.35)", "width": 1}
    data: list[Any] = []
    if faint_x:
        other = {"type": "scatter", "mode": "lines", "x": faint_x, "y": faint_y, "name": "other runs", "line": faint}
        data.append(other | {"customdata": names, "hovertemplate": hover})
    epochs, values = found.epochs[found.best], found.values[found.best]
    best: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": short(epochs), "y": short(values)}
    name = f"seed {found.seeds[found.best]} of {found.codes[found.best]}"
    best |= {"name": "the best run", "customdata": [name] * len(epochs), "hovertemplate": hover}
    best["line"] = {"color": BLUE, "width": 2.5}
    return base_figure([*data, best], "epoch", with_unit(found.column))


def cost_figure(found: CostAndValue) -> Figure:
    """Values against exact cost."""
    hover = "%{customdata}<br>%{x:.4g} GMACs, %{y:.4g}<extra></extra>"
    points: dict[str, Any] = {"type": "scatter", "mode": "markers", "x": short(found.macs), "y": short(found.values)}
    points |= {"name": "codes", "customdata": list(found.codes), "hovertemplate": hover, "showlegend": False}
    points["marker"] = {"size": 7 if len(found.codes) <= 200 else 4, "color": BLUE, "opacity": 0.8}
    figure = base_figure([points], COST, with_unit(found.column))
    stretch_costs(figure, found.macs)
    return figure


def noise_figure(found: Deviations) -> Figure:
    """How far single seeds are from the mean of their code, and the standard deviation between seeds."""
    ends = [float(found.means.min()), float(found.means.max())]
    hover = "%{customdata}<br>mean %{x:.4g}, this seed %{y:+.3g}<extra></extra>"
    points: dict[str, Any] = {"type": "scatter", "mode": "markers", "x": short(found.means), "y": short(found.off)}
    points |= {"name": "trainings", "customdata": list(found.codes), "hovertemplate": hover}
    points["marker"] = {"size": 7, "color": BLUE}
    bounds = [dashed_line(ends, [sign * found.std] * 2, "one std") | {"showlegend": sign > 0} for sign in (1, -1)]
    return base_figure([*bounds, points], f"mean over seeds: {with_unit(found.column)}", "seed minus mean")


def dashed_line(x: list[float], y: list[float], name: str) -> dict[str, Any]:
    """A line that values are compared to."""
    style = {"color": ORANGE, "width": 1.5, "dash": "dash"}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": style, "hoverinfo": "skip"}


def stretch_costs(figure: Figure, costs: Reals) -> None:
    """Make the horizontal axis of a figure logarithmic if its costs differ by enough."""
    if costs.max() > NARROW * costs.min():
        figure["layout"]["xaxis"] |= {"type": "log", "dtick": "D2"}


def short(numbers: Reals) -> list[float]:
    """Numbers with five digits, which keeps pages small."""
    return [float(f"{number:.5g}") for number in numbers]


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def plain(text: str) -> str:
    """A name in which plotly finds neither markup nor placeholders."""
    return escape(text, quote=False).replace("%{", "% {")


def base_figure(data: list[Any], x: str, y: str) -> Figure:
    """A figure with its legend above the axes, where it covers nothing. The page sets the colours of texts."""
    for trace in data:
        trace["name"] = plain(trace.get("name", ""))
    axis = {"gridcolor": GRID, "zeroline": False, "automargin": True}
    return {
        "data": data,
        "layout": {
            "height": 340,
            "margin": {"l": 56, "r": 14, "t": 34, "b": 48},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": axis | {"title": {"text": plain(x), "standoff": 6}},
            "yaxis": axis | {"title": {"text": plain(y), "standoff": 6}},
            "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 11}},
            "hovermode": "closest",
            "hoverlabel": {"align": "left", "namelength": -1},
        },
    }
