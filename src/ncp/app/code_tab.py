"""The tab Code: edit a code by sliders or as text, and see its drawing, its cost, every column, and what changes."""

from __future__ import annotations

from nicegui import ui

from ncp.app.address import image_text, read_counting
from ncp.app.code_facts import changes, column_table, key_figures, one_line
from ncp.app.components import Sliders, copy_on_click, csv_button, markup
from ncp.app.downloads import csv_of
from ncp.app.field_errors import Field, message_of, show_error
from ncp.app.kept_codes import KeptCodes
from ncp.app.lookup import CodeFacts, look_up
from ncp.app.session import MOST_KEPT, Session
from ncp.cost import HEADS, Counting
from ncp.errors import NcpError
from ncp.report.network_drawing import network_element
from ncp.spaces.multires import Code
from ncp.tables.columns import tasks_of

Vector = tuple[int, ...]


class CodeTab:
    """The tab of one session."""

    def __init__(self, session: Session) -> None:
        self.session, self.dataset = session, session.dataset
        self.facts = look_up(self.dataset, session.code, session.counting)
        self._reference: tuple[Vector, Counting, CodeFacts] | None = None
        with ui.element("div").classes("code-tab"):
            self.line = markup(classes="now")
            with ui.element("div").classes("answer"):
                with ui.element("section").classes("drawn").props('aria-label="cost and drawing"'):
                    self.figures = markup(classes="figures")
                    self._build_changes()
                    self.drawing = markup(classes="scroll")
                    self.drawing.props('tabindex=0 role=group aria-label="drawing of the network"')
                with ui.element("section").classes("facts").props('aria-label="values"'):
                    self._build_table()
                self.kept = KeptCodes(session)
            with ui.element("section").classes("side").props('aria-label="the code"'):
                self._build_code()
        self.drawing.set_visibility(self.dataset.space.has_network)
        session.on_code_change(self.show)
        self.show()

    def _build_changes(self) -> None:
        with ui.element("div").classes("changed") as self.changed:
            self.changes = markup()
            ui.button("Pin", on_click=self.session.pin_code, color=None).props(
                'flat no-caps aria-label="Pin this code: count changes from it"'
            ).classes("plain")
            ui.button("Undo", on_click=lambda: self.session.edit_code(self.session.reference), color=None).props(
                'flat no-caps aria-label="Undo these changes"'
            ).classes("plain")

    def _build_table(self) -> None:
        columns = self.dataset.columns
        self.table = markup()
        with ui.element("div").classes("buttons"):
            if len(tasks_of(columns)) < len(columns):
                every = ui.checkbox(f"all {len(columns)} columns").props("dense")
                every.on_value_change(lambda: self.table.classes(toggle="every"))
            csv_button("Save these values as csv", "code.csv", self._csv)
        self.table.classes("columns")

    def _build_code(self) -> None:
        space = self.dataset.space
        self.text = ui.textarea("Code", value="").without_auto_validation()
        self.text.props("outlined autogrow hide-bottom-space debounce=350 spellcheck=false").classes("code-text")
        self.text.on_value_change(self._read_text)
        with ui.element("div").classes("buttons"):
            self.keep = ui.button("Keep", on_click=self._keep, color=None).props("flat no-caps").classes("plain")
            self.keep.props('aria-label="Keep this code, to compare it with others"')
            self.copy = ui.button("Copy", color=None).props('flat no-caps aria-label="Copy this code"').classes("plain")
            copy_on_click(self.copy, "button.dataset.code", "Copied the code")
        self.sliders = Sliders(space, self.session.code, self._move)
        if self.dataset.has_cost:
            CostSettings(self.session)

    def show(self) -> None:
        """Show the open code, and what has changed since the code that was opened or pinned."""
        session = self.session
        self.facts = look_up(self.dataset, session.code, session.counting)
        before = None if session.code == session.reference else self._before()
        self.figures.set_content(key_figures(self.facts, before))
        self.line.set_content(one_line(self.facts, before, self.dataset.first_columns))
        self.changes.set_content(changes(self.dataset, session.code, session.reference))
        self.changed.set_visibility(before is not None)
        self.table.set_content(column_table(self.dataset, self.facts, before))
        if self.dataset.space.has_network:
            self.drawing.set_content(network_element(Code.from_vector(session.code), session.counting))
        self.text.error = None
        if self._read(self.text.value) != session.code:
            self.text.value = self.facts.text
        self.copy.props["data-code"] = self.facts.text
        self.sliders.show(session.code)
        self.keep.set_enabled(session.code not in session.kept and len(session.kept) < MOST_KEPT)
        self.kept.show()

    def _keep(self) -> None:
        """Keep the open code, and say so, because the list is below the values."""
        self.session.keep((*self.session.kept, self.session.code))
        ui.notify("Kept codes are compared below the values", timeout=1500)

    def _before(self) -> CodeFacts:
        """Facts about the code from which changes are counted, looked up once."""
        code, counting = self.session.reference, self.session.counting
        if self._reference is None or self._reference[:2] != (code, counting):
            self._reference = (code, counting, look_up(self.dataset, code, counting))
        return self._reference[2]

    def _read(self, text: str | None) -> Vector | None:
        """The code that a text says, or None if it says none."""
        try:
            return self.session.read_code(text)
        except NcpError:
            return None

    def _read_text(self) -> None:
        """Show the code that was typed, or say what is wrong with it."""
        try:
            code = self.session.read_code(self.text.value)
        except NcpError as error:
            self.text.error = message_of(error)
            return
        self.text.error = None
        if code != self.session.code:
            self.session.edit_code(code)

    def _move(self, dimension: int, index: int) -> None:
        """Set a dimension of the open code to one of its values."""
        code = list(self.session.code)
        code[dimension] = self.dataset.space.dimensions[dimension].values[index]
        self.session.edit_code(tuple(code))

    def _csv(self) -> bytes:
        """The values of the open code."""
        heads = ("code", "column", "predicted", "std", "percentile", "measured")
        rows = [(self.facts.text, c.column, c.mean, c.std, c.percentile, c.measured) for c in self.facts.columns]
        return csv_of(heads, rows)


