"""Measured rows as candidates of a search: how measured and predicted values are weighed.

A measured value has the noise of its training, and a predicted one the error of its predictor. The predictor estimates
both. A measured row is ranked by the mean of its measured and its predicted objective, weighed by the inverse of their
variances. Any other code is ranked by its predicted objective less one standard deviation of the predictor's error.
Measured rows keep the order of their measured objectives among themselves, so a search never puts a row before one
that the table measured to be better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ncp.optim.problem import BATCH, Problem, no_code_meets_minimums
from ncp.spaces.arrays import Codes, Reals, best_first, chunks
from ncp.tables.table import Table


@dataclass(frozen=True, eq=False)
class MeasuredRows:
    """The measured rows that a search may return, best first by their measured objective.

    Attributes:
        problem: its predictor's values are weighed against the measured ones.
        codes: `(n, d)`: within the budget and the minimum values, with the frozen dimensions of an origin.
        measured: the objective by the table, without an uncertainty penalty, `(n,)`.
        weighed: the objective by measurement and prediction together, `(n,)`, in decreasing order.
        worse: the bytes of codes that were measured to be worse than a minimum value.
    """

    problem: Problem
    codes: Codes
    measured: Reals
    weighed: Reals
    worse: frozenset[bytes]

    @classmethod
    def of(cls, problem: Problem, table: Table, origin: Codes | None = None, most: int | None = None) -> MeasuredRows:
        """The rows of a table that have a value in every column of the objective.

        Args:
            problem: the objective, the budget and the predictor.
            table: measured values.
            origin: a code `(d,)` whose frozen values the rows must have.
            most: in how many dimensions rows may differ from the origin.
        """
        predictor, objective = problem.predictor, problem.objective
        named = objective.named(predictor.columns)
        values = _values(table, predictor.columns, named)
        unit = predictor.unit.double().cpu().numpy()
        below = np.zeros(len(table), dtype=bool)
        for j, minimum in objective.minimums(predictor.columns).items():
            below |= (minimum - values[:, j]) / unit[j] > 0  # False where a value is missing
        allowed = ~np.isnan(values[:, named]).any(axis=1) & ~below & problem.budget.allows(table.codes)
        if origin is not None:
            changed = table.codes != origin
            allowed &= ~changed[:, problem.feasible.frozen].any(axis=1)
            allowed &= changed.sum(axis=1) <= (len(origin) if most is None else most)
        codes, measured = table.codes[allowed], objective_of(problem, values[allowed])
        order = best_first(measured)
        codes, measured = codes[order], measured[order]
        weighed = in_measured_order(measured, weighed_by(problem, codes, measured))
        return cls(problem, codes, measured, weighed, frozenset(code.tobytes() for code in table.codes[below]))

    def places(self, codes: Codes) -> NDArray[np.int64]:
        """The rows of codes `(n, d)`, `(n,)`; -1 for a code that is not among the rows."""
        rows = {code.tobytes(): row for row, code in enumerate(self.codes)}
        return np.array([rows.get(code.tobytes(), -1) for code in codes], dtype=np.int64)

    def include(self, codes: Codes) -> NDArray[np.bool_]:
        """Which codes `(n, d)` are among the rows, `(n,)`."""
        return self.places(codes) >= 0

    def worse_than_minimum(self, codes: Codes) -> NDArray[np.bool_]:
        """Which codes `(n, d)` were measured to be worse than a minimum value, `(n,)`."""
        return np.array([code.tobytes() in self.worse for code in codes], dtype=bool)

    def rank(self, codes: Codes, scores: Reals) -> Reals:
        """The numbers that codes are ranked by, `(n,)`.

        Args:
            codes: measured and other codes, `(n, d)`.
            scores: their objectives by the predictor, `(n,)`.
        """
        where = self.places(codes)
        careful = scores - _moments(self.problem, codes).error
        if not len(self.codes):
            return careful
        ranks: Reals = np.where(where >= 0, self.weighed[where], careful)
        return ranks


def objective_of(problem: Problem, values: Reals) -> Reals:
    """The weighted mean in z-scores of raw values `(n, m)` of the predictor's columns, without a penalty, `(n,)`."""
    predictor = problem.predictor
    location, unit = (x.double().cpu().numpy() for x in (predictor.location, predictor.unit))
    objective: Reals = problem.objective.plain().score(values, None, predictor.columns, location, unit)
    return objective


