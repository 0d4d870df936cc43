"""An ensemble of small networks, trained and evaluated as one tensor program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import silu, smooth_l1_loss

from ncp.predictors.core import Core, TrainingSet
from ncp.predictors.settings import Count, HeldOut, LearningRate, Settings, Share, WeightDecay
from ncp.progress import Progress, quiet


@dataclass(frozen=True)
class EnsembleSettings(Settings):
    """How an ensemble is trained.

    Attributes:
        hidden: sizes of every member's hidden layers.
        members: number of networks, at least two.
        epochs: passes over the rows.
        batch: rows per step.
        dropout: probability of dropping a hidden unit in a training step.
        learning_rate: the highest of the one-cycle schedule.
        weight_decay: of the weights; biases have none.
        held_out: share of the rows that each member is not trained on, at most half. The ensemble learns its noise
            there.

    Raises:
        ConfigError: a setting out of its bounds.
    """

    hidden: tuple[Count, ...] = (128, 128)
    members: Annotated[int, Ge(2)] = 12
    epochs: Count = 60
    batch: Count = 128
    dropout: Share = 0.2
    learning_rate: LearningRate = 5e-3
    weight_decay: WeightDecay = 1.0
    held_out: HeldOut = 0.1


class Ensemble(Core):
    """The mean of `members` multi-layer perceptrons; their standard deviation is the epistemic one."""

    kind = "ensemble"
    settings = EnsembleSettings

    def __init__(self, features: int, outputs: int, *, hidden: Sequence[int], members: int) -> None:
        super().__init__(outputs)
        self.hidden, self.members = tuple(hidden), members
        layers = list(pairwise([features, *hidden, outputs]))
        self.weights = nn.ParameterList([torch.zeros(members, a, b) for a, b in layers])
        self.biases = nn.ParameterList([torch.zeros(members, 1, b) for _, b in layers])

    @property
    def config(self) -> dict[str, Any]:
        """Sizes of the hidden layers and the number of members."""
        return {"hidden": list(self.hidden), "members": self.members}

    @classmethod
    def fit(cls, rows: TrainingSet, settings: EnsembleSettings, seed: int, progress: Progress = quiet) -> Ensemble:
        """Train all members at once, each on its own random part of the rows."""
        z, targets, members = rows.features(), rows.targets, settings.members
        self = cls(z.shape[1], targets.shape[1], hidden=settings.hidden, members=members)
        generator = torch.Generator().manual_seed(seed)
        self._initialise(generator)
        order = torch.rand(members, len(z), generator=generator).argsort(dim=1)
        trained_on = order[:, max(1, int(settings.held_out * len(z))) :]
        self._train(z, targets, trained_on, generator, progress, settings)
        with torch.no_grad():
            left_out = torch.ones(members, len(z)).scatter_(1, trained_on, 0.0)
            counts = left_out.sum(dim=0)
            sums = torch.einsum("kn,knm->nm", left_out, self._members(z))
            tested = counts > 0
            unseen = sums[tested] / counts[tested, None]
            self.noise_std.copy_((targets[tested] - unseen).square().mean(dim=0).sqrt())
        return self

    def forward(self, z: Tensor) -> Tensor:
        """The members' mean `(n, m)`."""
        return self._members(z).mean(dim=0)

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The members' mean and standard deviation, `(n, m)` each."""
        outputs = self._members(z)
        return outputs.mean(dim=0), outputs.var(dim=0).clamp_min(1e-12).sqrt()

    def _members(self, hidden: Tensor, drop: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Every member's latents `(members, n, m)` for features `(n, f)`, or `(members, n, f)` in training."""
        hidden = hidden.expand(self.members, *hidden.shape[-2:])
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = silu(torch.baddbmm(bias, hidden, weight))
            hidden = hidden if drop is None else drop(hidden)
        return torch.baddbmm(self.biases[-1], hidden, self.weights[-1])

    def _initialise(self, generator: torch.Generator) -> None:
        for weight in self.weights:
            gain = 0.3 if weight is self.weights[-1] else 1.0
            weight.data.normal_(std=gain * (2 / weight.shape[1]) ** 0.5, generator=generator)

    def _train(
        self,
        z: Tensor,
        targets: Tensor,
        rows: Tensor,
        generator: torch.Generator,
        progress: Progress,
        settings: EnsembleSettings,
    ) -> None:
        """Minimise the smooth L1 loss of every member on its `rows` `(members, k)`."""

        def drop(hidden: Tensor) -> Tensor:
            kept = torch.rand(hidden.shape, generator=generator) > settings.dropout
            return hidden * kept / (1 - settings.dropout)

        groups = [
            {"params": list(self.weights), "weight_decay": settings.weight_decay},
            {"params": list(self.biases), "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        batch = min(settings.batch, rows.shape[1])
        batches = rows.shape[1] // batch
        total = max(settings.epochs * batches, 6)  # with 5 the schedule divides by zero
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=total, pct_start=0.2
        )
        for epoch in range(settings.epochs):
            order = rows.gather(1, torch.rand(rows.shape, generator=generator).argsort(dim=1))
            for start in range(0, batches * batch, batch):
                chosen = order[:, start : start + batch]
                loss = smooth_l1_loss(self._members(z[chosen], drop), targets[chosen]) * self.members
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            progress((epoch + 1) / settings.epochs)
