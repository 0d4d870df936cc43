"""What the codes of a cell mean: a graph whose edges carry operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True)
class CellGraph:
    """A directed acyclic graph with an operation on each edge, from node 0 to the node with the highest number.

    A node is the sum of the outputs of its incoming edges.

    Args:
        edges: tail and head of each edge, in the order of the space's dimensions. A head has a higher number than its
            tail.
        none: the operation that passes nothing on.
        skip: the operation that passes its input on unchanged.
        convolutions: the operations with weights.

    Raises:
        ValueError: an edge whose head is not above its tail, or no path from the first node to the last.
    """

    edges: Sequence[tuple[int, int]]
    none: str
    skip: str
    convolutions: Sequence[str]

    def __post_init__(self) -> None:
        if any(tail >= head for tail, head in self.edges):
            raise ValueError(f"Expected edges from lower to higher nodes. Got {self.edges}.")
        if not self.paths:
            raise ValueError(f"The edges {self.edges} do not connect the first node with the last.")

    @property
    def paths(self) -> list[tuple[int, ...]]:
        """All paths from the first node to the last, as places in `edges`; short ones first."""
        last = max(chain.from_iterable(self.edges), default=0)

        def onward(node: int) -> list[tuple[int, ...]]:
            if node == last:
                return [()]
            return [
                (place, *rest) for place, (tail, head) in enumerate(self.edges) if tail == node for rest in onward(head)
            ]

        return sorted(onward(0), key=len) if self.edges else []
