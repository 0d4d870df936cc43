"""The page of a front: `pareto.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ncp.errors import counted
from ncp.optim.front import front_baseline_text
from ncp.report.facts import evenly
from ncp.report.page_parts import Page, Section
from ncp.report.sections import (
    answer_section,
    budget_text,
    checked_sections,
    codes_table,
    lines_text,
    provenance_section,
    summary,
    tradeoff_section,
)
from ncp.tables.table import Table

LISTED = 30
"""The most codes that are listed; the figures show all of them."""


def front_page(document: Mapping[str, Any], table: Table | None) -> Page:
    """The page of a front.

    Args:
        document: the content of `pareto.json`.
        table: rows to draw behind the front.
    """
    rows, provenance = document["rows"], document["provenance"]
    best = max(rows, key=lambda row: row["score"])
    verified = document["verified_hypervolume"]
    text = f"{counted(len(rows), 'code')}, none of which beats another in everything. "
    text += f"Hypervolume {document['hypervolume']:.4g}"
    text += "." if verified is None else f" as predicted, {verified:.4g} as checked."
    if len(rows) > LISTED:
        text += f" The page lists {LISTED}, spread evenly over the front; its figures show all."
    listed = codes_table([rows[i] for i in evenly(len(rows), LISTED)])
    sections = [
        answer_section(best, provenance, "The code with the best mean over the objectives"),
        tradeoff_section(document, table),
        Section("The codes", [*filter(None, [text, lines_text(rows), front_baseline_text(document)])], table=listed),
        *checked_sections(rows),
        provenance_section(provenance),
    ]
    cost = " and cost" if provenance["cost"] else ""
    title = f"Trade-offs between {', '.join(provenance['objectives'])}{cost}"
    return Page(", ".join(filter(None, [title, budget_text(provenance)])), summary(document), sections)
