"""What a drawing of a network shows: its modules, its cost by part, and how two networks differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ncp.cost import Counting, macs_by_part
from ncp.spaces.multires import MULTIRES, Code, Stage

DEFAULT = Counting()
BODY = [f"stage {s} branch {k}" if k <= s else f"stage {s} fusions" for s in (1, 2, 3, 4) for k in range(1, s + 2)]
PARTS = ["stem", *BODY, "head", "classifier"]


class Edge(NamedTuple):
    """A convolution of a fusion, between branches counted from 1.

    Attributes:
        kind: `straight` within a branch, `down` to a lower resolution, `up` to a higher one, or `new` for the first
            convolution of a new branch.
        source: the branch that it reads.
        target: the branch that it adds to.
    """

    kind: str
    source: int
    target: int


class Module(NamedTuple):
    """A fusion, followed on each branch by `blocks` residual blocks of `channels` channels."""

    stage: int
    edges: tuple[Edge, ...]
    blocks: tuple[int, ...]
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """One network, with its cost as `counting` says; `parts` sum up to `macs`."""

    code: Code
    counting: Counting
    modules: tuple[Module, ...]
    macs: int
    params: int
    parts: dict[str, int]

    @property
    def shares(self) -> list[float]:
        """The share of the cost of the stem, the four stages, and the head with the classifier."""
        sums = np.add.reduceat([*self.parts.values()], [0, 1, 3, 6, 10, 15])
        return [each / self.macs for each in sums.tolist()]


@dataclass(frozen=True)
class NetworkPair:
    """Two networks; `changed` are the dimensions that differ, each with both values."""

    first: Network
    second: Network
    changed: dict[str, tuple[int, int]]


def network_facts(code: Code, counting: Counting = DEFAULT) -> Network:
    """What the drawing of one network shows; its cost is counted for images, not for clips."""
    stages = [(number, stage) for number, stage in enumerate(code.stages, start=1) for _ in range(stage.modules)]
    before = [1, *(number for number, _ in stages)]
    modules = (Module(s, tuple(_edges(b, s)), x.blocks, x.channels) for b, (s, x) in zip(before, stages, strict=False))
    total = counting.macs(code).item()
    *body, head = (int(part) for part in macs_by_part(np.array(code.vector), counting.image_size, counting.task))
    counted = [*body, 0 if counting.task == "features" else head]
    parts = dict(zip(PARTS, [*counted, total - sum(counted)], strict=True))
    return Network(code, counting, tuple(modules), total, counting.params(code).item(), parts)


def comparison_facts(a: Code, b: Code) -> NetworkPair:
    """What the drawing of two networks shows."""
    pairs = zip(MULTIRES.names, a.vector, b.vector, strict=True)
    return NetworkPair(network_facts(a), network_facts(b), {name: (x, y) for name, x, y in pairs if x != y})


def differing_blocks(stage: Stage, other: Stage, module: int) -> list[list[bool]]:
    """Per branch of a stage's module, whether each block is missing in `other` or has other channels there."""
    return [
        [
            module >= other.modules or n >= other.blocks[k] or channels != other.channels[k]
            for n in range(stage.blocks[k])
        ]
        for k, channels in enumerate(stage.channels)
    ]


def document_of(network: Network) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "code": str(network.code),
        "image_size": list(network.counting.sides),
        "classes": network.counting.classes,
        "macs": network.macs,
        "params": network.params,
        "parts": network.parts,
        "modules": [m._asdict() | {"edges": [edge._asdict() for edge in m.edges]} for m in network.modules],
    }


def _edges(before: int, after: int) -> Iterator[Edge]:
    for target in range(1, before + 1):
        for source in range(max(target - 1, 1), min(target + 1, before) + 1):
            yield Edge({-1: "down", 0: "straight", 1: "up"}[source - target], source, target)
    yield from (Edge("new", target - 1, target) for target in range(before + 1, after + 1))
