"""A Gaussian process over all columns at once, held by inducing codes instead of training rows."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ncp.numbers import as_count, as_number
from ncp.predictors.base import Predictor
from ncp.predictors.features import Features
from ncp.predictors.scale import Scale
from ncp.predictors.settings import keep
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space

JITTER = 1e-4
REDRAWN = 20
ITERATIONS = 50


@dataclass(frozen=True)
class GpSettings:
    """How a Gaussian process is fitted.

    Attributes:
        inducing: codes that hold the posterior, at most as many as there are rows.
        subset: rows of each step that learns the kernel, at least two.
        steps: how many of these.
        learning_rate: of the kernel.

    Raises:
        ConfigError: a setting out of its bounds.
    """

    inducing: int = 1000
    subset: int = 600
    steps: int = 60
    learning_rate: float = 0.04

    def __post_init__(self) -> None:
        keep(
            self,
            inducing=as_count(self.inducing, "inducing"),
            subset=as_count(self.subset, "subset", least=2),
            steps=as_count(self.steps, "steps"),
            learning_rate=as_number(self.learning_rate, "learning_rate", above=0, most=1),
        )


DEFAULTS = GpSettings()


class Kernel(nn.Module):
    """Rational quadratic of order 2 with a length scale per feature, plus a linear part.

    `k(a, b) = (1 + |(a - b) / l|^2 / 4)^-2 + s a.b / f` for features `a`, `b` of length f.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.log_length = nn.Parameter(torch.full((features,), 0.5 * np.log(features)))
        self.log_linear = nn.Parameter(torch.tensor(-2.0))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Covariances `(n, k)` of features `(n, f)` and `(k, f)`."""
        inverse = torch.exp(-self.log_length)
        p, q = a * inverse, b * inverse
        square = (p.square().sum(1)[:, None] + q.square().sum(1) - 2 * p @ q.T).clamp_min(0)
        return (1 + square / 4) ** -2 + torch.exp(self.log_linear) * (a @ b.T) / a.shape[1]

    def variance(self, a: Tensor) -> Tensor:
        """Variances `(n,)`: `k(a, a)`."""
        return 1 + torch.exp(self.log_linear) * a.square().mean(dim=1)


@dataclass(frozen=True)
class Prior:
    """A kernel, and per column the logarithm of the ratio of noise to signal `(m,)`."""

    kernel: Kernel
    log_ratio: Tensor

    @classmethod
    def vague(cls, features: int, columns: int) -> Prior:
        """Where learning starts: every feature alike, and in every column some noise."""
        return cls(Kernel(features).double(), torch.full((columns,), np.log(0.3), dtype=torch.float64))

    def learned(
        self,
        x: Tensor,
        targets: Tensor,
        focus: Sequence[int],
        subsets: Sequence[NDArray[np.int64]],
        settings: GpSettings,
        progress: Progress = quiet,
    ) -> Prior:
        """A prior that makes the columns `focus` of `targets` `(n, m)` likelier, given features `x` `(n, f)`.

        Every step looks at one of the subsets of rows, which `drawn_subsets` draws.
        """
        kernel, log_ratio = deepcopy(self.kernel), self.log_ratio[focus].clone().requires_grad_()
        optimizer = torch.optim.Adam([*kernel.parameters(), log_ratio], lr=settings.learning_rate)
        for step, subset in enumerate(subsets, start=1):
            rows = torch.as_tensor(subset)
            y = targets[rows][:, focus]
            optimizer.zero_grad()
            _ascend(kernel, log_ratio, x[rows], y - y.mean(dim=0))
            optimizer.step()
            progress(step / len(subsets))
        ratios = self.log_ratio.clone()
        ratios[focus] = log_ratio.detach()
        return Prior(kernel, ratios)


def drawn_subsets(rows: int, settings: GpSettings, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Random subsets of the rows, one for each of the steps that learn a kernel."""
    return [rng.permutation(rows)[: settings.subset] for _ in range(settings.steps)]


