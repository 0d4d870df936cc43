"""Scores of measured values: an objective in z-scores of a table, with a penalty for missed minimum values."""

from __future__ import annotations

import numpy as np

from ncp.errors import ConfigError, DataError
from ncp.optim.objective import SHORTFALL_PENALTY, Objective
from ncp.predictors.scale import centres_and_deviations
from ncp.spaces.arrays import Reals
from ncp.tables.table import Table

LARGEST = 1e100
"""The largest value of a column: squares of it can still be added."""


class ObjectiveScale:
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
        return self.terms(values).sum(axis=1), self.shortfall(values)

    def terms(self, values: Reals) -> Reals:
        """The weighted columns of values `(n, m)` and, with minimum values, the penalty: their sum is the score.

        A single column keeps its own unit; several are in standard deviations. More is better. `(n, weights)`, or one
        more with minimum values.
        """
        weights = self.objective.weights
        if len(weights) == 1:
            ((name, weight),) = weights.items()
            k = self.names.index(name)
            columns = [values[:, k] * np.sign(weight) * np.sign(self.unit[k])]
        else:
            total = sum(abs(weight) for weight in weights.values())
            places = [(self.names.index(name), weight) for name, weight in weights.items()]
            columns = [w / total * (values[:, k] - self.location[k]) / self.unit[k] for k, w in places]
        if self.objective.at_least:
            columns.append(-self.penalty(self.shortfall(values)))
        return np.stack(columns, axis=1)

    def shortfall(self, values: Reals) -> Reals:
        """How far values `(n, m)` are below all minimum values together, `(n,)` [standard deviations]."""
        short: Reals = self.objective.shortfall(values, self.names, self.unit)
        return short

    def columns(self, table: Table) -> Reals:
        """The columns with a weight, `(n, m)`, each times its weight, so that they add up to the score."""
        if len(self.objective.weights) == 1:
            return self.scores(table)[0][:, None]
        values, total = self._values(table), sum(abs(weight) for weight in self.objective.weights.values())
        weighted = [(self.names.index(name), weight / total) for name, weight in self.objective.weights.items()]
        return np.stack([weight * (values[:, k] - self.location[k]) / self.unit[k] for k, weight in weighted], axis=1)

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
