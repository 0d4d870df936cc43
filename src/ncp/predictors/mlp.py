"""The paper's predictor: a shared layer, and a head for every group of metrics (section 3.2 and appendix)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau
from torch import Tensor, nn
from torch.nn.functional import silu, smooth_l1_loss

from ncp.cost import has_cost, macs, params
from ncp.predictors.base import Predictor
from ncp.predictors.scale import Scale
from ncp.predictors.settings import as_training, keep
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space
from ncp.tables.columns import task_of

SHARED, HEAD = 256, 128


@dataclass(frozen=True)
class MlpSettings:
    """How the paper's predictor is trained.

    Attributes:
        epochs: passes over the rows.
        batch: rows per step, at least two.
        dropout: share of hidden values that a step leaves out.
        learning_rate: the highest of the one-cycle schedule.
        weight_decay: of everything.
        held_out: the share of the rows that decides which epoch is kept, at most half.

    Raises:
        ConfigError: a setting out of its bounds.
    """

    epochs: int = 200
    batch: int = 128
    dropout: float = 0.5
    learning_rate: float = 1e-2
    weight_decay: float = 1e-7
    held_out: float = 0.2

    def __post_init__(self) -> None:
        keep(self, **as_training(self, smallest_batch=2))


DEFAULTS = MlpSettings()


class Mlp(Predictor):
    """Input batch norm, a shared layer of 256, then a layer of 128 per group; swish and dropout after both.

    The first metric of each task is a group, its other metrics are another. Where cost is known, multiply-adds and
    parameters are a last group of auxiliary outputs, which only the paper's propagation looks at.

    Args:
        space: what the codes belong to.
        columns: m names, `task/metric`.
        scale: a line per column, and per auxiliary output.
        groups: sizes of the groups of outputs, auxiliary ones included.
    """

    kind = "mlp"
    head_of: Tensor

    def __init__(self, space: Space, columns: Sequence[str], scale: Scale, *, groups: Sequence[int]) -> None:
        super().__init__(space, columns, scale)
        self.groups, outputs = tuple(groups), sum(groups)
        self.dropout = DEFAULTS.dropout
        self.auxiliary = outputs - len(self.columns)
        width, heads = space.width, HEAD * len(groups)
        with torch.random.fork_rng(devices=[]):  # new layers draw weights; the caller's generator stays as it is
            self.shared = nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, SHARED), nn.BatchNorm1d(SHARED))
            self.heads = nn.Sequential(nn.Linear(SHARED, heads), nn.BatchNorm1d(heads))
            self.out = nn.Linear(HEAD, outputs)
        head_of = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor(groups))
        self.register_buffer("head_of", head_of, persistent=False)

    @property
    def shape(self) -> dict[str, Any]:
        """Sizes of the groups of outputs."""
        return {"groups": list(self.groups)}

    @classmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> Mlp:
        """An empty predictor, whose weights come from a file."""
        return cls(space, columns, Scale.empty(len(columns), 2), groups=shape["groups"])

    @classmethod
    def fit(
        cls,
        space: Space,
        codes: Codes,
        values: Reals,
        columns: Sequence[str],
        seed: int,
        progress: Progress = quiet,
        settings: MlpSettings = DEFAULTS,
    ) -> Mlp:
        """Train by the paper's recipe; a fifth of the rows decides which epoch is kept."""
        groups = _groups(columns)
        costs = np.stack([macs(codes), params(codes)], axis=1) if has_cost(space) else np.empty((len(codes), 0))
        self = cls(space, columns, Scale.from_moments(values), groups=[*groups, *[2] * has_cost(space)])
        self.dropout = settings.dropout
        x = self.standardised(self.remember(codes))
        everything = np.concatenate([values, costs], axis=1)
        targets = Scale.from_moments(everything).to_latent(everything, limit=np.inf)
        order = np.random.default_rng(seed).permutation(len(x))
        held_out, rows = (torch.as_tensor(part) for part in np.split(order, [max(2, int(settings.held_out * len(x)))]))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for layer in (self.shared, self.heads, self.out):
                layer.apply(lambda module: getattr(module, "reset_parameters", lambda: None)())
            self._train(x, targets, rows, held_out, progress, settings)
        self.requires_grad_(False).eval()
        residual = targets[held_out, : len(self.columns)] - self.latent(x[held_out] * self.deviation + self.centre)
        self.noise.copy_(residual.square().mean(dim=0))
        return self

    def standardised(self, x: Tensor) -> Tensor:
        """Points of the relaxed space in deviations from the mean of the training codes."""
        return (x - self.centre) / self.deviation

    def latent(self, x: Tensor) -> Tensor:
        """Standardised values `(n, m)`."""
        return self.outputs(self.standardised(x))[:, : len(self.columns)]

    def latent_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised values; one network alone does not know its spread, so that is zero."""
        scores = self.latent(x)
        return scores, torch.zeros_like(scores)

    def outputs(self, standardised: Tensor) -> Tensor:
        """All standardised outputs `(n, m + auxiliary)` of standardised codes."""
        hidden = silu(self.shared(standardised))
        if self.training:
            hidden = nn.functional.dropout(hidden, self.dropout)
        heads = silu(self.heads(hidden)).reshape(len(hidden), len(self.groups), HEAD)
        if self.training:
            dropped = nn.functional.dropout(heads, self.dropout)
            heads = torch.cat([dropped[:, :-1], heads[:, -1:]], dim=1) if self.auxiliary else dropped
        outputs: Tensor = (heads[:, self.head_of] * self.out.weight).sum(dim=2) + self.out.bias
        return outputs

    def _train(
        self,
        x: Tensor,
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
                loss = smooth_l1_loss(self.outputs(x[chosen]), targets[chosen])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            self.eval()
            quality = self._quality(x[held_out], targets[held_out]) if epoch >= settings.epochs // 2 else -np.inf
            if quality > best:
                best, kept = quality, {name: value.clone() for name, value in self.state_dict().items()}
            progress((epoch + 1) / settings.epochs)
        self.load_state_dict(kept)

    @torch.no_grad()
    def _quality(self, x: Tensor, targets: Tensor) -> float:
        """Mean Kendall tau over the columns."""
        scores = self.outputs(x).numpy()
        taus = [kendalltau(scores[:, j], targets[:, j].numpy()).statistic for j in range(len(self.columns))]
        return float(np.nanmean(taus)) if np.isfinite(taus).any() else -1.0


def _groups(columns: Sequence[str]) -> list[int]:
    """Sizes of the groups: the first metric of each task (neighbours in `columns`), then its others together."""
    sizes = [len(list(group)) for _, group in groupby(columns, key=task_of)]
    return [part for size in sizes for part in (1, size - 1) if part]
