"""Expected improvement of a score under one or several models of it, and the targets that models are fitted to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy.stats import median_abs_deviation, norm, rankdata
from torch import Tensor

from ncp.searchers.encoding import Points
from ncp.spaces.arrays import Reals

FAR = 5.0
"""Standard deviations below the best score from which the expected improvement is computed by its asymptote."""
FAILED = 5.0
"""Robust standard deviations below the median from which a value counts as failed."""


class ScoreModel(Protocol):
    """Predicts a score under each of S models.

    Attributes:
        log_weights: logarithms of the weights of the models, `(S,)`; the weights sum to 1.
    """

    log_weights: Tensor

    def moments(self, points: Points) -> tuple[Tensor, Tensor]:
        """Means and epistemic standard deviations of n points, `(S, n)` each; gradients flow."""


@dataclass(frozen=True, eq=False)
class Improvement:
    """An acquisition function: the logarithm of the expected improvement, averaged over models.

    Attributes:
        model: predicts scores and how certain they are.
        best: the score to improve on, as each model sees it, `(S,)`.
    """

    model: ScoreModel
    best: Tensor

    @classmethod
    def on(cls, model: ScoreModel, evaluated: Points) -> Improvement:
        """The improvement on the best of the evaluated points."""
        return cls(model, model.moments(evaluated)[0].amax(dim=1))

    def __call__(self, points: Points) -> Tensor:
        """The logarithm of the expected improvement `(n,)` of n points."""
        mean, std = self.model.moments(points)
        each = log_improvement(mean - self.best[:, None], std)
        return torch.logsumexp(each + self.model.log_weights[:, None], dim=0)


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
    unit = robust_deviation(values)
    targets: Reals = np.where(off < 0, -np.log1p(np.maximum(-off, 0) / unit), off / unit)
    return targets


def without_failures(values: Reals) -> Reals:
    """Values, with those of failures raised to `FAILED` robust standard deviations below the median."""
    cut: Reals = np.maximum(values, np.median(values) - FAILED * robust_deviation(values))
    return cut


def robust_deviation(values: Reals) -> float:
    """A standard deviation that failures do not change; positive."""
    off = values - np.median(values)
    return float(median_abs_deviation(values, scale="normal") or np.abs(off).mean() or 1.0)
