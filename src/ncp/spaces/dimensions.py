"""The dimensions of a search space: ordered integers or unordered choices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ncp.errors import CodeError, quoted


@dataclass(frozen=True)
class Ordinal:
    """A dimension of ordered integers. A code contains the value itself.

    >>> Ordinal("channels", range(8, 33, 8)).values
    (8, 16, 24, 32)
    """

    name: str
    values: tuple[int, ...]

    def __init__(self, name: str, values: Iterable[int]) -> None:
        given = _items(name, values)
        whole = all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in given)
        if len(given) < 2 or not whole or list(given) != sorted(set(given)):
            raise CodeError(
                f"Expected at least two increasing integers for the ordinal dimension {name!r}. Got {quoted(given)}."
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", tuple(int(v) for v in given))

    @property
    def width(self) -> int:
        """Number of coordinates of the relaxed dimension: one."""
        return 1


@dataclass(frozen=True)
class Categorical:
    """A dimension of unordered choices. A code contains the index of the choice.

    >>> Categorical("edge", ["none", "skip"]).values
    (0, 1)
    """

    name: str
    choices: tuple[str, ...]

    def __init__(self, name: str, choices: Iterable[str]) -> None:
        given = _items(name, choices)
        if len(given) < 2 or not all(isinstance(choice, str) for choice in given) or len(set(given)) < len(given):
            raise CodeError(
                f"Expected at least two different texts for the categorical dimension {name!r}. Got {quoted(given)}."
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "choices", given)

    @property
    def values(self) -> tuple[int, ...]:
        """The valid integers: the indices of the choices."""
        return tuple(range(len(self.choices)))

    @property
    def width(self) -> int:
        """Number of coordinates of the relaxed dimension: one per choice, on a simplex."""
        return len(self.choices)


Dimension = Ordinal | Categorical


def _items(name: Any, values: Any) -> tuple[Any, ...]:
    """The values of a dimension as a tuple.

    Raises:
        CodeError: a name that is not a text, or values that are not iterable.
    """
    if not isinstance(name, str):
        raise CodeError(f"Expected a text as the name of a dimension. Got {quoted(name)}.")
    try:
        return tuple(values)
    except TypeError:
        raise CodeError(f"Expected a list of values for the dimension {quoted(name)}. Got {quoted(values)}.") from None


def value_text(dim: Dimension, number: int) -> str:
    """The text of one integer of a code: the name of the choice, or the integer."""
    return dim.choices[number] if isinstance(dim, Categorical) else str(number)


def changed(dimensions: Sequence[Dimension], before: Sequence[int], after: Sequence[int]) -> list[tuple[str, str, str]]:
    """The dimensions in which two codes differ: their names, and the texts of both values.

    >>> changed([Ordinal("width", (8, 16)), Ordinal("depth", (1, 2))], [8, 1], [16, 1])
    [('width', '8', '16')]
    """
    return [
        (dim.name, value_text(dim, old), value_text(dim, new))
        for dim, old, new in zip(dimensions, before, after, strict=True)
        if old != new
    ]


def read_value(dim: Dimension, value: Any) -> int:
    """Read one value: the name of a choice, or an integer, which may be outside the dimension.

    Raises:
        CodeError: anything else.
    """
    if isinstance(dim, Categorical) and value in dim.choices:
        return dim.choices.index(value)
    text = str(value)
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20):
        raise CodeError(f"Expected one of {allowed_text(dim)} for {dim.name}. Got {quoted(value)}.")
    return int(text)


def allowed_text(dim: Dimension) -> str:
    """The texts that a value of a dimension may have, as messages list them."""
    allowed = dim.choices if isinstance(dim, Categorical) else dim.values
    return ", ".join(map(str, allowed)) if len(allowed) <= 20 else f"{allowed[0]} to {allowed[-1]}"


def described(dim: Dimension) -> str:
    """The valid values of a dimension, as messages say them."""
    if isinstance(dim, Categorical):
        return f"an index from 0 to {len(dim.choices) - 1} ({', '.join(dim.choices)})"
    steps = {b - a for a, b in pairwise(dim.values)}
    if len(steps) > 1:
        return f"one of {', '.join(map(str, dim.values))}"
    (step,) = steps
    if step == 1:
        kind = "an integer"
    elif dim.values[0] % step == 0:
        kind = f"a multiple of {step}"
    else:
        kind = f"steps of {step}"
    return f"{kind} from {dim.values[0]} to {dim.values[-1]}"
