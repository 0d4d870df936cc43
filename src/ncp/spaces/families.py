"""The families of published benchmarks: one entry each.

Every other space, such as that of a user's table, has no entry: its codes are written as their values in order
(`ncp.spaces.text`).
"""

from __future__ import annotations

from typing import cast

from ncp.spaces.cells import CELL201, GRAPH, cell_text, read_cell
from ncp.spaces.family import FAMILIES, Family
from ncp.spaces.multires import LABELS, MULTIRES, Code, read_network
from ncp.spaces.space import Space

DEFAULT_TABLE = "nas-bench-mr"
"""The table that commands and the page use if no other is chosen. The package ships predictors of it."""

FAMILIES[MULTIRES] = Family(
    name="multires",
    parse=lambda text: read_network(text).vector,
    format=lambda numbers: str(Code(numbers)),
    table=DEFAULT_TABLE,
    network=True,
    labels=LABELS,
)
FAMILIES[CELL201] = Family(name="cell201", parse=read_cell, format=cell_text, table="nas-bench-201", graph=GRAPH)


def named_spaces() -> dict[str, Space]:
    """The spaces of all families, by name."""
    return {family.name: cast("Space", space) for space, family in FAMILIES.items()}


def table_names() -> tuple[str, ...]:
    """The names of the published tables of all families."""
    return tuple(family.table for family in FAMILIES.values())