class GaussianProcess(Predictor):
    """Columns share the kernel and borrow from each other: signal and noise have a covariance across columns.

    With `u` the features of the inducing codes (`landmarks`), the mean of every column is `k(x, u) weights`, and
    `k(x, u) basis` are orthogonal coordinates, each of which has a posterior variance `uncertainty`; what the inducing
    codes do not span has the prior's variance.
    """

    kind = "gp"
    inducing: Tensor
    landmarks: Tensor
    basis: Tensor
    weights: Tensor
    offset: Tensor
    uncertainty: Tensor
    prior: Tensor

    def __init__(self, space: Space, columns: Sequence[str], scale: Scale, *, inducing: int) -> None:
        super().__init__(space, columns, scale)
        self.features = Features(space)
        self.kernel = Kernel(len(self.features))
        m = len(self.columns)
        self.register_buffer("inducing", torch.zeros(inducing, space.width))
        self.register_buffer("landmarks", torch.zeros(inducing, len(self.features)))
        self.register_buffer("basis", torch.zeros(inducing, inducing))
        self.register_buffer("weights", torch.zeros(inducing, m))
        self.register_buffer("offset", torch.zeros(m))
        self.register_buffer("uncertainty", torch.zeros(inducing, m))
        self.register_buffer("prior", torch.zeros(m))

    @property
    def shape(self) -> dict[str, Any]:
        """Number of inducing codes, besides the scale's."""
        return {"inducing": len(self.inducing), "knots": self.scale.knots.shape[1]}

    @classmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> GaussianProcess:
        """An empty process, whose weights come from a file."""
        return cls(space, columns, Scale.empty(len(columns), shape["knots"]), inducing=shape["inducing"])

    @classmethod
    def fit(
        cls,
        space: Space,
        codes: Codes,
        values: Reals,
        columns: Sequence[str],
        seed: int,
        progress: Progress = quiet,
        settings: GpSettings = DEFAULTS,
        prior: Prior | None = None,
    ) -> GaussianProcess:
        """Learn the kernel by marginal likelihood on subsets, or take `prior`; then the posterior on all rows."""
        scale = Scale.from_quantiles(values)
        self = cls(space, columns, scale, inducing=min(settings.inducing, len(codes)))
        rng = np.random.default_rng(seed)
        self.features.fit(self.remember(codes))
        self.inducing.copy_(self.relaxed(crossed(codes, len(self.inducing), rng)))
        targets = scale.to_latent(values).double()
        self.double()
        x = self.features(self.relaxed(codes))
        if prior is None:
            vague = Prior.vague(len(self.features), len(columns))
            prior = vague.learned(
                x, targets, range(len(columns)), drawn_subsets(len(x), settings, rng), settings, progress
            )
        self.kernel.load_state_dict(prior.kernel.state_dict())
        with torch.no_grad():
            self._condition(x, targets, prior.log_ratio.exp())
        return self.float().requires_grad_(False).eval()

    def latent(self, x: Tensor) -> Tensor:
        """The posterior mean `(n, m)`."""
        return self.latent_of(self.features(x))

    def latent_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior mean and standard deviation."""
        return self.latent_moments_of(self.features(x))

    def latent_of(self, features: Tensor) -> Tensor:
        """The posterior mean of features `(n, f)`."""
        scores: Tensor = self.kernel(features, self.landmarks) @ self.weights + self.offset
        return scores

    def latent_moments_of(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior mean and standard deviation of features `(n, f)`."""
        covariance = self.kernel(features, self.landmarks)
        coordinates = covariance @ self.basis
        unspanned = (self.kernel.variance(features) - coordinates.square().sum(1)).clamp_min(0)
        variance = coordinates.square() @ self.uncertainty + unspanned[:, None] * self.prior
        return covariance @ self.weights + self.offset, variance.clamp_min(1e-12).sqrt()

    def _condition(self, x: Tensor, targets: Tensor, ratios: Tensor) -> None:
        """The posterior, given each column's first guess of the ratio of noise to signal."""
        u = self.landmarks.copy_(self.features(self.inducing))
        factor = torch.linalg.cholesky(self.kernel(u, u) + JITTER * torch.eye(len(u), dtype=u.dtype))
        spanned = torch.linalg.solve_triangular(factor, self.kernel(u, x), upper=False)
        energy, rotation = torch.linalg.eigh(spanned @ spanned.T)
        energy = energy.clamp_min(1e-9)
        identity = torch.eye(len(u), dtype=u.dtype)
        self.basis.copy_(torch.linalg.solve_triangular(factor, identity, upper=False).T @ rotation)
        self.offset.copy_(targets.mean(dim=0))
        centred = targets - self.offset
        observed = (rotation.T @ (spanned @ centred)) / energy.sqrt()[:, None]
        unspanned = centred.T @ centred - observed.T @ observed
        latent = _covariances(energy, observed, unspanned, len(x) - len(u), ratios)
        shrunk = latent.signal / (energy[:, None] * latent.signal + 1)  # posterior variance of each latent weight
        back = latent.unmix
        self.weights.copy_(self.basis @ ((energy.sqrt()[:, None] * (observed @ latent.mix.T) * shrunk) @ back.T))
        self.uncertainty.copy_(shrunk @ back.square().T)
        self.prior.copy_(latent.signal @ back.square().T)
        self.noise.copy_(back.square().sum(dim=1))


