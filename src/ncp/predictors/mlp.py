"""The paper's predictor: a shared layer, and a head for every group of metrics (section 3.2 and appendix)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from scipy.stats import kendalltau
from torch import Tensor, nn
from torch.nn.functional import silu, smooth_l1_loss

from ncp.cost import has_cost, macs, params
from ncp.predictors.core import Core, TrainingSet
from ncp.predictors.features import Inputs
from ncp.predictors.scale import Scale
from ncp.predictors.settings import Count, HeldOut, LearningRate, Settings, Share, WeightDecay
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Reals
from ncp.spaces.space import Space
from ncp.tables.columns import task_of

SHARED, HEAD = 256, 128
"""Sizes of the shared layer and of a head."""
COSTS = 2
"""Auxiliary outputs where the exact cost is known: multiply-adds and parameters."""


@dataclass(frozen=True)
class MlpSettings(Settings):
    """How the paper's predictor is trained.

    Attributes:
        epochs: passes over the rows.
        batch: rows per step, at least two (for batch norm).
        dropout: probability of dropping a hidden unit in a training step.
        learning_rate: the highest of the one-cycle schedule.
        weight_decay: of all parameters.
        held_out: share of the rows on which the best epoch is chosen, at most half.

    Raises:
        ConfigError: a setting out of its bounds.
    """

    epochs: Count = 200
    batch: Annotated[int, Ge(2)] = 128
    dropout: Share = 0.5
    learning_rate: LearningRate = 1e-2
    weight_decay: WeightDecay = 1e-7
    held_out: HeldOut = 0.2


class Mlp(Core):
    """Input batch norm, a shared layer of 256, then a layer of 128 per group; swish and dropout after both.

    The first metric of each task is a group, and its other metrics are another. Where the exact cost is known,
    multiply-adds and parameters form a last group of auxiliary outputs, which only the paper's propagation uses.

    Args:
        features: width of the relaxed space.
        outputs: m, the number of columns.
        groups: number of outputs in each group, including auxiliary ones.
    """

    kind = "mlp"
    settings = MlpSettings
    cut_at = np.inf
    output_head: Tensor

    def __init__(self, features: int, outputs: int, *, groups: Sequence[int]) -> None:
        super().__init__(outputs)
        self.groups, self.dropout = tuple(groups), MlpSettings.dropout
        self.auxiliary = sum(groups) - outputs
        heads = HEAD * len(groups)
        with torch.random.fork_rng(devices=[]):  # new layers draw weights; the caller's generator stays as it is
            self.shared = nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, SHARED), nn.BatchNorm1d(SHARED))
            self.heads = nn.Sequential(nn.Linear(SHARED, heads), nn.BatchNorm1d(heads))
            self.out = nn.Linear(HEAD, sum(groups))
        output_head = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor(groups))
        self.register_buffer("output_head", output_head, persistent=False)

    @property
    def config(self) -> dict[str, Any]:
        """Number of outputs in each group."""
        return {"groups": list(self.groups)}

    @classmethod
    def inputs(cls, space: Space) -> Inputs:
        """The paper's network looks at standardised codes."""
        return Inputs(space)

    @classmethod
    def fitted_scale(cls, values: Reals) -> Scale:
        """A linear scale fitted to values `(n, m)` in raw units."""
        return Scale.from_moments(values)

    @classmethod
    def fit(cls, rows: TrainingSet, settings: MlpSettings, seed: int, progress: Progress = quiet) -> Mlp:
        """Train by the paper's recipe and keep the epoch that ranks the held-out rows best."""
        z, targets, groups = rows.features(), rows.targets, _groups(rows.columns)
        if has_cost(rows.space):
            costs = np.stack([macs(rows.codes), params(rows.codes)], axis=1, dtype=np.float64)
            targets = torch.cat([targets, Scale.from_moments(costs).to_latent(costs, limit=np.inf)], dim=1)
            groups.append(COSTS)
        self = cls(z.shape[1], len(rows.columns), groups=groups)
        self.dropout = settings.dropout
        order = torch.as_tensor(np.random.default_rng(seed).permutation(len(z)))
        count = max(2, int(settings.held_out * len(z)))
        held_out, trained_on = order[:count], order[count:]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for layer in (*self.shared, *self.heads, self.out):
                layer.reset_parameters()
            self._train(z, targets, trained_on, held_out, progress, settings)
        with torch.no_grad():
            residual = rows.targets[held_out] - self.eval()(z[held_out])
            self.noise_std.copy_(residual.square().mean(dim=0).sqrt())
        return self

    def forward(self, z: Tensor) -> Tensor:
        """Latents `(n, m)` of standardised codes `(n, width)`."""
        return self.outputs(z)[:, : len(self.noise_std)]

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Latents, with an epistemic standard deviation of zero: a single network does not estimate it."""
        mean = self(z)
        return mean, torch.zeros_like(mean)

    def outputs(self, z: Tensor) -> Tensor:
        """Latents and auxiliary outputs `(n, m + auxiliary)` of standardised codes."""
        hidden = silu(self.shared(z))
        if self.training:
            hidden = nn.functional.dropout(hidden, self.dropout)
        heads = silu(self.heads(hidden)).reshape(len(hidden), len(self.groups), HEAD)
        if self.training:
            dropped = nn.functional.dropout(heads, self.dropout)
            heads = torch.cat([dropped[:, :-1], heads[:, -1:]], dim=1) if self.auxiliary else dropped
        outputs: Tensor = (heads[:, self.output_head] * self.out.weight).sum(dim=2) + self.out.bias
        return outputs

    def _train(
        self,
        z: Tensor,
        targets: Tensor,
        rows: Tensor,
        held_out: Tensor,
        progress: Progress,
        settings: MlpSettings,
    ) -> None:
        optimizer = torch.optim.Adam(self.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
        batch = min(settings.batch, len(rows))
        batches = len(rows) // batch
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            settings.learning_rate,
            total_steps=settings.epochs * batches,
            pct_start=0.3,
            div_factor=10,
            base_momentum=0.85,
            max_momentum=0.95,
        )
        best, kept = -np.inf, self.state_dict()
        for epoch in range(settings.epochs):
            self.train()
            order = rows[torch.randperm(len(rows))]
            for start in range(0, batches * batch, batch):
                chosen = order[start : start + batch]
                loss = smooth_l1_loss(self.outputs(z[chosen]), targets[chosen])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            self.eval()
            quality = self._quality(z[held_out], targets[held_out]) if epoch >= settings.epochs // 2 else -np.inf
            if quality > best:
                best, kept = quality, {name: value.clone() for name, value in self.state_dict().items()}
            progress((epoch + 1) / settings.epochs)
        self.load_state_dict(kept)

    @torch.no_grad()
    def _quality(self, z: Tensor, targets: Tensor) -> float:
        """Mean Kendall tau over the columns."""
        latents, wanted = self(z).numpy(), targets.numpy()
        taus = [kendalltau(column, wanted[:, j]).statistic for j, column in enumerate(latents.T)]
        return float(np.nanmean(taus)) if np.isfinite(taus).any() else -1.0


def _groups(columns: Sequence[str]) -> list[int]:
    """Sizes of the groups: the first metric of each task (neighbours in `columns`), then its other metrics together."""
    sizes = []
    for _, metrics in groupby(columns, key=task_of):
        sizes.append(1)
        others = len(list(metrics)) - 1
        if others:
            sizes.append(others)
    return sizes
