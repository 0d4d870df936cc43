"""Bounds that settings of several kinds of predictor share; settings are checked when they are made."""

from __future__ import annotations

from typing import Any

from ncp.errors import ConfigError
from ncp.numbers import as_count, as_number


def keep(settings: object, **checked: object) -> None:
    """Let a frozen dataclass hold checked values: numbers of numpy have become Python's."""
    for name, value in checked.items():
        object.__setattr__(settings, name, value)


def as_training(settings: Any, smallest_batch: int) -> dict[str, object]:
    """The checked fields of every network that is trained in epochs.

    Raises:
        ConfigError: a field that is out of its bounds.
    """
    return {
        "epochs": as_count(settings.epochs, "epochs"),
        "batch": as_count(settings.batch, "batch", least=smallest_batch),
        "dropout": as_number(settings.dropout, "dropout", least=0, below=1),
        "learning_rate": as_number(settings.learning_rate, "learning_rate", above=0, most=1),
        "weight_decay": as_number(settings.weight_decay, "weight_decay", least=0),
        "held_out": as_number(settings.held_out, "held_out", above=0, most=0.5),
    }


def as_sizes(sizes: Any, field: str) -> tuple[int, ...]:
    """Sizes of layers, at least one.

    Raises:
        ConfigError: what is no list of positive integers.
    """
    if isinstance(sizes, (str, bytes)) or not hasattr(sizes, "__iter__") or not (given := tuple(sizes)):
        raise ConfigError("{field} must be a list of at least one integer. Got {given}.", field=field, given=sizes)
    return tuple(as_count(size, field) for size in given)
