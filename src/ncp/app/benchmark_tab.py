"""The tab Benchmark: the table's rows as points, the best of them, those near the open code, and two codes compared."""

from __future__ import annotations

from html import escape

import numpy as np
from nicegui import ui

from ncp.app.components import Plot, csv_button, heading, markup, on_press, say_opened
from ncp.app.downloads import csv_of
from ncp.app.lookup import format_value
from ncp.app.points import (
    GMACS,
    MPARAMS,
    Filter,
    Points,
    axis_values,
    draw_points,
    found_positions,
    in_view,
    points_data,
    position_of,
)
from ncp.app.session import Session
from ncp.app.side_by_side import SideBySide
from ncp.report.style import with_unit
from ncp.spaces.families import DEFAULT_TABLE

TAB = "Benchmark"
LISTED = 6
"""Rows in each list."""
_ABSENT = (
    "Whoever runs this app can get the table with <code>ncp data fetch</code> on the server. Then load this page "
    "again. Everything else works without it."
)
_ACTIONS = (("open", "Open", "Open in the Code tab"), ("a", "A", "Compare as A"), ("b", "B", "Compare as B"))


class BenchmarkTab:
    """The tab of one session."""

    def __init__(self, session: Session) -> None:
        self.session, self.dataset = session, session.dataset
        if self.dataset.table is None:
            with ui.element("div").classes("absent"):
                heading(f"The table {DEFAULT_TABLE} is not installed")
                markup(f'<p class="note">{_ABSENT}</p>')
            self.side_by_side = SideBySide(session)
            return
        self.table = self.dataset.table
        self.axes = axis_values(self.dataset, session.counting)
        self.points: Points | None = None
        self.found = session.found
        with ui.element("div").classes("benchmark-tab"):
            with ui.element("section").classes("side").props('aria-label="axes and rows"'):
                self._build_fields()
            with ui.element("section").classes("answer").props('aria-label="the table as points"'):
                self.plot = Plot("rows of the table as points; the lists below name them", self._open).classes("plot")
                with ui.element("div").classes("plot-line"):
                    self.count = markup(classes="note")
                    csv_button("Save these rows as csv", "rows.csv", self._csv)
                with ui.element("div").classes("lists"):
                    self.best, self.nearest = markup(classes="list"), markup(classes="list")
        for rows in (self.best, self.nearest):
            on_press(rows, self._press)
        self.side_by_side = SideBySide(session)
        session.on_code_change(self.follow)
        self.draw()

    def _build_fields(self) -> None:
        names = list(self.axes)
        x = GMACS if self.dataset.has_cost else names[min(1, len(names) - 1)]
        y = names[2] if self.dataset.has_cost else names[0]
        heading("Axes")
        self.x = ui.select(names, value=x, label="x axis")
        self.y = ui.select(names, value=y, label="y axis")
        origins = sorted(set(self.table.origin.tolist()))
        plain = "origin" if len(origins) > 1 else "one colour"
        self.colour = ui.select({"": plain} | {name: name for name in names}, value="", label="colour")
        self.log = ui.checkbox("logarithmic x axis", value=self.dataset.has_cost).props("dense")
        heading("Rows")
        self.origins: dict[str, ui.checkbox] = {}
        if len(origins) > 1:
            with ui.element("div").classes("checks"):
                for origin in origins:
                    self.origins[origin] = ui.checkbox(origin or "no origin", value=True).props("dense")
        self.filtered = ui.select(names, value=x, label="only rows with")
        with ui.element("div").classes("fields"):
            self.low, self.high = ui.input("at least"), ui.input("at most")
        for choice in (self.x, self.y, self.colour, self.filtered):
            choice.props("outlined dense options-dense").on_value_change(self.draw)
        for field in (self.low, self.high):
            field.props("outlined dense hide-bottom-space debounce=350 inputmode=decimal").without_auto_validation()
            field.on_value_change(self.draw)
        for box in (self.log, *self.origins.values()):
            box.on_value_change(self.draw)

    def draw(self) -> None:
        """Show the rows that the fields select; a bound that is not a number gets a message and changes nothing."""
        bounds = []
        for field in (self.low, self.high):
            text = (field.value or "").strip()
            try:
                bounds.append(float(text) if text else None)
                field.error = None
            except ValueError:
                field.error = "This must be a number."
        if len(bounds) < 2:
            return
        every_origin = tuple(set(self.table.origin.tolist()))
        origins = tuple(o for o, box in self.origins.items() if box.value) if self.origins else every_origin
        rows = Filter(origins, self.filtered.value, *bounds)
        chosen = (self.x.value, self.y.value, rows, self.colour.value)
        before, points = self.points, points_data(self.dataset, self.axes, *chosen)
        same_found, self.found = self.found is self.session.found, self.session.found
        self.points = points
        found = found_positions(self.dataset, self.found, self.session.counting, points.x_name, points.y_name)
        log = bool(self.log.value and (points.x > 0).all())
        figure = draw_points(points, self._position(), found, log, points.y_name in self._minimised())
        same_colours = before is not None and before.colours is None and points.colours is None
        if before is not None and same_found and same_colours and np.array_equal(before.rows, points.rows):
            self.plot.set_axes(figure)
        else:
            self.plot.set_figure(figure)
        count = f"{len(points.rows):,} of {len(self.table):,} rows"
        self.count.set_content(f"{count}. Click a point to open its code. Drag to zoom; double-click to show all rows.")
        self._show_best(points)
        self._show_nearest()

    def follow(self) -> None:
        """Move the star to the open code and list its nearest rows, if the tab is shown."""
        if self.session.tab != TAB or self.dataset.table is None:
            return
        axes = axis_values(self.dataset, self.session.counting)
        if self.found is not self.session.found:
            self.draw()
            return
        if GMACS in axes and not np.array_equal(axes[GMACS], self.axes[GMACS]):
            self.axes = axes
            self.draw()
            return
        self._show_nearest()
        position = self._position()
        if position is not None and not in_view(self.plot.figure["layout"], position):
            self.draw()
        else:
            self.plot.move_star(position or ())

    def _position(self) -> tuple[float, float] | None:
        return position_of(self.dataset, self.session.code, self.session.counting, self.x.value, self.y.value)

    def _minimised(self) -> set[str]:
        """The axes on which lower is better."""
        return {GMACS, MPARAMS, *(with_unit(column) for column in self.dataset.minimised)}

    def _csv(self) -> bytes | None:
        """The rows that are shown, with all their values."""
        if self.points is None:
            return None
        rows = self.points.rows
        values = np.column_stack([axis[rows] for axis in self.axes.values()]).tolist()
        lines = [
            [text, origin, *(number if np.isfinite(number) else None for number in line)]
            for text, origin, line in zip(self.points.texts, self.points.origins.tolist(), values, strict=True)
        ]
        return csv_of(["code", "origin", *self.axes], lines)

    def _show_best(self, points: Points) -> None:
        """List the best of the points on the y axis."""
        lower = points.y_name in self._minimised()
        order = np.argsort(points.y if lower else -points.y, kind="stable")[:LISTED]
        best = [(int(points.rows[k]), format_value(float(points.y[k]))) for k in order.tolist()]
        self.best.set_content(self._list("The best of these", f"by {points.y_name}", best))

    def _show_nearest(self) -> None:
        """List the rows nearest to the open code."""
        rows, distances = self.table.nearest_and_distances(self.session.code, min(LISTED, len(self.table)))
        nearest = [(row, str(d)) for row, d in zip(rows.tolist(), distances.tolist(), strict=True)]
        self.nearest.set_content(self._list("Nearest to the open code", "distance in steps", nearest))

    def _list(self, title: str, subtitle: str, rows: list[tuple[int, str]]) -> str:
        """Rows of the table with a value each, and buttons that open or compare them."""
        items = []
        for row, value in rows:
            buttons = "".join(
                f'<button type="button" class="button" data-act="{action}" data-row="{row}" '
                f'aria-label="{label}, row {row}">{text}</button>'
                for action, text, label in _ACTIONS
            )
            code = escape(self.dataset.space.text(self.table.codes[row]))
            line = f'<span class="value">{value}</span><span class="buttons">{buttons}</span>'
            items.append(f'<li><div class="code-line">{line}</div><code>{code}</code></li>')
        return f'<h2>{escape(title)}</h2><p class="note">{escape(subtitle)}</p><ol>{"".join(items)}</ol>'

    def _press(self, action: str, row: int) -> None:
        """Do what a button of a list says."""
        if action == "open" and 0 <= row < len(self.table):
            self.session.open_code(tuple(self.table.codes[row].tolist()), tab="Code")
        elif action in ("a", "b") and 0 <= row < len(self.table):
            self.side_by_side.set(action, tuple(self.table.codes[row].tolist()))

    def _open(self, row: int) -> None:
        """Open the code of a point, and stay here. Found codes have negative numbers."""
        if 0 <= -2 - row < len(self.found):
            self.session.open_code(self.found[-2 - row])
            say_opened()
        if 0 <= row < len(self.table):
            self.session.open_code(tuple(self.table.codes[row].tolist()))
            say_opened()
