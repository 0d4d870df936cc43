"""Two codes side by side: what differs, and what every column makes of it."""

from __future__ import annotations

from html import escape

from nicegui import ui

from ncp.app.components import markup
from ncp.app.drawing import network_svg
from ncp.app.facts import Facts, facts_of, shown
from ncp.app.problems import said
from ncp.app.subject import Subject
from ncp.app.visitor import Visitor
from ncp.errors import NcpError
from ncp.spaces.dimensions import value_text
from ncp.spaces.multires import MULTIRES, Code

Vector = tuple[int, ...]


class Comparing:
    """Two places for codes; each takes what is written or the open code."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.codes: dict[str, Vector] = {}
        ui.label("Side by side").classes("heading").props("role=heading aria-level=2")
        self.fields: dict[str, ui.input] = {}
        with ui.element("div").classes("pair"):
            for name in ("a", "b"):
                with ui.element("div").classes("slot"):
                    field = ui.input(f"code {name.upper()}").without_auto_validation()
                    field.props("outlined dense hide-bottom-space debounce=350 spellcheck=false")
                    field.on_value_change(lambda name=name: self._typed(name))
                    self.fields[name] = field
                    press = ui.button(
                        "Open code", on_click=lambda name=name: self.set(name, self.visitor.code), color=None
                    )
                    press.props(f'flat no-caps aria-label="open code as {name.upper()}"').classes("plain")
        self.shown = markup('<p class="note">Choose two codes: write them, or press A and B beside a row.</p>')

    def set(self, name: str, code: Vector) -> None:
        """Put a code in a place."""
        self.codes[name] = tuple(code)
        self.fields[name].error = None
        self.fields[name].value = self.visitor.subject.space.text(code)
        self._show()

    def _typed(self, name: str) -> None:
        field = self.fields[name]
        try:
            code = tuple(self.visitor.subject.space.code(field.value or "").tolist())
        except NcpError as error:
            field.error = said(error) if field.value else None
            return
        field.error = None
        if self.codes.get(name) != code:
            self.codes[name] = code
            self._show()

    def _show(self) -> None:
        if len(self.codes) == 2:
            self.shown.set_content(side_by_side(self.visitor, self.codes["a"], self.codes["b"]))


def side_by_side(visitor: Visitor, a: Vector, b: Vector) -> str:
    """Drawings, what differs, and a table of both."""
    subject = visitor.subject
    both = [facts_of(subject, code, visitor.counting) for code in (a, b)]
    drawings = ""
    if subject.space == MULTIRES:
        drawings = "".join(_drawing(name, code) for name, code in (("A", a), ("B", b)))
    changed = "".join(f"<li>{_change(subject, k, a[k], b[k])}</li>" for k in range(len(a)) if a[k] != b[k])
    differs = f"{sum(x != y for x, y in zip(a, b, strict=True))} of {len(a)} dimensions differ"
    changes = f'<p class="note">{differs}</p><ul class="changes">{changed}</ul>'
    return f'<div class="pair">{drawings}</div>{changes}{_table(*both)}'


def _drawing(name: str, code: Vector) -> str:
    drawn = network_svg(Code.from_vector(code))
    scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="drawing of {name}">{drawn}</div>'
    return f'<div class="slot"><h3>{name}</h3>{scroll}</div>'


def _change(subject: Subject, place: int, x: int, y: int) -> str:
    dim = subject.space.dimensions[place]
    return f"<span>{escape(dim.name)}</span> {escape(value_text(dim, x))} → {escape(value_text(dim, y))}"


def _table(a: Facts, b: Facts) -> str:
    rows = []
    if a.macs is not None and b.macs is not None:
        rows.append(_row("GMACs", a.macs / 1e9, b.macs / 1e9, "exact", "exact"))
    if a.params is not None and b.params is not None:
        rows.append(_row("M parameters", a.params / 1e6, b.params / 1e6, "exact", "exact"))
    for x_line, y_line in zip(a.lines, b.lines, strict=True):
        x = x_line.mean if x_line.measured is None else x_line.measured
        y = y_line.mean if y_line.measured is None else y_line.measured
        sources = ["predictor" if line.measured is None else "table" for line in (x_line, y_line)]
        rows.append(_row(x_line.column, x, y, *sources))
    heads = "".join(f'<th scope="col" class="number">{name}</th>' for name in ("A", "B", "B less A"))
    table = f'<table><thead><tr><th scope="col">column</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="scroll" tabindex="0" role="group" aria-label="values of both">{table}</div>'


def _row(name: str, x: float | None, y: float | None, x_source: str, y_source: str) -> str:
    cells = "".join(_cell(value, source) for value, source in ((x, x_source), (y, y_source)))
    change = "–" if x is None or y is None else f"{y - x:+.2f}"  # noqa: RUF001
    return f'<tr><th scope="row">{escape(name).replace("/", "/<wbr>")}</th>{cells}<td class="number">{change}</td></tr>'


def _cell(value: float | None, source: str) -> str:
    if value is None:
        return '<td class="number">–</td>'  # noqa: RUF001
    return f'<td class="number">{shown(value)} <span class="std">{source}</span></td>'
