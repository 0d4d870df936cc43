"""Scales between raw units and latents, which are about standard normal in every column."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor, nn

from ncp.spaces.arrays import Reals

LIMIT = 4.0
"""Training targets beyond this latent are cut, so that a failed run is bad but not without bound."""
FEW = 20
"""At most one row in this many counts as a failed run; in a smaller table, at most one row."""
FAR = 20
"""A run has failed if its value is this many times as far from the median as those of all but a few rows."""
ROUNDING = 1e-13
"""A column is constant up to rounding if its standard deviation is a smaller share of its values than this."""


class Scale(nn.Module):
    """A rising, piecewise linear curve per column, from latents to raw units.

    The `k` knots have equally spaced latents; beyond the outer knots the curve goes on as a straight line.

    Args:
        values: raw values at the knots, `(m, k)`, rising along each row.
        reach: the outer knots have the latents -reach and +reach.
    """

    knots: Tensor
    reach: Tensor

    def __init__(self, values: Tensor, reach: float) -> None:
        super().__init__()
        self.register_buffer("knots", values)
        self.register_buffer("reach", torch.tensor(float(reach)))

    @classmethod
    def from_moments(cls, values: Reals) -> Scale:
        """One line per column, by the mean and population standard deviation of `values` `(n, m)`; failed runs cut."""
        mean, std = centres_and_deviations(values)
        return cls(torch.as_tensor(np.stack([mean - std, mean + std], axis=1), dtype=torch.float32), 1.0)

    @classmethod
    def from_quantiles(cls, values: Reals, knots: int = 10, reach: float = 2.25) -> Scale:
        """A curve per column that makes the latents of `values` `(n, m)` about normal, by quantiles of the values."""
        levels = norm.cdf(np.linspace(-reach, reach, knots))
        quantiles = np.quantile(ordinary(values), levels, axis=0)
        apart = 2e-3 * _typical_gaps(quantiles)  # tied quantiles would give a slope of zero
        for low, high in pairwise(quantiles):
            np.maximum(high, low + np.maximum(apart, 1e-6 * np.abs(low)), out=high)  # float32 resolves 1e-6
        return cls(torch.as_tensor(quantiles.T, dtype=torch.float32), reach)

    @classmethod
    def empty(cls, columns: int, knots: int) -> Scale:
        """A scale whose knots come from a file."""
        return cls(torch.zeros(columns, knots), 1.0)

    @property
    def step(self) -> Tensor:
        """The distance between neighbouring knots in latents."""
        step: Tensor = 2 * self.reach / (self.knots.shape[1] - 1)
        return step

    def forward(self, latent: Tensor) -> Tensor:
        """Raw values `(n, m)` of latents."""
        position, below = self._position(latent)
        low, high = self._at(below), self._at(below + 1)
        values: Tensor = low + (position - below) * (high - low)
        return values

    def std(self, latent: Tensor, std: Tensor) -> Tensor:
        """Standard deviations in raw units: half the distance of the values at `latent + std` and `latent - std`."""
        half: Tensor = (self(latent + std) - self(latent - std)) / 2
        return half

    def to_latent(self, values: Reals, limit: float = LIMIT) -> Tensor:
        """Latents of raw values `(n, m)`, cut at -limit and +limit; NaN stays."""
        knots = self.knots.double().cpu().numpy()
        slopes = np.diff(knots, axis=1)
        below = np.stack(
            [np.searchsorted(row[1:-1], column, side="right") for row, column in zip(knots, values.T, strict=True)]
        )
        columns = np.arange(len(knots))[:, None]
        position = below + (values.T - knots[columns, below]) / slopes[columns, below]
        latent = position * self.step.item() - self.reach.item()
        return torch.as_tensor(np.clip(latent.T, -limit, limit), dtype=torch.float32)

    def _position(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Where latents lie, counted in knots, and the knot below."""
        position = (latent + self.reach) / self.step
        return position, position.detach().floor().nan_to_num(0).clamp(0, self.knots.shape[1] - 2)

    def _at(self, index: Tensor) -> Tensor:
        columns = torch.arange(len(self.knots), device=index.device)
        return self.knots[columns, index.long()]


def ordinary(values: Reals) -> Reals:
    """Values `(n, m)` in which failed runs are cut to the farthest value of the other runs; NaN stays.

    Otherwise one failed run, such as a loss of 1e6 among losses below 10, would determine the standard deviation.
    """
    cut = values.copy()
    for column in cut.T:
        known = column[~np.isnan(column)]
        if not len(known):
            continue
        few = min(len(known) - 1, max(1, len(known) // FEW))
        with np.errstate(over="ignore"):
            distance = np.abs(known - np.median(known))
        reach = np.sort(distance)[-1 - few]
        if reach > 0:
            kept = known[distance / FAR <= reach]
            np.clip(column, kept.min(), kept.max(), out=column)
    return cut


def centres_and_deviations(values: Reals) -> tuple[Reals, Reals]:
    """Means and standard deviations `(m,)` of columns `(n, m)`, with failed runs cut and NaN left out."""
    known = [column[~np.isnan(column), None] for column in ordinary(values).T]
    means = np.array([column.mean() for column in known])
    return means, np.array([deviations(column)[0] for column in known])


def deviations(values: Reals) -> Reals:
    """Standard deviations `(m,)` of columns `(n, m)`; for a constant column a positive number to divide by."""
    std, size = values.std(axis=0), np.abs(values).max(axis=0)
    positive: Reals = np.where(std > ROUNDING * size, std, np.maximum(1.0, 1e-3 * size))
    return positive


def _typical_gaps(quantiles: Reals) -> Reals:
    """The median gap `(m,)` between different quantiles `(k, m)`, which one outlier does not move."""
    gaps, typical = np.diff(quantiles, axis=0), deviations(quantiles)
    for j, column in enumerate(gaps.T):
        positive = np.sort(column[column > 0])
        if len(positive):
            typical[j] = positive[(len(positive) - 1) // 2]
    return typical
