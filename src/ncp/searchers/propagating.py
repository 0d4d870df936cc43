"""Propagation as a searcher: a predictor of what was paid for, and gradients to what may be better."""

from __future__ import annotations

import numpy as np
from scipy.stats import median_abs_deviation, norm, rankdata

from ncp.objective import Budget, Objective
from ncp.problem import moves, snap_within
from ncp.progress import quiet
from ncp.propagation import STRATEGIES
from ncp.searchers.base import Searcher
from ncp.searchers.surrogate import Improvement, Surrogate
from ncp.space import Codes, Reals, Space

TYPICAL = 2000
"""Codes that say how features vary."""
LISTED = 50_000
"""A pool or a space of at most so many codes is scored whole; in a larger one codes are propagated."""
ELITE, FRESH, STEPS = 16, 48, 30
"""Best codes and random ones that a propagation starts from, and its steps."""
PATIENT = 50
"""Until so many codes are known little is: they are asked for one at a time, and only ranks of their scores count."""


class Propagating(Searcher):
    """Asks for the codes of highest expected improvement.

    Args:
        space: of the codes.
        rng: of everything random.
        pool: the codes that may be asked for.
        first: random codes before the first fit.
        batch: codes that are asked for at once, after the first `PATIENT`.
    """

    name = "propagation"

    def __init__(
        self, space: Space, rng: np.random.Generator, pool: Codes | None = None, first: int = 5, batch: int = 4
    ) -> None:
        super().__init__(space, rng, pool)
        self.first, self.batch = first, batch
        self.codes, self.told = np.empty((0, len(space)), dtype=np.int64), np.empty(0)
        self.surrogate = Surrogate(space)
        self.surrogate.features.fit(self.surrogate.relaxed(self.draw(TYPICAL)))
        if pool is None and space.size <= LISTED:
            self.pool = np.stack(np.meshgrid(*(d.values for d in space.dimensions), indexing="ij"), -1).reshape(
                -1, len(space)
            )

    def ask(self) -> Codes:
        """A batch of codes that were not told yet."""
        if len(self.codes) < self.first:
            return self.draw(self.first - len(self.codes))
        patient = len(self.codes) < PATIENT
        self.surrogate.learn(self.codes, normal_scores(self.told) if patient else distances(self.told))
        best = float(self.surrogate.predict(self.codes).mean.max())
        problem = Improvement(
            self.surrogate, Objective({"score": 1.0}), Budget(), np.zeros(len(self.space), dtype=bool), best
        )
        listed = self.pool if self.pool is not None and len(self.pool) <= LISTED else None
        fresh = self._untold(self._propagated(problem) if listed is None else listed)
        _, promises = problem.values_and_scores(fresh)
        order = np.argsort(-promises, kind="stable")
        return fresh[order[: 1 if patient else self.batch]]

    def tell(self, codes: Codes, scores: Reals) -> None:
        """What was paid for."""
        new = self._new(codes)
        self.codes, self.told = np.concatenate([self.codes, codes[new]]), np.append(self.told, scores[new])

    def _propagated(self, problem: Improvement) -> Codes:
        """Where gradients lead from the best codes and from random ones, and the moves around these."""
        elite = self.codes[np.argsort(-self.told, kind="stable")[:ELITE]]
        starts = np.concatenate([elite, self.draw(FRESH)])
        x = STRATEGIES["continuous"](problem, starts, STEPS, quiet)
        steps, width = len(x), x.shape[-1]
        origin = np.broadcast_to(starts, (steps, *starts.shape)).reshape(-1, len(self.space))
        found = np.unique(snap_within(problem, x.reshape(-1, width), origin), axis=0)
        _, promises = problem.values_and_scores(found)
        top = found[np.argsort(-promises, kind="stable")[:ELITE]]
        return np.concatenate([found, moves(problem, top)[0], moves(problem, elite)[0], self.draw(TYPICAL)])

    def _untold(self, codes: Codes) -> Codes:
        unique = np.unique(codes, axis=0)
        fresh = unique[self._new(unique)]
        return fresh if len(fresh) else self.draw(self.batch)

    def _new(self, codes: Codes) -> list[int]:
        """Which codes were not told before, each once."""
        known = {code.tobytes() for code in self.codes}
        new = []
        for row, code in enumerate(codes):
            if code.tobytes() not in known:
                known.add(code.tobytes())
                new.append(row)
        return new


def normal_scores(values: Reals) -> Reals:
    """Values by their ranks alone, as quantiles of a normal."""
    scores: Reals = norm.ppf((rankdata(values) - 0.5) / len(values))
    return scores


def distances(values: Reals) -> Reals:
    """Values as distances from their median in robust deviations: above it as they are, below it by logarithms.

    By how much a code is better matters among the best; how bad a failure is does not.
    """
    off = values - np.median(values)
    unit = median_abs_deviation(values, scale="normal") or np.abs(off).mean() or 1.0
    targets: Reals = np.where(off < 0, -np.log1p(np.maximum(-off, 0) / unit), off / unit)
    return targets
