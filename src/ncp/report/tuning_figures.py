"""Interactive figures of a search for few trainings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ncp.report.figures import BLUE, Figure, base_figure, dashed_line, plain, short, stretch_costs
from ncp.report.style import COST, GREY, SERIES
from ncp.report.tuning_facts import CostFront, Scores
from ncp.spaces.arrays import Reals

FAILED = "failed"


def progress_figure(found: Scores) -> Figure:
    """The score of every code in the order of results, and the best score so far."""
    values, places = found.score.values, np.arange(1, len(found.codes) + 1)
    known = np.isfinite(values)
    begun = np.isfinite(found.so_far)
    hover = "%{customdata}<br>code %{x}: %{y:.4g}<extra></extra>"
    step: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": places[begun].tolist()}
    step |= {"y": short(found.so_far[begun]), "name": "best so far", "hoverinfo": "skip"}
    data = [step | {"line": {"color": BLUE, "width": 2.5, "shape": "hv"}}]
    kinds = (
        ("trained", known & found.qualifies, values, {"size": 8, "color": BLUE}),
        ("misses the budget or a minimum value", known & ~found.qualifies, values, _hollow(GREY)),
        (FAILED, ~known, np.full(len(values), _below(values)), {"size": 9, "color": SERIES[1], "symbol": "x"}),
    )
    for name, which, heights, marker in kinds:
        if which.any():
            points: dict[str, Any] = {"type": "scatter", "mode": "markers", "x": places[which].tolist()}
            points |= {"y": short(heights[which]), "name": name, "marker": marker}
            points["customdata"] = [found.codes[row] for row in np.flatnonzero(which)]
            points["hovertemplate"] = f"%{{customdata}}<br>{FAILED}<extra></extra>" if name == FAILED else hover
            data.append(points)
    figure = base_figure(data, "codes with a result", found.score.label)
    figure["layout"]["xaxis"] |= {"range": [0.5, len(places) + 0.5]} | ({"dtick": 1} if len(places) <= 10 else {})
    return figure


def front_figure(found: CostFront) -> Figure:
    """Values against exact cost, with the front and the budget."""
    hover = f"%{{customdata}}<br>{plain(found.cost_name)} %{{x:.4g}}<br>%{{y:.4g}}<extra></extra>"
    edge = np.flatnonzero(found.front)[np.argsort(found.cost[found.front], kind="stable")]
    data: list[dict[str, Any]] = []
    parts = (
        ("dominated", "markers", np.flatnonzero(~found.front), _hollow(BLUE)),
        ("front", "lines+markers", edge, {"size": 8, "color": BLUE}),
    )
    for name, mode, rows, marker in parts:
        if len(rows):
            points: dict[str, Any] = {"type": "scatter", "mode": mode, "x": short(found.cost[rows]), "name": name}
            points |= {"y": short(found.quantity.values[rows]), "marker": marker, "hovertemplate": hover}
            points |= {"customdata": [found.codes[row] for row in rows]}
            data.append(points | {"line": {"color": BLUE, "width": 1.5}})
    costs = found.cost
    if found.budget is not None:
        values = found.quantity.values
        ends = [float(values.min()), float(values.max())]
        data.append(dashed_line([found.budget] * 2, ends, "budget"))
        costs = np.append(costs, found.budget)
    figure = base_figure(data, found.cost_name, found.quantity.label)
    if found.cost_name == COST:
        stretch_costs(figure, costs)
    return figure


def tau_figure(taus: Mapping[str, float], chance: float) -> Figure:
    """Kendall's tau as one bar per name, in their order from the top, with what chance alone reaches."""
    names, values = [plain(name) for name in taus], np.array(list(taus.values()))
    places = list(range(len(names)))
    bars: dict[str, Any] = {"type": "bar", "orientation": "h", "y": places, "customdata": names}
    bars |= {"x": short(values), "name": "tau", "showlegend": False, "marker": {"color": BLUE}}
    bars |= {"text": [f"{value:+z.2f}" for value in values], "textposition": "outside", "cliponaxis": False}
    bars |= {"hovertemplate": "%{customdata}: %{x:+.3f}<extra></extra>"}
    data = [bars]
    for sign in (1, -1) if chance < 1 else ():
        line = dashed_line([sign * chance] * 2, [-0.5, len(names) - 0.5], "chance: 1 in 20 is beyond")
        data.append(line | {"showlegend": sign > 0})
    figure = base_figure(data, "Kendall's tau", "")
    figure["layout"] |= {"height": 120 + 26 * len(names), "bargap": 0.35}
    figure["layout"]["xaxis"] |= {"range": [-1.15, 1.15], "zeroline": True, "tickvals": [-1, -0.5, 0, 0.5, 1]}
    figure["layout"]["yaxis"] |= {"tickvals": places, "ticktext": names, "tickfont": {"size": 11}, "showgrid": False}
    figure["layout"]["yaxis"] |= {"range": [len(names) - 0.5, -0.5]}
    return figure


def _hollow(colour: str) -> dict[str, Any]:
    return {"size": 8, "color": colour, "symbol": "circle-open", "line": {"width": 1.5}}


def _below(values: Reals) -> float:
    """Where failed codes are drawn: a little below all others."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    return float(known.min() - 0.08 * (np.ptp(known) or 1.0))
