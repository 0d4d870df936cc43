"""What a search returns: ranked codes with values, each of which names its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ncp.io.files import write_json
from ncp.optim.propagation import Trajectory

FORMAT = 2
NO_BASELINE = "No baseline: no table was given, or it has no row within the budget."


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
        score: what rows are ranked by: the claim less the uncertainty penalty; with a table, what
            `ncp.optim.known` says that the code is worth.
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
    predicted_score: float
    verified_score: float | None
    predicted: dict[str, Value]
    verified: dict[str, Value]
    macs: int | None
    params: int | None


@dataclass(frozen=True)
class Baseline:
    """The best measured row within the budget: what a search has to beat.

    Table and judge are two rulers: the table's best row was lucky, too, and its value by the judge, which is usually
    lower, is what to compare the judge's values of other codes with.

    Attributes:
        code: its written form.
        vector: its integers.
        measured: per column, the table's value.
        judged: per column, what the judge gives the same row; empty without a judge.
        score: the objective by the table, in standard deviations (z-score).
        judged_score: the objective by the judge; None without one.
        macs: multiply-adds at the budget's image size; None where cost is not known.
        params: parameters; None where cost is not known.
        rows: measured rows within the budget, of which this is the best.
    """

    code: str
    vector: tuple[int, ...]
    measured: dict[str, Value]
    judged: dict[str, Value]
    score: float
    judged_score: float | None
    macs: int | None
    params: int | None
    rows: int


@dataclass(frozen=True, eq=False)
class Result:
    """The best codes, best first by the best knowledge there is, and the run that led to them.

    Attributes:
        rows: the codes.
        baseline: the best measured row within the budget; None without a table, or where no row is within the budget.
        provenance: what was asked (weights, uncertainty penalty, budget, strategy, starts, steps, seed) and what
            answered (columns, predictor, judge, version).
        seconds: how long the search took.
        trajectory: the propagation itself; not part of the json file.
    """

    rows: tuple[Row, ...]
    baseline: Baseline | None
    provenance: dict[str, Any]
    seconds: float
    trajectory: Trajectory

    def __repr__(self) -> str:
        return f"Result({len(self.rows)} codes, the best is {self.best.code!r} with {self.best.score:.2f})"

    @property
    def best(self) -> Row:
        """The first row."""
        return self.rows[0]

    @property
    def gap(self) -> float | None:
        """By how much claims exceed verdicts, on average; None without verdicts."""
        gaps = [row.predicted_score - row.verified_score for row in self.rows if row.verified_score is not None]
        return sum(gaps) / len(gaps) if gaps else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the json file."""
        return {
            "format": FORMAT,
            "provenance": self.provenance,
            "seconds": self.seconds,
            "gap": self.gap,
            "baseline": None if self.baseline is None else document_of(self.baseline),
            "rows": [document_of(row) for row in self.rows],
        }

    def to_json(self, path: str | Path) -> None:
        """Write the result to a file, whole or not at all."""
        write_json(path, self.to_dict())


def document_of(row: Row | Baseline) -> dict[str, Any]:
    """A row as plain data."""
    return asdict(row) | {"vector": list(row.vector)}


def compared(document: Mapping[str, Any]) -> str:
    """One or two sentences on the document of a result: what the best measured row has, and whether it comes first."""
    baseline = document["baseline"]
    if baseline is None:
        return NO_BASELINE
    judged = baseline["judged_score"]
    by_judge = "" if judged is None else f", and {judged:.2f} by the judge"
    first = " It is the first code." if document["rows"][0]["code"] == baseline["code"] else ""
    return (
        f"Baseline: the best of {baseline['rows']} measured rows within the budget has an objective of "
        f"{baseline['score']:.2f} by the table{by_judge}.{first}"
    )
