"""What a table knows: measured rows as candidates of a search, weighed against predictions, and the best of them.

A measured value carries the noise of its training, a prediction the error of its predictor; the predictor says how
large both are. So a measured row is worth the mean of its measured and its predicted objective, weighed by their
inverse variances, and any other code its predicted objective less one standard deviation of the predictor's error.
Measured rows keep the order of their measured objectives among themselves: a search never puts a row before one that
the table says is better.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ncp.optim.problem import Problem, no_code_meets_minimums
from ncp.spaces.arrays import Codes, Reals, chunks
from ncp.tables.table import Table


@dataclass(frozen=True, eq=False)
class Known:
    """Measured rows that a search may return, best first by what was measured.

    Attributes:
        problem: what is wanted, and whose predictions are weighed.
        codes: `(n, d)`: within the budget, no worse than the minimum values, frozen dimensions as they have to be.
        measured: the objective by the table, without an uncertainty penalty, `(n,)`.
        weighed: the objective by measurement and prediction together, `(n,)`, falling.
        worse: codes that were measured to be worse than a minimum value.
    """

    problem: Problem
    codes: Codes
    measured: Reals
    weighed: Reals
    worse: frozenset[bytes]

    @classmethod
    def of(cls, problem: Problem, table: Table, origin: Codes | None = None, most: int | None = None) -> Known:
        """The rows of a table that have a value in every column of the objective.

        Args:
            problem: what is wanted and allowed.
            table: measured values.
            origin: a code `(d,)` whose frozen values rows must have.
            most: dimensions in which rows may differ from the origin.
        """
        predictor, objective = problem.predictor, problem.objective
        where = objective.named(predictor.columns)
        named = [predictor.columns[j] for j in where]
        values = np.full((len(table), len(predictor.columns)), np.nan)
        if set(named) <= set(table.columns):
            values[:, where] = table.values[:, [table.columns.index(name) for name in named]]
        location, unit = (x.double().cpu().numpy() for x in (predictor.location, predictor.unit))
        broken = np.zeros(len(table), dtype=bool)
        for j, minimum in objective.minimums(predictor.columns).items():
            broken |= (minimum - values[:, j]) / unit[j] > 0  # never where nothing was measured
        worse = frozenset(code.tobytes() for code in table.codes[broken])
        rows = np.flatnonzero(~np.isnan(values[:, where]).any(axis=1) & ~broken)
        if origin is not None:
            changed = table.codes[rows] != origin
            near = changed.sum(axis=1) <= (len(origin) if most is None else most)
            rows = rows[near & ~changed[:, problem.feasible.frozen].any(axis=1)]
        rows = rows[problem.budget.allows(table.codes[rows])]
        measured = objective.plain().score(values[rows], None, predictor.columns, location, unit)
        order = np.argsort(-measured, kind="stable")
        codes, measured = table.codes[rows[order]], measured[order]
        return cls(problem, codes, measured, in_measured_order(measured, weighed_by(problem, codes, measured)), worse)

    def holds(self, codes: Codes) -> NDArray[np.bool_]:
        """Which codes `(n, d)` are among the rows, `(n,)`."""
        return _are_in(codes, {code.tobytes() for code in self.codes})

    def worse_than_minimum(self, codes: Codes) -> NDArray[np.bool_]:
        """Which codes `(n, d)` were measured to be worse than a minimum value, `(n,)`."""
        return _are_in(codes, self.worse)

    def rank(self, codes: Codes, scores: Reals) -> Reals:
        """What codes `(n, d)` are worth, `(n,)`: by measurement and prediction, else by prediction less its error.

        Args:
            codes: what to rank.
            scores: their objectives by the predictor, `(n,)`.
        """
        places = {code.tobytes(): place for place, code in enumerate(self.codes)}
        where = np.array([places.get(code.tobytes(), -1) for code in codes], dtype=np.int64)
        careful = scores - _moments(self.problem, codes).error
        if not len(self.codes):
            return careful
        ranks: Reals = np.where(where >= 0, self.weighed[where], careful)
        return ranks


def _are_in(codes: Codes, every: Set[bytes]) -> NDArray[np.bool_]:
    """Which codes `(n, d)` have their bytes in a set, `(n,)`."""
    return np.array([code.tobytes() in every for code in codes], dtype=bool)


class _Moments(NamedTuple):
    """Predicted objectives, and deviations of the predictor's error and of a training's noise, `(n,)` each."""

    mean: Reals
    error: Reals
    noise: Reals


def in_measured_order(measured: Reals, weighed: Reals) -> Reals:
    """Weighed objectives `(n,)`, raised so that none is below that of a row which was measured to be worse."""
    order = np.argsort(measured, kind="stable")
    raised = np.empty(len(weighed))
    raised[order] = np.maximum.accumulate(weighed[order])
    return raised


def weighed_by(problem: Problem, codes: Codes, measured: Reals) -> Reals:
    """The mean of measured and predicted objectives of codes `(n, d)`, `(n,)`, by the inverse of their variances.

    A predictor that does not know its error leaves the measurement as it is.
    """
    mean, error, noise = _moments(problem, codes)
    unknown = error == 0
    trust = np.where(unknown, 1.0, error**2 / np.where(unknown, 1.0, error**2 + noise**2))
    weighed: Reals = mean + trust * (measured - mean)
    return weighed


@torch.no_grad()
def _moments(problem: Problem, codes: Codes) -> _Moments:
    """What the predictor says of the objective, whose columns it takes to err independently."""
    predictor, objective = problem.predictor, problem.objective
    places, weights = objective.resolve(predictor.columns), np.array(list(objective.weights.values()))
    location, unit = (x.double().cpu().numpy()[places] for x in (predictor.location, predictor.unit))
    shares = weights / np.abs(weights).sum() / unit
    found = _Moments(*np.empty((3, len(codes))))
    for chunk in chunks(len(codes), 4096):
        scores, spread = predictor.latent_moments(predictor.relaxed(codes[chunk]))
        curve, std, total = (
            x[:, places].double().cpu().numpy()
            for x in (
                predictor.scale(scores),
                predictor.scale.std(scores, spread),
                predictor.scale.std(scores, (spread.square() + predictor.noise_std.square()).sqrt()),
            )
        )
        found.mean[chunk] = (curve - location) @ shares
        found.error[chunk] = np.sqrt(std**2 @ shares**2)
        found.noise[chunk] = np.sqrt(np.maximum(total**2 - std**2, 0) @ shares**2)
    return found


def meets_minimums(problem: Problem, values: Reals, codes: Codes, known: Known | None) -> NDArray[np.bool_]:
    """Which codes meet the minimum values of the objective, `(n,)`: as measured, or else as predicted.

    Args:
        problem: its objective has the minimum values.
        values: predicted values, `(n, m)`.
        codes: `(n, d)`.
        known: what was measured.

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
        kept = (kept | known.holds(codes)) & ~worse
    if not kept.any():
        closest = None if worse.all() else values[int(np.where(worse, np.inf, short).argmin())]
        raise no_code_meets_minimums(problem, closest)
    return kept
