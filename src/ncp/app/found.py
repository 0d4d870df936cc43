"""What a search has found, as the page shows and saves it: a result or a front."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncp.errors import counted
from ncp.optim.front import Front, front_baseline_text
from ncp.optim.notebook import columns_of_rows
from ncp.optim.results import Result, Row, difference_text
from ncp.report.facts import evenly
from ncp.report.sections import summary, verdict
from ncp.spaces.dimensions import changed
from ncp.spaces.space import Space

LISTED = 20
"""Most codes that are listed."""


@dataclass(frozen=True)
class Found:
    """Codes with the texts around them.

    Attributes:
        title: a heading.
        texts: sentences on the answer, its baseline and its sources.
        rows: the codes.
        differences: for every row, how it differs from the first one or the open code; empty where that is not said.
        document: plain data, as the command writes it.
        name: the name of its file.
        trace: the file with the steps of the search, or None.
        finished: False for a first answer, while the search goes on.
    """

    title: str
    texts: tuple[str, ...]
    rows: tuple[Row, ...]
    differences: tuple[str, ...]
    document: dict[str, Any]
    name: str
    trace: Path | None = None
    finished: bool = True

    @classmethod
    def of_result(cls, result: Result, space: Space, trace: Path | None, finished: bool = True) -> Found:
        """What a search returned, or the first answer before it."""
        document, count = result.to_dict(), len(result.rows)
        rows = document["rows"]
        title = f"The best {count}" if finished else f"The best {count} so far"
        answer = verdict(rows[0], document["baseline"], "The first code")
        texts = (answer, summary(document))
        if document["provenance"]["max_changes"] is None:
            others = [f"compared with the first: {difference_text(row, rows[0])}" for row in rows[1:]]
            differences = ("", *others)
        else:
            origin = space.code(document["provenance"]["origin"]).tolist()
            edits = [changed(space.dimensions, origin, row.vector) for row in result.rows]
            differences = tuple(
                f"changes {', '.join(f'{name} {old} → {new}' for name, old, new in each)}" for each in edits
            )
        return cls(title, texts, result.rows, differences, document, "result.json", trace, finished)

    @classmethod
    def of_front(cls, front: Front) -> Found:
        """A front, cheapest code first where cost is known."""
        document = front.to_dict()
        text = "Each of these codes is better than any other one of them in at least one column or in cost."
        texts = (text, front_baseline_text(document), summary(document))
        title = f"The front: {counted(len(front.rows), 'code')}"
        return cls(title, tuple(filter(None, texts)), front.rows, ("",) * len(front.rows), document, "pareto.json")

    @property
    def listed(self) -> list[int]:
        """The rows that are listed: all, or some that are spread evenly over a large front."""
        return evenly(len(self.rows), LISTED)

    @property
    def provenance(self) -> dict[str, Any]:
        """The request and what answered it."""
        provenance: dict[str, Any] = self.document["provenance"]
        return provenance

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The rows by column, to be saved as csv."""
        return columns_of_rows(self.document["rows"])