class Latent(NamedTuple):
    """Independent processes with unit noise: `mix` makes them of the columns, `unmix` makes the columns of them."""

    mix: Tensor
    unmix: Tensor
    signal: Tensor


def crossed(codes: Codes, count: int, rng: np.random.Generator) -> Codes:
    """Codes like those given, each taking every dimension from one of two rows at random.

    A child that is one of the rows is drawn again, up to `REDRAWN` times: in a small space there may be no others.
    """
    children = np.empty((count, codes.shape[1]), dtype=np.int64)
    missing = np.arange(count)
    known = {row.tobytes() for row in codes}
    for _ in range(REDRAWN):
        mothers, fathers = codes[rng.integers(len(codes), size=(2, len(missing)))]
        children[missing] = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
        missing = missing[[children[row].tobytes() in known for row in missing]]
        if not len(missing):
            break
    return children


def _ascend(kernel: Kernel, log_ratio: Tensor, x: Tensor, y: Tensor) -> None:
    """Add the derivatives of minus the log likelihood of columns `y` `(n, m)` to kernel and ratios, per column."""
    covariance = kernel(x, x)
    with torch.no_grad():
        energy, rotation = torch.linalg.eigh(covariance)
        energy = energy.clamp_min(1e-7)
        projected = rotation.T @ y
    total = energy[:, None] + log_ratio.exp()
    amplitude = (projected.square() / total).mean(dim=0).clamp_min(1e-9)  # a constant column has none
    likelihood = (total.log().sum(0) + len(x) * amplitude.log()).sum()
    with torch.no_grad():  # the derivative by the covariance, without that of its eigenvectors
        weights = rotation @ (projected / total / amplitude.sqrt())
        slope = (rotation * (1 / total).sum(dim=1)) @ rotation.T - weights @ weights.T
    ((likelihood + (slope * covariance).sum()) / (2 * len(log_ratio))).backward()


def _covariances(energy: Tensor, observed: Tensor, unspanned: Tensor, remaining: int, ratios: Tensor) -> Latent:
    """Expectation maximisation of the columns' signal and noise covariances, `(m, m)` each.

    Row i of `observed` is normal with covariance `energy_i * signal + noise`; `unspanned` is the sum of squares of the
    `remaining` rows that are noise alone.
    """
    n = len(energy)
    amplitude = (observed.square() / (energy[:, None] + ratios)).mean(dim=0).clamp_min(1e-6)
    signal, noise = torch.diag(amplitude), torch.diag(amplitude * ratios)
    floor = 1e-6 * torch.eye(len(ratios), dtype=energy.dtype)
    root = energy.sqrt()[:, None]
    for _ in range(ITERATIONS):
        latent = _diagonalised(signal, noise)
        y = observed @ latent.mix.T
        variance = latent.signal / (energy[:, None] * latent.signal + 1)
        mean = root * variance * y
        residual = y - root * mean
        left = torch.diag((energy[:, None] * variance).sum(dim=0))
        back = latent.unmix
        signal = back @ (mean.T @ mean + torch.diag(variance.sum(dim=0))) @ back.T / n + floor
        noise = (back @ (residual.T @ residual + left) @ back.T + unspanned) / (n + max(remaining, 0)) + floor
    return _diagonalised(signal, noise)


def _diagonalised(signal: Tensor, noise: Tensor) -> Latent:
    factor = torch.linalg.cholesky(noise)
    inverse = torch.linalg.inv(factor)
    ratio, rotation = torch.linalg.eigh(inverse @ signal @ inverse.T)
    return Latent(rotation.T @ inverse, factor @ rotation, ratio.clamp_min(1e-8))
