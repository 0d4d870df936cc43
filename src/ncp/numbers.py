"""Counts and seeds that a caller passes: integers of Python or numpy within bounds, or an error that names them."""

from __future__ import annotations

import operator
from typing import Any

from ncp.errors import ConfigError

LARGEST_SEED = 2**32 - 1
"""The largest that every generator of random numbers takes."""


def as_seed(seed: Any) -> int:
    """A seed of random numbers as a Python integer.

    >>> as_seed(7)
    7

    Raises:
        ConfigError: anything but an integer from 0 to `LARGEST_SEED`.
    """
    return as_count(seed, "seed", least=0, most=LARGEST_SEED)


def as_count(value: Any, field: str, least: int = 1, most: int | None = None) -> int:
    """A number of things as a Python integer.

    Args:
        value: what the caller passed, an integer of Python, numpy or torch.
        field: the argument that it was passed as.
        least: the smallest number that makes sense.
        most: the largest; no bound when left out.

    Raises:
        ConfigError: anything but an integer within the bounds; booleans and whole floats are refused too.
    """
    number = None if isinstance(value, bool) else _integer(value)
    if number is None or number < least or (most is not None and number > most):
        bounds = "{least} or more" if most is None else "from {least} to {most}"
        raise ConfigError(
            f"{{field}} must be an integer, {bounds}. Got {{given}}.",
            field=field,
            given=value,
            least=str(least),
            most=str(most),
        )
    return number


def _integer(value: Any) -> int | None:
    try:
        return operator.index(value)
    except TypeError:
        return None
