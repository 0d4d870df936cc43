"""Gaussian processes of few labels, averaged over a grid of hyperparameters by how well each explains the labels.

Notation:
    n, m, p: number of labelled codes, of columns, and of known columns.
    K: number of processes, one per combination of hyperparameters.
    a, b: points; `a.z` are features of the code, weighted by block, `a.t` what the prior predicts, `(n, p)`.
    Covariance of a process with linear share v, lengthscale l and weight w of the prior:
        `v a.t b.t / p + (1 - v) matern52((|a.z - b.z|^2 + w |a.t - b.t|^2 / p) / l^2)`, plus noise.
    With v = w = 0 a process ignores the prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from ncp.predictors.meaning import Meaning
from ncp.searchers.encoding import Points

LINEAR = 0.8, 0.95
"""Shares of the variance that are linear in what the prior predicts."""
PRIOR_WEIGHT = 0.5
"""Weight of the distance between predictions, beside that between codes."""
LENGTHSCALES = 1.0, 2.0
NOISE, NOISE_WITHOUT_PRIOR = (0.1, 0.4, 1.2), (0.05, 0.2, 0.6)
"""Noise variances with and without a prior; the signal's variance is 1 a priori."""
WITHOUT_PRIOR = -2.0
"""Logarithm of the weight of a process that ignores the prior, before there are labels; of the others it is 0."""
AMPLITUDE_LABELS = 2.0
"""Labels that the amplitude 1 counts as, when it is estimated."""
BLOCK_WEIGHT = 1 / 3
"""Sum of the weights of a block of features."""


class Grid(NamedTuple):
    """Of K processes, `(K,)` each.

    Attributes:
        linear: share of the variance that is linear in what the prior predicts.
        noise: noise variance.
        lengthscale: of distances.
        weight: of the prior's predictions in distances.
        log_weight: logarithm of the weight of the process before there are labels.
    """

    linear: Tensor
    noise: Tensor
    lengthscale: Tensor
    weight: Tensor
    log_weight: Tensor


def grid(with_prior: bool) -> Grid:
    """The hyperparameters of all processes."""
    ignoring = [
        (0.0, noise, lengthscale, 0.0, WITHOUT_PRIOR if with_prior else 0.0)
        for noise, lengthscale in product(NOISE_WITHOUT_PRIOR, LENGTHSCALES)
    ]
    using = [(share, noise, length, PRIOR_WEIGHT, 0.0) for share, noise, length in product(LINEAR, NOISE, LENGTHSCALES)]
    rows = using + ignoring if with_prior else ignoring
    return Grid(*torch.tensor(rows, dtype=torch.float64).T)


def block_weights(meanings: Sequence[Meaning]) -> Tensor:
    """A weight per feature, `(f,)`: each block of features counts the same."""
    blocks = [meaning.block for meaning in meanings]
    return torch.tensor([BLOCK_WEIGHT / blocks.count(block) for block in blocks], dtype=torch.float64)


