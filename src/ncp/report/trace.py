"""The trace of a search: every start at every step. It is written beside the result and read for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ncp.cost import has_cost, macs
from ncp.errors import DataError
from ncp.io.files import read_json, write_json
from ncp.optim.results import FORMAT, Result, require_format
from ncp.report.style import COST, SCORE
from ncp.spaces.arrays import Codes, Reals


@dataclass(frozen=True, eq=False)
class Trace:
    """What a search did.

    Attributes:
        best: which start reached the highest score.
        scores: objective of every start's code, `(steps, starts)` [standard deviations].
        gmacs: exact cost `(steps, starts)` [GMACs]; None where it is not known.
        budget: most multiply-adds [GMACs], or None.
        values: per column, predicted values `(steps, starts)` [raw units].
        dimensions: names of the code's dimensions.
        shares: the best start's code, each dimension as a share of its range, `(d, steps)`.
        path: the best start's code, `(d, steps)`.
        run: an id that all files of one run carry, or None.
    """

    best: int
    scores: Reals
    gmacs: Reals | None
    budget: float | None
    values: dict[str, Reals]
    dimensions: tuple[str, ...]
    shares: Reals
    path: Codes
    run: str | None = None

    @classmethod
    def of(cls, result: Result) -> Trace:
        """The trace of a search that has just run."""
        trajectory, space, provenance = result.trajectory, result.trajectory.space, result.provenance
        steps, starts, d = trajectory.codes.shape
        gmacs = None
        if has_cost(space):
            counted = (provenance[name] for name in ("image_size", "classes", "task"))
            gmacs = macs(trajectory.codes.reshape(-1, d), *counted).reshape(steps, starts) / 1e9
        best = int(trajectory.scores.max(axis=0).argmax())
        low, high = np.array([[dim.values[0], dim.values[-1]] for dim in space.dimensions], dtype=np.float64).T
        places = {column: trajectory.columns.index(column) for column in provenance["columns"]}
        return cls(
            best=best,
            scores=trajectory.scores,
            gmacs=gmacs,
            budget=None if provenance["max_macs"] is None else provenance["max_macs"] / 1e9,
            values={column: trajectory.values[..., place] for column, place in places.items()},
            dimensions=space.names,
            shares=((trajectory.codes[:, best] - low) / (high - low)).T,
            path=trajectory.codes[:, best].T,
            run=provenance.get("run"),
        )

    @property
    def lines(self) -> dict[str, Reals]:
        """The quantities drawn by step, by name: objective, cost where it is known, and columns."""
        cost = {} if self.gmacs is None else {COST: self.gmacs}
        return {SCORE: self.scores, **cost, **self.values}

    def to_json(self, path: str | Path) -> None:
        """Write the trace to a file, whole or not at all; the best start comes first.

        Raises:
            DataError: the file cannot be written.
        """
        order = [self.best, *np.delete(np.arange(self.scores.shape[1]), self.best)]

        def short(values: Reals) -> list[list[float]]:
            return [[float(f"{number:.5g}") for number in row] for row in values[:, order].T]

        document = {
            "format": FORMAT,
            "scores": short(self.scores),
            "gmacs": None if self.gmacs is None else short(self.gmacs),
            "budget": self.budget,
            "values": {column: short(values) for column, values in self.values.items()},
            "dimensions": list(self.dimensions),
            "shares": [[round(float(share), 4) for share in row] for row in self.shares],
            "path": self.path,
            "run": self.run,
        }
        write_json(path, document, indent=None)

    @classmethod
    def from_json(cls, path: str | Path) -> Trace:
        """Read a trace from the file of `to_json`.

        Raises:
            DataError: the file cannot be read, or it is not the trace of a search.
        """
        read = read_json(path)
        try:
            scores = _numbers(read["scores"]).T
            require_format(path, read, "search")
            return cls(
                best=0,
                scores=scores,
                gmacs=None if read["gmacs"] is None else _numbers(read["gmacs"]).T,
                budget=None if read["budget"] is None else float(read["budget"]),
                values={str(name): _numbers(values).T for name, values in read["values"].items()},
                dimensions=tuple(map(str, read["dimensions"])),
                shares=_numbers(read["shares"]),
                path=_numbers(read["path"]).astype(np.int64),
                run=read["run"],
            )
        except DataError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            raise DataError(f"{path} does not hold the steps of a search: {error!r}. Run ncp search again.") from None


def _numbers(values: Any) -> Reals:
    """Numbers in rows, `(m, n)`, with at least one number."""
    rows = np.array(values, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError("no rows of numbers")
    return rows
