"""The tab Code: edit a code by sliders or as text, and see its drawing, its cost and every column."""

from __future__ import annotations

from html import escape

from nicegui import ui

from ncp.app.components import Sliders, markup
from ncp.app.dataset import OpenDataset
from ncp.app.field_errors import Field, message_of, show_error
from ncp.app.lookup import CodeFacts, ColumnFacts, format_value, look_up
from ncp.app.session import Session
from ncp.cost import HEADS, Counting, read_image_size
from ncp.errors import NcpError
from ncp.report.network_drawing import network_element
from ncp.spaces.multires import Code


def build_code_tab(session: Session) -> None:
    """Build the tab."""
    space = session.dataset.space
    with ui.element("div").classes("code-tab"):
        with ui.element("section").classes("answer").props('aria-label="cost and drawing"'):
            head = markup(classes="figures")
            drawing = markup(classes="scroll").props('tabindex=0 role=group aria-label="drawing of the network"')
        with ui.element("section").classes("side").props('aria-label="the code"'):
            text = (
                ui.textarea("Code", value="")
                .without_auto_validation()
                .props("outlined autogrow hide-bottom-space debounce=350 spellcheck=false")
            )
            text.classes("code-text")
            sliders = Sliders(space, session.code, lambda dim, value: _move(session, dim, value))
            if session.dataset.has_cost:
                _build_cost_settings(session)
        table = markup(classes="facts")

    def show() -> None:
        facts = look_up(session.dataset, session.code, session.counting)
        head.set_content(key_figures(facts))
        table.set_content(column_table(session.dataset, facts))
        if space.has_network:
            drawing.set_content(network_element(Code.from_vector(session.code)))
        text.error = None
        if _read(session.dataset, text.value) != session.code:
            text.value = facts.text
        sliders.show(session.code)

    def read_text() -> None:
        try:
            code = tuple(space.code(text.value or "").tolist())
        except NcpError as error:
            text.error = message_of(error)
            return
        text.error = None
        if code != session.code:
            session.open_code(code)

    drawing.set_visibility(space.has_network)
    text.on_value_change(read_text)
    session.on_code_change(show)
    show()


def _read(dataset: OpenDataset, text: str | None) -> tuple[int, ...] | None:
    """The code that a text says, or None if it says none."""
    try:
        return tuple(dataset.space.code(text or "").tolist())
    except NcpError:
        return None


def _move(session: Session, dimension: int, index: int) -> None:
    """Set a dimension of the open code to one of its values."""
    code = list(session.code)
    code[dimension] = session.dataset.space.dimensions[dimension].values[index]
    session.open_code(tuple(code))


def _build_cost_settings(session: Session) -> None:
    """Build the fields for image size, classes and head, with messages beside them."""
    with ui.element("details").classes("group"):
        with ui.element("summary"):
            ui.label("Cost settings").classes("group-name")
            summary = ui.label("").classes("group-code")
        with ui.element("div").classes("fields"):
            size = _checked_field("image size [pixels]", "128")
            classes = _checked_field("classes", "50")
            head = ui.select(list(HEADS), label="head", value=HEADS[0]).props("outlined dense")

    fields: dict[str, Field] = {"image_size": size, "classes": classes, "task": head}

    def change() -> None:
        size.error = classes.error = head.error = None
        try:
            pixels = read_image_size(size.value or "")
            count = int(classes.value) if (classes.value or "").isdecimal() else classes.value
            counting = Counting(pixels, count, head.value)
        except NcpError as error:
            show_error(error, fields, size)
            return
        summary.set_text(f"{pixels[0]} × {pixels[1]}, {count}")  # noqa: RUF001 (times, not x)
        session.set_counting(counting)

    for field in (size, classes, head):
        field.on_value_change(change)
    summary.set_text("128 × 128, 50")  # noqa: RUF001


def _checked_field(label: str, value: str) -> ui.input:
    """A field whose error message is set by us alone."""
    return ui.input(label, value=value).props("outlined dense hide-bottom-space debounce=350").without_auto_validation()


def key_figures(facts: CodeFacts) -> str:
    """The numbers above the drawing: cost, the mean percentile, and whether the code is in the table."""
    figures = []
    if facts.macs is not None and facts.params is not None:
        figures += [(f"{facts.macs / 1e9:#.4g}", "GMACs"), (f"{facts.params / 1e6:#.4g}", "M parameters")]
    known = [column.percentile for column in facts.columns if column.percentile is not None]
    if known:
        figures.append((f"{100 * sum(known) / len(known):.0f} %", "of trained networks are worse (mean over columns)"))
    cells = "".join(
        f'<div class="figure"><span class="figure-value">{value}</span><span class="figure-name">{name}</span></div>'
        for value, name in figures
    )
    if facts.origin is None:
        return cells
    flags = f", flags: {escape(facts.flags)}" if facts.flags else ""
    origin = f" ({escape(facts.origin)})" if facts.origin else ""
    return f'{cells}<div class="badge">In the table{origin}{flags}</div>'


def column_table(dataset: OpenDataset, facts: CodeFacts) -> str:
    """A table with a row per column: its prediction, its percentile, and its measured value if there is one."""
    if not facts.columns:
        return '<p class="note">This table has no columns.</p>'
    rows = len(dataset.table) if dataset.table is not None else 0
    percentile = f"percentile among {rows:,} rows" if rows else "percentile (estimated)"
    measured = facts.origin is not None
    heads = [
        '<th scope="col">column</th>',
        f'<th scope="col" class="number">{"predicted" if dataset.predictor else ""}</th>',
        f'<th scope="col" class="rank">{percentile}</th>',
    ]
    if measured:
        heads.append('<th scope="col" class="number">measured</th>')
    body = "".join(_row(column, measured) for column in facts.columns)
    notes = []
    if not rows:
        notes.append("The table is not installed: percentiles are estimated from its mean and standard deviation.")
    elif not measured:
        notes.append("This code is not in the table.")
    if dataset.predictor is None:
        notes.append("There is no predictor yet. Train one under Your table.")
    note = f'<p class="note">{" ".join(notes)}</p>' if notes else ""
    caption = "<caption>Predicted and measured values</caption>"
    return f"<table>{caption}<thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>{note}"


def _row(column: ColumnFacts, measured: bool) -> str:
    name = escape(column.column).replace("/", "/<wbr>")
    if column.minimised:
        name += ' <span class="std">lower is better</span>'
    predicted = percentile = "–"  # noqa: RUF001 (a dash)
    if column.mean is not None:
        predicted = f'{format_value(column.mean)}<span class="std"> ± {format_value(column.std or 0.0)}</span>'
    if column.percentile is None:
        percentile = ""
    else:
        number = f"{'' if column.counted else '≈ '}{100 * column.percentile:.0f} %"
        meter = f'<span class="meter" style="--share:{column.percentile:.3f}"></span>'
        percentile = f'{meter}<span class="percent">{number}</span>'
    cells = [f'<td class="number">{predicted}</td>', f'<td class="rank">{percentile}</td>']
    if measured:
        value = "–" if column.measured is None else format_value(column.measured)  # noqa: RUF001
        cells.append(f'<td class="number">{value}</td>')
    return f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>'
