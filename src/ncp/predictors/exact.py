"""Exact Gaussian processes for few rows: one per column, each with weights of its own."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from scipy.linalg import solve_triangular
from torch import Tensor

from ncp.predictors.core import Core, TrainingSet
from ncp.predictors.features import Features
from ncp.predictors.likeliest import Posterior, covariances, likeliest, prior_of
from ncp.predictors.settings import Settings
from ncp.progress import Progress, quiet

LEAST_NOISE = 1e-4
"""Smallest ratio of noise variance to signal variance in single precision."""


@dataclass(frozen=True)
class ExactSettings(Settings):
    """How exact Gaussian processes are fitted.

    Attributes:
        rounds: iterations of the optimiser, per column.

    Raises:
        ConfigError: a setting out of its bounds.
    """

    rounds: Annotated[int, Ge(1)] = 15


class Exact(Core):
    """The posterior of each column at its likeliest weights and noise (`ncp.predictors.likeliest`).

    Time grows with the third power of the rows, a file's size with the second: made for up to about 1,000 rows.

    Args:
        features: f, the number of features.
        outputs: m, the number of columns.
        rows: n, the number of training rows.

    Buffers: `weights` `(m, f)`, `rows` `(n, f)`, `dual` `(m, n)`, `whitening` `(m, n, n)`, `level` `(m,)` and
    `amplitude` `(m,)`.
    """

    kind = "exact"
    settings = ExactSettings
    weights: Tensor
    rows: Tensor
    dual: Tensor
    whitening: Tensor
    level: Tensor
    amplitude: Tensor

    def __init__(self, features: int, outputs: int, *, rows: int) -> None:
        super().__init__(outputs)
        self.register_buffer("weights", torch.zeros(outputs, features))
        self.register_buffer("rows", torch.zeros(rows, features))
        self.register_buffer("dual", torch.zeros(outputs, rows))
        self.register_buffer("whitening", torch.zeros(outputs, rows, rows))
        self.register_buffer("level", torch.zeros(outputs))
        self.register_buffer("amplitude", torch.ones(outputs))
        self.wanted: Sequence[int] = range(outputs)

    @property
    def config(self) -> dict[str, Any]:
        """Number of training rows."""
        return {"rows": len(self.rows)}

    @classmethod
    def fit(cls, rows: TrainingSet, settings: ExactSettings, seed: int = 0, progress: Progress = quiet) -> Exact:  # noqa: ARG003
        """Fit every column by itself; nothing is random."""
        inputs = rows.inputs
        if not isinstance(inputs, Features):
            raise TypeError(f"Expected features with meanings. Got {type(inputs).__name__}.")
        prior, z = prior_of(inputs.meanings), rows.features(torch.float64).numpy()
        self = cls(z.shape[1], rows.targets.shape[1], rows=len(z))
        self.rows.copy_(torch.as_tensor(z))
        repeats = np.ones(len(z))
        for j, targets in enumerate(rows.targets.double().numpy().T):
            logarithms = likeliest(prior.mean, z, targets, repeats, prior, settings.rounds)
            logarithms[-1] = max(logarithms[-1], np.log(LEAST_NOISE))
            self._condition(j, Posterior(logarithms, z, targets, repeats))
            progress((j + 1) / rows.targets.shape[1])
        return self

    def _condition(self, j: int, fit: Posterior) -> None:
        """Set the posterior of column j."""
        whitening = solve_triangular(fit.factor, np.eye(len(fit.factor)), lower=True)
        for name, values in (("weights", fit.weights), ("dual", fit.dual), ("whitening", whitening)):
            getattr(self, name)[j] = torch.as_tensor(values)
        self.level[j], self.amplitude[j] = fit.level, fit.amplitude
        self.noise_std[j] = float(np.sqrt(fit.amplitude * fit.noise))

    def subset_output(self, wanted: Sequence[int]) -> Exact:
        """The same processes of the columns `wanted`; the latents of other columns are their levels."""
        few = copy(self)
        few.wanted = list(wanted)
        return few

    def forward(self, z: Tensor) -> Tensor:
        """The posterior mean `(n, m)`."""
        columns = list(self.level.expand(len(z), -1).unbind(1))
        for j in self.wanted:
            columns[j] = self._mean(j, self._known(j, z)).to(z.dtype)
        return torch.stack(columns, dim=1)

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior mean and standard deviation, `(n, m)` each."""
        means = list(self.level.expand(len(z), -1).unbind(1))
        variances = list(self.amplitude.expand(len(z), -1).unbind(1))
        for j in self.wanted:
            known = self._known(j, z)
            explained = (known @ self.whitening[j].T.double()).square().sum(1)
            means[j] = self._mean(j, known).to(z.dtype)
            variances[j] = (self.amplitude[j] * (1 - explained).clamp_min(1e-9)).to(z.dtype)
        return torch.stack(means, dim=1), torch.stack(variances, dim=1).sqrt()

    def _known(self, j: int, z: Tensor) -> Tensor:
        """Covariances `(k, n)` of features `(k, f)` with those of the rows; close rows need double precision."""
        return covariances(z.double(), self.rows.double(), self.weights[j].double())

    def _mean(self, j: int, known: Tensor) -> Tensor:
        return self.level[j] + known @ self.dual[j].double()
