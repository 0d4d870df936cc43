"""Families: the search spaces of published benchmarks, with their names, texts, tables and labels.

A new benchmark is one entry in `FAMILIES`. Every other space, such as that of a user's table, has no entry: its codes
are written as their values in order (`ncp.spaces.text`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ncp.spaces.cells import CELL201, cell_text, read_cell
from ncp.spaces.multires import LABELS, MULTIRES, Code, read_network
from ncp.spaces.space import Space


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
        labels: short descriptions of the dimensions in order, by the group in which the page shows them. Without
            labels the page shows the names of the dimensions.
    """

    name: str
    parse: Callable[[str], Sequence[int]]
    format: Callable[[Sequence[int]], str]
    table: str
    network: bool = False
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)


FAMILIES: dict[Space, Family] = {
    MULTIRES: Family(
        name="multires",
        parse=lambda text: read_network(text).vector,
        format=lambda numbers: str(Code(numbers)),
        table="nas-bench-mr",
        network=True,
        labels=LABELS,
    ),
    CELL201: Family(name="cell201", parse=read_cell, format=cell_text, table="nas-bench-201"),
}

DEFAULT_TABLE = FAMILIES[MULTIRES].table
"""The table that commands and the page use if no other is chosen. The package ships predictors of it."""


def named_spaces() -> dict[str, Space]:
    """The spaces of all families, by name."""
    return {family.name: space for space, family in FAMILIES.items()}


def table_names() -> tuple[str, ...]:
    """The names of the published tables of all families."""
    return tuple(family.table for family in FAMILIES.values())
