"""What a predictor sees of a code: logarithms, counts of choices, and for networks the costs of their parts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ncp.cost import has_cost, macs, macs_by_part, params
from ncp.spaces.dimensions import Categorical
from ncp.spaces.multires import LAYOUT, STAGES
from ncp.spaces.space import Space

_CELLS = [(stage, branch) for stage in range(STAGES) for branch in range(stage + 1)]
GROUPS = [
    *([i for i, (stage, _) in enumerate(_CELLS) if stage == s] for s in range(STAGES)),
    *([i for i, (_, branch) in enumerate(_CELLS) if branch == b] for b in range(STAGES)),
    list(range(len(_CELLS))),
]
"""The ten parallel parts (stage, branch) of a network, by stage, by branch and all together."""


class Meaning(NamedTuple):
    """What a feature speaks of: a block of like features, and its dimension (a cost is one) and choice, if any."""

    block: str
    dimension: str = ""
    choice: str = ""


class Features(nn.Module):
    """Points of the relaxed space `(n, width)` as standardised features `(n, f)`; gradients flow.

    Positive ordinal dimensions enter as logarithms, others as they are, categorical ones as points on their simplex.
    Where several dimensions have the same choices, so does how often each choice is taken in them.

    Attributes:
        meanings: of the features, in order.
    """

    mean: Tensor
    std: Tensor
    logarithmic: Tensor
    counted: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        positive = np.zeros(space.width, dtype=bool)
        for dim, where in zip(space.dimensions, space.slices, strict=True):
            positive[where] = not isinstance(dim, Categorical) and dim.values[0] > 0
        self.register_buffer("logarithmic", torch.as_tensor(positive), persistent=False)
        self._of_networks = has_cost(space)
        self.meanings: list[Meaning] = []
        groups: dict[tuple[str, ...], list[int]] = {}
        for dim, where in zip(space.dimensions, space.slices, strict=True):
            choices = dim.choices if isinstance(dim, Categorical) else ("",)
            self.meanings += [Meaning("dimension", dim.name, choice) for choice in choices]
            if isinstance(dim, Categorical):
                groups.setdefault(dim.choices, []).append(where.start)
        shared = {choices: starts for choices, starts in groups.items() if len(starts) > 1}
        counted = torch.zeros(space.width, sum(map(len, shared)))
        for choices, starts in shared.items():
            for k, choice in enumerate(choices):
                counted[[start + k for start in starts], len(self.meanings) - space.width] = 1.0
                self.meanings.append(Meaning("count", choice=choice))
        self.register_buffer("counted", counted, persistent=False)
        width = self._raw(torch.as_tensor(space.bounds, dtype=torch.float32)).shape[1]
        self.meanings += [Meaning("network", f"cost {k}") for k in range(width - len(self.meanings))]
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def __len__(self) -> int:
        return len(self.mean)

    def fit(self, x: Tensor) -> Features:
        """Standardise by the mean and deviation of `x` `(n, width)`."""
        raw = self._raw(x.double())
        std = raw.std(dim=0, correction=0)
        self.mean.copy_(raw.mean(dim=0))
        self.std.copy_(torch.where(std > 1e-6, std, 1.0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """The features of `x`."""
        return (self._raw(x) - self.mean) / self.std

    def _raw(self, x: Tensor) -> Tensor:
        ordinal = torch.where(self.logarithmic, torch.where(self.logarithmic, x, 1.0).log(), x)
        parts = [ordinal, x @ self.counted.to(x.dtype)]
        return torch.cat([*parts, _of_network(x)] if self._of_networks else parts, dim=1)


def _of_network(x: Tensor) -> Tensor:
    """Logarithms of a network's costs, and of depth and width per stage, per branch and in all, `(n, 121)`."""
    depth = torch.cat([x[:, stage.modules, None] * x[:, stage.blocks] for stage in LAYOUT], dim=1)
    width = torch.cat([x[:, stage.channels] for stage in LAYOUT], dim=1)
    modules = x[:, [stage.modules for stage in LAYOUT]].sum(1)
    stem, head = 1 / x[:, 0] + 1 / x[:, 1], x[:, -1] / width[:, -STAGES:].sum(1)
    measures = [*macs_by_part(x), macs(x), params(x), *depth.unbind(1), modules, stem, head]
    for group in GROUPS:
        d, c = depth[:, group], width[:, group]
        sums = [d, c, d * c, d * c * c, 1 / c]
        measures += [measure.sum(1) for measure in sums]
        measures += [d.amax(1), d.amin(1), c.amax(1), c.amin(1), c.log().mean(1).exp()]
    return torch.stack(measures, dim=1).log()