class Averaged:
    """The posterior of m columns at labelled codes, under each of K processes.

    Args:
        weights: of the features, `(f,)`.
        points: of the n labelled codes.
        targets: `(n, m)`, about standardised.
        repeats: how many labels each target is the mean of, `(n,)`.
        chosen: the hyperparameters of the processes; the whole grid when left out.

    Attributes:
        log_evidence: of each process for each column, `(K, m)`, normalised over processes.
        left_out: means and standard deviations of each label without itself, `(K, n, m)` each.
    """

    def __init__(
        self, weights: Tensor, points: Points, targets: Tensor, repeats: Tensor, chosen: Grid | None = None
    ) -> None:
        self.weights, self.points, self.targets, self.repeats = weights, points, targets, repeats
        n = len(targets)
        self.grid = grid(points.known.shape[1] > 0) if chosen is None else chosen
        noise = self.grid.noise[:, None] / repeats
        factor = torch.linalg.cholesky(self._covariances(points) + torch.diag_embed(noise))
        self.inverse = torch.cholesky_inverse(factor)
        ones = self.inverse.sum(dim=2)
        self.level = (ones @ targets) / ones.sum(dim=1)[:, None]
        residual = targets - self.level[:, None]
        self.dual = self.inverse @ residual
        fit = (residual * self.dual).sum(dim=1)
        self.amplitude = (fit + AMPLITUDE_LABELS) / (n + AMPLITUDE_LABELS)
        half_log_determinant = factor.diagonal(dim1=1, dim2=2).log().sum(dim=1)[:, None]
        likelihood = -n / 2 * self.amplitude.log() - half_log_determinant - fit / (2 * self.amplitude)
        self.log_evidence = (likelihood + self.grid.log_weight[:, None]).log_softmax(dim=0)
        precision = self.inverse.diagonal(dim1=1, dim2=2)[:, :, None]
        self.left_out = targets - self.dual / precision, (self.amplitude[:, None] / precision).sqrt()

    @property
    def uses_prior(self) -> Tensor:
        """Which processes use the prior, `(K,)`."""
        return self.grid.weight > 0

    @property
    def noise_std(self) -> Tensor:
        """Standard deviations of the noise of a label, `(K, m)`."""
        return (self.amplitude * self.grid.noise[:, None]).sqrt()

    def moments(self, points: Points) -> tuple[Tensor, Tensor]:
        """Means and epistemic standard deviations under each process, `(K, n, m)` each."""
        cross = self._covariances(points, self.points)
        mean = self.level[:, None] + cross @ self.dual
        own = self.grid.linear[:, None] * points.known.square().sum(dim=1) / max(points.known.shape[1], 1)
        unexplained = own + (1 - self.grid.linear[:, None]) - ((cross @ self.inverse) * cross).sum(dim=2)
        return mean, (self.amplitude[:, None] * unexplained.clamp_min(1e-6)[:, :, None]).sqrt()

    def only(self, kept: Tensor) -> Averaged:
        """The processes at the places `kept`, with the weights that they have among all."""
        few = copy(self)
        few.grid = Grid(*(each[kept] for each in self.grid))
        for name in ("inverse", "level", "dual", "amplitude", "log_evidence"):
            setattr(few, name, getattr(self, name)[kept])
        few.left_out = self.left_out[0][kept], self.left_out[1][kept]
        return few

    def with_fantasies(self, points: Points) -> Averaged:
        """The posterior as if further codes had been evaluated, with the values that are expected of them.

        The weights of the processes do not change.
        """
        mean, _ = self.moments(points)
        expected = torch.einsum("km,knm->nm", self.log_evidence.exp(), mean)
        both = Points(*(torch.cat([old, new]) for old, new in zip(self.points, points, strict=True)))
        repeats = torch.cat([self.repeats, torch.ones(len(expected), dtype=torch.float64)])
        more = Averaged(self.weights, both, torch.cat([self.targets, expected]), repeats, self.grid)
        more.log_evidence = self.log_evidence
        return more

    def _covariances(self, a: Points, b: Points | None = None) -> Tensor:
        """Covariances `(K, n, l)` of points with points, without noise."""
        b = a if b is None else b
        p = max(a.known.shape[1], 1)
        root = self.weights.sqrt()
        near = _squares(a.features * root, b.features * root)
        known = _squares(a.known, b.known) / p
        each = self.grid
        distances = torch.stack([each.weight, each.lengthscale], dim=1)
        different, which = torch.unique(distances, dim=0, return_inverse=True)
        weight, length = different.T[:, :, None, None]
        matern = matern52((near + weight * known) / length.square())
        linear = each.linear[:, None, None]
        return linear * ((a.known @ b.known.T) / p) + (1 - linear) * matern[which]


def matern52(square: Tensor) -> Tensor:
    """The Matern 5/2 covariance at squared distances."""
    r = (5 * square.clamp_min(1e-12)).sqrt()
    covariance: Tensor = (1 + r + r.square() / 3) * torch.exp(-r)
    return covariance


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances `(n, l)` between rows of `a` and `b`."""
    return (a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2 * a @ b.T).clamp_min(0)
