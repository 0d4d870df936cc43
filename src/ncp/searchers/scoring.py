"""Score the rows of a table for simulated searches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncp.errors import ConfigError, DataError, InfeasibleError
from ncp.optim.objective import SHORTFALL_PENALTY, Objective
from ncp.predictors.scale import centres_and_deviations
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space
from ncp.tables.table import Table, require_table

LARGEST = 1e100
"""The largest value of a column: squares of it can still be added."""


@dataclass(frozen=True, eq=False)
class Scored:
    """The rows that have a value in every column of an objective, `n` of them.

    Attributes:
        space: of the codes.
        rows: their places in the table, `(n,)`, in increasing order.
        codes: `(n, d)`.
        scores: the scores that a searcher learns, `(n,)`; see `score_rows`.
        meets: which rows meet all minimum values, `(n,)`.
        counted: the scores that count for the best so far, `(n,)`: those of rows that miss a minimum value are lowered
            below every row that meets all.
        optimum: the best score of the rows that meet all minimum values.
        warm: codes `(k, d)` and scores `(k,)` that a searcher learns before it begins.
    """

    space: Space
    rows: NDArray[np.int64]
    codes: Codes
    scores: Reals
    meets: NDArray[np.bool_]
    counted: Reals
    optimum: float
    warm: tuple[Codes, Reals]


def score_rows(table: Table, objective: Objective, warm_start: Table | None = None) -> Scored:
    """Score the rows of a table.

    The score is the objective: in the column's own unit for a single column, else the mean of z-scores over the table.
    More is better, and a minimised column counts negative. `SHORTFALL_PENALTY` standard deviations are subtracted for
    every standard deviation by which a row misses a minimum value.

    Args:
        table: the measured values.
        objective: weights and minimum values.
        warm_start: rows to learn before the search, scored on the table's scale; rows without a value are left out.

    Raises:
        ConfigError: the objective does not fit the table, or has an uncertainty penalty.
        DataError: no row has all values, a value is too large, or the warm start has another space or lacks a column.
        InfeasibleError: no row meets the minimum values.
    """
    require_table(table)
    scale = _Scale(table, objective)
    scores, short = scale.scores(table)
    rows = np.flatnonzero(np.isfinite(scores))
    if not len(rows):
        raise DataError(f"No row of the table has a value in all columns of the objective: {', '.join(scale.names)}.")
    scores, short = scores[rows], short[rows]
    meets = short <= 0
    if not meets.any():
        raise InfeasibleError(
            "No row of the table meets {field}: {bounds}. Ask for less.", field="at_least", bounds=scale.bounds()
        )
    least = float(scores[meets].min())
    below = np.minimum(np.minimum(scores, least - scale.penalty(short)), np.nextafter(least, -np.inf))
    warm = np.empty((0, len(table.space)), dtype=np.int64), np.empty(0)
    if warm_start is not None:
        require_table(warm_start, "warm_start")
        if warm_start.space != table.space:
            raise DataError("The warm start has another search space than the table.")
        warm_scores, _ = scale.scores(warm_start)
        known = np.isfinite(warm_scores)
        warm = warm_start.codes[known], warm_scores[known]
    return Scored(
        table.space,
        rows,
        table.codes[rows],
        scores,
        meets,
        np.where(meets, scores, below),
        float(scores[meets].max()),
        warm,
    )


class _Scale:
    """An objective over the values of tables, in z-scores of one of them.

    Attributes:
        names: the m columns that the objective names.
        location: their means over the table, `(m,)`.
        unit: their standard deviations, `(m,)`; negative where lower is better.
    """

    def __init__(self, table: Table, objective: Objective) -> None:
        if objective.uncertainty_penalty:
            raise ConfigError(
                "The values of a table are measured, not predicted. Leave out {field}.",
                field="uncertainty_penalty",
                given=objective.uncertainty_penalty,
            )
        objective.require_direction(table.columns, table.minimised)
        weighted, minimums = objective.resolve(table.columns), objective.minimums(table.columns)
        self.names = [table.columns[j] for j in dict.fromkeys([*weighted, *minimums])]
        self.minimised = table.minimised
        self.objective = Objective(
            {table.columns[j]: w for j, w in zip(weighted, objective.weights.values(), strict=True)},
            at_least={table.columns[j]: minimum for j, minimum in minimums.items()},
        )
        self.location, self.unit = np.zeros(len(self.names)), np.ones(len(self.names))
        for k, column in enumerate(self._values(table).T):
            known = column[np.isfinite(column)]
            if not len(known):
                continue
            largest = known[np.abs(known).argmax()]
            if abs(largest) > LARGEST:
                raise DataError(
                    f"{self.names[k]} has the value {largest:g}, which is too large to compute with. "
                    "Leave such rows out, or write the column in a larger unit."
                )
            location, unit = centres_and_deviations(known[:, None])
            self.location[k], self.unit[k] = location[0], unit[0]
        self.unit[[name in table.minimised for name in self.names]] *= -1

    def scores(self, table: Table) -> tuple[Reals, Reals]:
        """The score of every row, `(n,)`, and how far it is below minimum values, `(n,)` [standard deviations].

        NaN where a value is missing.
        """
        values = self._values(table)
        short: Reals = self.objective.shortfall(values, self.names, self.unit)
        if len(self.objective.weights) == 1:
            ((name, weight),) = self.objective.weights.items()
            k = self.names.index(name)
            score: Reals = values[:, k] * np.sign(weight) * np.sign(self.unit[k])
        else:
            score = self.objective.plain().score(values, None, self.names, self.location, self.unit)
        return score - self.penalty(short), short

    def penalty(self, short: Reals) -> Reals:
        """The penalty in scores for missing minimum values by `short` standard deviations, `(n,)`."""
        own = next(iter(self.objective.weights))
        size = abs(self.unit[self.names.index(own)]) if len(self.objective.weights) == 1 else 1.0
        penalty: Reals = SHORTFALL_PENALTY * size * short
        return penalty

    def bounds(self) -> str:
        """The minimum values in words."""
        return ", ".join(
            f"{name} {'at most' if name in self.minimised else 'at least'} {bound:g}"
            for name, bound in self.objective.at_least.items()
        )

    def _values(self, table: Table) -> Reals:
        missing = [name for name in self.names if name not in table.columns]
        if missing:
            raise DataError(f"The warm start has no column {missing[0]}. It has {', '.join(table.columns)}.")
        values: Reals = table.values[:, [table.columns.index(name) for name in self.names]]
        return values
