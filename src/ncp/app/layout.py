"""The dimensions of a space as the page shows them: in groups, with labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ncp.spaces.dimensions import Categorical, Dimension
from ncp.spaces.space import Space

GROUP = 12
"""Dimensions per group in an uploaded space."""


def value_indices(space: Space, code: Sequence[int]) -> list[int]:
    """The index of every value of a code among the values of its dimension."""
    return [dim.values.index(value) for dim, value in zip(space.dimensions, code, strict=True)]


def dimension_groups(space: Space) -> list[dict[str, Any]]:
    """The dimensions in named groups: those of its family, or twelve at a time."""
    labels = space.family.labels if space.family is not None else {}
    if not labels:
        dozens = [space.names[start : start + GROUP] for start in range(0, len(space), GROUP)]
        labels = {f"{GROUP * k + 1} to {GROUP * k + len(dozen)}": dozen for k, dozen in enumerate(dozens)}
    grouped, place = [], 0
    for name, described in labels.items():
        dims = [_plain(k, space.dimensions[k], label) for k, label in enumerate(described, start=place)]
        grouped.append({"name": name, "dims": dims})
        place += len(dims)
    return grouped


def _plain(place: int, dim: Dimension, label: str) -> dict[str, Any]:
    values = list(dim.choices) if isinstance(dim, Categorical) else list(dim.values)
    return {
        "place": place,
        "name": dim.name,
        "label": label,
        "values": values,
        "named": isinstance(dim, Categorical),
    }
