"""The third walk: the table's rows as points, the best and the nearest of them, and two codes side by side."""

from __future__ import annotations

from html import escape

import numpy as np
from nicegui import ui

from ncp.app.compare import Comparing
from ncp.app.components import Plot, markup, pressable
from ncp.app.facts import shown
from ncp.app.points import GMACS, MPARAMS, Filter, axes_of, draw_points, place_of, points_data
from ncp.app.subject import BENCHMARK
from ncp.app.visitor import Visitor
from ncp.report.figures import named

TAB = "Benchmark"
_ABSENT = (
    "Whoever runs this app can get the table with <code>ncp data fetch</code> on the server. Then load this page "
    "again. Everything else works without it."
)
LISTED = 6
"""Rows in each list."""
_ACTS = (("look", "Open", "Open under Code"), ("a", "A", "Compare as A"), ("b", "B", "Compare as B"))


class Walk:
    """The walk of one visitor over a table."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.subject = visitor, visitor.subject
        if self.subject.table is None:
            with ui.element("div").classes("absent"):
                ui.label(f"The table {BENCHMARK} is not here").classes("heading").props("role=heading aria-level=2")
                markup(f'<p class="note">{_ABSENT}</p>')
            self.comparing = Comparing(visitor)
            return
        self.table = self.subject.table
        self.axes = axes_of(self.subject, visitor.counting)
        with ui.element("div").classes("walk"):
            with ui.element("section").classes("side").props('aria-label="what is shown"'):
                self._fields()
            with ui.element("section").classes("answer").props('aria-label="the table as points"'):
                self.plot = Plot("rows of the table as points; the lists below name them", self._take).classes("plot")
                self.count = markup(classes="note")
                with ui.element("div").classes("lists"):
                    self.best, self.near = markup(classes="list"), markup(classes="list")
        for listed in (self.best, self.near):
            pressable(listed, self._pressed)
        self.comparing = Comparing(visitor)
        visitor.on_code(self.follow)
        self.draw()

    def _fields(self) -> None:
        names = list(self.axes)
        first = names[2] if self.subject.priced else names[0]
        x = GMACS if self.subject.priced else names[min(1, len(names) - 1)]
        ui.label("Axes").classes("heading").props("role=heading aria-level=2")
        self.x = ui.select(names, value=x, label="across")
        self.y = ui.select(names, value=first, label="up")
        ui.label("Rows").classes("heading").props("role=heading aria-level=2")
        self.origins: dict[str, ui.checkbox] = {}
        origins = sorted(set(self.table.origin.tolist()))
        if len(origins) > 1:
            with ui.element("div").classes("checks"):
                for origin in origins:
                    self.origins[origin] = ui.checkbox(origin or "no origin", value=True).props("dense")
        self.axis = ui.select(names, value=x, label="with")
        with ui.element("div").classes("fields"):
            self.low, self.high = ui.input("at least"), ui.input("at most")
        for chosen in (self.x, self.y, self.axis):
            chosen.props("outlined dense options-dense").on_value_change(self.draw)
        for field in (self.low, self.high):
            field.props("outlined dense hide-bottom-space debounce=350 inputmode=decimal").without_auto_validation()
            field.on_value_change(self.draw)
        for box in self.origins.values():
            box.on_value_change(self.draw)

    def draw(self) -> None:
        """Show what the fields say; a bound that is no number says so, and changes nothing."""
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
        kept = (
            tuple(o for o, box in self.origins.items() if box.value) if self.origins else tuple(set(self.table.origin))
        )
        self.points = points_data(
            self.subject, self.axes, self.x.value, self.y.value, Filter(kept, self.axis.value, *bounds)
        )
        self.plot.update_figure(draw_points(self.points, self._place()))
        count = f"{len(self.points.rows):,} of {len(self.table):,} rows"
        self.count.set_content(f"{count}. Click a point to open its code.")
        down = self.y.value in {GMACS, MPARAMS, *(named(c) for c in self.subject.minimised)}
        order = np.argsort(self.points.y if down else -self.points.y, kind="stable")[:LISTED]
        best = [(int(self.points.rows[k]), shown(float(self.points.y[k]))) for k in order.tolist()]
        self.best.set_content(self._list("The best of these", f"by {self.y.value}", best))
        self._show_near()

    def _place(self) -> tuple[float, float] | None:
        return place_of(self.subject, self.visitor.code, self.visitor.counting, self.x.value, self.y.value)

    def follow(self) -> None:
        """The star and the nearest rows follow the open code, as soon as they can be seen."""
        if self.visitor.tab != TAB or self.subject.table is None:
            return
        axes = axes_of(self.subject, self.visitor.counting)
        if GMACS in axes and not np.array_equal(axes[GMACS], self.axes[GMACS]):
            self.axes = axes
            self.draw()
            return
        self._show_near()
        self.plot.move_star(self._place() or ())

    def _show_near(self) -> None:
        rows, distances = self.table.nearest_and_distances(self.visitor.code, min(LISTED, len(self.table)))
        near = [(row, str(d)) for row, d in zip(rows.tolist(), distances.tolist(), strict=True)]
        self.near.set_content(self._list("Nearest to the open code", "in steps of its dimensions", near))

    def _list(self, title: str, name: str, rows: list[tuple[int, str]]) -> str:
        body = []
        for row, value in rows:
            buttons = "".join(
                f'<button type="button" class="button" data-act="{act}" data-row="{row}" '
                f'aria-label="{told}, row {row}">{text}</button>'
                for act, text, told in _ACTS
            )
            code = escape(self.subject.space.text(self.table.codes[row]))
            line = (
                f'<div class="code-line"><span class="value">{value}</span><span class="buttons">{buttons}</span></div>'
            )
            body.append(f"<li>{line}<code>{code}</code></li>")
        return f'<h2>{escape(title)}</h2><p class="note">{escape(name)}</p><ol>{"".join(body)}</ol>'

    def _pressed(self, act: str, row: int) -> None:
        """A button of a list."""
        if act == "look":
            self._take(row)
        elif act in ("a", "b") and 0 <= row < len(self.table):
            self.comparing.set(act, tuple(self.table.codes[row].tolist()))

    def _take(self, row: int) -> None:
        if 0 <= row < len(self.table):
            self.visitor.look_at(tuple(self.table.codes[row].tolist()))
            ui.notify("Opened under Code", timeout=1500)
