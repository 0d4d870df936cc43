"""The dimensions of a space as the page shows them: in groups, with labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Categorical, Dimension, Space

GROUP = 12
"""Dimensions per group in an uploaded space."""


def value_indices(space: Space, code: Sequence[int]) -> list[int]:
    """The index of every value of a code among the values of its dimension."""
    return [dim.values.index(value) for dim, value in zip(space.dimensions, code, strict=True)]


def dimension_groups(space: Space) -> list[dict[str, Any]]:
    """The dimensions in named groups: stem, stages and head of a multi-resolution network, or twelve at a time."""
    if space == MULTIRES:
        starts = {"Stem": 2, "Stage 1": 3, "Stage 2": 5, "Stage 3": 7, "Stage 4": 9, "Head": 1}
        labels = ["first convolution", "second convolution"]
        for stage in range(1, 5):
            labels.append("modules")
            labels += [f"branch {k} {what}" for what in ("blocks", "channels") for k in range(1, stage + 1)]
        labels.append("channels")
    else:
        full, rest = divmod(len(space), GROUP)
        sizes = [GROUP] * full + [rest] * (rest > 0)
        ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
        starts = {f"{end - size + 1} to {end}": size for end, size in zip(ends, sizes, strict=True)}
        labels = list(space.names)
    grouped, place = [], 0
    for name, size in starts.items():
        dims = [_plain(k, space.dimensions[k], labels[k]) for k in range(place, place + size)]
        grouped.append({"name": name, "dims": dims})
        place += size
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
