"""The table of a propagation's best codes: predicted values, and below them the check with its source."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from ncp.app.lookup import format_value
from ncp.extras import has_extra
from ncp.optim.results import Result, Row, Value, baseline_text

ACTIONS = {"open": "Open", "onnx": "ONNX", "python": "Python"}
NEEDS = {"onnx": "export", "report": "report"}
"""The extra that a button needs."""


def result_table(result: Result, rows: tuple[Row, ...], step: int | None = None) -> str:
    """The best codes with their values and buttons.

    Args:
        result: the result of the propagation.
        rows: the rows to show.
        step: the step at which the user stopped the animation, if they did.
    """
    result = replace(result, rows=rows)
    columns, has_cost = list(rows[0].predicted), rows[0].macs is not None
    heads = ["#", "score [std]", *columns, *(["GMACs", "M parameters"] if has_cost else [])]
    head = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in heads)
    body = "".join(_row(number, row, columns, result) for number, row in enumerate(rows))
    until = f" until step {step}" if step is not None else ""
    gap = ""
    if result.gap is not None:
        gap = f" Predictions are {abs(result.gap):.2f} std {'above' if result.gap >= 0 else 'below'} it on average."
    baseline = baseline_text(result.to_dict())
    baseline = f'<p class="note">{escape(baseline)}</p>' if baseline else ""
    buttons = _button("json", "Save result.json") + _button("report", "Save report")
    return (
        f'<div class="results-head"><h2>The best {len(rows)}{until}</h2><span class="buttons">{buttons}</span></div>'
        f'<p class="note">Predicted by {escape(result.provenance["predictor"])}; in grey, an independent check and its '
        f"source.{gap} {result.seconds:.1f} s.</p>"
        f"{baseline}{_missing_extras()}"
        '<div class="scroll" tabindex="0" role="group" aria-label="the best codes"><table class="best">'
        f"<thead><tr>{head}</tr></thead>{body}</table></div>"
    )


def _row(number: int, row: Row, columns: list[str], result: Result) -> str:
    """Two lines: the values, and the code with its buttons."""
    sources = ", ".join(dict.fromkeys(value.source for value in row.verified.values())) or "not checked"
    verified = sources if row.verified_score is None else f"{row.verified_score:.2f} {sources}"
    cells = [f'<th scope="row" class="number">{number + 1}</th>', _cell(f"{row.predicted_score:.2f}", verified)]
    cells += [_cell(_with_std(row.predicted[c]), _mean(row.verified.get(c))) for c in columns]
    if row.macs is not None and row.params is not None:
        cells += [_cell(f"{row.macs / 1e9:.3f}", "exact"), _cell(f"{row.params / 1e6:.2f}", "exact")]
    actions = [action for action in ACTIONS if action != "onnx" or result.trajectory.space.has_network]
    buttons = "".join(_button(a, ACTIONS[a], number, f"{ACTIONS[a]}, code {number + 1}") for a in actions)
    line = f'<div class="code-line"><code>{escape(row.code)}</code><span class="buttons">{buttons}</span></div>'
    under = f'<tr class="under"><td></td><td colspan="{len(cells) - 1}">{line}</td></tr>'
    return f"<tbody><tr>{''.join(cells)}</tr>{under}</tbody>"


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
    return f'<p class="note">{buttons}: not installed. Whoever runs this app can run <code>{command}</code>.</p>'


def _cell(predicted: str, verified: str) -> str:
    return f'<td class="number">{predicted}<br><span class="verified">{escape(verified)}</span></td>'


def _with_std(value: Value) -> str:
    return f'{format_value(value.mean)} <span class="std">± {format_value(value.std)}</span>'


def _mean(value: Value | None) -> str:
    return "–" if value is None else format_value(value.mean)  # noqa: RUF001
