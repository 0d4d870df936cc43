"""The cells of NAS-Bench-201: six edges between four nodes, each with one of five operations; and their texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ncp.errors import CodeError, quoted
from ncp.spaces.arrays import CodesLike
from ncp.spaces.cell_graph import CellGraph
from ncp.spaces.dimensions import Categorical
from ncp.spaces.space import Space
from ncp.spaces.text import read_values

OPERATIONS = ("avg_pool_3x3", "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
"""The five operations, in the order of the published one-hot codes."""

DIGITS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The same operations, in the order of NATS-Bench's digits 0 to 4."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))

CELL201 = Space(Categorical(f"edge{a}-{b}", OPERATIONS) for a, b in EDGES)
"""The 6-dimensional space of cells; its relaxation `(n, 30)` is the published one-hot code."""

GRAPH = CellGraph(EDGES, none="none", skip="skip_connect", convolutions=("nor_conv_1x1", "nor_conv_3x3"))
"""What a code of `CELL201` means."""

_TEXT = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_NAME = "([a-z0-9_]+)"
_PATTERN = re.compile(rf"\|{_NAME}~0\|\+\|{_NAME}~0\|{_NAME}~1\|\+\|{_NAME}~0\|{_NAME}~1\|{_NAME}~2\|")


def parse_cell(text: str) -> tuple[int, ...]:
    """Read a cell from the text of NAS-Bench-201 or the six digits of NATS-Bench.

    >>> parse_cell("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|")
    (4, 1, 2, 1, 1, 0)
    >>> parse_cell("301004")
    (4, 1, 2, 1, 1, 0)

    Raises:
        CodeError: any other text, or an unknown operation.
    """
    if isinstance(text, str) and re.fullmatch("[0-4]{6}", text):
        return tuple(OPERATIONS.index(DIGITS[int(digit)]) for digit in text)
    found = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if not found:
        number = isinstance(text, (int, np.integer)) or (isinstance(text, str) and re.fullmatch("[0-9]+", text))
        hint = " Pass all six digits as text, so that a leading 0 is kept." if number else ""
        raise CodeError(
            f"Expected a cell such as {_TEXT.format(*('none',) * 6)}, or six digits from 0 to 4. "
            f"Got {quoted(text)}.{hint}"
        )
    for name in found.groups():
        if name not in OPERATIONS:
            raise CodeError(f"Expected one of {', '.join(OPERATIONS)} on every edge. Got {quoted(name)}.")
    return tuple(OPERATIONS.index(name) for name in found.groups())


def cell_text(code: CodesLike) -> str:
    """The text of a cell in NAS-Bench-201, which `parse_cell` reads.

    >>> cell_text([4, 1, 2, 1, 1, 0])
    '|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|'

    Raises:
        CodeError: anything but one code of `CELL201`.
    """
    return _TEXT.format(*(OPERATIONS[index] for index in CELL201.code(code).tolist()))


def read_cell(text: str) -> Sequence[int]:
    """Read a cell from a JSON list of its integers, or from any text that `parse_cell` reads.

    Raises:
        CodeError: anything else.
    """
    return read_values(CELL201.dimensions, text) if text.startswith("[") else parse_cell(text)
