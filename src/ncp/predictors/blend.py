"""The default predictor: an ensemble of networks and a Gaussian process, which err in different places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ncp.predictors.base import Predictor, Progress, quiet
from ncp.predictors.ensemble import Ensemble, EnsembleSettings
from ncp.predictors.gp import DEFAULTS as GP_DEFAULTS
from ncp.predictors.gp import GaussianProcess, GpSettings
from ncp.space import Codes, Reals, Space


@dataclass(frozen=True)
class BlendSettings(EnsembleSettings):
    """How the ensemble is trained, and under `gp` how the Gaussian process is fitted."""

    gp: GpSettings = GP_DEFAULTS


DEFAULTS = BlendSettings()


class Blend(Predictor):
    """The mean of an ensemble's scores and a Gaussian process's, on one scale."""

    kind = "default"

    def __init__(self, space: Space, columns: Sequence[str], ensemble: Ensemble, gp: GaussianProcess) -> None:
        super().__init__(space, columns, gp.scale)
        self.ensemble, self.gp = ensemble, gp

    @property
    def shape(self) -> dict[str, Any]:
        """The shapes of the two."""
        return {"ensemble": self.ensemble.shape, "gp": self.gp.shape}

    @classmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> Blend:
        """An empty blend, whose weights come from a file."""
        return cls(
            space,
            columns,
            Ensemble.build(space, columns, **shape["ensemble"]),
            GaussianProcess.build(space, columns, **shape["gp"]),
        )

    @classmethod
    def fit(
        cls,
        space: Space,
        codes: Codes,
        values: Reals,
        columns: Sequence[str],
        seed: int,
        progress: Progress = quiet,
        settings: BlendSettings = DEFAULTS,
    ) -> Blend:
        """Fit both on the same rows."""
        rows = (space, codes, values, columns, seed)
        ensemble = Ensemble.fit(*rows, lambda share: progress(share * 0.6), settings)
        gp = GaussianProcess.fit(*rows, lambda share: progress(0.6 + share * 0.4), settings.gp)
        self = cls(space, columns, ensemble, gp)
        self.remember(codes)
        self.noise.copy_((ensemble.noise + gp.noise) / 2)
        return self.eval()

    def scores(self, x: Tensor) -> Tensor:
        """The mean of the two scores `(n, m)`."""
        return (self.ensemble.scores(x) + self.gp.scores(x)) / 2

    def scores_and_spread(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the two; their variances and half their difference make the spread."""
        (a, spread_a), (b, spread_b) = self.ensemble.scores_and_spread(x), self.gp.scores_and_spread(x)
        variance = (spread_a.square() + spread_b.square()) / 2 + (a - b).square() / 4
        return (a + b) / 2, torch.sqrt(variance)
