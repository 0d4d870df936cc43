"""A Gaussian process for few rows, which a searcher fits to the scores of the codes it has evaluated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy

import numpy as np
import torch
from torch import Tensor

from ncp.predictors.core import Core
from ncp.predictors.likeliest import Posterior, covariances, likeliest, prior_of
from ncp.predictors.meaning import Meaning
from ncp.spaces.arrays import Reals

ROUNDS = 15
"""Iterations of the optimiser per fit; the next fit continues from there."""


class Surrogate(Core):
    """The posterior of one column at the likeliest weights and noise (`ncp.predictors.likeliest`).

    Targets should have a standard deviation of about 1.

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
        self.prior = prior_of(meanings)
        self.logarithms = self.prior.mean.copy()
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
        self.logarithms = likeliest(self.logarithms, features, targets, repeats, self.prior, rounds)
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
        fit = Posterior(self.logarithms, features, targets, repeats)

        def tensor(values: object) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float64, device=self.rows.device)

        self.targets, self.repeats = targets, repeats
        self.weights, self.rows = tensor(fit.weights), tensor(features)
        self.dual, self.inverse = tensor(fit.dual), tensor(fit.inverse)
        self.level, self.amplitude = tensor(fit.level), tensor(fit.amplitude)
        self.noise_std = tensor([math.sqrt(fit.amplitude * fit.noise)])

    def forward(self, z: Tensor) -> Tensor:
        """Expected targets `(n, 1)` of features `(n, f)`."""
        return (self.level + covariances(z, self.rows, self.weights) @ self.dual)[:, None]

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Expected targets and their epistemic standard deviations, `(n, 1)` each."""
        known = covariances(z, self.rows, self.weights)
        explained = ((known @ self.inverse) * known).sum(1)
        variance = self.amplitude * (1 - explained).clamp_min(1e-9)
        return (self.level + known @ self.dual)[:, None], variance.sqrt()[:, None]
