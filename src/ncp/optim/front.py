"""A front: codes that do not dominate each other, their predicted and verified scores, and the json file of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncp.io.data_frames import data_frame
from ncp.io.files import write_json
from ncp.optim.notebook import columns_of_rows, html_table
from ncp.optim.results import FORMAT, Row, no_baseline_text, read_rows, result_document, row_dict
from ncp.spaces.arrays import Reals

if TYPE_CHECKING:
    from pandas import DataFrame

SCORES = ("scores", "predicted_scores", "verified_scores")
"""The arrays of a front that its json file has row by row."""


@dataclass(frozen=True)
class FrontBaseline:
    """The front of the measured rows within the budget: what a search has to beat.

    Attributes:
        rows: how many measured rows are within the budget and above the minimum values.
        size: how many of them are not dominated.
        hypervolume: of the objectives and cost of the rows that are not dominated, by the table.
        judged_hypervolume: of the same rows, by the judge; comparable with codes that only the judge has checked. None
            without a judge.
    """

    rows: int
    size: int
    hypervolume: float
    judged_hypervolume: float | None


@dataclass(frozen=True, eq=False)
class Front:
    """Codes that do not dominate each other, and the request that led to them.

    Attributes:
        rows: the codes, cheapest first; without cost, best first. A row's scores are means over the objectives.
        objectives: k names.
        scores: `(n, k)`: the predicted scores less the uncertainty penalty; of measured rows the weighted mean of
            measurement and prediction (see `ncp.optim.measured_rows`). In these and cost, no code dominates another.
        predicted_scores: `(n, k)`: the objectives by the predictor [standard deviations].
        verified_scores: `(n, k)`: the objectives by table or judge; NaN without either.
        hypervolume: of `scores` and cost above the reference. Objectives count in standard deviations, cost in powers
            of ten below the budget.
        verified_hypervolume: the same of `verified_scores`; None unless all rows have them.
        baseline: the front of the measured rows; None without a table, or where no row is within the budget.
        provenance: the request and what answered it, as in `Result`.
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

    def _repr_html_(self) -> str:
        document = self.to_dict()
        return html_table(document["rows"], front_baseline_text(document))

    @property
    def gap(self) -> dict[str, float] | None:
        """How far predicted scores exceed verified ones on average, by objective; None unless all rows have both."""
        if np.isnan(self.verified_scores).any():
            return None
        gaps = (self.predicted_scores - self.verified_scores).mean(axis=0)
        return dict(zip(self.objectives, gaps.tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the json file."""
        rows = [row_dict(row) for row in self.rows]
        for name in SCORES:
            for row, scores in zip(rows, getattr(self, name).tolist(), strict=True):
                named = zip(self.objectives, scores, strict=True)
                row[name] = {objective: score for objective, score in named if not math.isnan(score)}
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
        """Write the front to a file, whole or not at all.

        Raises:
            DataError: the file cannot be written.
        """
        write_json(path, self.to_dict())

    @classmethod
    def from_json(cls, path: str | Path) -> Front:
        """Read a front from the file of `to_json` or `ncp pareto`.

        Raises:
            DataError: the file cannot be read, or it is not the front of a search.
        """
        with result_document(path, "pareto") as document:
            objectives = tuple(document["provenance"]["objectives"])
            scores, predicted, verified = (
                np.array([[float(row[name].get(o, math.nan)) for o in objectives] for row in document["rows"]])
                for name in SCORES
            )
            baseline, hypervolume = document["baseline"], document["verified_hypervolume"]
            return cls(
                rows=read_rows(document),
                objectives=objectives,
                scores=scores,
                predicted_scores=predicted,
                verified_scores=verified,
                hypervolume=float(document["hypervolume"]),
                verified_hypervolume=None if hypervolume is None else float(hypervolume),
                baseline=None if baseline is None else _baseline(baseline),
                provenance=dict(document["provenance"]),
                seconds=float(document["seconds"]),
            )

    def to_pandas(self) -> DataFrame:
        """One row per code, in order: code, scores, cost, values by column, and scores by objective.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        columns = columns_of_rows([row_dict(row) for row in self.rows])
        for name in SCORES:
            for objective, scores in zip(self.objectives, getattr(self, name).T, strict=True):
                columns[f"{name} {objective}"] = scores.tolist()
        return data_frame(columns)


def _baseline(document: Mapping[str, Any]) -> FrontBaseline:
    judged = document["judged_hypervolume"]
    return FrontBaseline(
        rows=int(document["rows"]),
        size=int(document["size"]),
        hypervolume=float(document["hypervolume"]),
        judged_hypervolume=None if judged is None else float(judged),
    )


def front_baseline_text(document: Mapping[str, Any]) -> str:
    """One or two sentences on the baseline in a front's document; empty if no table was given."""
    baseline = document["baseline"]
    if baseline is None:
        return no_baseline_text(document)
    judged = baseline["judged_hypervolume"]
    by_judge = "" if judged is None else f"; the judge, which also checks the other codes, estimates {judged:.4g}"
    return (
        f"Baseline: {baseline['size']} of {baseline['rows']} measured rows within the budget form the table's own "
        f"front. Their trainings reached a hypervolume of {baseline['hypervolume']:.4g} (table){by_judge}."
    )
