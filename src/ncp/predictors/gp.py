"""A sparse Gaussian process over all columns at once, with inducing codes instead of training rows.

Notation:
    n, m, f: number of training rows, of columns, and of features.
    z: features of training rows `(n, f)`.
    u: features of the k inducing codes `(k, f)`.
    y: latents of training rows `(n, m)`, centred.
    K: the kernel, shared by all columns. `K(u, u) = L L^T`.
    S, N: covariances of the columns' signal and noise, `(m, m)` each: the covariance of two rows' latents is
        `K(a, b) S`, plus `N` for a row with itself.
    B: whitened covariances `L^-1 K(u, z)` `(k, n)`; `B B^T = V diag(e) V^T` with eigenvectors `V` and eigenvalues `e`.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from torch import Tensor, nn

from ncp.predictors.core import Core, TrainingSet
from ncp.predictors.settings import Count, LearningRate, Settings
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, crossed

JITTER = 1e-4
"""Added to the diagonal of `K(u, u)`, so that single precision can factorise it."""
REDRAWN = 20
"""How many times an inducing code is drawn again if it is a training code."""
ITERATIONS = 50
"""Iterations of expectation maximisation."""
INITIAL_NOISE = 0.3
"""Ratio of noise variance to signal variance from which fitting starts."""


@dataclass(frozen=True)
class GpSettings(Settings):
    """How a Gaussian process is fitted.

    Attributes:
        inducing: number of inducing codes, at most the number of rows.
        subset: rows in each step that learns the kernel, at least two.
        steps: number of these steps.
        learning_rate: of the kernel's hyperparameters.

    Raises:
        ConfigError: a setting out of its bounds.
    """

    inducing: Count = 1000
    subset: Annotated[int, Ge(2)] = 600
    steps: Count = 60
    learning_rate: LearningRate = 0.04


class Kernel(nn.Module):
    """Rational quadratic of order 2 with a lengthscale per feature, plus a linear term.

    `K(a, b) = (1 + |(a - b) / l|^2 / 4)^-2 + v a.b / f` for features `a`, `b` of length f, lengthscales `l` and a
    linear variance `v`.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.log_lengthscale = nn.Parameter(torch.full((features,), 0.5 * np.log(features)))
        self.log_linear_variance = nn.Parameter(torch.tensor(-2.0))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Covariances `(n, k)` of features `(n, f)` and `(k, f)`."""
        inverse = torch.exp(-self.log_lengthscale)
        p, q = a * inverse, b * inverse
        square = (p.square().sum(1)[:, None] + q.square().sum(1) - 2 * p @ q.T).clamp_min(0)
        return (1 + square / 4) ** -2 + torch.exp(self.log_linear_variance) * (a @ b.T) / a.shape[1]

    def variance(self, a: Tensor) -> Tensor:
        """Variances `(n,)`: `K(a, a)`."""
        return 1 + torch.exp(self.log_linear_variance) * a.square().mean(dim=1)


@dataclass(frozen=True)
class Hyperparameters:
    """A kernel, and per column the logarithm of the ratio of noise variance to signal variance `(m,)`."""

    kernel: Kernel
    log_ratio: Tensor

    @classmethod
    def initial(cls, features: int, columns: int) -> Hyperparameters:
        """Where learning starts: the same lengthscale for every feature, the same noise in every column."""
        log_ratio = torch.full((columns,), np.log(INITIAL_NOISE), dtype=torch.float64)
        return cls(Kernel(features).double(), log_ratio)

    def learned(
        self,
        z: Tensor,
        targets: Tensor,
        columns: Sequence[int],
        subsets: Sequence[NDArray[np.int64]],
        settings: GpSettings,
        progress: Progress = quiet,
    ) -> Hyperparameters:
        """Hyperparameters that raise the marginal likelihood of some columns of `targets`, starting from these.

        Args:
            z: features `(n, f)`.
            targets: latents `(n, m)`.
            columns: the columns to learn from.
            subsets: the rows of each step, from `drawn_subsets`.
            settings: for the learning rate.
            progress: called after every step.
        """
        kernel, log_ratio = deepcopy(self.kernel), self.log_ratio[columns].clone().requires_grad_()
        optimizer = torch.optim.Adam([*kernel.parameters(), log_ratio], lr=settings.learning_rate)
        for step, subset in enumerate(subsets, start=1):
            rows = torch.as_tensor(subset)
            y = targets[rows][:, columns]
            optimizer.zero_grad()
            _add_gradients(kernel, log_ratio, z[rows], y - y.mean(dim=0))
            optimizer.step()
            progress(step / len(subsets))
        ratios = self.log_ratio.clone()
        ratios[columns] = log_ratio.detach()
        return Hyperparameters(kernel, ratios)


def drawn_subsets(rows: int, settings: GpSettings, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """A random subset of the rows for each step that learns a kernel."""
    return [rng.permutation(rows)[: settings.subset] for _ in range(settings.steps)]


class GaussianProcess(Core):
    """Columns share the kernel and learn from each other: signal and noise have covariances across columns.

    The mean latents are `K(z, u) mean_weights + constant`. `K(z, u) basis` are orthogonal coordinates of a code, each
    with a posterior variance; what the inducing codes do not span keeps its prior variance.

    Buffers: `inducing_features` `(k, f)`, `basis` `(k, k)`, `mean_weights` `(k, m)`, `constant` `(m,)`,
    `posterior_variance` `(k, m)`, `prior_variance` `(m,)`.
    """

    kind = "gp"
    settings = GpSettings
    inducing_features: Tensor
    basis: Tensor
    mean_weights: Tensor
    constant: Tensor
    posterior_variance: Tensor
    prior_variance: Tensor

    def __init__(self, features: int, outputs: int, *, inducing: int) -> None:
        super().__init__(outputs)
        self.kernel = Kernel(features)
        self.register_buffer("inducing_features", torch.zeros(inducing, features))
        self.register_buffer("basis", torch.zeros(inducing, inducing))
        self.register_buffer("mean_weights", torch.zeros(inducing, outputs))
        self.register_buffer("constant", torch.zeros(outputs))
        self.register_buffer("posterior_variance", torch.zeros(inducing, outputs))
        self.register_buffer("prior_variance", torch.zeros(outputs))

    @property
    def config(self) -> dict[str, Any]:
        """Number of inducing codes."""
        return {"inducing": len(self.inducing_features)}

    @classmethod
    def fit(
        cls,
        rows: TrainingSet,
        settings: GpSettings,
        seed: int,
        progress: Progress = quiet,
        hyperparameters: Hyperparameters | None = None,
    ) -> GaussianProcess:
        """Learn hyperparameters by marginal likelihood on subsets unless given, then the posterior on all rows."""
        z, targets = rows.features(torch.float64), rows.targets.double()
        f, m = z.shape[1], targets.shape[1]
        self = cls(f, m, inducing=min(settings.inducing, len(z))).double()
        rng = np.random.default_rng(seed)
        self.inducing_features.copy_(
            rows.features_of(new_children(rows.codes, len(self.inducing_features), rng), torch.float64)
        )
        if hyperparameters is None:
            subsets = drawn_subsets(len(z), settings, rng)
            hyperparameters = Hyperparameters.initial(f, m).learned(z, targets, range(m), subsets, settings, progress)
        self.kernel.load_state_dict(hyperparameters.kernel.state_dict())
        with torch.no_grad():
            self._condition(z, targets, hyperparameters.log_ratio.exp())
        return self.float()

    def forward(self, z: Tensor) -> Tensor:
        """The posterior mean `(n, m)`."""
        latent: Tensor = self.kernel(z, self.inducing_features) @ self.mean_weights + self.constant
        return latent

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior mean and standard deviation, `(n, m)` each."""
        covariance = self.kernel(z, self.inducing_features)
        coordinates = covariance @ self.basis
        unspanned = (self.kernel.variance(z) - coordinates.square().sum(1)).clamp_min(0)
        variance = coordinates.square() @ self.posterior_variance + unspanned[:, None] * self.prior_variance
        return covariance @ self.mean_weights + self.constant, variance.clamp_min(1e-12).sqrt()

    def _condition(self, z: Tensor, targets: Tensor, ratios: Tensor) -> None:
        """Set the posterior, given features, latents and each column's ratio of noise to signal `(m,)`."""
        u = self.inducing_features
        identity = torch.eye(len(u), dtype=u.dtype)
        factor = torch.linalg.cholesky(self.kernel(u, u) + JITTER * identity)  # L (k, k)
        whitened = torch.linalg.solve_triangular(factor, self.kernel(u, z), upper=False)  # B (k, n)
        eigenvalues, eigenvectors = torch.linalg.eigh(whitened @ whitened.T)
        eigenvalues = eigenvalues.clamp_min(1e-9)
        self.basis.copy_(torch.linalg.solve_triangular(factor, identity, upper=False).T @ eigenvectors)
        self.constant.copy_(targets.mean(dim=0))
        y = targets - self.constant
        observed = (eigenvectors.T @ (whitened @ y)) / eigenvalues.sqrt()[:, None]  # (k, m)
        unspanned = y.T @ y - observed.T @ observed  # (m, m)
        independent = _independent_processes(eigenvalues, observed, unspanned, len(z) - len(u), ratios)
        variance = independent.signal / (eigenvalues[:, None] * independent.signal + 1)  # posterior, (k, m)
        unmix = independent.unmix
        weights = eigenvalues.sqrt()[:, None] * (observed @ independent.mix.T) * variance
        self.mean_weights.copy_(self.basis @ (weights @ unmix.T))
        self.posterior_variance.copy_(variance @ unmix.square().T)
        self.prior_variance.copy_(independent.signal @ unmix.square().T)
        self.noise_std.copy_(unmix.square().sum(dim=1).sqrt())


