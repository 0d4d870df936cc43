"""A front that was found: its codes, what is claimed and known of them, and the json file of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ncp.io.files import write_json
from ncp.optim.results import FORMAT, NO_BASELINE, Row, document_of
from ncp.spaces.arrays import Reals


@dataclass(frozen=True)
class FrontBaseline:
    """The front of the measured rows within the budget: what a search has to beat.

    Attributes:
        rows: measured rows within the budget that keep the minimum values.
        size: those of them that no other row beats in every objective and in cost.
        hypervolume: what these dominate, by the table.
        judged_hypervolume: the same rows by the judge, the ruler of unmeasured codes; None without one.
    """

    rows: int
    size: int
    hypervolume: float
    judged_hypervolume: float | None


@dataclass(frozen=True, eq=False)
class Front:
    """Codes that do not dominate each other, and how they were asked for.

    Attributes:
        rows: the codes, cheapest first; without cost, best first. A row's score, claim and verdict are means over the
            objectives.
        objectives: k names.
        scores: `(n, k)`, the claims less the uncertainty penalty, or what measured rows are worth (see
            `ncp.optim.known`): in these and cost, no code dominates another.
        claims: `(n, k)`, the objectives by the predictor [standard deviations].
        verdicts: `(n, k)`, the objectives by table or judge; NaN without either.
        hypervolume: what `scores` and cost dominate above the reference: standard deviations of every objective, and
            powers of ten below the budget.
        verified_hypervolume: the same of the verdicts; None unless all rows have one.
        baseline: the front of the measured rows; None without a table, or where no row is within the budget.
        provenance: what was asked, and by what, as in `Result`.
        seconds: how long the search took.
    """

    rows: tuple[Row, ...]
    objectives: tuple[str, ...]
    scores: Reals
    predicted_scores: Reals
    verified_scores: Reals
    hypervolume: float
    verified_hypervolume: float | None
    baseline: FrontBaseline | None
    provenance: dict[str, Any]
    seconds: float

    def __repr__(self) -> str:
        return f"Front({len(self.rows)} codes of {', '.join(self.objectives)}, hypervolume {self.hypervolume:.4g})"

    @property
    def gap(self) -> dict[str, float] | None:
        """Per objective, by how much claims exceed verdicts, on average; None unless all rows have a verdict."""
        if np.isnan(self.verified_scores).any():
            return None
        return dict(
            zip(self.objectives, (self.predicted_scores - self.verified_scores).mean(axis=0).tolist(), strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the json file."""
        rows = []
        for row, *numbers in zip(self.rows, self.scores, self.predicted_scores, self.verified_scores, strict=True):
            named = {
                name: {o: float(z) for o, z in zip(self.objectives, values, strict=True) if not math.isnan(z)}
                for name, values in zip(("scores", "predicted_scores", "verified_scores"), numbers, strict=True)
            }
            rows.append(document_of(row) | named)
        return {
            "format": FORMAT,
            "provenance": self.provenance,
            "seconds": self.seconds,
            "gap": self.gap,
            "hypervolume": self.hypervolume,
            "verified_hypervolume": self.verified_hypervolume,
            "baseline": None if self.baseline is None else asdict(self.baseline),
            "rows": rows,
        }

    def to_json(self, path: str | Path) -> None:
        """Write the front to a file, whole or not at all."""
        write_json(path, self.to_dict())


def compared(document: Mapping[str, Any]) -> str:
    """A sentence or two on the document of a front: what the best measured rows dominate."""
    baseline = document["baseline"]
    if baseline is None:
        return NO_BASELINE
    judged = baseline["judged_hypervolume"]
    by_judge = "" if judged is None else f", and {judged:.4g} by the judge"
    return (
        f"Baseline: {baseline['size']} of {baseline['rows']} measured rows within the budget make up the table's own "
        f"front. Its hypervolume is {baseline['hypervolume']:.4g} by the table{by_judge}."
    )
