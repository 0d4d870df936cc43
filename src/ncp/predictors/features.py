"""Inputs of predictors: standardised codes, or features of them such as logarithms, counts and network costs."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from ncp.cost import has_cost, macs, macs_by_part, params
from ncp.predictors.graph_features import GraphFeatures
from ncp.predictors.meaning import Meaning
from ncp.spaces.dimensions import Categorical
from ncp.spaces.multires import LAYOUT, STAGES
from ncp.spaces.space import Space

_BRANCHES = [(stage, branch) for stage in range(STAGES) for branch in range(stage + 1)]
GROUPS = [
    *([i for i, (stage, _) in enumerate(_BRANCHES) if stage == s] for s in range(STAGES)),
    *([i for i, (_, branch) in enumerate(_BRANCHES) if branch == b] for b in range(STAGES)),
    list(range(len(_BRANCHES))),
]
"""Groups of the ten (stage, branch) pairs of a network: by stage, by branch, and all together."""


class Inputs(nn.Module):
    """Relaxed codes `(n, width)`, standardised.

    Attributes:
        code_mean: buffer `(width,)`, of the training codes.
        code_std: buffer `(width,)`, of the training codes; 1 where they are all equal.
    """

    code_mean: Tensor
    code_std: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.register_buffer("code_mean", torch.zeros(space.width))
        self.register_buffer("code_std", torch.ones(space.width))

    def __len__(self) -> int:
        return len(self.code_mean)

    def fit(self, x: Tensor) -> Self:
        """Standardise by the mean and standard deviation of `x` `(n, width)`."""
        std = x.std(dim=0, correction=0)
        self.code_mean.copy_(x.mean(dim=0))
        self.code_std.copy_(torch.where(std > 0, std, 1.0))
        return self

    def standardised(self, x: Tensor) -> Tensor:
        """Relaxed codes in standard deviations from the mean of the training codes."""
        return (x - self.code_mean) / self.code_std

    def restored(self, standardised: Tensor) -> Tensor:
        """Relaxed codes, given standardised ones."""
        return standardised * self.code_std + self.code_mean

    def forward(self, x: Tensor) -> Tensor:
        """Standardised codes."""
        return self.standardised(x)


class Features(Inputs):
    """Standardised features `(n, f)` of relaxed codes `(n, width)`; gradients flow.

    They are `CodeFeatures`, and in a space with a graph `GraphFeatures` besides: accuracy depends on what a cell
    computes, and its cost on operations that nothing reaches, too.

    Args:
        space: the space of the codes.
        graph: whether a space with a graph has `GraphFeatures`.

    Attributes:
        meanings: f descriptions, one per feature.
        feature_mean: buffer `(f,)`, of the training codes' features.
        feature_std: buffer `(f,)`, of the training codes' features; 1 where they are all equal.
    """

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, space: Space, *, graph: bool = True) -> None:
        super().__init__(space)
        blocks: list[CodeFeatures | GraphFeatures] = [CodeFeatures(space)]
        if graph and space.graph is not None:
            blocks.append(GraphFeatures(space))
        self.blocks = nn.ModuleList(blocks)
        self.meanings = [meaning for block in blocks for meaning in block.meanings]
        self.register_buffer("feature_mean", torch.zeros(len(self.meanings)))
        self.register_buffer("feature_std", torch.ones(len(self.meanings)))

    def __len__(self) -> int:
        return len(self.feature_mean)

    def fit(self, x: Tensor) -> Self:
        """Standardise by the means and standard deviations of `x` `(n, width)` and of its features."""
        super().fit(x)
        raw = self._raw(x.double())
        std = raw.std(dim=0, correction=0)
        self.feature_mean.copy_(raw.mean(dim=0))
        self.feature_std.copy_(torch.where(std > 1e-6, std, 1.0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """The features of `x`."""
        return (self._raw(x) - self.feature_mean) / self.feature_std

    def _raw(self, x: Tensor) -> Tensor:
        return torch.cat([block(x) for block in self.blocks], dim=1)


class CodeFeatures(nn.Module):
    """Features `(n, f)` of relaxed codes `(n, width)`, dimension by dimension.

    Positive ordinal dimensions enter as logarithms, other ordinal ones as they are, categorical ones as points on
    their simplex. If several dimensions have the same choices, the count of each choice over them is a feature too. In
    the space of NAS-Bench-MR, so are logarithms of a network's costs and of sums over its stages and branches.

    Attributes:
        meanings: f descriptions, one per feature.
    """

    logarithmic: Tensor
    counted: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        positive = np.zeros(space.width, dtype=bool)
        for dim, where in zip(space.dimensions, space.slices, strict=True):
            positive[where] = not isinstance(dim, Categorical) and dim.values[0] > 0
        self.register_buffer("logarithmic", torch.as_tensor(positive), persistent=False)
        self._has_cost = has_cost(space)
        self.meanings: list[Meaning] = []
        starts_of: dict[tuple[str, ...], list[int]] = {}
        for dim, where in zip(space.dimensions, space.slices, strict=True):
            choices = dim.choices if isinstance(dim, Categorical) else ("",)
            self.meanings += [Meaning("dimension", dim.name, choice) for choice in choices]
            if isinstance(dim, Categorical):
                starts_of.setdefault(dim.choices, []).append(where.start)
        shared = {choices: starts for choices, starts in starts_of.items() if len(starts) > 1}
        counted = torch.zeros(space.width, sum(map(len, shared)))
        for choices, starts in shared.items():
            for k, choice in enumerate(choices):
                counted[[start + k for start in starts], len(self.meanings) - space.width] = 1.0
                self.meanings.append(Meaning("count", choice=choice))
        self.register_buffer("counted", counted, persistent=False)
        count = self(torch.as_tensor(space.bounds, dtype=torch.float32)).shape[1]
        self.meanings += [Meaning("network", f"cost {k}") for k in range(count - len(self.meanings))]

    def forward(self, x: Tensor) -> Tensor:
        """The features of `x`."""
        ordinal = torch.where(self.logarithmic, torch.where(self.logarithmic, x, 1.0).log(), x)
        blocks = [ordinal, x @ self.counted.to(x.dtype)]
        if self._has_cost:
            blocks.append(_network_features(x))
        return torch.cat(blocks, dim=1)


def _network_features(x: Tensor) -> Tensor:
    """Logarithms of a network's costs, and of depth and width per stage, per branch and overall, `(n, 121)`."""
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
