"""What the tab Code shows of a code: its cost, a row per column, and what has changed since another code."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ncp.app.dataset import OpenDataset
from ncp.app.layout import dimension_groups
from ncp.app.lookup import CodeFacts, ColumnFacts, format_value
from ncp.spaces.dimensions import value_text
from ncp.tables.columns import task_of
from ncp.tables.published import TASKS

DASH = "–"  # noqa: RUF001
LISTED = 8
"""Most changes that are listed; of longer lists only the length is shown."""
COSTS = (("macs", 1e9, "GMACs"), ("params", 1e6, "M params"))


def key_figures(facts: CodeFacts, before: CodeFacts | None) -> str:
    """The exact cost, how it has changed since another code, and whether the code is in the table."""
    figures = []
    for name, unit, label in COSTS:
        now, then = getattr(facts, name), None if before is None else getattr(before, name)
        if now is None:
            continue
        delta = "" if then is None else _change(f"{(now - then) / unit:+.3f}")
        figures.append(
            f'<div class="figure"><span><span class="figure-value">{now / unit:#.4g}</span>{delta}</span>'
            f'<span class="figure-name">{label}</span></div>'
        )
    if facts.origin is None:
        return "".join(figures)
    flags = f", flags: {escape(facts.flags)}" if facts.flags else ""
    origin = f" ({escape(facts.origin)})" if facts.origin else ""
    return f'{"".join(figures)}<div class="badge">In the table{origin}{flags}</div>'


def one_line(facts: CodeFacts, before: CodeFacts | None, columns: Sequence[str]) -> str:
    """Cost and a few columns in a line, for phones, on which the sliders cover the rest."""
    parts = []
    if facts.macs is not None:
        delta = "" if before is None or before.macs is None else _change(f"{(facts.macs - before.macs) / 1e9:+.3f}")
        parts.append(f"<b>{facts.macs / 1e9:#.4g}</b>{delta} GMACs")
    earlier = {} if before is None else {each.column: each for each in before.columns}
    for each in facts.columns:
        if each.column in columns and each.best_known is not None:
            name = escape(task_of(each.column))
            parts.append(f"{name} <b>{format_value(each.best_known)}</b>{_column_change(each, earlier)}")
    return "".join(f"<span>{part}</span>" for part in parts)


def changes(dataset: OpenDataset, code: Sequence[int], reference: Sequence[int]) -> str:
    """The dimensions in which a code differs from the one that changes are counted from."""
    groups = dimension_groups(dataset.space)
    named = [(dim["full"], dim["place"]) for group in groups for dim in group["dims"]]
    found = [
        f"<li><span>{escape(name)}</span> {_value(dataset, k, reference)} → {_value(dataset, k, code)}</li>"
        for name, k in named
        if code[k] != reference[k]
    ]
    if len(found) > LISTED:
        return f"<span>{len(found)} of {len(code)} dimensions differ</span>"
    return f'<ul class="changes" aria-label="what has changed">{"".join(found)}</ul>' if found else ""


def _value(dataset: OpenDataset, dimension: int, code: Sequence[int]) -> str:
    return escape(value_text(dataset.space.dimensions[dimension], code[dimension]))


def column_table(dataset: OpenDataset, facts: CodeFacts, before: CodeFacts | None) -> str:
    """A table with a row per column: its prediction, its percentile, and its measured value if there is one.

    The rows of a task follow each other, and all but the first have the class `more`.
    """
    if not facts.columns:
        return '<p class="note">This table has no columns.</p>'
    rows = len(dataset.table) if dataset.table is not None else 0
    measured = facts.origin is not None
    heads = [
        '<th scope="col">column</th>',
        f'<th scope="col" class="number">{"predicted" if dataset.predictor else ""}</th>',
        *(['<th scope="col" class="number">change</th>'] if before is not None else []),
        f'<th scope="col" class="rank">{f"percentile among {rows:,} rows" if rows else "percentile (estimated)"}</th>',
        *(['<th scope="col" class="number">measured</th>'] if measured else []),
    ]
    earlier = None if before is None else {each.column: each for each in before.columns}
    seen: set[str] = set()
    body = ""
    for each in facts.columns:
        first = task_of(each.column) not in seen
        seen.add(task_of(each.column))
        body += _row(each, earlier, measured, first, "" if dataset.uploaded else TASKS.get(task_of(each.column), ""))
    caption = "<caption>Predicted and measured values</caption>"
    table = f"<table>{caption}<thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>"
    return table + _notes(dataset, rows, measured)


def _notes(dataset: OpenDataset, rows: int, measured: bool) -> str:
    notes = []
    if not rows:
        notes.append("The table is not installed: percentiles are estimated from its mean and standard deviation.")
    elif not measured:
        notes.append("This code is not in the table.")
    if dataset.predictor is None:
        notes.append("There is no predictor yet. Train one under Your table.")
    return f'<p class="note">{" ".join(notes)}</p>' if notes else ""


def _row(column: ColumnFacts, earlier: dict[str, ColumnFacts] | None, measured: bool, first: bool, about: str) -> str:
    name = escape(column.column).replace("/", "/<wbr>")
    if column.minimised:
        name += ' <span class="std">lower is better</span>'
    predicted, percentile = DASH, ""
    if column.mean is not None:
        predicted = f'{format_value(column.mean)}<span class="std"> ± {format_value(column.std or 0.0)}</span>'
    if column.percentile is not None:
        number = f"{'' if column.counted else '≈ '}{100 * column.percentile:.0f} %"
        meter = f'<span class="meter" style="--share:{column.percentile:.3f}"></span>'
        percentile = f'{meter}<span class="percent">{number}</span>'
    cells = [f'<td class="number">{predicted}</td>']
    if earlier is not None:
        cells.append(f'<td class="number">{_column_change(column, earlier) or DASH}</td>')
    cells.append(f'<td class="rank">{percentile}</td>')
    if measured:
        cells.append(f'<td class="number">{DASH if column.measured is None else format_value(column.measured)}</td>')
    title = f' title="{escape(about)}"' if about else ""
    return f'<tr{"" if first else " class=more"}><th scope="row"{title}>{name}</th>{"".join(cells)}</tr>'


def _column_change(now: ColumnFacts, earlier: dict[str, ColumnFacts]) -> str:
    """How a column has changed: in its prediction, or else in its measured value; empty if that is not known."""
    then = earlier.get(now.column)
    pairs = [] if then is None else [(now.mean, then.mean), (now.measured, then.measured)]
    for new, old in pairs:
        if new is not None and old is not None:
            return _change(f"{new - old:+.2f}" if abs(new) >= 0.05 else f"{new - old:+.3g}", now.minimised)
    return ""


def _change(text: str, lower: bool = True) -> str:
    """A difference with its sign, marked as better or worse unless all its digits are zero."""
    if not text.strip("+-0."):
        return f' <span class="change">{text.replace("-", "+")}</span>'
    better = text.startswith("-") == lower
    return f' <span class="change {"better" if better else "worse"}">{text.replace("-", "−", 1)}</span>'  # noqa: RUF001
