"""The table of the codes that a search has found: predicted values, and below them the independent check."""

from __future__ import annotations

from html import escape

from ncp.app.found import Found
from ncp.app.lookup import format_value
from ncp.cost_text import gmacs_text, mparams_text
from ncp.extras import has_extra
from ncp.optim.result_rows import LATENCY
from ncp.optim.results import Row, Value

ACTIONS = {"open": "Open", "onnx": "ONNX", "python": "Python"}
NEEDS = {"onnx": "export", "report": "report"}
"""The extra that a button needs."""
_DASH = "–"  # noqa: RUF001


def result_table(found: Found, has_network: bool) -> str:
    """The codes with their values and buttons.

    Args:
        found: what a search has found.
        has_network: whether a code can be exported as a network.
    """
    columns, has_cost = list(found.rows[0].predicted), found.rows[0].macs is not None
    heads = ["#", "score [std]", *columns, *(["GMACs", "M params"] if has_cost else [])]
    head = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in heads)
    usual = _usual_source(found)
    body = "".join(_row(number, found, columns, usual, has_network) for number in found.listed)
    buttons = [_button("json", f"Save {found.name}"), _button("csv", "Save csv"), _button("report", "Save report")]
    texts = [f'<p class="lead">{escape(found.texts[0])}</p>']
    texts += [f'<p class="note">{escape(text)}</p>' for text in found.texts[1:]]
    if len(found.listed) < len(found.rows):
        shown = f"The list has {len(found.listed)} of them, spread evenly. Saved files have all."
        texts.append(f'<p class="note">{shown}</p>')
    checked = f"Grey values are an independent check, by the {usual} unless another source is named." if usual else ""
    checked = checked or "These values come from the predictor alone: nothing has checked them."
    if LATENCY in columns:
        checked += " Latencies in grey were measured."
    return (
        f'<div class="results-head"><h2>{escape(found.title)}</h2>'
        f'<span class="buttons">{"".join(buttons if found.finished else [])}</span></div>'
        f'{"".join(texts)}<p class="note">{checked}</p>{_missing_extras()}'
        '<div class="scroll" tabindex="0" role="group" aria-label="the codes found"><table class="best">'
        f"<thead><tr>{head}</tr></thead>{body}</table></div>"
    )


def _usual_source(found: Found) -> str:
    """The source of most checks; empty if nothing was checked."""
    sources = [source for row in found.rows for source in _sources(row)]
    return max(sorted(set(sources)), key=sources.count, default="")


def _row(number: int, found: Found, columns: list[str], usual: str, has_network: bool) -> str:
    """Two lines: the values, and the code with its buttons."""
    row = found.rows[number]
    verified = "" if row.verified_score is None else f"{row.verified_score:.2f}"
    cells = [f'<th scope="row" class="number">{number + 1}</th>']
    cells.append(_cell("score [std]", f"{row.predicted_score:.2f}", f"{verified}{_other_source(row, usual)}"))
    cells += [_cell(c, _with_std(row.predicted[c]), _mean(row.verified.get(c))) for c in columns]
    if row.macs is not None and row.params is not None:
        cells += [_cell("GMACs", gmacs_text(row.macs)), _cell("M params", mparams_text(row.params))]
    buttons = "".join(
        _button(action, text, number, f"{text}, code {number + 1}")
        for action, text in ACTIONS.items()
        if action != "onnx" or has_network
    )
    line = f'<div class="code-line"><code>{escape(row.code)}</code><span class="buttons">{buttons}</span></div>'
    if found.differences[number]:
        line += f'<div class="difference">{escape(found.differences[number])}</div>'
    under = f'<tr class="under"><td></td><td colspan="{len(cells) - 1}">{line}</td></tr>'
    return f"<tbody><tr>{''.join(cells)}</tr>{under}</tbody>"


def _other_source(row: Row, usual: str) -> str:
    """The sources of a row's checks where they are not the usual one."""
    sources = list(dict.fromkeys(_sources(row)))
    return "" if sources == [usual] or not usual else f" {', '.join(sources) or 'not checked'}"


def _sources(row: Row) -> list[str]:
    """The sources of a row's checks, but not of its latency, which is always measured."""
    return [value.source for column, value in row.verified.items() if column != LATENCY]


def _button(action: str, text: str, number: int = 0, label: str = "") -> str:
    """A button, disabled if its extra is not installed."""
    disabled = "disabled " if action in NEEDS and not has_extra(NEEDS[action]) else ""
    named = f'aria-label="{label}" ' if label else ""
    data = f'data-act="{action}" data-row="{number}"'
    return f'<button type="button" class="button" {disabled}{named}{data}>{text}</button>'


def _missing_extras() -> str:
    """How to install the extras of disabled buttons."""
    missing = [extra for extra in NEEDS.values() if not has_extra(extra)]
    if not missing:
        return ""
    buttons = " and ".join({"export": "ONNX", "report": "Save report"}[extra] for extra in missing)
    command = escape(f"pip install 'ncp-nas[{','.join(missing)}]'")
    return f'<p class="note">{buttons}: not installed. Whoever runs this app can add them: <code>{command}</code>.</p>'


def _cell(label: str, predicted: str, verified: str = "") -> str:
    """A cell; its label is shown on phones, where every row is a list."""
    below = f'<br><span class="verified">{escape(verified)}</span>' if verified else ""
    return f'<td class="number" data-label="{escape(label)}"><span>{predicted}{below}</span></td>'


def _with_std(value: Value) -> str:
    return f'{format_value(value.mean)} <span class="std">± {format_value(value.std)}</span>'


def _mean(value: Value | None) -> str:
    return _DASH if value is None else format_value(value.mean)
