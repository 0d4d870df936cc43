"""Pictures of results: a search by steps, a front, a comparison by evaluations, and a predictor's held-out rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncp.errors import counted
from ncp.report.facts import Curve, Scatter, Tradeoff, evenly
from ncp.report.plot import Axes, Scale, draw_colour_bar, draw_heat, padded
from ncp.report.style import COST, DASH_LENGTHS, DASHES, SERIES, with_unit
from ncp.report.svg import Path, Picture, Text, coarse_polyline
from ncp.report.trace import Trace
from ncp.spaces.arrays import Reals

STARTS = 300
"""The most starts that are drawn as faint lines, spread evenly over all of them."""
LAYERS = 12
"""Transparent layers of these lines: where many lines run, they are darker."""
TITLE = 34.0
"""Height of a picture's heading [pixels]."""
CELL = 13.0
"""Height of a dimension's row in the picture of a code [pixels]."""


def search_picture(trace: Trace) -> Picture:
    """Objective, cost and columns of every start by step, and the code of the best start."""
    width, height, across = 960.0, 150.0, 3
    lines = trace.lines
    upper = TITLE + (height + 66) * -(-len(lines) // across)
    count = trace.scores.shape[1]
    heading = f"{count} starts; in blue the best" if count > 1 else "1 start"
    whole = Picture(width, upper + CELL * len(trace.dimensions) + 66, f"A search with {count} starts, by step")
    whole.items.append(Text(14, 22, heading, 12.5, "faint"))
    for k, (name, values) in enumerate(lines.items()):
        left, top = 58 + (width - 20) / across * (k % across), TITLE + 26 + (height + 66) * (k // across)
        budget = trace.budget if name == COST else None
        low, high = padded(float(values.min()), float(values.max()))
        if budget is not None:
            low, high = 0.0, 1.15 * max(budget, float(values.max()))
        scales = Scale(0, max(1, len(values) - 1)), Scale(low, high)
        axes = Axes(whole, left, top, (width - 20) / across - 66, height, *scales)
        axes.frame(with_unit(name), "step")
        _draw_starts(axes, values, trace.best)
        if budget is not None:
            axes.horizontal(budget, "6 3", "budget")
    _draw_code(whole, trace, upper, width)
    return whole


def _draw_starts(axes: Axes, values: Reals, best: int) -> None:
    """All starts as faint lines, and the best one in colour."""
    steps = np.arange(len(values), dtype=float)
    others = np.delete(values, best, axis=1)
    shown = others[:, evenly(others.shape[1], STARTS)] if others.shape[1] else others
    lines = [coarse_polyline(axes.places(steps, line)) for line in shown.T]
    for layer in range(min(LAYERS, len(lines))):
        axes.add(Path("".join(lines[layer::LAYERS]), stroke="edge", width=0.7, opacity=0.25))
    axes.line(steps, values[:, best], "blue")


def _draw_code(picture: Picture, trace: Trace, top: float, width: float) -> None:
    """The best start's code by step, one row per dimension."""
    steps = trace.shares.shape[1]
    left, top, tall = 78.0, top + 26, CELL * len(trace.dimensions)
    wide = width - left - 96
    picture.items.append(Text(left, top - 9, "the best start's code", 12.5))
    draw_heat(picture, trace.shares, left, top, wide, CELL)
    for k, name in enumerate(trace.dimensions):
        picture.items.append(Text(left - 6, top + CELL * (k + 0.5) + 3.5, _short(name), 10, "faint", "end"))
    for tick in Scale(0, max(1, steps - 1)).ticks(10):
        if tick == int(tick) and tick < steps:
            x = left + wide * (tick + 0.5) / steps
            picture.items.append(Text(x, top + tall + 14, f"{tick:g}", 10, "faint", "middle"))
    picture.items.append(Text(left + wide / 2, top + tall + 29, "step", 10.5, anchor="middle"))
    draw_colour_bar(picture, left + wide + 14, top, tall, "share of the dimension's range")


def _short(name: str, most: int = 12) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def front_picture(panels: Sequence[Tradeoff]) -> Picture:
    """The front, and a table's rows behind it, one panel per objective."""
    across = min(3, len(panels))
    wide, tall = 318.0, 226.0
    found = len(panels[0].x)
    codes = counted(found, "code")
    heading = [f"{codes} of the front, as predicted; the line joins the best of each panel"]
    heading += ["grey: rows of the table"] if any(len(panel.rows_x) for panel in panels) else []
    width = max(wide * across + 24, 520)
    picture = Picture(width, TITLE + 14 + (tall + 70) * -(-len(panels) // across), f"A front of {codes}")
    picture.items += [Text(14, 20 + 16 * k, line, 12, "faint") for k, line in enumerate(heading)]
    for k, panel in enumerate(panels):
        left, top = 64 + wide * (k % across), TITLE + 42 + (tall + 70) * (k // across)
        ends = np.concatenate([panel.x, panel.rows_x, *([[panel.budget]] if panel.budget is not None else [])])
        low, high = float(ends.min()), float(ends.max())
        x = Scale(low / 1.1, high * 1.1, "log") if panel.x_name == COST else Scale(*padded(low, high))
        axes = Axes(picture, left, top, wide - 70, tall, x, Scale(*padded(*panel.heights)))
        axes.frame(panel.y_name, panel.x_name)
        axes.points(panel.rows_x, panel.rows_y, "edge", 2.4, 0.45)
        axes.points(panel.x, panel.y, "blue", 4, 0.6)
        order = np.flatnonzero(panel.edge)[np.argsort(panel.x[panel.edge], kind="stable")]
        axes.line(panel.x[order], panel.y[order], "blue", 1.6)
        if panel.budget is not None:
            axes.vertical(panel.budget, "6 3", "budget")
        if panel.minimum is not None and axes.y.low <= panel.minimum <= axes.y.high:
            axes.horizontal(panel.minimum, "1.5 3", "minimum")
    return picture


def comparison_picture(curves: Sequence[Curve]) -> Picture:
    """The regret of searchers by evaluations, each with the 95 % interval of its mean.

    The axis of the regret is logarithmic; it begins at 0 if a searcher comes near the optimum.
    """
    queries = max(len(curve.mean) for curve in curves)
    knee = max(1e-3, 0.01 * max(float(curve.mean[0]) for curve in curves))
    high = max(knee, *(float(curve.high.max()) for curve in curves))
    low = min(float(curve.low.min()) for curve in curves)
    heights = Scale(low, high, "log") if low > knee else Scale(0, high, "symlog", knee)
    picture = Picture(900, 420, f"The regret of {len(curves)} searchers")
    axes = Axes(picture, 76, 20, 640, 340, Scale(1, max(2, queries)), heights)
    axes.frame("", "evaluations", "regret [objective]: mean and its 95 % interval")
    for k, curve in enumerate(curves):
        x = np.arange(1, len(curve.mean) + 1, dtype=float)
        colour, dash = SERIES[k % len(SERIES)], DASH_LENGTHS[DASHES[k % len(DASHES)]]
        axes.band(x, curve.low, curve.high, colour)
        axes.line(x, curve.mean, colour, 2, dash)
        y = 32 + 20 * k
        picture.items.append(Path(f"M736 {y}H764", stroke=colour, width=2, dash=dash))
        picture.items.append(Text(772, y + 4, curve.searcher, 12))
    return picture


def scatter_picture(panels: Sequence[Scatter]) -> Picture:
    """Predicted against measured values of held-out rows, one square panel per column."""
    across = min(4, len(panels))
    wide, side = 262.0, 184.0
    width = max(wide * across + 20, 430)
    rows = -(-len(panels) // across)
    count = len(panels[0].measured)
    picture = Picture(width, TITLE + (side + 76) * rows, f"Predicted and measured values of {count} rows")
    heading = f"{count} held-out rows; on the line, predicted = measured"
    picture.items.append(Text(14, 22, heading, 12, "faint"))
    for k, panel in enumerate(panels):
        left, top = 68 + wide * (k % across), TITLE + 28 + (side + 76) * (k // across)
        scale = Scale(panel.low, panel.high)
        axes = Axes(picture, left, top, side, side, scale, scale)
        tau = "-" if panel.tau is None else f"{panel.tau:.2f}"
        axes.frame(f"{panel.column}   tau {tau}", f"measured [{panel.unit}]", f"predicted [{panel.unit}]")
        axes.line(np.array([panel.low, panel.high]), np.array([panel.low, panel.high]), "ink", 0.8)
        x, y = (np.clip(values, panel.low, panel.high) for values in (panel.measured, panel.predicted))
        outside = panel.outside
        axes.points(x[~outside], y[~outside], "blue", 3.4, 0.55)
        axes.crosses(x[outside], y[outside], "mark")
        if outside.any():
            text = f"{outside.sum()} outside the axes"
            axes.add(Text(left + side - 4, axes.bottom - 6, text, 10, "mark", "end"))
    return picture
