"""The table of what a propagation found: the predictor's claims, and below them the verdicts with their source."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from ncp.app.facts import shown
from ncp.extras import has_extra
from ncp.optim.results import Result, Row, Value, compared
from ncp.spaces.multires import MULTIRES

ACTS = {"look": "Open", "onnx": "ONNX", "python": "Python"}
NEEDS = {"onnx": "export", "report": "report"}
"""The extra that a button's work needs."""


def results(result: Result, rows: tuple[Row, ...], step: int | None = None) -> str:
    """The best codes, all that is known of them, and what can be done with them; `step`, if it was stopped there."""
    columns, priced = list(rows[0].predicted), rows[0].macs is not None
    heads = ["#", "objective [std]", *columns, *(["GMACs", "M parameters"] if priced else [])]
    head = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in heads)
    body = "".join(_row(number, row, columns, result) for number, row in enumerate(rows))
    until = f" until step {step}" if step is not None else ""
    gap = replace(result, rows=rows).gap
    against = "" if gap is None else f" Predictions exceed the check by {gap:+.2f} std on average."
    return (
        f'<div class="found-head"><h2>The best {len(rows)}{until}</h2>'
        '<span class="buttons">'
        f"{_button('json', 'Save result.json')}{_button('report', 'Save report')}</span></div>"
        f'<p class="note">Predicted by {escape(result.provenance["predictor"])}; in grey: the check and its source. '
        f"{result.seconds:.1f} s.{against}</p>"
        f'<p class="note">{escape(compared(replace(result, rows=rows).to_dict()))}</p>{_missing()}'
        '<div class="scroll" tabindex="0" role="group" aria-label="the best codes"><table class="best">'
        f"<thead><tr>{head}</tr></thead>{body}</table></div>"
    )


def _row(number: int, row: Row, columns: list[str], result: Result) -> str:
    """Two lines: the numbers, and the code with its buttons."""
    sources = ", ".join(dict.fromkeys(value.source for value in row.verified.values())) or "no judge"
    verified_score = sources if row.verified_score is None else f"{row.verified_score:.2f} {sources}"
    cells = [f'<th scope="row" class="number">{number + 1}</th>', _cell(f"{row.predicted_score:.2f}", verified_score)]
    cells += [_cell(_with_std(row.predicted[c]), _mean(row.verified.get(c))) for c in columns]
    if row.macs is not None and row.params is not None:
        cells += [_cell(f"{row.macs / 1e9:.3f}", "exact"), _cell(f"{row.params / 1e6:.2f}", "exact")]
    acts = [act for act in ACTS if act != "onnx" or result.trajectory.space == MULTIRES]
    buttons = "".join(_button(act, ACTS[act], number, f"{ACTS[act]}, code {number + 1}") for act in acts)
    line = f'<div class="code-line"><code>{escape(row.code)}</code><span class="buttons">{buttons}</span></div>'
    under = f'<tr class="under"><td></td><td colspan="{len(cells) - 1}">{line}</td></tr>'
    return f"<tbody><tr>{''.join(cells)}</tr>{under}</tbody>"


def _button(act: str, text: str, number: int = 0, label: str = "") -> str:
    """A button; one whose extra is not installed cannot be pressed."""
    off = "disabled " if act in NEEDS and not has_extra(NEEDS[act]) else ""
    named = f'aria-label="{label}" ' if label else ""
    return f'<button type="button" class="button" {off}{named}data-act="{act}" data-row="{number}">{text}</button>'


def _missing() -> str:
    """What to install for the buttons that are off."""
    missing = [extra for extra in NEEDS.values() if not has_extra(extra)]
    if not missing:
        return ""
    off = " and ".join({"export": "ONNX", "report": "Save report"}[extra] for extra in missing)
    command = f"pip install 'ncp-nas[{','.join(missing)}]'"
    return f'<p class="note">{off}: not installed. Whoever runs this app can add it: <code>{escape(command)}</code></p>'


def _cell(predicted_score: str, verified_score: str) -> str:
    return f'<td class="number">{predicted_score}<br><span class="verdict">{escape(verified_score)}</span></td>'


def _with_std(value: Value) -> str:
    return f'{shown(value.mean)} <span class="std">± {shown(value.std)}</span>'


def _mean(value: Value | None) -> str:
    return "–" if value is None else shown(value.mean)  # noqa: RUF001
