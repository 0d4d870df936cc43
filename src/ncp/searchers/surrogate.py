"""A Gaussian process for few rows: what a searcher knows of scores that it has paid for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky
from scipy.optimize import minimize
from torch import Tensor

from ncp.errors import ConfigError, quoted
from ncp.predictors.base import Predictor
from ncp.predictors.features import Features, Meaning
from ncp.predictors.scale import Scale
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space

NOISE, NOISE_DEVIATION = 0.2, 1.5
"""Of a score, a priori: variance in shares of the signal's, and the deviation of its logarithm."""
SHARE = 1 / 3
"""The sum of the weights of a block of features, a priori."""
TOGETHER, DIMENSION, CHOICE, OWN = 1.0, 1.0, 0.5, 0.5
"""A weight's logarithm is a sum of terms a priori: one for all, its dimension's, its choice's, its own. Deviations."""
LEAST = 1e-9
"""Of the signal's variance: where all targets are alike there is none."""
ROUNDS = 15
"""Of the optimiser per fit; it goes on where the last fit stopped."""


class Surrogate(Predictor):
    """Covariances are Matérn's, 5/2, of the squared distance `sum_j w_j (a_j - b_j)^2` of features.

    Weights and noise are the likeliest a posteriori. A priori the weights of a dimension are alike, and so are those of
    a choice wherever it can be taken: few rows are enough to tell what matters. Targets are meant to have deviations
    of about 1.
    """

    kind = "surrogate"
    weights: Tensor
    rows: Tensor
    dual: Tensor
    inverse: Tensor
    level: Tensor
    amplitude: Tensor

    def __init__(self, space: Space, columns: Sequence[str] = ("score",), *, rows: int = 0) -> None:
        super().__init__(space, columns, Scale(torch.tensor([[-1.0, 1.0]] * len(columns)), 1.0))
        self.features = Features(space)
        f = len(self.features)
        for name, size in {"weights": (f,), "rows": (rows, f), "dual": (rows,), "inverse": (rows, rows)}.items():
            self.register_buffer(name, torch.zeros(size))
        self.register_buffer("level", torch.tensor(0.0))
        self.register_buffer("amplitude", torch.tensor(1.0))
        self.double()
        self.prior, self.precision = _prior(self.features.meanings)
        self.logarithms = self.prior.copy()

    @property
    def shape(self) -> dict[str, Any]:
        """Number of rows."""
        return {"rows": len(self.rows)}

    @classmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> Surrogate:
        """An empty surrogate."""
        return cls(space, columns, **shape)

    def learn(self, codes: Codes, targets: Reals) -> None:
        """Fit weights and noise to targets `(n,)` of codes `(n, d)`, from where the last fit stopped."""
        with torch.no_grad():
            z = self.features(self.relaxed(codes)).numpy()
        found = minimize(
            _loss,
            self.logarithms,
            args=(z, targets, self.prior, self.precision),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": ROUNDS},
        )
        self.logarithms = found.x
        fit = _Fit(self.logarithms, z, targets)
        self.weights, self.rows = torch.as_tensor(fit.weights), torch.as_tensor(z)
        self.dual, self.inverse = torch.as_tensor(fit.dual), torch.as_tensor(fit.inverse)
        self.level, self.amplitude = (torch.tensor(x, dtype=torch.float64) for x in (fit.level, fit.amplitude))
        self.noise = torch.tensor([fit.amplitude * fit.noise], dtype=torch.float64)

    def latent(self, x: Tensor) -> Tensor:
        """Expected targets of points `(n, width)`, `(n, 1)`."""
        return (self.level + self._covariances(x) @ self.dual)[:, None]

    def latent_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Expected targets and their standard deviations, `(n, 1)` each."""
        covariances = self._covariances(x)
        explained = ((covariances @ self.inverse) * covariances).sum(1)
        variance = self.amplitude * (1 - explained).clamp_min(1e-9)
        return (self.level + covariances @ self.dual)[:, None], variance.sqrt()[:, None]

    def save(self, path: str | Path) -> None:
        """Refused: a surrogate knows scores of one search alone, and fits them in milliseconds.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"A searcher's surrogate cannot be saved, so {quoted(str(path))} was not written. "
            "Save the codes and their scores, or fit a predictor to them with ncp.fit_predictor."
        )

    def _covariances(self, x: Tensor) -> Tensor:
        z = self.features(x.double())
        scaled = self.rows * self.weights
        squares = (z.square() @ self.weights)[:, None] + (scaled * self.rows).sum(1) - 2 * z @ scaled.T
        r = (5 * squares.clamp_min(1e-12)).sqrt()
        covariances: Tensor = (1 + r + r.square() / 3) * torch.exp(-r)
        return covariances


def _prior(meanings: Sequence[Meaning]) -> tuple[Reals, Reals]:
    """Means `(f + 1,)` and inverse covariances `(f + 1, f + 1)` of the logarithms of weights and of noise."""
    blocks, dimensions, choices = (np.array(names) for names in zip(*meanings, strict=True))
    alike = [(held[:, None] == held) & (held != "") for held in (dimensions, choices)]
    f = len(meanings)
    covariance = np.diag(np.append(np.full(f, OWN**2), NOISE_DEVIATION**2))
    covariance[:f, :f] += TOGETHER**2 + DIMENSION**2 * alike[0] + CHOICE**2 * alike[1]
    sizes = (blocks[:, None] == blocks).sum(1)
    return np.log(np.append(SHARE / sizes, NOISE)), np.linalg.inv(covariance)


class _Fit:
    """A posterior given weights and noise: everything that does not depend on where it is asked."""

    def __init__(self, logarithms: Reals, z: Reals, y: Reals) -> None:
        self.weights, self.noise = np.exp(logarithms[:-1]), float(np.exp(logarithms[-1]))
        scaled = z * self.weights
        sizes = (scaled * z).sum(1)
        r = np.sqrt(5 * np.maximum(sizes[:, None] + sizes - 2 * scaled @ z.T, 0))
        shrink = np.exp(-r)
        self.covariance: NDArray[np.float64] = (1 + r + r**2 / 3) * shrink
        self.slope: NDArray[np.float64] = -5 / 6 * (1 + r) * shrink  # by the squared distance
        factor = cholesky(self.covariance + self.noise * np.eye(len(z)), lower=True)
        self.inverse: NDArray[np.float64] = cho_solve((factor, True), np.eye(len(z)))
        self.level = float((self.inverse @ y).sum() / self.inverse.sum())
        self.dual = self.inverse @ (y - self.level)
        self.amplitude = max(float((y - self.level) @ self.dual / len(z)), LEAST)
        self.half_log_determinant = float(np.log(np.diag(factor)).sum())


def _loss(logarithms: Reals, z: Reals, y: Reals, prior: Reals, precision: Reals) -> tuple[float, Reals]:
    """Minus the log posterior of weights and noise, and its gradient."""
    try:
        fit = _Fit(logarithms, z, y)
    except LinAlgError:
        return 1e10, np.zeros_like(logarithms)
    off = logarithms - prior
    pressed = precision @ off
    loss = 0.5 * len(y) * math.log(fit.amplitude) + fit.half_log_determinant + 0.5 * float(off @ pressed)
    slope = 0.5 * (fit.inverse - np.outer(fit.dual, fit.dual) / fit.amplitude)
    pull = slope * fit.slope
    by_weight = 2 * (z**2).T @ pull.sum(1) - 2 * (z * (pull @ z)).sum(0)
    gradient = np.append(by_weight * fit.weights, np.trace(slope) * fit.noise)
    return loss, gradient + pressed
