"""The page of a search: `result.json`, and `trace.json` beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncp.optim.results import baseline_text
from ncp.report.figures import code_figure, steps_figure
from ncp.report.page_parts import Page, Plot, Section
from ncp.report.sections import (
    answer_section,
    budget_text,
    checked_sections,
    codes_table,
    left_out_section,
    lines_text,
    provenance_section,
    summary,
    tradeoff_section,
    verdict,
)
from ncp.report.style import COST, with_unit
from ncp.report.trace import Trace
from ncp.tables.table import Table

STEPS = "Steps of the search"
ADVANTAGE = (
    "Each code below the first is cheaper than every better one, or better at a task, as far as there are such codes."
)


def search_page(document: Mapping[str, Any], folder: Path, table: Table | None) -> Page:
    """The page of a search.

    Args:
        document: the content of `result.json`.
        folder: the document's folder; it may contain a trace.
        table: rows to draw behind the codes that were found.
    """
    rows, provenance = document["rows"], document["provenance"]
    weights = provenance["weights"].items()
    names = " + ".join(name if weight == 1 else f"{name} (weight {weight:g})" for name, weight in weights)
    baseline = document["baseline"]
    varied = provenance.get("max_changes") is None
    texts = [ADVANTAGE if varied else "", lines_text(rows), baseline_text(document)]
    sections = [
        answer_section(rows[0], provenance, "The recommended code", verdict(rows[0], baseline)),
        Section("The codes", [*filter(None, texts)], table=codes_table(rows, varied, baseline)),
    ]
    if (folder / "trace.json").is_file():
        trace = Trace.from_json(folder / "trace.json")
        same = trace.run == provenance.get("run")
        sections.append(_steps(trace) if same else left_out_section(STEPS, ["trace.json"]))
    sections += [tradeoff_section(document, table), *checked_sections(rows), provenance_section(provenance)]
    title = ", ".join(filter(None, [f"The best architecture for {names}", budget_text(provenance)]))
    return Page(title, summary(document), sections)


def _steps(trace: Trace) -> Section:
    plots = []
    for k, (name, values) in enumerate(trace.lines.items()):
        budget = trace.budget if name == COST else None
        plots.append(Plot(f"steps {k}", with_unit(name), steps_figure(name, values, trace.best, budget)))
    code = Plot("code", "The code of the best start", code_figure(trace), alone=True)
    return Section(STEPS, ["Every start as a faint line, the best one in colour."], plots=[*plots, code])
