"""The dimensions of a space as the page shows them: in groups, with labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ncp.spaces.dimensions import Categorical, Dimension
from ncp.spaces.space import Space

GROUP = 12
"""Most dimensions per group in an uploaded space."""


def value_indices(space: Space, code: Sequence[int]) -> list[int]:
    """The index of every value of a code among the values of its dimension."""
    return [dim.values.index(value) for dim, value in zip(space.dimensions, code, strict=True)]


def dimension_groups(space: Space) -> list[dict[str, Any]]:
    """The dimensions in named groups: those of its family, or else equal parts, named by first and last dimension."""
    labels = space.family.labels if space.family is not None else {}
    grouped, place = [], 0
    for name, described in labels.items():
        dims = [_plain(k, space.dimensions[k], label, f"{name}, {label}") for k, label in enumerate(described, place)]
        grouped.append({"name": name, "dims": dims})
        place += len(dims)
    return grouped or _equal_parts(space)


def _equal_parts(space: Space) -> list[dict[str, Any]]:
    size = math.ceil(len(space) / math.ceil(len(space) / GROUP))
    dims = [_plain(k, dim, dim.name, dim.name) for k, dim in enumerate(space.dimensions)]
    parts = [dims[start : start + size] for start in range(0, len(dims), size)]
    return [{"name": " to ".join(dict.fromkeys((part[0]["name"], part[-1]["name"]))), "dims": part} for part in parts]


def _plain(place: int, dim: Dimension, label: str, full: str) -> dict[str, Any]:
    values = list(dim.choices) if isinstance(dim, Categorical) else list(dim.values)
    return {
        "place": place,
        "name": dim.name,
        "label": label,
        "full": full,
        "values": values,
        "named": isinstance(dim, Categorical),
    }
