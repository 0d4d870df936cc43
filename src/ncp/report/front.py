"""The picture of a front: every objective against cost, or against the first objective where cost does not count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ncp.cost import has_cost, macs
from ncp.errors import printable
from ncp.optim.front import Front
from ncp.pareto import front
from ncp.report.plain import plain_texts, save
from ncp.report.scatter import PERCENT
from ncp.spaces.arrays import Reals
from ncp.tables.table import Table

COLOUR, FAINT = "#0b5fa5", "#9aa5b1"


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows.

    Attributes:
        x_name: of the horizontal axis.
        y_name: of the vertical axis.
        x: of the front's codes, `(n,)`: multiply-adds [GMACs], or predicted values.
        y: of the front's codes, `(n,)`: predicted values [raw units], or standard deviations of a mean of columns.
        edge: which codes nothing beats in these two alone, `(n,)`.
        rows_x: of a table's rows, `(r,)`.
        rows_y: of a table's rows, `(r,)`.
        budget: most multiply-adds [GMACs]; None without a bound, or where x is no cost.
        floor: least y that was asked for, or None.
    """

    x_name: str
    y_name: str
    x: Reals
    y: Reals
    edge: NDArray[np.bool_]
    rows_x: Reals
    rows_y: Reals
    budget: float | None
    floor: float | None


def front_data(result: Front, table: Table | None = None) -> tuple[Panel, ...]:
    """The numbers behind the picture of `result`; rows of `table` stand where it has all values that a panel needs."""
    provenance, names = result.provenance, result.objectives
    measured = {} if table is None else dict(zip(table.columns, table.values.T, strict=True))
    cost = ""
    if provenance["cost"]:
        counted = (provenance["image_size"], provenance["classes"], provenance["task"])
        cost, gmacs = "cost [GMACs]", macs([row.vector for row in result.rows], *counted) / 1e9
        if table is not None and has_cost(table.space):
            measured[cost] = macs(table.codes, *counted) / 1e9
    across = cost or names[0].removeprefix("-")
    x = gmacs if cost else _shown(result, 0)
    panels = []
    for place in range(0 if cost or len(names) == 1 else 1, len(names)):
        column = names[place].removeprefix("-")
        rows = np.empty((0, 2))
        if across in measured and column in measured:
            rows = np.column_stack([measured[across], measured[column]])
            rows = rows[np.isfinite(rows).all(axis=1)]
        y = _shown(result, place)
        down = [bool(cost) or _wanted_small(result, names[0]), _wanted_small(result, names[place])]
        panels.append(
            Panel(
                x_name=cost or _labelled(result, names[0]),
                y_name=_labelled(result, names[place]),
                x=x,
                y=y,
                edge=front(np.column_stack([x, y]), minimise=down),
                rows_x=rows[:, 0],
                rows_y=rows[:, 1],
                budget=provenance["max_macs"] / 1e9 if cost and provenance["max_macs"] is not None else None,
                floor=provenance["at_least"].get(column, provenance["at_least"].get(column.partition("/")[0])),
            )
        )
    return tuple(panels)


@plain_texts()
def draw_front(panels: tuple[Panel, ...], path: str | Path, run: str | None = None) -> None:
    """Draw `panels` to a file, whose ending says the format (.svg, .png, .pdf), with the id of their run.

    Raises:
        DataError: a path that cannot be written to.
    """
    from matplotlib.figure import Figure

    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(3.6 * across + 0.4, 3.1 * down + 0.5), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for ax, panel in zip(axes, panels, strict=False):
        ax.scatter(panel.rows_x, panel.rows_y, s=4, color=FAINT, alpha=0.5, linewidths=0, rasterized=True, zorder=1)
        ax.scatter(panel.x, panel.y, s=8, color=COLOUR, alpha=0.35, linewidths=0, zorder=2)
        order = np.flatnonzero(panel.edge)[np.argsort(panel.x[panel.edge])]
        ax.plot(panel.x[order], panel.y[order], color=COLOUR, linewidth=1.5, zorder=3)
        if panel.x_name.startswith("cost"):
            ax.set_xscale("log")
        if panel.budget is not None:
            ax.axvline(panel.budget, color="black", linewidth=1, linestyle="--")
            at = (panel.budget, 0.02)
            offset = {"xytext": (-3, 0), "textcoords": "offset points", "ha": "right"}
            ax.annotate("budget", at, xycoords=ax.get_xaxis_transform(), fontsize=8, **offset)
        if panel.floor is not None:
            ax.axhline(panel.floor, color="black", linewidth=1, linestyle=":")
        low, high = _limits(panel)
        ax.set_ylim(low, high)
        ax.set_title(printable(panel.y_name), loc="left", fontsize=10)
        ax.set_xlabel(printable(panel.x_name), fontsize=8)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    rows = "; in grey rows of the table, as measured" if any(len(panel.rows_x) for panel in panels) else ""
    count = len(panels[0].x)
    codes = "1 code" if count == 1 else f"{count} codes"
    figure.suptitle(
        f"{codes} of the front, as predicted; on the line the best of each panel{rows}", fontsize=10, x=0.01, ha="left"
    )
    save(figure, path, run)


def _limits(panel: Panel) -> tuple[float, float]:
    """The vertical range: the front, and of the table all but failed runs far below."""
    low, high = float(panel.y.min()), float(panel.y.max())
    if len(panel.rows_y):
        bottom, top = np.quantile(panel.rows_y, [0.02, 1])
        low, high = min(low, float(bottom)), max(high, float(top))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _shown(result: Front, place: int) -> Reals:
    """An objective of every code: predicted raw values of a column, or the claim of several columns."""
    column = result.objectives[place].removeprefix("-")
    if all(column in row.predicted for row in result.rows):
        return np.array([row.predicted[column].mean for row in result.rows])
    predicted_scores: Reals = result.predicted_scores[:, place]
    return predicted_scores


def _labelled(result: Front, name: str) -> str:
    """An objective's name with its unit."""
    column = name.removeprefix("-")
    if column not in result.provenance["columns"]:
        return f"{name} [std]"
    wanted = " (less is better)" if _wanted_small(result, name) else ""
    return f"{column} [{'%' if column.rpartition('/')[2] in PERCENT else 'raw units'}]{wanted}"


def _wanted_small(result: Front, name: str) -> bool:
    """Whether less of what is shown of an objective is better: of a column, by its weight or since it is minimised."""
    column = name.removeprefix("-")
    against = name.startswith("-") != (column in result.provenance["minimised"])
    return column in result.provenance["columns"] and against