class Independent(NamedTuple):
    """Independent processes with unit noise, linear combinations of the columns.

    Attributes:
        mix: `(m, m)`, from columns to processes.
        unmix: `(m, m)`, from processes to columns.
        signal: `(m,)`, the signal variance of each process.
    """

    mix: Tensor
    unmix: Tensor
    signal: Tensor


def new_children(codes: Codes, count: int, rng: np.random.Generator) -> Codes:
    """Inducing codes `(count, d)`: each takes every dimension from one of two random rows of `codes` `(n, d)`.

    A child that is one of the rows is drawn again, up to `REDRAWN` times; a small space may have no other codes.
    """
    children = np.empty((count, codes.shape[1]), dtype=np.int64)
    missing = np.arange(count)
    known = {row.tobytes() for row in codes}
    for _ in range(REDRAWN):
        children[missing] = crossed(codes, len(missing), rng)
        missing = missing[[children[row].tobytes() in known for row in missing]]
        if not len(missing):
            break
    return children


def _add_gradients(kernel: Kernel, log_ratio: Tensor, z: Tensor, y: Tensor) -> None:
    """Add the gradients of the negative log marginal likelihood per column to the kernel's parameters and the ratios.

    Every column has its own signal variance, at its most likely value.
    """
    covariance = kernel(z, z)
    with torch.no_grad():
        eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
        eigenvalues = eigenvalues.clamp_min(1e-7)
        projected = eigenvectors.T @ y
    total = eigenvalues[:, None] + log_ratio.exp()
    signal = (projected.square() / total).mean(dim=0).clamp_min(1e-9)  # zero for a constant column
    likelihood = (total.log().sum(0) + len(z) * signal.log()).sum()
    with torch.no_grad():  # the derivative by the covariance, which avoids that of the eigenvectors
        weights = eigenvectors @ (projected / total / signal.sqrt())
        slope = (eigenvectors * (1 / total).sum(dim=1)) @ eigenvectors.T - weights @ weights.T
    ((likelihood + (slope * covariance).sum()) / (2 * len(log_ratio))).backward()


