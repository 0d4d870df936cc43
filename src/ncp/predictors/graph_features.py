"""Features of a cell as a graph: what its live paths compute, whichever edges they take.

A path is live if none of its edges has the operation `none`. An edge is live if a live path takes it. Relaxed codes
have products of shares in place of logical conditions, so that gradients flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor, nn

from ncp.predictors.meaning import Meaning
from ncp.spaces.dimensions import Categorical
from ncp.spaces.space import Space

LONGEST = 3
"""Longest paths whose sequences of operations are counted; longer ones only have statistics."""
Way = tuple[tuple[int, ...], list[int]]
"""A path, and the place of an operation for each of its edges."""


class GraphFeatures(nn.Module):
    """Features `(n, f)` of relaxed codes `(n, edges * operations)` of a cell.

    There are three blocks. Edges: the number of live edges with each operation. Paths: the number of live paths, and of
    those without a convolution; for each operation, and for all convolutions together, how often they occur on each
    live path, with the maximum and the sum. Sequences: for each sequence of operations, with skips left out, the number
    of live paths that compute it.

    Args:
        space: a space with a graph; every dimension is an edge and has the same operations.

    Attributes:
        meanings: f descriptions, one per feature.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        first = space.dimensions[0]
        if space.graph is None or not isinstance(first, Categorical):
            raise ValueError(f"{space} has no graph")
        self.graph, self.paths, self.operations = space.graph, space.graph.paths, first.choices
        self.none = self.operations.index(self.graph.none)
        self.passing = [name for name in self.operations if name != self.graph.none]
        self.convolutions = self._places(self.graph.convolutions)
        self.groups = [self._places([name]) for name in self.passing]
        if len(self.convolutions) > 1:
            self.groups.append(self.convolutions)
        self.sequences = self._sequences()
        statistics = 2 + len(self.groups) * (len(self.paths) + 2)
        counts = {"edges": len(self.passing), "paths": statistics, "sequences": len(self.sequences)}
        self.meanings = [Meaning(block) for block, count in counts.items() for _ in range(count)]

    def forward(self, x: Tensor) -> Tensor:
        """The features of `x`."""
        shares = x.reshape(len(x), len(self.graph.edges), len(self.operations))
        passing = 1 - shares[:, :, self.none]
        live = torch.stack([passing[:, path].prod(dim=1) for path in self.paths], dim=1)
        convolutions = shares[:, :, self.convolutions].sum(dim=2)
        plain = torch.stack([(passing - convolutions)[:, path].prod(dim=1) for path in self.paths], dim=1)
        blocks = [self._live_edges(shares, live), live.sum(1, keepdim=True), plain.sum(1, keepdim=True)]
        for group in self.groups:
            members = shares[:, :, group].sum(dim=2)
            counts = live * torch.stack([members[:, path].sum(dim=1) for path in self.paths], dim=1)
            blocks += [counts, counts.amax(1, keepdim=True), counts.sum(1, keepdim=True)]
        for ways in self.sequences:
            blocks.append(torch.stack([shares[:, path, word].prod(dim=1) for path, word in ways]).sum(0)[:, None])
        return torch.cat(blocks, dim=1)

    def _live_edges(self, shares: Tensor, live: Tensor) -> Tensor:
        """The number of live edges with each operation but `none`, `(n, operations - 1)`."""
        edges = []
        for edge in range(len(self.graph.edges)):
            through = [place for place, path in enumerate(self.paths) if edge in path]
            edges.append(1 - (1 - live[:, through]).prod(dim=1))
        counts: Tensor = (shares * torch.stack(edges, dim=1)[:, :, None]).sum(dim=1)
        return counts[:, self._places(self.passing)]

    def _places(self, names: Sequence[str]) -> list[int]:
        return [self.operations.index(name) for name in names]

    def _sequences(self) -> list[list[Way]]:
        """For each sequence of operations, skips left out, all ways to compute it."""
        found: dict[tuple[str, ...], list[Way]] = {}
        for path in self.paths:
            if len(path) > LONGEST:
                continue
            for word in product(self.passing, repeat=len(path)):
                sequence = tuple(name for name in word if name != self.graph.skip)
                found.setdefault(sequence, []).append((path, self._places(word)))
        return list(found.values())
