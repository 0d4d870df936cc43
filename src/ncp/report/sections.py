"""Sections that the pages of several commands have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ncp.cost import Counting
from ncp.cost_text import gmacs_text, mparams_text
from ncp.errors import CodeError, counted
from ncp.optim.budget import counting_text
from ncp.optim.results import counting_of, difference_text
from ncp.report.facts import Agreement, agreements, calibrations, tradeoffs
from ncp.report.figures import agreement_figure, calibration_figure, tradeoff_figure
from ncp.report.network_drawing import explained_picture
from ncp.report.page_parts import Cell, Grid, Plot, Section
from ncp.report.style import SCORE, measured_text, with_unit
from ncp.spaces.multires import Code
from ncp.tables.table import Table

NOT_CHECKED = "Not checked: these values come from the search predictor alone."
LINES = "Values by the predictor; in grey below them, an independent check and its source."
ENOUGH = 50
"""Fewer codes say nothing about a predictor's calibration; the table shows their checked values."""
LEGIBLE = 0.86, 1.06
"""How much smaller and larger than made a drawing is shown, which keeps its texts at 9 to 12 pixels."""
SETTINGS = {
    "weights": "tasks and weights",
    "max_macs": "most multiply-adds",
    "max_params": "most parameters",
    "max_latency_ms": "highest latency [ms]",
    "at_least": "minimum values",
    "cost": "cost is an objective",
    "reference": "hypervolume counts from [std]",
    "steps": "gradient steps of a start",
    "size": "most codes to return",
    "uncertainty_penalty": "uncertainty penalty [std]",
    "image_size": "image size [pixels]",
    "task": "head",
    "max_changes": "most changed dimensions",
    "freeze": "frozen dimensions",
    "origin_predicted_score": "predicted score of the origin",
    "table_rows": "rows of the table",
    "predictor_source": "predictor from",
    "latency_of": "latencies of",
    "run": "run id",
}
"""Plain names of settings in the provenance; other names are shown as they are."""
SILENT = {"uncertainty_penalty": 0}
"""Values of settings that change nothing; the provenance leaves them out."""


def budget_text(provenance: Mapping[str, Any]) -> str:
    """The bounds of a search in words; empty without bounds.

    >>> budget_text({"max_macs": 4e9, "max_params": None, "max_latency_ms": 7.5})
    'at most 4 GMACs and 7.5 ms'
    """
    units = {"max_macs": (1e9, "GMACs"), "max_params": (1e6, "M params"), "max_latency_ms": (1.0, "ms")}
    bounds = [
        f"{provenance[name] / unit:g} {word}"
        for name, (unit, word) in units.items()
        if provenance.get(name) is not None
    ]
    return f"at most {' and '.join(bounds)}" if bounds else ""


def summary(document: Mapping[str, Any]) -> str:
    """A line on a search or front: predictor, judge, what costs are counted for, time and version."""
    provenance = document["provenance"]
    judge = provenance.get("judge")
    checked = "not checked" if judge is None else f"checked by an independent judge ({judge})"
    predictor = f"Predicted by the model {provenance['predictor']}, {checked}"
    costly = document["rows"] and document["rows"][0]["macs"] is not None
    costs = f"; costs at {counting_text(counting_of(provenance))}" if costly else ""
    return f"{predictor}{costs}; {document['seconds']:.1f} s; ncp {provenance['version']}."


def verdict(row: Mapping[str, Any], baseline: Mapping[str, Any] | None, what: str = "The best code") -> str:
    """One sentence on what a code reaches, and one on how that compares with the best measured architecture."""
    known = row["verified"] or row["predicted"]
    values = ", ".join(measured_text(column, value["mean"]) for column, value in known.items())
    cost = "" if row["macs"] is None else f" at {gmacs_text(row['macs'])} GMACs"
    sources = " and ".join(dict.fromkeys(value["source"] for value in known.values()))
    by = {"predictor": "as predicted, not checked", "judge": "by the judge", "table": "as measured"}
    text = f"{what} reaches {values}{cost} ({by.get(sources, f'by {sources}')})."
    if baseline is None:
        return text
    if baseline["code"] == row["code"]:
        return f"{text} It is the best of the {baseline['rows']} measured architectures within the budget."
    judged = baseline["judged"] and row["verified_score"] is not None and set(sources.split(" and ")) == {"judge"}
    other, how = (baseline["judged"], "by the same judge") if judged else (baseline["measured"], "as measured")
    others = ", ".join(measured_text(column, value["mean"]) for column, value in other.items())
    cost = "" if baseline["macs"] is None else f" at {gmacs_text(baseline['macs'])} GMACs"
    count = f"{counted(baseline['rows'], 'measured architecture')} within the budget"
    return f"{text} The best of {count} has {others}{cost} ({how})."


def answer_section(row: Mapping[str, Any], provenance: Mapping[str, Any], what: str, *first: str) -> Section:
    """One code with its cost, its values, a button that copies it, and its drawing if it is a network's.

    Args:
        row: the code.
        provenance: of the result.
        what: what to call it.
        first: sentences before it.
    """
    checked = bool(row["verified"])
    heads = ["column", "predicted", *(["checked"] if checked else [])]
    values = []
    for column, value in row["predicted"].items():
        cells = [Cell(with_unit(column)), Cell(_value(value))]
        values.append([*cells, Cell(_value(row["verified"].get(column)))] if checked else cells)
    texts = [f"{what}:" if row["macs"] is None else f"{what}, {_cost(row)} (exact):"]
    texts += [] if checked else [NOT_CHECKED]
    drawing = network_drawing(row["code"], counting_of(provenance))
    return Section("The answer", [*first, *texts], row["code"], drawing, Grid(heads, values))


