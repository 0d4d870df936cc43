"""The default predictor: an ensemble of networks and Gaussian processes, which err in different places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

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
    """The mean of an ensemble's scores and a Gaussian process's, on one scale.

    Tasks of one family (`seg` and `seg-4x`; what stands before the first hyphen) share a Gaussian process, whose kernel
    is learned from them alone: segmentation looks at other parts of a network than video does.
    """

    kind = "default"

    def __init__(
        self, space: Space, columns: Sequence[str], ensemble: Ensemble, gps: Sequence[GaussianProcess]
    ) -> None:
        super().__init__(space, columns, ensemble.scale)
        self.ensemble, self.gps = ensemble, nn.ModuleList(gps)
        self._families = families(columns)

    @property
    def shape(self) -> dict[str, Any]:
        """The shapes of the ensemble and the processes."""
        return {"ensemble": self.ensemble.shape, "gps": [gp.shape for gp in self._processes]}

    @classmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> Blend:
        """An empty blend, whose weights come from a file."""
        gps = [GaussianProcess.build(space, columns, **each) for each in shape["gps"]]
        return cls(space, columns, Ensemble.build(space, columns, **shape["ensemble"]), gps)

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
        """Fit all on the same rows."""
        rows = (space, codes, values, columns, seed)
        groups = families(columns)
        parts = 1 + len(groups)
        ensemble = Ensemble.fit(*rows, lambda share: progress(share / parts), settings)
        gps: list[GaussianProcess] = []
        for group in groups:
            told = partial(_later, progress, 1 + len(gps), parts)
            gps.append(GaussianProcess.fit(*rows, told, settings.gp, focus=group))
        self = cls(space, columns, ensemble, gps)
        self.remember(codes)
        noise = torch.empty_like(self.noise)
        for gp, group in zip(gps, groups, strict=True):
            noise[group] = gp.noise[group]
        self.noise.copy_((ensemble.noise + noise) / 2)
        return self.eval()

    def scores(self, x: Tensor) -> Tensor:
        """The mean of the two scores `(n, m)`."""
        features = self.ensemble.features(x)  # all were fitted on the same rows, so all see the same features
        gp = self._gathered([gp.scores_of(features) for gp in self._processes])
        return (self.ensemble.scores_of(features) + gp) / 2

    def scores_and_spread(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the two; their variances and half their difference make the spread."""
        features = self.ensemble.features(x)
        a, spread_a = self.ensemble.scores_and_spread_of(features)
        pairs = [gp.scores_and_spread_of(features) for gp in self._processes]
        b, spread_b = (self._gathered(list(each)) for each in zip(*pairs, strict=True))
        variance = (spread_a.square() + spread_b.square()) / 2 + (a - b).square() / 4
        return (a + b) / 2, torch.sqrt(variance)

    @property
    def _processes(self) -> list[GaussianProcess]:
        return cast("list[GaussianProcess]", list(self.gps))

    def _gathered(self, of_families: list[Tensor]) -> Tensor:
        """Each column from its family's process, `(n, m)`."""
        columns = [(j, scores) for group, scores in zip(self._families, of_families, strict=True) for j in group]
        return torch.stack([scores[:, j] for j, scores in sorted(columns, key=lambda pair: pair[0])], dim=1)


def _later(progress: Progress, done: int, parts: int, share: float) -> None:
    """Report the share of one part of a fit, `done` parts before it, as a share of all."""
    progress((done + share) / parts)


def families(columns: Sequence[str]) -> list[list[int]]:
    """Positions of the columns, grouped by the family of their task."""
    groups: dict[str, list[int]] = {}
    for j, column in enumerate(columns):
        groups.setdefault(column.partition("/")[0].partition("-")[0], []).append(j)
    return list(groups.values())
