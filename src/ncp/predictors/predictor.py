"""A predictor: codes in, values in raw units out, differentiable, with standard deviations."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ncp.predictors.core import Core
from ncp.predictors.features import Inputs
from ncp.predictors.file import write
from ncp.predictors.scale import Scale, centres_and_deviations
from ncp.spaces.arrays import CodesLike, Reals, chunks
from ncp.spaces.space import Space


@dataclass(frozen=True)
class Prediction:
    """Predicted values in raw units.

    Attributes:
        mean: `(n, m)`.
        std: `(n, m)`, the standard deviation of a measured value about the mean: epistemic and noise together.
    """

    mean: Reals
    std: Reals


class Predictor(nn.Module):
    """Values of `columns` for the codes of `space`, made by `ncp.fit_predictor` or `ncp.load_predictor`.

    `inputs` turns relaxed codes into features, the `core` turns features into latents (standardised outputs), and
    `scale` turns latents into raw units. Kinds of predictors differ in their core.

    Args:
        space: the space of the codes.
        columns: m names, `task/metric`.
        inputs: from relaxed codes `(n, width)` to features `(n, f)`.
        core: from features to latents `(n, m)`.
        scale: from latents to raw units.

    Attributes:
        shipped: the name under which this predictor comes with the package; empty for others.
        seen: buffer, a digest of every training code.
        location: buffer `(m,)`, the mean that objectives count z-scores from [raw units].
        unit: buffer `(m,)`, the standard deviation that objectives count z-scores in [raw units]. It is negative for
            columns where lower is better, so that a higher z-score is always better.
    """

    shipped = ""
    seen: Tensor
    location: Tensor
    unit: Tensor

    def __init__(self, space: Space, columns: Sequence[str], inputs: Inputs, core: Core, scale: Scale) -> None:
        super().__init__()
        self.space, self.columns = space, tuple(columns)
        self.inputs, self.core, self.scale = inputs, core, scale
        self.register_buffer("seen", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("location", torch.zeros(len(self.columns)))
        self.register_buffer("unit", torch.ones(len(self.columns)))

    @property
    def kind(self) -> str:
        """The kind of predictor, as `ncp.fit_predictor` names it."""
        return self.core.kind

    @property
    def noise_std(self) -> Tensor:
        """Standard deviation `(m,)` of measured latents about the true ones (aleatoric)."""
        return self.core.noise_std

    @property
    def minimised(self) -> tuple[str, ...]:
        """The columns in which lower is better."""
        return tuple(name for name, unit in zip(self.columns, self.unit.tolist(), strict=True) if unit < 0)

    def latent(self, x: Tensor) -> Tensor:
        """Latents `(n, m)` of relaxed codes `(n, width)`."""
        latent: Tensor = self.core(self.inputs(x))
        return latent

    def latent_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and epistemic standard deviation of the latents, `(n, m)` each."""
        return self.core.moments(self.inputs(x))

    def forward(self, x: Tensor) -> Tensor:
        """Values `(n, m)` in raw units of relaxed codes `(n, width)`; gradients flow."""
        values: Tensor = self.scale(self.latent(x))
        return values

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Values and their epistemic standard deviation, without noise: `(n, m)` each, in raw units."""
        mean, epistemic_std = self.latent_moments(x)
        return self.scale(mean), self.scale.std(mean, epistemic_std)

    @torch.no_grad()
    def predict(self, codes: CodesLike) -> Prediction:
        """Values of one code or many, with the standard deviation of a measured value about them.

        Raises:
            CodeError: a code outside the space.
        """
        rows = self.space.codes(codes)
        mean, std = np.empty((2, len(rows), len(self.columns)))
        for chunk in chunks(len(rows), 4096):
            latent, epistemic_std = self.latent_moments(self.relaxed(rows[chunk]))
            mean[chunk] = self.scale(latent).cpu().numpy()
            total_std = (epistemic_std.square() + self.noise_std.square()).sqrt()
            std[chunk] = self.scale.std(latent, total_std).cpu().numpy()
        return Prediction(mean, std)

    def subset_output(self, wanted: Sequence[int]) -> Predictor:
        """A predictor with the same values in the columns `wanted`, which may be faster; other columns may differ."""
        few = copy(self)
        few._modules = {**self._modules, "core": self.core.subset_output(wanted)}
        return few

    def relaxed(self, codes: CodesLike) -> Tensor:
        """Codes as points of the relaxed space `(n, width)`, in the predictor's precision and on its device."""
        return torch.as_tensor(self.space.relax(codes), dtype=self.unit.dtype, device=self.unit.device)

    def save(self, path: str | Path) -> None:
        """Write this predictor to a file, from which `ncp.load_predictor` reads one with the same values to the bit.

        Raises:
            ConfigError: a kind that has no files.
            DataError: a path that cannot be written to.
        """
        description = {
            "kind": self.kind,
            "columns": self.columns,
            "space": self.space.to_dict(),
            "knots": self.scale.knots.shape[1],
            "core": self.core.config,
        }
        write(path, description, self.state_dict())

    def set_reference(self, values: Reals, minimised: Sequence[str] = ()) -> None:
        """Count z-scores from the mean and in the standard deviation of `values` `(n, m)`, with NaN left out.

        Failed runs are cut, see `ordinary`. In `minimised` columns, where lower is better, the unit is negative, so
        that objectives prefer low values there.
        """
        sign = np.where(np.isin(self.columns, list(minimised)), -1.0, 1.0)
        location, deviation = centres_and_deviations(values)
        self.location.copy_(torch.as_tensor(location))
        self.unit.copy_(torch.as_tensor(sign * deviation))

    def has_seen(self, codes: CodesLike) -> NDArray[np.bool_]:
        """Which codes were among the rows that this predictor was fitted on, `(n,)`."""
        return np.isin(digests(self.space, codes), self.seen.cpu().numpy())


def digests(space: Space, codes: CodesLike) -> NDArray[np.int64]:
    """A 64-bit hash per code `(n,)`, by which a predictor knows its training rows without storing them."""
    rows = space.codes(codes)
    total = np.zeros(len(rows), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in rows.T.astype(np.uint64):
            total = (total ^ column) * np.uint64(0x9E3779B97F4A7C15)
            total ^= total >> np.uint64(29)
    return total.astype(np.int64)