class CostSettings:
    """Fields for image size, classes and head, with messages beside them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        with ui.element("details").classes("group"):
            with ui.element("summary"):
                ui.label("Cost settings").classes("group-name")
                self.summary = ui.label("").classes("group-code")
            with ui.element("div").classes("fields"):
                self.size = _checked_field("image size [pixels]")
                self.classes = _checked_field("classes")
                self.head = ui.select(list(HEADS), label="head").props("outlined dense")
        self.fields: dict[str, Field] = {"image_size": self.size, "classes": self.classes, "task": self.head}
        self.show()
        for field in (self.size, self.classes, self.head):
            field.on_value_change(self._change)
        session.on_visit(self.show)

    def show(self) -> None:
        """Show how the session counts cost."""
        counting, self._showing = self.session.counting, True
        self.size.value, self.classes.value = image_text(counting), str(counting.classes)
        self.head.value = counting.task
        self._showing = False
        self._summarise(counting)

    def _change(self) -> None:
        """Count cost as the fields say, or say what is wrong with them."""
        if self._showing:
            return
        self.size.error = self.classes.error = self.head.error = None
        try:
            counting = read_counting(self.size.value or "", self.classes.value or "", self.head.value)
        except NcpError as error:
            show_error(error, self.fields, self.size)
            return
        self._summarise(counting)
        self.session.set_counting(counting)

    def _summarise(self, counting: Counting) -> None:
        self.summary.set_text(f"{image_text(counting)} pixels, {counting.classes} classes")


def _checked_field(label: str) -> ui.input:
    """A field whose error message is set by us alone."""
    return ui.input(label).props("outlined dense hide-bottom-space debounce=350").without_auto_validation()
