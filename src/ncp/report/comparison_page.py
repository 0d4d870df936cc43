"""The page of a comparison of searchers: `compare.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ncp.errors import counted
from ncp.report.facts import proposal_counts, regret_curves
from ncp.report.figures import curves_figure
from ncp.report.page_parts import Cell, Grid, Page, Plot, Section
from ncp.report.sections import provenance_section
from ncp.report.style import TESTS, p_text, with_unit
from ncp.searchers.comparison import Comparison, Standing

HEADS = ["searcher", "best", "regret", "found best", "p (random)", "p (baseline)", "ms/query"]


def comparison_page(document: Mapping[str, Any]) -> Page:
    """The page of the document of `compare.json`."""
    comparison = Comparison.from_dict(dict(document))
    standings = comparison.standings()
    first = standings[0]
    weights = document["provenance"]["weights"]
    objective = ", ".join(weights)
    answer = (
        f"{first.searcher} is ahead after {counted(first.queries, 'evaluation')}: mean regret {first.regret:z.3f}, and "
        f"the table's best row in {first.found:.0%} of {first.runs} simulations."
    )
    measure = with_unit(objective) if len(weights) == 1 else "mean z-score"
    figure = curves_figure(regret_curves(comparison), measure)
    plot = Plot("curves", "Mean regret by evaluations, with its 95 % interval", figure, alone=True)
    notes = [TESTS, *proposal_counts(comparison)]
    sections = [
        Section("The answer", [answer]),
        Section("Regret", plots=[plot]),
        Section("After all evaluations", notes, table=Grid(HEADS, [_cells(each) for each in standings])),
        provenance_section(document["provenance"]),
    ]
    subtitle = (
        f"{first.runs} simulations of {counted(first.queries, 'evaluation')} each; the best in the table is "
        f"{comparison.optimum:z.3f}."
    )
    return Page(f"Searchers compared on {objective}", subtitle, sections)


def _cells(each: Standing) -> list[Cell]:
    return [
        Cell(each.searcher),
        Cell(f"{each.best:z.3f}", f"{each.low:z.3f} to {each.high:z.3f}"),
        Cell(f"{each.regret:z.3f}"),
        Cell(f"{each.found:.0%}", f"{each.found_low:.0%} to {each.found_high:.0%}"),
        Cell(p_text(each.over_random)),
        Cell(p_text(each.over_baseline), each.baseline or ""),
        Cell(f"{1e3 * each.seconds / each.queries:.1f}"),
    ]
