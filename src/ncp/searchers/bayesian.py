"""Bayesian optimisation: a Gaussian process of the scores so far, and the codes of highest expected improvement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from scipy.stats import median_abs_deviation, norm, rankdata
from torch import Tensor

from ncp.optim.feasible import Feasible
from ncp.optim.problem import scores_of
from ncp.optim.strategies import Continuous
from ncp.predictors.features import Features
from ncp.predictors.predictor import Predictor
from ncp.searchers.searcher import Searcher
from ncp.searchers.surrogate import Surrogate, score_predictor
from ncp.spaces.arrays import Codes, Reals, best_first
from ncp.spaces.space import Space

TYPICAL = 2000
"""Random codes that show how features vary, and random candidates beside the propagated ones."""
ELITE, FRESH, STEPS = 16, 48, 30
"""A propagation starts from this many of the best codes and of random ones, and takes this many steps."""
PATIENT = 50
"""With fewer scores than this, propose one code at a time and fit ranks of scores instead of distances."""
FAR = 5.0
"""Standard deviations below the best score from which the expected improvement is computed by its asymptote."""


class Bayesian(Searcher):
    """Proposes the codes of highest expected improvement.

    If the pool or the space is small, every code in it is scored. Otherwise the expected improvement is propagated,
    from the best codes so far and from random ones. `listed` and `propagated` count which of both happened.

    Args:
        space: of the codes.
        rng: of everything random.
        pool: the codes that may be proposed.
        first: random codes before the first fit.
        batch: codes that are proposed at once, after the first `PATIENT`.
        list_up_to: the largest pool or space whose codes are all scored.
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
        self.codes, self.scores = np.empty((0, len(space)), dtype=np.int64), np.empty(0)
        self.feasible = Feasible.of(space)
        features = Features(space)
        self.core = Surrogate(features.meanings)
        self.surrogate = score_predictor(space, features, self.core)
        features.fit(self.surrogate.relaxed(self.draw(TYPICAL)))
        if pool is None and space.size <= list_up_to:
            self.pool = np.array(list(product(*(dim.values for dim in space.dimensions))))

    def ask(self) -> Codes:
        """A batch of codes that were not evaluated yet."""
        if len(self.codes) < self.first:
            return self.draw(self.first - len(self.codes))
        patient = len(self.codes) < PATIENT
        z = self.surrogate.inputs(self.surrogate.relaxed(self.codes))
        self.core.learn(z, normal_scores(self.scores) if patient else distances(self.scores))
        best = float(self.surrogate.predict(self.codes).mean.max())
        improvement = Improvement(self.surrogate, best)
        listed = self.pool if self.pool is not None and len(self.pool) <= self.list_up_to else None
        fresh = self._unevaluated(self._propagated(improvement) if listed is None else listed)
        if not len(fresh):
            return self.draw(self.batch)
        order = best_first(scores_of(improvement, self.surrogate, fresh))
        chosen = fresh[order[: 1 if patient else self.batch]]
        if listed is None:
            self.propagated += len(chosen)
        else:
            self.listed += len(chosen)
        return chosen

    def tell(self, codes: Codes, scores: Reals) -> None:
        """Add evaluated codes and their scores."""
        new = self._new(codes)
        self.codes, self.scores = np.concatenate([self.codes, codes[new]]), np.append(self.scores, scores[new])

    def _propagated(self, improvement: Improvement) -> Codes:
        """Where gradients lead from the best codes and from random ones, the moves around these, and random codes."""
        elite = self.codes[best_first(self.scores)[:ELITE]]
        start = np.concatenate([elite, self.draw(FRESH)])
        path = Continuous().ascend(improvement, self.feasible, self.surrogate.relaxed(start), STEPS)
        found = np.unique(self.feasible.snap_path(path.x, start).reshape(-1, len(self.space)), axis=0)
        top = found[best_first(scores_of(improvement, self.surrogate, found))[:ELITE]]
        around = [self.feasible.moved(codes)[0] for codes in (top, elite)]
        return np.concatenate([found, *around, self.draw(TYPICAL)])

    def _unevaluated(self, codes: Codes) -> Codes:
        """The codes whose scores are not known, each once."""
        unique = np.unique(codes, axis=0)
        fresh: Codes = unique[self._new(unique)]
        return fresh

    def _new(self, codes: Codes) -> list[int]:
        """Rows of the codes that were not evaluated before, each once."""
        known = {code.tobytes() for code in self.codes}
        new = []
        for row, code in enumerate(codes):
            if code.tobytes() not in known:
                known.add(code.tobytes())
                new.append(row)
        return new


@dataclass(frozen=True, eq=False)
class Improvement:
    """An acquisition function: the logarithm of the expected improvement.

    Attributes:
        surrogate: predicts scores and how certain they are.
        best: the score to improve on, as the surrogate sees it.
    """

    surrogate: Predictor
    best: float

    def __call__(self, x: Tensor) -> Tensor:
        """The logarithm of the expected improvement `(n,)` of relaxed codes `(n, width)`."""
        mean, std = self.surrogate.latent_moments(x)
        return log_improvement((mean - self.best)[:, 0], std[:, 0])


def log_improvement(gain: Tensor, std: Tensor) -> Tensor:
    """The logarithm of `E max(0, gain + std * normal)`, with gradients where the expectation itself would vanish.

    Ament et al., Unexpected Improvements to Expected Improvement for Bayesian Optimization, NeurIPS 2023.
    """
    z = gain / std
    near = z.clamp_min(-FAR)
    density = torch.exp(-near.square() / 2) / math.sqrt(2 * math.pi)
    exact = (density + near * torch.special.ndtr(near)).log()
    far = z.clamp_max(-FAR)
    asymptote = -far.square() / 2 - math.log(math.sqrt(2 * math.pi)) - torch.log(far.square() + 3)
    return std.log() + torch.where(z > -FAR, exact, asymptote)


def normal_scores(values: Reals) -> Reals:
    """Quantiles of a normal distribution at the ranks of values: normal scores, as in rank-based statistics."""
    scores: Reals = norm.ppf((rankdata(values) - 0.5) / len(values))
    return scores


def distances(values: Reals) -> Reals:
    """Distances of values from their median in robust standard deviations, compressed by a logarithm below it.

    How much better a good code is matters to a search; how bad a failure is does not.
    """
    off = values - np.median(values)
    unit = median_abs_deviation(values, scale="normal") or np.abs(off).mean() or 1.0
    targets: Reals = np.where(off < 0, -np.log1p(np.maximum(-off, 0) / unit), off / unit)
    return targets
