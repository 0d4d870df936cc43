"""What features describe, by which priors tie their weights."""

from __future__ import annotations

from typing import NamedTuple

GRAPH = ("edges", "paths", "sequences")
"""The blocks of features of a graph."""


class Meaning(NamedTuple):
    """What a feature describes.

    Attributes:
        block: `dimension`, `count` or `network`; or one of `GRAPH`.
        dimension: the dimension of the space, or the number of the network's cost; empty for others.
        choice: the choice of a categorical dimension or of a count; empty for others.
    """

    block: str
    dimension: str = ""
    choice: str = ""
