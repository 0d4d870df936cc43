"""Two codes side by side: which dimensions differ, and the values of both."""

from __future__ import annotations

from html import escape

from nicegui import ui

from ncp.app.components import heading, markup
from ncp.app.field_errors import message_of
from ncp.app.lookup import CodeFacts, format_value, look_up
from ncp.app.session import Session
from ncp.cost import Counting
from ncp.errors import NcpError
from ncp.report.network_drawing import network_element
from ncp.spaces.dimensions import changed
from ncp.spaces.multires import Code

Vector = tuple[int, ...]


class SideBySide:
    """Fields for two codes, A and B, and their comparison."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.codes: dict[str, Vector] = {}
        heading("Side by side")
        self.fields: dict[str, ui.input] = {}
        with ui.element("div").classes("pair"):
            for name in ("a", "b"):
                with ui.element("div").classes("slot"):
                    field = ui.input(f"code {name.upper()}").without_auto_validation()
                    field.props("outlined dense hide-bottom-space debounce=350 spellcheck=false")
                    field.on_value_change(lambda name=name: self._read(name))
                    self.fields[name] = field
                    button = ui.button(
                        "Use the open code", on_click=lambda name=name: self.set(name, self.session.code), color=None
                    )
                    button.props(f'flat no-caps aria-label="open code as {name.upper()}"').classes("plain")
        self.comparison = markup('<p class="note">Enter two codes, or press A and B beside a row.</p>')

    def set(self, name: str, code: Vector) -> None:
        """Set the code A or B."""
        self.codes[name] = tuple(code)
        self.fields[name].error = None
        self.fields[name].value = self.session.dataset.space.text(code)
        self._show()
        if len(self.codes) == 2:  # it lies below the lists in which the codes are chosen
            ui.run_javascript(f"getHtmlElement({self.comparison.id}).scrollIntoView({{ block: 'nearest' }})")

    def _read(self, name: str) -> None:
        field = self.fields[name]
        try:
            code = tuple(self.session.dataset.space.code(field.value or "").tolist())
        except NcpError as error:
            field.error = message_of(error) if field.value else None
            return
        field.error = None
        if self.codes.get(name) != code:
            self.codes[name] = code
            self._show()

    def _show(self) -> None:
        if len(self.codes) == 2:
            self.comparison.set_content(compare_codes(self.session, self.codes["a"], self.codes["b"]))


def compare_codes(session: Session, a: Vector, b: Vector) -> str:
    """Both drawings, the dimensions that differ, and a table of the values of both."""
    dataset = session.dataset
    both = [look_up(dataset, code, session.counting) for code in (a, b)]
    drawings = ""
    if dataset.space.has_network:
        drawings = "".join(_drawing(name, code, session.counting) for name, code in (("A", a), ("B", b)))
    changes = changed(dataset.space.dimensions, a, b)
    items = "".join(f"<li><span>{escape(name)}</span> {escape(x)} → {escape(y)}</li>" for name, x, y in changes)
    count = f'<p class="note">{len(changes)} of {len(a)} dimensions differ</p>'
    return f'<div class="pair">{drawings}</div>{count}<ul class="changes">{items}</ul>{_table(*both)}'


def _drawing(name: str, code: Vector, counting: Counting) -> str:
    svg = network_element(Code.from_vector(code), counting)
    scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="drawing of {name}">{svg}</div>'
    return f'<div class="slot"><h3>{name}</h3>{scroll}</div>'


def _table(a: CodeFacts, b: CodeFacts) -> str:
    rows = []
    if a.macs is not None and b.macs is not None:
        rows.append(_row("GMACs", a.macs / 1e9, b.macs / 1e9, "exact", "exact"))
    if a.params is not None and b.params is not None:
        rows.append(_row("M parameters", a.params / 1e6, b.params / 1e6, "exact", "exact"))
    for of_a, of_b in zip(a.columns, b.columns, strict=True):
        x, y = (column.mean if column.measured is None else column.measured for column in (of_a, of_b))
        sources = ["predictor" if column.measured is None else "table" for column in (of_a, of_b)]
        rows.append(_row(of_a.column, x, y, *sources))
    heads = "".join(f'<th scope="col" class="number">{name}</th>' for name in ("A", "B", "B minus A"))
    table = f'<table><thead><tr><th scope="col">column</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="scroll" tabindex="0" role="group" aria-label="values of both">{table}</div>'


def _row(name: str, x: float | None, y: float | None, x_source: str, y_source: str) -> str:
    cells = _cell(x, x_source) + _cell(y, y_source)
    change = "–" if x is None or y is None else f"{y - x:+.2f}"  # noqa: RUF001
    return f'<tr><th scope="row">{escape(name).replace("/", "/<wbr>")}</th>{cells}<td class="number">{change}</td></tr>'


def _cell(value: float | None, source: str) -> str:
    if value is None:
        return '<td class="number">–</td>'  # noqa: RUF001
    return f'<td class="number">{format_value(value)} <span class="std">{source}</span></td>'
