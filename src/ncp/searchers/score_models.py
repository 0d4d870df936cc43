"""Models of a score that is a sum of columns, each of which is modelled by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ncp.predictors.meaning import Meaning
from ncp.searchers.averaged import Averaged
from ncp.searchers.encoding import Points
from ncp.searchers.improvement import distances, normal_scores, robust_deviation, without_failures
from ncp.searchers.surrogate import Surrogate
from ncp.spaces.arrays import Reals

AVERAGED = 20
"""With fewer labels than this, hyperparameters are averaged even without a prior. With more, the likeliest are used."""
FEW = 50
"""With fewer labels than this, the likeliest model fits the ranks of a single column instead of distances."""
COMBINATIONS = 16
"""Combinations of processes, one for each of several columns, over which the improvement is averaged."""
NEGLIGIBLE = 1e-4
"""Weight below which a process is left out."""
ROUNDS, FIRST_ROUNDS = 15, 60
"""Iterations of the optimiser when a fit continues, and when it begins."""


class Targets(NamedTuple):
    """What models are fitted to.

    Attributes:
        values: of n codes and m columns, `(n, m)`, about standardised.
        scale: what one unit of each column adds to the score, `(m,)`.
    """

    values: Tensor
    scale: Tensor


def targets_of(scores: Reals, columns: Reals | None, *, averaged: bool) -> Targets:
    """The targets of labelled codes.

    An averaged model keeps the values of a single column; failures are cut. The likeliest model fits a single column by
    its ranks while there are few labels, then by its distances. Columns whose sum counts keep their distances above the
    median; below it a logarithm compresses them.

    Args:
        scores: `(n,)`.
        columns: `(n, m)`, which add up to the scores; None for scores that are no sum.
        averaged: whether the model is averaged over hyperparameters.
    """
    if columns is None or columns.shape[1] == 1:
        if averaged:
            values = _standardised(without_failures(scores))[0]
        else:
            values = normal_scores(scores) if len(scores) < FEW else _standardised(distances(scores))[0]
        return Targets(torch.as_tensor(values)[:, None], torch.ones(1, dtype=torch.float64))
    found = [_standardised(distances(column) * robust_deviation(column)) for column in columns.T]
    values = np.stack([values for values, _ in found], axis=1)
    return Targets(torch.as_tensor(values), torch.tensor([scale for _, scale in found], dtype=torch.float64))


class AveragedModel:
    """A score under Gaussian processes averaged over hyperparameters, which may know what a prior predicts."""

    log_weights: Tensor

    def __init__(self, averaged: Averaged, scale: Tensor) -> None:
        kept = torch.nonzero((averaged.log_evidence > math.log(NEGLIGIBLE)).any(dim=1))[:, 0]
        self.averaged, self.scale = averaged.only(kept), scale
        evidence = self.averaged.log_evidence.log_softmax(dim=0)
        if len(scale) == 1:
            self.chosen, self.log_weights = torch.arange(len(kept))[:, None], evidence[:, 0]
        else:
            self.chosen = combinations(evidence, COMBINATIONS)
            self.log_weights = torch.full((COMBINATIONS,), -math.log(COMBINATIONS), dtype=torch.float64)

    @property
    def noise_std(self) -> Tensor:
        """Standard deviations of the noise of a label, `(S,)`."""
        each = self.averaged.noise_std
        columns = torch.arange(len(self.scale))
        return (self.scale * each[self.chosen, columns]).square().sum(dim=1).sqrt()

    def moments(self, points: Points) -> tuple[Tensor, Tensor]:
        """Means and epistemic standard deviations, `(S, n)` each."""
        mean, std = self.averaged.moments(points)
        columns = range(len(self.scale))
        means = sum(self.scale[j] * mean[self.chosen[:, j], :, j] for j in columns)
        variances = sum((self.scale[j] * std[self.chosen[:, j], :, j]).square() for j in columns)
        return torch.as_tensor(means), torch.as_tensor(variances).sqrt()

    def with_fantasies(self, points: Points) -> Self:
        """The model as if further codes had been evaluated, with the values that are expected of them."""
        return type(self)(self.averaged.with_fantasies(points), self.scale)


def combinations(log_evidence: Tensor, count: int) -> Tensor:
    """Which process stands for each column in each of `count` combinations, `(count, m)`.

    A process stands for a column in a share of the combinations that equals its weight; `log_evidence` is `(K, m)`.
    """
    chance = np.random.default_rng(0)
    ends = log_evidence.exp().cumsum(dim=0).T.contiguous()
    quantiles = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    chosen = [
        torch.searchsorted(each, quantiles[torch.as_tensor(chance.permutation(count))]).clamp_max(len(each) - 1)
        for each in ends
    ]
    return torch.stack(chosen, dim=1)


class LikeliestModel:
    """A score under one Gaussian process per column with the likeliest weights. Fits continue where the last stopped.

    Args:
        meanings: of the features.
    """

    def __init__(self, meanings: Sequence[Meaning]) -> None:
        self.meanings = meanings
        self.log_weights = torch.zeros(1, dtype=torch.float64)
        self.surrogates: list[Surrogate] = []
        self.scale = torch.ones(1, dtype=torch.float64)

    def learn(self, points: Points, targets: Targets, repeats: Reals) -> None:
        """Fit the columns to their targets."""
        columns = targets.values.shape[1]
        rounds = ROUNDS
        if len(self.surrogates) != columns:
            self.surrogates = [Surrogate(self.meanings) for _ in range(columns)]
            rounds = FIRST_ROUNDS
        self.scale = targets.scale
        for surrogate, column in zip(self.surrogates, targets.values.T, strict=True):
            surrogate.learn(points.features, column.numpy(), repeats, rounds)

    @property
    def noise_std(self) -> Tensor:
        """The standard deviation of the noise of a label, `(1,)`."""
        each = torch.cat([surrogate.noise_std for surrogate in self.surrogates])
        return (self.scale * each).square().sum(dim=0, keepdim=True).sqrt()

    def moments(self, points: Points) -> tuple[Tensor, Tensor]:
        """Means and epistemic standard deviations, `(1, n)` each."""
        found = [surrogate.moments(points.features) for surrogate in self.surrogates]
        pairs = list(zip(self.scale, found, strict=True))
        mean = torch.stack([scale * mean[:, 0] for scale, (mean, _) in pairs]).sum(dim=0)
        variance = torch.stack([(scale * std[:, 0]).square() for scale, (_, std) in pairs]).sum(dim=0)
        return mean[None], variance.sqrt()[None]

    def with_fantasies(self, points: Points) -> LikeliestModel:
        """The model as if further codes had been evaluated, with the values that are expected of them."""
        more = LikeliestModel(self.meanings)
        more.scale = self.scale
        more.surrogates = [surrogate.with_fantasies(points.features) for surrogate in self.surrogates]
        return more


def _standardised(values: Reals) -> tuple[Reals, float]:
    """Values with mean 0 and standard deviation 1, and their standard deviation."""
    std = float(values.std()) or 1.0
    return (values - values.mean()) / std, std
