"""An ensemble of small networks, trained and used as one tensor program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, smooth_l1_loss

from ncp.numbers import as_count
from ncp.predictors.base import Predictor
from ncp.predictors.features import Features
from ncp.predictors.scale import Scale
from ncp.predictors.settings import as_sizes, as_training, keep
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space


@dataclass(frozen=True)
class EnsembleSettings:
    """How an ensemble is trained.

    Attributes:
        hidden: sizes of every member's hidden layers.
        members: how many networks, at least two.
        epochs: passes over the rows.
        batch: rows per step.
        dropout: share of hidden values that a step leaves out.
        learning_rate: the highest of the one-cycle schedule.
        weight_decay: of the weights, not of the biases.
        held_out: the share of the rows that each member leaves out; there the ensemble learns how wrong it is. At most
            half.

    Raises:
        ConfigError: a setting out of its bounds.
    """

    hidden: tuple[int, ...] = (128, 128)
    members: int = 12
    epochs: int = 60
    batch: int = 128
    dropout: float = 0.2
    learning_rate: float = 5e-3
    weight_decay: float = 1.0
    held_out: float = 0.1

    def __post_init__(self) -> None:
        hidden, members = as_sizes(self.hidden, "hidden"), as_count(self.members, "members", least=2)
        keep(self, hidden=hidden, members=members, **as_training(self, smallest_batch=1))


DEFAULTS = EnsembleSettings()


class Ensemble(Predictor):
    """The mean of `members` multi-layer perceptrons on `Features`; their disagreement is the spread."""

    kind = "ensemble"

    def __init__(self, space: Space, columns: Sequence[str], scale: Scale, *, hidden: Sequence[int], members: int):
        super().__init__(space, columns, scale)
        self.hidden, self.members = tuple(hidden), members
        self.features = Features(space)
        sizes = [len(self.features), *hidden, len(self.columns)]
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList([torch.zeros(members, a, b) for a, b in pairs])
        self.biases = nn.ParameterList([torch.zeros(members, 1, b) for _, b in pairs])

    @property
    def shape(self) -> dict[str, Any]:
        """Sizes of the hidden layers and number of members, besides the scale's."""
        return {"hidden": list(self.hidden), "members": self.members, "knots": self.scale.knots.shape[1]}

    @classmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> Ensemble:
        """An empty ensemble, whose weights come from a file."""
        scale = Scale.empty(len(columns), shape.pop("knots"))
        return cls(space, columns, scale, **shape)

    @classmethod
    def fit(
        cls,
        space: Space,
        codes: Codes,
        values: Reals,
        columns: Sequence[str],
        seed: int,
        progress: Progress = quiet,
        settings: EnsembleSettings = DEFAULTS,
    ) -> Ensemble:
        """Train all members at once, each on its own part of the rows."""
        scale = Scale.from_quantiles(values)
        self = cls(space, columns, scale, hidden=settings.hidden, members=settings.members)
        x = self.remember(codes)
        features = self.features.fit(x)(x)
        targets = scale.to_latent(values)
        generator = torch.Generator().manual_seed(seed)
        self._initialise(generator)
        order = torch.rand(settings.members, len(x), generator=generator).argsort(dim=1)
        kept = order[:, max(1, int(settings.held_out * len(x))) :]
        self._train(features, targets, kept, generator, progress, settings)
        with torch.no_grad():
            outputs = self._members(features)
            left_out = torch.ones(settings.members, len(x)).scatter_(1, kept, 0.0)
            counts = left_out.sum(dim=0)
            unseen = torch.einsum("kn,knm->nm", left_out, outputs)[counts > 0] / counts[counts > 0, None]
            self.noise.copy_((targets[counts > 0] - unseen).square().mean(dim=0))
        return self.requires_grad_(False).eval()

    def latent(self, x: Tensor) -> Tensor:
        """The members' mean `(n, m)`."""
        return self.latent_of(self.features(x))

    def latent_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The members' mean and standard deviation."""
        return self.latent_moments_of(self.features(x))

    def latent_of(self, features: Tensor) -> Tensor:
        """The members' mean of features `(n, f)`."""
        return self._members(features).mean(dim=0)

    def latent_moments_of(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The members' mean and standard deviation of features `(n, f)`."""
        outputs = self._members(features)
        return outputs.mean(dim=0), outputs.var(dim=0).clamp_min(1e-12).sqrt()

    def _members(self, hidden: Tensor, drop: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Every member's scores `(members, n, m)` for features `(n, f)`, or `(members, n, f)` in training."""
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
        features: Tensor,
        targets: Tensor,
        rows: Tensor,
        generator: torch.Generator,
        progress: Progress,
        settings: EnsembleSettings,
    ) -> None:
        """Minimise the smooth L1 loss of every member on its `rows` `(members, n)`."""

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
                loss = smooth_l1_loss(self._members(features[chosen], drop), targets[chosen]) * self.members
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            progress((epoch + 1) / settings.epochs)
