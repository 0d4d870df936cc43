"""Checks of arguments: numbers, lists and types. Each raises an error that names the argument."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ncp.errors import ConfigError, quoted

LARGEST_SEED = 2**32 - 1
"""The largest seed that all random generators accept."""


def as_seed(seed: Any) -> int:
    """A random seed as a Python integer.

    >>> as_seed(7)
    7

    Raises:
        ConfigError: anything but an integer from 0 to `LARGEST_SEED`.
    """
    return as_count(seed, "seed", least=0, most=LARGEST_SEED)


def as_count(value: Any, field: str, least: int = 1, most: int | None = None) -> int:
    """A count as a Python integer.

    Args:
        value: an integer of Python, numpy or torch.
        field: name of the argument.
        least: smallest valid count.
        most: largest valid count; None for no bound.

    Raises:
        ConfigError: anything but an integer within the bounds, including booleans and whole floats.
    """
    number = None if isinstance(value, bool) else _integer(value)
    if number is None or number < least or (most is not None and number > most):
        bounds = "{least} or more" if most is None else "from {least} to {most}"
        raise ConfigError(
            f"{{field}} must be an integer, {bounds}. Got {{shown}}.",
            field=field,
            given=value,
            shown=quoted(value),  # `{given}` would show 2.0 as 2
            least=str(least),
            most=str(most),
        )
    return number


def as_number(
    value: Any,
    field: str,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> float:
    """A real number as a Python float.

    >>> as_number(1, "test_size", above=0, most=1)
    1.0

    Args:
        value: a number of Python, numpy or torch.
        field: name of the argument.
        above: the number must be greater than this.
        least: the number must be at least this.
        below: the number must be less than this.
        most: the number must be at most this.

    Raises:
        ConfigError: anything but a finite number within the bounds, including booleans and texts.
    """
    number = None if isinstance(value, (bool, np.bool_)) else _real(value)
    bounds = {"above": above, "at least": least, "below": below, "at most": most}
    limits = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
    fits = number is not None and (
        (above is None or number > above)
        and (least is None or number >= least)
        and (below is None or number < below)
        and (most is None or number <= most)
    )
    if number is None or not fits:
        wanted = f"a finite number {limits}".strip()
        raise ConfigError(f"{{field}} must be {wanted}. Got {{given}}.", field=field, given=value)
    return number


def is_finite(value: Any) -> bool:
    """Whether a value is a finite number of Python or numpy; booleans are not."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return real and math.isfinite(value)


def as_items(value: Any, field: str, kind: str) -> list[Any]:
    """The items of a list, tuple or other iterable argument.

    Args:
        value: the argument.
        field: name of the argument.
        kind: what the items are, as the message says it: `names of columns`.

    Raises:
        ConfigError: a text, or a value that is not iterable.
    """
    try:
        if not isinstance(value, (str, bytes)):
            return list(value)
    except TypeError:
        pass
    raise ConfigError(f"{{field}} must be a list of {kind}. Got {{given}}.", field=field, given=value)


def require_type(value: Any, kind: type | tuple[type, ...], field: str, advice: str) -> None:
    """Refuse an argument of a wrong type.

    Args:
        value: the argument.
        kind: its valid type or types.
        field: name of the argument.
        advice: what to pass, as the message says it: `an ncp.Table, from ncp.load_table`.

    Raises:
        ConfigError: anything but an instance of `kind`.
    """
    if not isinstance(value, kind):
        raise ConfigError(f"{{field}} must be {advice}. Got {{given}}.", field=field, given=value)


def _integer(value: Any) -> int | None:
    try:
        return operator.index(value)
    except TypeError:
        return None


def _real(value: Any) -> float | None:
    if isinstance(value, (str, bytes)) or getattr(value, "shape", None):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
