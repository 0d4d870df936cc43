"""The figure of a front: found codes by cost and a column, above the rows of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
from nicegui import ui

from ncp.app.components import Plot, say_opened
from ncp.app.points import CONFIG, GMACS, axis_values, found_trace, layout, position_of, star_trace
from ncp.app.session import Session
from ncp.optim.results import Row
from ncp.report.facts import worst_edge
from ncp.report.style import GREY, with_unit


class FrontPlot:
    """The figure, and a choice of the column on its y axis."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.rows: tuple[Row, ...] = ()
        with ui.element("div").classes("front") as self.box:
            self.y = ui.select([], label="y axis").props("outlined dense options-dense")
            self.plot = Plot("codes of the front; the list below names them", self._open).classes("plot")
        self.y.on_value_change(self.draw)
        self.box.set_visibility(False)

    def show(self, rows: tuple[Row, ...]) -> None:
        """Show the codes of a front; nothing without codes."""
        self.rows = rows
        self.box.set_visibility(bool(rows))
        if rows:
            names = list(rows[0].predicted)
            self.y.set_options(names, value=self.y.value if self.y.value in names else names[0])
            self.draw()

    def draw(self) -> None:
        """Draw the chosen column against cost, or against another column where cost is not known."""
        if self.rows and self.y.value in self.rows[0].predicted:
            self.plot.set_figure(self._figure(str(self.y.value)))

    def _figure(self, y: str) -> dict[str, Any]:
        """The figure with a column on its y axis, and cost or else the next column on its x axis."""
        dataset, counting = self.session.dataset, self.session.counting
        other = next((name for name in self.rows[0].predicted if name != y), y)
        x_name, y_name = GMACS if dataset.has_cost else with_unit(other), with_unit(y)
        x = [(row.macs or 0) / 1e9 if dataset.has_cost else row.predicted[other].mean for row in self.rows]
        heights = np.array([row.predicted[y].mean for row in self.rows])
        star = star_trace(position_of(dataset, self.session.code, counting, x_name, y_name))
        traces = [*self._measured(x_name, y_name), found_trace((np.array(x), heights)), star]
        return {"data": traces, "layout": layout(x_name, y_name, dataset.has_cost), "config": CONFIG}

    def _measured(self, x: str, y: str) -> list[dict[str, Any]]:
        """The rows of the table in grey, without the worst 2 %."""
        dataset = self.session.dataset
        axes = axis_values(dataset, self.session.counting)
        if dataset.table is None or x not in axes or y not in axes:
            return []
        known = np.isfinite(axes[x]) & np.isfinite(axes[y])
        lower = y in {with_unit(column) for column in dataset.minimised}
        edge = worst_edge(axes[y][known], lower) if known.any() else 0.0
        shown = known & ((axes[y] <= edge) if lower else (axes[y] >= edge))
        return [
            {
                "type": "scatter",
                "mode": "markers",
                "name": "measured rows",
                "x": axes[x][shown].tolist(),
                "y": axes[y][shown].tolist(),
                "hoverinfo": "skip",
                "marker": {"size": 4, "color": GREY},
            }
        ]

    def _open(self, place: int) -> None:
        """Open a code of the front; a row behind it is not opened."""
        if 0 <= -2 - place < len(self.rows):
            self.session.open_code(self.rows[-2 - place].vector)
            say_opened()
