"""A front that was found: its codes, what is claimed and known of them, and the json file of it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ncp.files import write_json
from ncp.searchers.result import FORMAT, Row
from ncp.space import Reals


@dataclass(frozen=True, eq=False)
class Front:
    """Codes that do not dominate each other, and how they were asked for.

    Attributes:
        rows: the codes, cheapest first; without cost, best first. A row's score, claim and verdict are means over the
            objectives.
        objectives: k names.
        scores: `(n, k)`, the claims less the caution that was asked for: in these and cost, no code dominates another.
        claims: `(n, k)`, the objectives by the predictor [standard deviations].
        verdicts: `(n, k)`, the objectives by table or judge; NaN without either.
        hypervolume: what `scores` and cost dominate above the reference: standard deviations of every objective, and
            powers of ten below the budget.
        verified_hypervolume: the same of the verdicts; None unless all rows have one.
        asked: what was asked, and by what, as in `Result`.
        seconds: how long the search took.
    """

    rows: tuple[Row, ...]
    objectives: tuple[str, ...]
    scores: Reals
    claims: Reals
    verdicts: Reals
    hypervolume: float
    verified_hypervolume: float | None
    asked: dict[str, Any]
    seconds: float

    @property
    def gap(self) -> dict[str, float] | None:
        """Per objective, by how much claims exceed verdicts, on average; None unless all rows have a verdict."""
        if np.isnan(self.verdicts).any():
            return None
        return dict(zip(self.objectives, (self.claims - self.verdicts).mean(axis=0).tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the json file."""
        rows = []
        for row, *numbers in zip(self.rows, self.scores, self.claims, self.verdicts, strict=True):
            named = {
                name: {o: float(z) for o, z in zip(self.objectives, values, strict=True) if not math.isnan(z)}
                for name, values in zip(("scores", "claims", "verdicts"), numbers, strict=True)
            }
            rows.append(asdict(row) | {"vector": list(row.vector)} | named)
        return {
            "format": FORMAT,
            "asked": self.asked,
            "seconds": self.seconds,
            "gap": self.gap,
            "hypervolume": self.hypervolume,
            "verified_hypervolume": self.verified_hypervolume,
            "rows": rows,
        }

    def to_json(self, path: str | Path) -> None:
        """Write the front to a file, whole or not at all."""
        write_json(path, self.to_dict())
