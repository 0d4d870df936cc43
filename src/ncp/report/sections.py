"""Sections that the pages of several commands have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ncp.errors import CodeError
from ncp.report.facts import Agreement, agreements, calibrations, tradeoffs
from ncp.report.figures import agreement_figure, calibration_figure, tradeoff_figure
from ncp.report.network_drawing import network_element
from ncp.report.page_parts import Cell, Grid, Plot, Section
from ncp.report.style import with_unit
from ncp.spaces.multires import Code
from ncp.tables.table import Table

NOT_CHECKED = "Not checked: these values come from the search predictor alone."
LINES = "Values by the predictor; in grey below them, an independent check and its source."


def summary(document: Mapping[str, Any]) -> str:
    """A line on a search or front: budget, predictor, judge, time and version."""
    provenance = document["provenance"]
    budget = "" if provenance.get("max_macs") is None else f"at most {provenance['max_macs'] / 1e9:g} GMACs, "
    judge = "not checked" if provenance.get("judge") is None else f"checked by {provenance['judge']}"
    predictor = f"predicted by {provenance['predictor']}, {judge}"
    return f"{budget}{predictor}, {document['seconds']:.1f} s, version {provenance['version']}"


def answer_section(row: Mapping[str, Any], what: str) -> Section:
    """One code with its cost, its values, a button that copies it, and its drawing if it is a network's."""
    checked = bool(row["verified"])
    heads = ["column", "predicted", *(["checked"] if checked else [])]
    values = []
    for column, value in row["predicted"].items():
        cells = [Cell(with_unit(column)), Cell(_value(value))]
        values.append([*cells, Cell(_value(row["verified"].get(column)))] if checked else cells)
    texts = [f"{what}:" if row["macs"] is None else f"{what}, {_cost(row)} (exact):"]
    texts += [] if checked else [NOT_CHECKED]
    return Section("The answer", texts, row["code"], network_drawing(row["code"]), Grid(heads, values))


def _cost(row: Mapping[str, Any]) -> str:
    return f"{row['macs'] / 1e9:.3f} GMACs and {row['params'] / 1e6:.2f} M parameters"


def network_drawing(text: str) -> str:
    """A network's drawing as an element of the page; empty for a code of another space."""
    try:
        return network_element(Code.parse(text))
    except CodeError:
        return ""


def lines_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the lines of a table of codes show."""
    return LINES if any(row["verified"] for row in rows) else NOT_CHECKED


def codes_table(rows: Sequence[Mapping[str, Any]]) -> Grid:
    """Codes with their predicted values, and below these the checked ones."""
    columns = list(rows[0]["predicted"])
    costly = rows[0]["macs"] is not None
    heads = ["#", *columns, "score", *(["GMACs", "M params"] if costly else []), "code"]
    cells = []
    for number, row in enumerate(rows, start=1):
        cost = [Cell(f"{row['macs'] / 1e9:.3f}"), Cell(f"{row['params'] / 1e6:.2f}")] if costly else []
        verified_score = "" if row["verified_score"] is None else f"{row['verified_score']:.2f}"
        values = [Cell(_estimate(row["predicted"][c]), _value(row["verified"].get(c))) for c in columns]
        code = Cell(row["code"], copied=row["code"], wide=True)
        cells.append([Cell(str(number)), *values, Cell(f"{row['predicted_score']:.2f}", verified_score), *cost, code])
    return Grid(heads, cells)


def _value(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else f"{_estimate(value)} ({value['source']})"


def _estimate(value: Mapping[str, Any]) -> str:
    return f"{value['mean']:.2f} ±{value['std']:.2f}"


def tradeoff_section(document: Mapping[str, Any], table: Table | None) -> Section:
    """Every column against cost, over a table's rows."""
    plots = [
        Plot(f"tradeoff {k}", panel.y_name, tradeoff_figure(panel))
        for k, panel in enumerate(tradeoffs(document, table))
    ]
    texts = ["Predicted values. Click on a point to copy its code."] if plots else []
    return Section("The trade-off", texts, plots=plots)


def checked_sections(rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Predicted against checked values of a search or front, and how well calibrated the predictor is."""
    found = agreements(rows)
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
        [Cell(str(name)), Cell(_shown(value), wide=True)]
        for name, value in provenance.items()
        if value not in (None, [], {}) and name != "command"
    ]
    texts = ["To run it again:"] if command else []
    return Section("Provenance", texts, command, table=Grid(["setting", "value"], rows))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
