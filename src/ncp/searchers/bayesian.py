"""Bayesian optimisation: a Gaussian process of the scores so far, and the codes of highest expected improvement."""

from __future__ import annotations

import numpy as np
from scipy.stats import median_abs_deviation, norm, rankdata

from ncp.optim.budget import Budget
from ncp.optim.objective import Objective
from ncp.optim.problem import moves, snap_within
from ncp.optim.propagation import STRATEGIES
from ncp.progress import quiet
from ncp.searchers.base import Searcher
from ncp.searchers.surrogate import Improvement, Surrogate
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space

TYPICAL = 2000
"""Codes that say how features vary."""
ELITE, FRESH, STEPS = 16, 48, 30
"""Best codes and random ones that a propagation starts from, and its steps."""
PATIENT = 50
"""With fewer scores than this, propose one code at a time and fit ranks of scores instead of distances."""


class Bayesian(Searcher):
    """Proposes the codes of highest expected improvement.

    A pool or a space that is small is listed: every code in it is scored. In a larger one the expected improvement is
    propagated, from the best codes so far and from random ones.

    Args:
        space: of the codes.
        rng: of everything random.
        pool: the codes that may be asked for.
        first: random codes before the first fit.
        batch: codes that are proposed at once, after the first `PATIENT`.
        list_up_to: the most codes that are listed.
    """

    name = "bayesian"

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        pool: Codes | None = None,
        first: int = 5,
        batch: int = 4,
        list_up_to: int = 50_000,
    ) -> None:
        super().__init__(space, rng, pool)
        self.first, self.batch, self.list_up_to = first, batch, list_up_to
        self.codes, self.told = np.empty((0, len(space)), dtype=np.int64), np.empty(0)
        self.surrogate = Surrogate(space)
        self.surrogate.features.fit(self.surrogate.relaxed(self.draw(TYPICAL)))
        if pool is None and space.size <= list_up_to:
            self.pool = np.stack(np.meshgrid(*(d.values for d in space.dimensions), indexing="ij"), -1).reshape(
                -1, len(space)
            )

    def ask(self) -> Codes:
        """A batch of codes whose scores are not known yet."""
        if len(self.codes) < self.first:
            return self.draw(self.first - len(self.codes))
        patient = len(self.codes) < PATIENT
        self.surrogate.learn(self.codes, normal_scores(self.told) if patient else distances(self.told))
        best = float(self.surrogate.predict(self.codes).mean.max())
        problem = Improvement(
            self.surrogate, Objective({"score": 1.0}), Budget(), np.zeros(len(self.space), dtype=bool), best
        )
        listed = self.pool if self.pool is not None and len(self.pool) <= self.list_up_to else None
        fresh = self._untold(self._propagated(problem) if listed is None else listed)
        if not len(fresh):
            return self.draw(self.batch)
        _, promises = problem.values_and_scores(fresh)
        chosen = fresh[np.argsort(-promises, kind="stable")[: 1 if patient else self.batch]]
        if listed is None:
            self.propagated += len(chosen)
        else:
            self.listed += len(chosen)
        return chosen

    def tell(self, codes: Codes, scores: Reals) -> None:
        """What was evaluated."""
        new = self._new(codes)
        self.codes, self.told = np.concatenate([self.codes, codes[new]]), np.append(self.told, scores[new])

    def _propagated(self, problem: Improvement) -> Codes:
        """Where gradients lead from the best codes and from random ones, the moves around these, and random codes."""
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
        """Those of codes whose scores are not known, each once."""
        unique = np.unique(codes, axis=0)
        fresh: Codes = unique[self._new(unique)]
        return fresh

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