def _values(table: Table, columns: Sequence[str], named: Sequence[int]) -> Reals:
    """The table's values `(n, m)` of the columns at the places `named`; all NaN if the table lacks one of them."""
    values = np.full((len(table), len(columns)), np.nan)
    names = [columns[j] for j in named]
    if set(names) <= set(table.columns):
        values[:, named] = table.values[:, [table.columns.index(name) for name in names]]
    return values


class _Moments(NamedTuple):
    """Predicted objectives, and standard deviations of the predictor's error and of a training's noise, `(n,)` each."""

    mean: Reals
    error: Reals
    noise: Reals


def in_measured_order(measured: Reals, weighed: Reals) -> Reals:
    """Raise weighed objectives `(n,)` so that their order is that of the measured ones."""
    order = np.argsort(measured, kind="stable")
    raised = np.empty(len(weighed))
    raised[order] = np.maximum.accumulate(weighed[order])
    return raised


def weighed_by(problem: Problem, codes: Codes, measured: Reals) -> Reals:
    """The mean of measured and predicted objectives of codes `(n, d)`, `(n,)`, by the inverse of their variances.

    Where the predictor estimates no error, the measured objective is returned.
    """
    mean, error, noise = _moments(problem, codes)
    unknown = error == 0
    trust = np.where(unknown, 1.0, error**2 / np.where(unknown, 1.0, error**2 + noise**2))
    weighed: Reals = mean + trust * (measured - mean)
    return weighed


@torch.no_grad()
def _moments(problem: Problem, codes: Codes) -> _Moments:
    """The objective by the predictor, taking the errors of columns as independent."""
    predictor, objective = problem.predictor, problem.objective
    places, weights = objective.resolve(predictor.columns), np.array(list(objective.weights.values()))
    location, unit = (x.double().cpu().numpy()[places] for x in (predictor.location, predictor.unit))
    shares = weights / np.abs(weights).sum() / unit
    found = _Moments(*np.empty((3, len(codes))))
    for chunk in chunks(len(codes), BATCH):
        latent, epistemic_std = predictor.latent_moments(predictor.relaxed(codes[chunk]))
        total_std = (epistemic_std.square() + predictor.noise_std.square()).sqrt()
        mean, std, total = (
            x[:, places].double().cpu().numpy()
            for x in (
                predictor.scale(latent),
                predictor.scale.std(latent, epistemic_std),
                predictor.scale.std(latent, total_std),
            )
        )
        found.mean[chunk] = (mean - location) @ shares
        found.error[chunk] = np.sqrt(std**2 @ shares**2)
        found.noise[chunk] = np.sqrt(np.maximum(total**2 - std**2, 0) @ shares**2)
    return found


def meets_minimums(problem: Problem, values: Reals, codes: Codes, known: MeasuredRows | None) -> NDArray[np.bool_]:
    """Which codes meet the minimum values of the objective, `(n,)`: as measured, or else as predicted.

    Args:
        problem: its objective has the minimum values.
        values: predicted values, `(n, m)`.
        codes: `(n, d)`.
        known: the measured rows.

    Raises:
        InfeasibleError: no code meets them.
    """
    if not problem.objective.at_least:
        return np.ones(len(values), dtype=bool)
    short = problem.objective.shortfall(values, problem.predictor.columns, problem.predictor.unit.cpu().numpy())
    kept: NDArray[np.bool_] = short <= 0
    worse = np.zeros(len(codes), dtype=bool)
    if known is not None:
        worse = known.worse_than_minimum(codes)
        kept = (kept | known.include(codes)) & ~worse
    if not kept.any():
        closest = None if worse.all() else values[int(np.where(worse, np.inf, short).argmin())]
        raise no_code_meets_minimums(problem, closest)
    return kept
