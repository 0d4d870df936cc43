"""The first walk: a code by sliders or in writing, and at once its drawing, cost and every column."""

from __future__ import annotations

from html import escape

from nicegui import ui

from ncp.app.components import Dials, markup
from ncp.app.drawing import network_svg
from ncp.app.facts import Facts, Line, facts_of, shown
from ncp.app.problems import Place, complain, said
from ncp.app.subject import Subject
from ncp.app.visitor import Visitor
from ncp.cost import HEADS, Counting, read_image_size, require_countable
from ncp.errors import NcpError
from ncp.spaces.multires import MULTIRES, Code


def explore(visitor: Visitor) -> None:
    """Lay out the walk."""
    space = visitor.subject.space
    with ui.element("div").classes("explore"):
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
            dials = Dials(space, visitor.code, lambda place, index: _moved(visitor, place, index))
            if visitor.subject.priced:
                _counting(visitor)
        facts = markup(classes="facts")

    def show() -> None:
        found = facts_of(visitor.subject, visitor.code, visitor.counting)
        head.set_content(figures(found))
        facts.set_content(table(visitor.subject, found))
        if space == MULTIRES:
            drawing.set_content(network_svg(Code.from_vector(visitor.code)))
        text.error = None
        if _read(visitor.subject, text.value) != visitor.code:
            text.value = found.text
        dials.show(visitor.code)

    def typed() -> None:
        try:
            code = tuple(space.code(text.value or "").tolist())
        except NcpError as error:
            text.error = said(error)
            return
        text.error = None
        if code != visitor.code:
            visitor.look_at(code)

    drawing.set_visibility(space == MULTIRES)
    text.on_value_change(typed)
    visitor.on_code(show)
    show()


def _read(subject: Subject, text: str | None) -> tuple[int, ...] | None:
    try:
        return tuple(subject.space.code(text or "").tolist())
    except NcpError:
        return None


def _moved(visitor: Visitor, place: int, index: int) -> None:
    code = list(visitor.code)
    code[place] = visitor.subject.space.dimensions[place].values[index]
    visitor.look_at(tuple(code))


def _counting(visitor: Visitor) -> None:
    """How cost is counted: fields that say what is wrong with them."""
    with ui.element("details").classes("group"):
        with ui.element("summary"):
            ui.label("Counted at").classes("group-name")
            told = ui.label("").classes("group-code")
        with ui.element("div").classes("fields"):
            size = _checked("image size [pixels]", "128")
            classes = _checked("classes", "50")
            task = ui.select(list(HEADS), label="task", value=HEADS[0]).props("outlined dense")

    fields: dict[str, Place] = {"image_size": size, "classes": classes, "task": task}

    def changed() -> None:
        size.error = classes.error = task.error = None
        try:
            read = read_image_size(size.value or "")
            require_countable(read, 1, task.value)
        except NcpError as error:
            complain(error, fields, size)
            return
        try:
            count = int(classes.value) if (classes.value or "").isdecimal() else classes.value
            require_countable(read, count, task.value)
        except NcpError as error:
            complain(error, fields, classes)
            return
        told.set_text(f"{read[0]} × {read[1]}, {count}")  # noqa: RUF001 (times, not x)
        visitor.count_as(Counting(read, count, task.value))

    for field in (size, classes, task):
        field.on_value_change(changed)
    told.set_text("128 × 128, 50")  # noqa: RUF001


def _checked(label: str, value: str) -> ui.input:
    """A field whose message is ours alone."""
    return ui.input(label, value=value).props("outlined dense hide-bottom-space debounce=350").without_auto_validation()


def figures(facts: Facts) -> str:
    """The answer first: cost, and where the code comes from."""
    shown = []
    if facts.macs is not None and facts.params is not None:
        shown += [(f"{facts.macs / 1e9:#.4g}", "GMACs"), (f"{facts.params / 1e6:#.4g}", "M parameters")]
    known = [line.better for line in facts.lines if line.better is not None]
    if known:
        shown.append((f"{100 * sum(known) / len(known):.0f} %", "of rows are worse, on average"))
    cells = "".join(
        f'<div class="figure"><span class="figure-value">{value}</span><span class="figure-name">{name}</span></div>'
        for value, name in shown
    )
    if facts.origin is None:
        return cells
    flags = f", flags: {escape(facts.flags)}" if facts.flags else ""
    where = f" ({escape(facts.origin)})" if facts.origin else ""
    return f'{cells}<div class="badge">In the table{where}{flags}</div>'


def table(subject: Subject, facts: Facts) -> str:
    """Every column: what is predicted, what it is better than, what was measured."""
    if not facts.lines:
        return '<p class="note">No column is known.</p>'
    rows = len(subject.table) if subject.table is not None else 0
    about = f"better than, of {rows:,} rows" if rows else "better than, about"
    measured = facts.origin is not None
    head = (
        f'<tr><th scope="col">column</th><th scope="col" class="number">{"predicted" if subject.predictor else ""}</th>'
    )
    head += f'<th scope="col" class="rank">{about}</th>'
    head += '<th scope="col" class="number">measured</th></tr>' if measured else "</tr>"
    body = "".join(_row(line, measured) for line in facts.lines)
    notes = []
    if not rows:
        notes.append("Shares are estimated from the table's mean and deviation: the table itself is not here.")
    elif facts.origin is None:
        notes.append("The table does not hold this code.")
    if subject.predictor is None:
        notes.append("No predictor: train one on the table under Your table.")
    note = f'<p class="note">{" ".join(notes)}</p>' if notes else ""
    caption = "<caption>What is predicted and measured</caption>"
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>{note}"


def _row(line: Line, measured: bool) -> str:
    value = "–" if line.mean is None else f'{shown(line.mean)}<span class="std"> ± {shown(line.std or 0.0)}</span>'  # noqa: RUF001
    rank = ""
    if line.better is not None:
        percent = f"{'' if line.exact else '≈ '}{100 * line.better:.0f} %"
        rank = f'<span class="meter" style="--share:{line.better:.3f}"></span><span class="percent">{percent}</span>'
    name = escape(line.column).replace("/", "/<wbr>") + (
        ' <span class="std">less is better</span>' if line.least else ""
    )
    own = "" if not measured else f'<td class="number">{"–" if line.measured is None else shown(line.measured)}</td>'  # noqa: RUF001
    return f'<tr><th scope="row">{name}</th><td class="number">{value}</td><td class="rank">{rank}</td>{own}</tr>'
