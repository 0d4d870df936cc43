"""Expected improvement of a score under one or several models of it, and the targets that models are fitted to.

A label is a score with noise. Where the score is known much better than a label would tell, another label is of little
use, even if the expected improvement is high. The augmented expected improvement takes this into account: Huang et al.,
Global Optimization of Stochastic Black-Box Systems via Sequential Kriging Meta-Models, J. Global Optimization 2006.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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

    @property
    def noise_std(self) -> Tensor:
        """Standard deviations of the noise of a label, `(S,)`."""

    def moments(self, points: Points) -> tuple[Tensor, Tensor]:
        """Means and epistemic standard deviations of n points, `(S, n)` each; gradients flow."""


@dataclass(frozen=True, eq=False)
class Improvement:
    """An acquisition function: the logarithm of the expected improvement, averaged over models.

    Attributes:
        model: predicts scores and how certain they are.
        best: the score to improve on, as each model sees it, `(S,)`.
        augmented: whether improvements count less where a label is of little use.
    """

    model: ScoreModel
    best: Tensor
    augmented: bool = True

    @classmethod
    def on(cls, model: ScoreModel, evaluated: Points, *, augmented: bool) -> Improvement:
        """The improvement on the best of the evaluated points."""
        return cls(model, model.moments(evaluated)[0].amax(dim=1), augmented)

    def __call__(self, points: Points) -> Tensor:
        """The logarithm of the improvement `(n,)` of n points."""
        mean, std = self.model.moments(points)
        each = log_improvement(mean - self.best[:, None], std)
        if self.augmented:
            each = each + log_use(std, self.model.noise_std[:, None])
        return torch.logsumexp(each + self.model.log_weights[:, None], dim=0)

    def expected(self, points: Points) -> Tensor:
        """The expected improvement itself, `(n,)`."""
        return replace(self, augmented=False)(points).exp()


def log_use(std: Tensor, noise_std: Tensor) -> Tensor:
    """The logarithm of `1 - noise_std / sqrt(std^2 + noise_std^2)`: how much use a label is.

    It is 0 without noise. With noise, it is lower where the epistemic standard deviation `std` is lower.
    """
    both = (std.square() + noise_std.square()).sqrt()
    return 2 * std.log() - both.log() - (both + noise_std).log()


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
