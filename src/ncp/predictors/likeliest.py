"""The likeliest weights and noise of an exact Gaussian process of one column.

Covariances are Matern's of order 5/2, of `sum_j w_j (a_j - b_j)^2` for features `a` and `b`. A priori the weights of a
dimension are alike, and so are those of a choice in all dimensions that have it, so that few rows show what matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky
from scipy.optimize import minimize
from torch import Tensor

from ncp.predictors.meaning import GRAPH, Meaning
from ncp.spaces.arrays import Reals

NOISE, NOISE_LOG_STD = 0.2, 1.5
"""Prior of a score's noise: median ratio of noise variance to signal variance, and standard deviation of its log."""
BLOCK_WEIGHT = 1 / 3
"""Prior median of the weights of a block of features, summed."""
BESIDE_GRAPH = 0.03
"""Prior median of a block of the code's features beside features of its graph, as a share of `BLOCK_WEIGHT`."""
SHARED_STD, DIMENSION_STD, CHOICE_STD, OWN_STD = 1.0, 1.0, 0.5, 0.5
"""Prior standard deviations of the terms that add up to the log of a weight: one shared by all weights, one of its
dimension, one of its choice, and one of its own."""
ALONE_STD = 2.0
"""The last of these for a feature that belongs to no dimension and no choice."""
LEAST_AMPLITUDE = 1e-9
"""Smallest variance of the signal, which equal targets would make zero."""
FARTHEST = 50.0
"""Logarithms of weights and noise this far from their prior means, dozens of standard deviations, overflow soon."""
IMPOSSIBLE = 1e10
"""The loss where no posterior can be computed."""


class Prior(NamedTuple):
    """A normal prior of the logarithms of f weights and of the noise.

    Attributes:
        mean: `(f + 1,)`.
        precision: the inverse covariance, `(f + 1, f + 1)`.
    """

    mean: Reals
    precision: Reals


def prior_of(meanings: Sequence[Meaning]) -> Prior:
    """The prior of the weights of features with these meanings, and of the noise."""
    blocks, dimensions, choices = (np.array(names) for names in zip(*meanings, strict=True))
    same_dimension, same_choice = ((names[:, None] == names) & (names != "") for names in (dimensions, choices))
    f = len(meanings)
    own = np.where((dimensions == "") & (choices == ""), ALONE_STD, OWN_STD)
    covariance = np.diag(np.append(own**2, NOISE_LOG_STD**2))
    covariance[:f, :f] += SHARED_STD**2 + DIMENSION_STD**2 * same_dimension + CHOICE_STD**2 * same_choice
    medians = BLOCK_WEIGHT / (blocks[:, None] == blocks).sum(1)
    if np.isin(blocks, GRAPH).any():
        medians = np.where(np.isin(blocks, GRAPH), medians, BESIDE_GRAPH * medians)
    return Prior(np.log(np.append(medians, NOISE)), np.linalg.inv(covariance))


class Posterior:
    """The posterior given weights and noise, for features `z` `(n, f)`, and targets `y` and their `repeats`, `(n,)`.

    Attributes:
        weights: `(f,)`.
        noise: ratio of noise variance to signal variance.
        level: the mean far from all rows.
        amplitude: the signal variance.
        dual: `(n,)`; the mean at a code is `level` plus its covariances times these.
        factor: the lower Cholesky factor of the covariances with noise, `(n, n)`.
        inverse: of these covariances, `(n, n)`.
    """

    def __init__(self, logarithms: Reals, z: Reals, y: Reals, repeats: Reals) -> None:
        self.weights, self.noise = np.exp(logarithms[:-1]), float(np.exp(logarithms[-1]))
        scaled = z * self.weights
        sizes = (scaled * z).sum(1)
        r = np.sqrt(5 * np.maximum(sizes[:, None] + sizes - 2 * scaled @ z.T, 0))
        shrink = np.exp(-r)
        self.covariance: NDArray[np.float64] = (1 + r + r**2 / 3) * shrink
        self.slope: NDArray[np.float64] = -5 / 6 * (1 + r) * shrink  # by the squared distance
        self.factor: NDArray[np.float64] = cholesky(self.covariance + np.diag(self.noise / repeats), lower=True)
        self.inverse: NDArray[np.float64] = cho_solve((self.factor, True), np.eye(len(z)))
        self.level = float((self.inverse @ y).sum() / self.inverse.sum())
        self.dual = self.inverse @ (y - self.level)
        self.amplitude = max(float((y - self.level) @ self.dual / len(z)), LEAST_AMPLITUDE)
        self.half_log_determinant = float(np.log(np.diag(self.factor)).sum())


def likeliest(start: Reals, z: Reals, y: Reals, repeats: Reals, prior: Prior, rounds: int) -> Reals:
    """The logarithms `(f + 1,)` of weights and noise of the highest posterior density.

    Args:
        start: where the optimiser begins, `(f + 1,)`.
        z: features `(n, f)`.
        y: targets `(n,)`, with a standard deviation of about 1.
        repeats: how many labels each target is the mean of, `(n,)`.
        prior: of the logarithms.
        rounds: iterations of the optimiser.
    """
    found = minimize(
        negative_log_density,
        start,
        args=(z, y, repeats, *prior),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": rounds},
    )
    logarithms: Reals = found.x
    return logarithms


def negative_log_density(
    logarithms: Reals, z: Reals, y: Reals, repeats: Reals, mean: Reals, precision: Reals
) -> tuple[float, Reals]:
    """The negative log posterior density of weights and noise, and its gradient."""
    off = logarithms - mean
    if np.abs(off).max() > FARTHEST:  # the optimiser's first step can be long
        return IMPOSSIBLE, np.zeros_like(logarithms)
    try:
        fit = Posterior(logarithms, z, y, repeats)
    except LinAlgError:
        return IMPOSSIBLE, np.zeros_like(logarithms)
    pressed = precision @ off
    value = 0.5 * len(y) * math.log(fit.amplitude) + fit.half_log_determinant + 0.5 * float(off @ pressed)
    slope = 0.5 * (fit.inverse - np.outer(fit.dual, fit.dual) / fit.amplitude)
    pull = slope * fit.slope
    by_weight = 2 * (z**2).T @ pull.sum(1) - 2 * (z * (pull @ z)).sum(0)
    gradient = np.append(by_weight * fit.weights, float((slope.diagonal() / repeats).sum()) * fit.noise)
    return value, gradient + pressed


def covariances(z: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Covariances `(k, n)` of features `(k, f)` with those of rows `(n, f)`, for a signal variance of 1."""
    scaled = rows * weights
    squares = (z.square() @ weights)[:, None] + (scaled * rows).sum(1) - 2 * z @ scaled.T
    r = (5 * squares.clamp_min(1e-12)).sqrt()
    found: Tensor = (1 + r + r.square() / 3) * (-r).exp()
    return found
