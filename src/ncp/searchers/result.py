"""What a search returns: ranked codes with values, each of which names its source."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ncp.files import write_json
from ncp.propagation import Trajectory

FORMAT = 1


@dataclass(frozen=True)
class Value:
    """A value in raw units, its standard deviation, and where it comes from."""

    mean: float
    std: float
    source: str


@dataclass(frozen=True)
class Row:
    """One code that a search found.

    Attributes:
        code: its written form.
        vector: its integers.
        score: what rows are ranked by: the claim, less the caution that was asked for.
        claim: what the searcher's predictor promises, in standard deviations of the objective (z-score).
        verdict: the objective by the table or the judge; None without either.
        predicted: per column, what the searcher's predictor says.
        verified: per column, what the table or the judge says.
        macs: multiply-adds at the budget's image size; None where cost is not known.
        params: parameters; None where cost is not known.
    """

    code: str
    vector: tuple[int, ...]
    score: float
    claim: float
    verdict: float | None
    predicted: dict[str, Value]
    verified: dict[str, Value]
    macs: int | None
    params: int | None


@dataclass(frozen=True)
class Result:
    """The best codes, best first by the searcher's predictor, and the run that led to them.

    Attributes:
        rows: the codes.
        asked: what was asked: weights, caution, budget, strategy, starts, steps, seed; and by what: columns, predictor,
            judge, version.
        seconds: how long the search took.
        trajectory: the propagation itself; not part of the json file.
    """

    rows: tuple[Row, ...]
    asked: dict[str, Any]
    seconds: float
    trajectory: Trajectory

    @property
    def gap(self) -> float | None:
        """By how much claims exceed verdicts, on average; None without verdicts."""
        gaps = [row.claim - row.verdict for row in self.rows if row.verdict is not None]
        return sum(gaps) / len(gaps) if gaps else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the json file."""
        rows = [asdict(row) | {"vector": list(row.vector)} for row in self.rows]
        return {"format": FORMAT, "asked": self.asked, "seconds": self.seconds, "gap": self.gap, "rows": rows}

    def to_json(self, path: str | Path) -> None:
        """Write the result to a file, whole or not at all."""
        write_json(path, self.to_dict())
