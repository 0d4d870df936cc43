"""A Gaussian process for few rows, which a searcher fits to the scores of the codes it has evaluated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky
from scipy.optimize import minimize
from torch import Tensor

from ncp.predictors.core import Core
from ncp.predictors.features import Meaning
from ncp.spaces.arrays import Reals

NOISE, NOISE_LOG_STD = 0.2, 1.5
"""Prior of a score's noise: median ratio of noise variance to signal variance, and standard deviation of its log."""
BLOCK_WEIGHT = 1 / 3
"""Prior median of the weights of a block of features, summed."""
SHARED_STD, DIMENSION_STD, CHOICE_STD, OWN_STD = 1.0, 1.0, 0.5, 0.5
"""Prior standard deviations of the terms that add up to the log of a weight: one shared by all weights, one of its
dimension, one of its choice, and one of its own."""
LEAST_AMPLITUDE = 1e-9
"""Smallest variance of the signal, which equal targets would make zero."""
ROUNDS = 15
"""Iterations of the optimiser per fit; the next fit continues from there."""
FARTHEST = 50.0
"""Logarithms of weights and noise this far from their prior means, dozens of standard deviations, overflow soon."""
IMPOSSIBLE = 1e10
"""The loss where no posterior can be computed."""


class Surrogate(Core):
    """A Gaussian process with Matern 5/2 covariances of `sum_j w_j (a_j - b_j)^2` for features `a` and `b`.

    The weights `w_j` and the noise are those of the highest posterior density. A priori the weights of a dimension are
    alike, and so are those of a choice in all dimensions that have it, so that few rows show what matters. Targets
    should have a standard deviation of about 1.

    Args:
        meanings: of the f features.

    Buffers: `weights` `(f,)`, `rows` `(n, f)`, `dual` `(n,)`, `inverse` `(n, n)`, `level` and `amplitude`.
    """

    kind = "surrogate"
    weights: Tensor
    rows: Tensor
    dual: Tensor
    inverse: Tensor
    level: Tensor
    amplitude: Tensor

    def __init__(self, meanings: Sequence[Meaning]) -> None:
        super().__init__(outputs=1)
        self.register_buffer("weights", torch.zeros(len(meanings)))
        self.register_buffer("rows", torch.zeros(0, len(meanings)))
        self.register_buffer("dual", torch.zeros(0))
        self.register_buffer("inverse", torch.zeros(0, 0))
        self.register_buffer("level", torch.tensor(0.0))
        self.register_buffer("amplitude", torch.tensor(1.0))
        self.prior, self.precision = _prior(meanings)
        self.logarithms = self.prior.copy()
        self.targets, self.repeats = np.empty(0), np.empty(0)

    def learn(self, z: Tensor, targets: Reals, repeats: Reals | None = None, rounds: int = ROUNDS) -> None:
        """Fit weights and noise to targets, from where the last fit stopped.

        Args:
            z: features `(n, f)`.
            targets: `(n,)`.
            repeats: how many labels each target is the mean of, `(n,)`; one when left out.
            rounds: iterations of the optimiser.
        """
        features = z.cpu().numpy()
        repeats = np.ones(len(targets)) if repeats is None else repeats
        found = minimize(
            _loss,
            self.logarithms,
            args=(features, targets, repeats, self.prior, self.precision),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": rounds},
        )
        self.logarithms = found.x
        self._condition(features, targets, repeats)

    def with_fantasies(self, z: Tensor) -> Surrogate:
        """The posterior as if codes of features `(n, f)` had been evaluated, with the values expected of them."""
        more = copy(self)
        more._buffers = dict(self._buffers)
        features = np.concatenate([self.rows.cpu().numpy(), z.cpu().numpy()])
        targets = np.append(self.targets, self.forward(z)[:, 0].numpy())
        more._condition(features, targets, np.append(self.repeats, np.ones(len(z))))
        return more

    def _condition(self, features: Reals, targets: Reals, repeats: Reals) -> None:
        """Set the posterior to that of targets `(n,)` at features `(n, f)`."""
        fit = _Fit(self.logarithms, features, targets, repeats)

        def tensor(values: object) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float64, device=self.rows.device)

        self.targets, self.repeats = targets, repeats
        self.weights, self.rows = tensor(fit.weights), tensor(features)
        self.dual, self.inverse = tensor(fit.dual), tensor(fit.inverse)
        self.level, self.amplitude = tensor(fit.level), tensor(fit.amplitude)
        self.noise_std = tensor([math.sqrt(fit.amplitude * fit.noise)])

    def forward(self, z: Tensor) -> Tensor:
        """Expected targets `(n, 1)` of features `(n, f)`."""
        return (self.level + self._covariances(z) @ self.dual)[:, None]

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Expected targets and their epistemic standard deviations, `(n, 1)` each."""
        covariances = self._covariances(z)
        explained = ((covariances @ self.inverse) * covariances).sum(1)
        variance = self.amplitude * (1 - explained).clamp_min(1e-9)
        return (self.level + covariances @ self.dual)[:, None], variance.sqrt()[:, None]

    def _covariances(self, z: Tensor) -> Tensor:
        scaled = self.rows * self.weights
        squares = (z.square() @ self.weights)[:, None] + (scaled * self.rows).sum(1) - 2 * z @ scaled.T
        r = (5 * squares.clamp_min(1e-12)).sqrt()
        covariances: Tensor = (1 + r + r.square() / 3) * torch.exp(-r)
        return covariances


def _prior(meanings: Sequence[Meaning]) -> tuple[Reals, Reals]:
    """Prior means `(f + 1,)` and inverse covariance `(f + 1, f + 1)` of the logarithms of weights and noise."""
    blocks, dimensions, choices = (np.array(names) for names in zip(*meanings, strict=True))
    same_dimension, same_choice = ((names[:, None] == names) & (names != "") for names in (dimensions, choices))
    f = len(meanings)
    covariance = np.diag(np.append(np.full(f, OWN_STD**2), NOISE_LOG_STD**2))
    covariance[:f, :f] += SHARED_STD**2 + DIMENSION_STD**2 * same_dimension + CHOICE_STD**2 * same_choice
    sizes = (blocks[:, None] == blocks).sum(1)
    return np.log(np.append(BLOCK_WEIGHT / sizes, NOISE)), np.linalg.inv(covariance)


class _Fit:
    """The posterior given weights and noise, for features `z` `(n, f)`, and targets `y` and their `repeats`, `(n,)`."""

    def __init__(self, logarithms: Reals, z: Reals, y: Reals, repeats: Reals) -> None:
        self.weights, self.noise = np.exp(logarithms[:-1]), float(np.exp(logarithms[-1]))
        scaled = z * self.weights
        sizes = (scaled * z).sum(1)
        r = np.sqrt(5 * np.maximum(sizes[:, None] + sizes - 2 * scaled @ z.T, 0))
        shrink = np.exp(-r)
        self.covariance: NDArray[np.float64] = (1 + r + r**2 / 3) * shrink
        self.slope: NDArray[np.float64] = -5 / 6 * (1 + r) * shrink  # by the squared distance
        factor = cholesky(self.covariance + np.diag(self.noise / repeats), lower=True)
        self.inverse: NDArray[np.float64] = cho_solve((factor, True), np.eye(len(z)))
        self.level = float((self.inverse @ y).sum() / self.inverse.sum())
        self.dual = self.inverse @ (y - self.level)
        self.amplitude = max(float((y - self.level) @ self.dual / len(z)), LEAST_AMPLITUDE)
        self.half_log_determinant = float(np.log(np.diag(factor)).sum())


def _loss(logarithms: Reals, z: Reals, y: Reals, repeats: Reals, prior: Reals, precision: Reals) -> tuple[float, Reals]:
    """The negative log posterior density of weights and noise, and its gradient."""
    off = logarithms - prior
    if np.abs(off).max() > FARTHEST:  # the optimiser's first step can be long
        return IMPOSSIBLE, np.zeros_like(logarithms)
    try:
        fit = _Fit(logarithms, z, y, repeats)
    except LinAlgError:
        return IMPOSSIBLE, np.zeros_like(logarithms)
    pressed = precision @ off
    loss = 0.5 * len(y) * math.log(fit.amplitude) + fit.half_log_determinant + 0.5 * float(off @ pressed)
    slope = 0.5 * (fit.inverse - np.outer(fit.dual, fit.dual) / fit.amplitude)
    pull = slope * fit.slope
    by_weight = 2 * (z**2).T @ pull.sum(1) - 2 * (z * (pull @ z)).sum(0)
    gradient = np.append(by_weight * fit.weights, float((slope.diagonal() / repeats).sum()) * fit.noise)
    return loss, gradient + pressed