def _independent_processes(
    eigenvalues: Tensor, observed: Tensor, unspanned: Tensor, remaining: int, ratios: Tensor
) -> Independent:
    """Fit the columns' covariances of signal and noise, `(m, m)` each, by expectation maximisation.

    Args:
        eigenvalues: `(k,)`.
        observed: `(k, m)`; row i is normal with covariance `eigenvalues[i] * S + N`.
        unspanned: `(m, m)`, the sum of squares of the rows that are noise alone.
        remaining: the number of these rows.
        ratios: `(m,)`, of noise to signal, from which the fit starts.
    """
    k = len(eigenvalues)
    variance = (observed.square() / (eigenvalues[:, None] + ratios)).mean(dim=0).clamp_min(1e-6)
    signal, noise = torch.diag(variance), torch.diag(variance * ratios)
    floor = 1e-6 * torch.eye(len(ratios), dtype=eigenvalues.dtype)
    root = eigenvalues.sqrt()[:, None]
    for _ in range(ITERATIONS):
        now = _diagonalised(signal, noise)
        y = observed @ now.mix.T
        posterior = now.signal / (eigenvalues[:, None] * now.signal + 1)
        mean = root * posterior * y
        residual = y - root * mean
        uncertain = torch.diag((eigenvalues[:, None] * posterior).sum(dim=0))
        unmix = now.unmix
        signal = unmix @ (mean.T @ mean + torch.diag(posterior.sum(dim=0))) @ unmix.T / k + floor
        noise = (unmix @ (residual.T @ residual + uncertain) @ unmix.T + unspanned) / (k + max(remaining, 0)) + floor
    return _diagonalised(signal, noise)


def _diagonalised(signal: Tensor, noise: Tensor) -> Independent:
    factor = torch.linalg.cholesky(noise)
    inverse = torch.linalg.inv(factor)
    ratio, rotation = torch.linalg.eigh(inverse @ signal @ inverse.T)
    return Independent(rotation.T @ inverse, factor @ rotation, ratio.clamp_min(1e-8))
