"""The search space of a published benchmark: its name, how its codes are written, its table, and its labels.

`ncp.spaces.families` has the entries. They are kept here, below `Space`, which looks its family up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from ncp.spaces.cell_graph import CellGraph


@dataclass(frozen=True)
class Family:
    """The search space of a published benchmark: its name, how codes are written, its table, and its labels.

    Args:
        name: name of the space, for `ncp.load_space` and the option `--space`.
        parse: reads the text of one code as integers, one per dimension. It must raise `CodeError` for any other text.
        format: writes the integers of one code as a text that `parse` reads.
        table: name of the published table, for `ncp.load_table` and the option `--table`.
        network: whether the codes are multi-resolution networks, which `ncp.cost` counts exactly and
            `ncp.network` builds.
        graph: for cells, what their codes mean; predictors then see what a cell computes instead of its code.
        labels: short descriptions of the dimensions in order, by the group in which the page shows them. Without
            labels the page shows the names of the dimensions.
    """

    name: str
    parse: Callable[[str], Sequence[int]]
    format: Callable[[Sequence[int]], str]
    table: str
    network: bool = False
    graph: CellGraph | None = None
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)


FAMILIES: dict[Hashable, Family] = {}
"""The family of each `Space` that has one."""