def _cost(row: Mapping[str, Any]) -> str:
    return f"{gmacs_text(row['macs'])} GMACs and {mparams_text(row['params'])} M params"


def network_drawing(text: str, counting: Counting) -> str:
    """A network's drawing as an element of the page; empty for a code of another space."""
    try:
        picture = explained_picture(Code.parse(text), counting)
    except CodeError:
        return ""
    low, high = (round(share * picture.width) for share in LEGIBLE)
    return f'<div style="min-width: {low}px; max-width: {high}px">{picture.element("net")}</div>'


def lines_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the lines of a table of codes show."""
    return LINES if any(row["verified"] for row in rows) else NOT_CHECKED


def codes_table(
    rows: Sequence[Mapping[str, Any]], compared: bool = False, baseline: Mapping[str, Any] | None = None
) -> Grid:
    """Codes with their predicted values, and below these the checked ones.

    Args:
        rows: the codes.
        compared: whether to say how each code differs from the first.
        baseline: the best measured row of a search, which is shown below them.
    """
    columns = list(rows[0]["predicted"])
    costly = rows[0]["macs"] is not None
    heads = ["#", *map(with_unit, columns), SCORE, *(["GMACs", "M params"] if costly else []), "code"]
    cells = []
    for number, row in enumerate(rows, start=1):
        upper, lower = row["predicted"], row["verified"]
        values = [Cell(_estimate(upper[c]), _value(lower.get(c))) for c in columns]
        score = Cell(f"{row['predicted_score']:z.2f}", _number(row["verified_score"]))
        against = difference_text(row, rows[0]) if compared and number > 1 else ""
        cells.append([Cell(str(number)), *values, score, *_cost_cells(row), _code_cell(row, against)])
    if baseline is not None:
        upper, lower = baseline["measured"], baseline["judged"]
        values = [Cell(_value(upper.get(c)), _value(lower.get(c))) for c in columns]
        score = Cell(_number(baseline["score"]), _number(baseline["judged_score"]))
        note = f"the best of {counted(baseline['rows'], 'measured architecture')} within the budget"
        cells.append([Cell("baseline"), *values, score, *_cost_cells(baseline), _code_cell(baseline, note)])
    return Grid(heads, cells)


def _cost_cells(row: Mapping[str, Any]) -> list[Cell]:
    return [] if row["macs"] is None else [Cell(gmacs_text(row["macs"])), Cell(mparams_text(row["params"]))]


def _code_cell(row: Mapping[str, Any], below: str) -> Cell:
    return Cell(row["code"], below, copied=row["code"], wide=True)


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:z.2f}"


def _value(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else f"{_estimate(value)} ({value['source']})"


def _estimate(value: Mapping[str, Any]) -> str:
    """A value with its standard deviation; a measured value of a table has none."""
    return f"{value['mean']:z.2f} ±{value['std']:.2f}" if value["std"] else f"{value['mean']:z.2f}"


def tradeoff_section(document: Mapping[str, Any], table: Table | None) -> Section:
    """Every column against cost, over a table's rows."""
    panels = tradeoffs(document, table)
    plots = [Plot(f"tradeoff {k}", panel.y_name, tradeoff_figure(panel)) for k, panel in enumerate(panels)]
    texts = ["Predicted values. Click on a point to copy its code."] if plots else []
    if any(len(panel.rows_y) for panel in panels):
        texts.append("In grey: measured rows of the table. The worst 2 % may lie outside of the axes.")
    if any(panel.baseline for panel in panels):
        texts.append("Diamond: the baseline, which is the best measured row within the budget, as measured.")
    return Section("The trade-off", texts, plots=plots)


def checked_sections(rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Predicted against checked values of a front, and how well calibrated the predictor is; none for few codes."""
    found = agreements(rows) if len(rows) >= ENOUGH else ()
    if not found:
        return []
    sources = " or ".join(sorted({source for each in found for source in each.sources}))
    plots = [Plot(f"checked {k}", each.column, agreement_figure(each, "checked")) for k, each in enumerate(found)]
    text = f"Values by the search predictor, and values of the same codes by the {sources}."
    note = "How often checked values lie within the predictor's intervals, over the codes above."
    return [Section("Predicted and checked values", [text], plots=plots), calibration_section(found, [note])]


def calibration_section(found: Sequence[Agreement], texts: Sequence[str] = ()) -> Section:
    """The calibration curves of all columns."""
    plot = Plot("calibration", "Intervals", calibration_figure(calibrations(found)), alone=True)
    return Section("Calibration", texts, plots=[plot])


def left_out_section(title: str, names: Sequence[str]) -> Section:
    """A section that names the files of another run, which the page does not use."""
    verb = "belongs" if len(names) == 1 else "belong"
    return Section(title, [f"Left out: {' and '.join(names)} in this folder {verb} to another run."])


def provenance_section(provenance: Mapping[str, Any]) -> Section:
    """All settings, and the command that makes the same result again."""
    command = provenance.get("command", "")
    rows = [
        [Cell(SETTINGS.get(name, str(name).replace("_", " "))), Cell(_shown(value), wide=True)]
        for name, value in provenance.items()
        if value not in (None, [], {}) and name != "command" and value != SILENT.get(name)
    ]
    texts = ["To run it again:"] if command else []
    return Section("Provenance", texts, command, table=Grid(["setting", "value"], rows))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:g}"
    return str(value)
