"""What every predictor is: codes in, values in raw units out, differentiable, with standard deviations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ncp.predictors.file import write
from ncp.predictors.scale import Scale, centres_and_deviations
from ncp.spaces.arrays import Codes, CodesLike, Reals, chunks
from ncp.spaces.space import Space


@dataclass(frozen=True)
class Prediction:
    """Predicted values: `mean` `(n, m)` in raw units, and the standard deviation of a table's value about it."""

    mean: Reals
    std: Reals


class Predictor(nn.Module):
    """Values of `columns` for the codes of `space`.

    A predictor computes *scores*, in which every column has about mean 0 and deviation 1; its `scale` turns them into
    raw units. `spread` is what the predictor does not know of its own curve, `noise` what no curve could know.

    Args:
        space: what the codes belong to.
        columns: m names, `task/metric`.
        scale: from scores to raw units.

    Buffers: `noise` `(m,)`, a variance in scores; `seen`, digests of the training codes; `centre` and `deviation`
    `(width,)` of the training codes; `location` and `unit` `(m,)`, what z-scores are counted in [raw units]:
    `unit` is negative where small values are better, so that a z-score always grows with what is better.
    """

    kind: ClassVar[str]
    shipped = ""
    """The name under which this predictor comes with the package, if it does."""
    noise: Tensor
    seen: Tensor
    centre: Tensor
    deviation: Tensor
    location: Tensor
    unit: Tensor

    def __init__(self, space: Space, columns: Sequence[str], scale: Scale) -> None:
        super().__init__()
        self.space, self.columns, self.scale = space, tuple(columns), scale
        self.register_buffer("noise", torch.ones(len(self.columns)))
        self.register_buffer("seen", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("centre", torch.zeros(space.width))
        self.register_buffer("deviation", torch.ones(space.width))
        self.register_buffer("location", torch.zeros(len(self.columns)))
        self.register_buffer("unit", torch.ones(len(self.columns)))

    @property
    def minimised(self) -> tuple[str, ...]:
        """The columns in which small values are better."""
        return tuple(name for name, unit in zip(self.columns, self.unit.tolist(), strict=True) if unit < 0)

    @property
    @abstractmethod
    def shape(self) -> dict[str, Any]:
        """What `build` needs besides space and columns to make an empty predictor of this form."""

    @classmethod
    @abstractmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> Predictor:
        """An empty predictor, whose weights come from a file."""

    @abstractmethod
    def latent(self, x: Tensor) -> Tensor:
        """Scores `(n, m)` of points of the relaxed space, `(n, width)`."""

    @abstractmethod
    def latent_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and their standard deviations, each `(n, m)`."""

    def forward(self, x: Tensor) -> Tensor:
        """Values `(n, m)` in raw units of points of the relaxed space `(n, width)`; gradients flow."""
        values: Tensor = self.scale(self.latent(x))
        return values

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Values and the standard deviation of the curve itself, without noise: `(n, m)` each, in raw units."""
        scores, spread = self.latent_moments(x)
        return self.scale(scores), self.scale.std(scores, spread)

    @torch.no_grad()
    def predict(self, codes: CodesLike) -> Prediction:
        """Values of one code or many, with the standard deviation of a table's value about them.

        Raises:
            CodeError: a code outside the space.
        """
        rows = self.space.codes(codes)
        mean, std = np.empty((2, len(rows), len(self.columns)))
        for chunk in chunks(len(rows), 4096):
            scores, spread = self.latent_moments(self.relaxed(rows[chunk]))
            mean[chunk] = self.scale(scores).cpu().numpy()
            std[chunk] = self.scale.std(scores, (spread**2 + self.noise).sqrt()).cpu().numpy()
        return Prediction(mean, std)

    def subset_output(self, wanted: Sequence[int]) -> Predictor:  # noqa: ARG002
        """The same values and spreads of the columns `wanted`, perhaps in less time; those of others may differ."""
        return self

    def relaxed(self, codes: CodesLike) -> Tensor:
        """Codes as points of the relaxed space, `(n, width)`, in the predictor's precision and on its device."""
        return torch.as_tensor(self.space.relax(codes), dtype=self.noise.dtype, device=self.noise.device)

    def save(self, path: str | Path) -> None:
        """Write this predictor to a file, from which `ncp.load_predictor` reads one with the same values to the bit.

        Raises:
            DataError: a path that cannot be written to.
        """
        description = {
            "kind": self.kind,
            "columns": self.columns,
            "space": self.space.to_dict(),
            "shape": self.shape,
        }
        write(path, description, self.state_dict())

    def remember(self, codes: Codes) -> Tensor:
        """Keep the mean and deviation of the training codes, and which they were; return them relaxed."""
        x = self.relaxed(codes)
        std = x.std(dim=0, correction=0)
        self.centre.copy_(x.mean(dim=0))
        self.deviation.copy_(torch.where(std > 0, std, 1.0))
        self.seen = torch.as_tensor(np.unique(digests(self.space, codes)), device=self.noise.device)
        return x

    def set_reference(self, values: Reals, minimised: Sequence[str] = ()) -> None:
        """Let the mean and deviation of `values` `(n, m)`, NaN left out, be what an objective counts its z-scores in.

        Failed runs (see `ordinary`) count as the farthest of the others.

        In `minimised` columns small values are better: their unit is the negative deviation, so that all that goes by
        z-scores (objectives, claims, verdicts) wants them small without a word.
        """
        sign = np.where(np.isin(self.columns, list(minimised)), -1.0, 1.0)
        location, deviation = centres_and_deviations(values)
        self.location.copy_(torch.as_tensor(location))
        self.unit.copy_(torch.as_tensor(sign * deviation))

    def has_seen(self, codes: CodesLike) -> NDArray[np.bool_]:
        """Which codes were among the rows that this predictor was fitted on, `(n,)`."""
        return np.isin(digests(self.space, codes), self.seen.cpu().numpy())


def digests(space: Space, codes: CodesLike) -> NDArray[np.int64]:
    """A 64-bit number per code: enough to tell which rows a predictor has seen, without holding them."""
    rows = space.codes(codes)
    total = np.zeros(len(rows), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in rows.T.astype(np.uint64):
            total = (total ^ column) * np.uint64(0x9E3779B97F4A7C15)
            total ^= total >> np.uint64(29)
    return total.astype(np.int64)
