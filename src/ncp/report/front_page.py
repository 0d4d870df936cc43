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
    verdict,
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
    names = objective_names(provenance)
    listed = codes_table([rows[i] for i in evenly(len(rows), LISTED)])
    note = f"The page lists {LISTED} codes, spread evenly over the front; its figures show all."
    first = (verdict(best, None, "The code with the best mean over the objectives"), _comparison(document))
    texts = [note if len(rows) > LISTED else "", lines_text(rows)]
    sections = [
        answer_section(best, provenance, "This code", *first),
        tradeoff_section(document, table),
        Section("The codes", [*filter(None, texts)], table=listed),
        *checked_sections(rows),
        provenance_section({**provenance, "objectives": list(names)}),
    ]
    cost = " and cost" if provenance["cost"] else ""
    title = f"Trade-offs between {', '.join(names)}{cost}"
    return Page(", ".join(filter(None, [title, budget_text(provenance)])), summary(document), sections)


def _comparison(document: Mapping[str, Any]) -> str:
    """How large the front is, beside that of the table's rows."""
    verified = document["verified_hypervolume"]
    text = f"{counted(len(document['rows']), 'code')}, none of which beats another in everything. "
    text += f"Hypervolume {document['hypervolume']:.4g}"
    text += "." if verified is None else f" as predicted, {verified:.4g} as checked."
    return " ".join(filter(None, [text, front_baseline_text(document)]))


def objective_names(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """What each objective of a front asks for, in words.

    >>> seg = {"weights": {"seg": 1.0}, "uncertainty_penalty": 0.0}
    >>> video = {"weights": {"video": -1.0}, "uncertainty_penalty": 0.5}
    >>> objective_names({"objectives": {"seg/mIoU": seg, "-video/top1": video}})
    ('seg/mIoU', 'video/top1 (lower is better, uncertainty penalty 0.5 std)')
    """
    names = []
    for name, objective in provenance["objectives"].items():
        lower = [weight < 0 for weight in objective["weights"].values()] == [True]
        penalty = objective["uncertainty_penalty"]
        notes = ["lower is better"] if lower else []
        notes += [f"uncertainty penalty {penalty:g} std"] if penalty else []
        names.append((name.removeprefix("-") if lower else name) + (f" ({', '.join(notes)})" if notes else ""))
    return tuple(names)
