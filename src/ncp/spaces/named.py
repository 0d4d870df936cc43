"""Search spaces by name, and from YAML or JSON files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ncp.errors import CodeError, ConfigError, quoted
from ncp.io.files import as_path, reason_of
from ncp.io.yaml import read_yaml
from ncp.spaces.families import named_spaces
from ncp.spaces.space import Space

LARGEST_FILE = 1 << 20
"""Most bytes of a space's file."""
DIMENSIONS = (2, 200)
"""Fewest and most dimensions of a space in a file."""
LONGEST_RANGE = 10_000
"""Most values of a range."""

_EXAMPLE = "Write a line per dimension, such as 'op: [skip, conv]' or 'width: {from: 8, to: 128, step: 8}'"


def load_space(name: str | Path) -> Space:
    """A space by its name, or from a YAML or JSON file with one line per dimension.

    A dimension is a list of increasing integers, or a range of them such as `{from: 8, to: 128, step: 8}` (the default
    step is 1), or a list of choices, which are texts.

    >>> load_space("cell201").size
    15625

    Args:
        name: `multires`, `cell201`, or the path of a file.

    Raises:
        ConfigError: an unknown name, a missing file, or a file that does not describe a space.
    """
    path = as_path(name, "space")
    known = named_spaces()
    if str(name) in known:
        return known[str(name)]
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise ConfigError(f"Expected {' or '.join(known)}, or the file of a space. Got {path}: {reason}.") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigError(f"The file of a space may have at most {LARGEST_FILE} bytes. {path} has more.")
    try:
        return _space(read_yaml(text, str(path)))
    except (CodeError, ConfigError) as error:
        raise ConfigError(f"{error} See {path}. {_EXAMPLE}.") from None


def _space(document: Any) -> Space:
    if not isinstance(document, dict):
        raise ConfigError(f"Expected dimensions with their values. Got {quoted(document)}.")
    least, most = DIMENSIONS
    if not least <= len(document) <= most:
        raise ConfigError(f"A space has from {least} to {most} dimensions. This one has {len(document)}.")
    return Space.from_dict({_name(name): _values(name, given) for name, given in document.items()})


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"Expected a text as the name of every dimension. Got {quoted(name)}. Put it in quotes.")
    return name


def _values(name: str, given: Any) -> Sequence[Any]:
    if isinstance(given, dict):
        return _range(name, given)
    if isinstance(given, list):
        kinds = {type(value) for value in given}
        odd = [value for value in given if type(value) not in (int, str)]
        if odd or len(kinds) > 1:
            got = odd[0] if odd else given
            raise ConfigError(
                f"Expected integers alone or texts alone for the dimension {quoted(name)}. Got {quoted(got)}. "
                "Put choices in quotes, because YAML reads some words and numbers as other types. For "
                "ordered fractions use integers in a smaller unit, here and in the table."
            )
        return given
    raise ConfigError(f"Expected a list, or from, to and step, for the dimension {quoted(name)}. Got {quoted(given)}.")


def _range(name: str, given: dict[Any, Any]) -> list[int]:
    numbers, called = {"step": 1, **given}, quoted(name)
    if numbers.keys() != {"from", "to", "step"} or {type(number) for number in numbers.values()} != {int}:
        raise ConfigError(f"Expected integers from, to and step for the dimension {called}. Got {quoted(given)}.")
    first, last, step = numbers["from"], numbers["to"], numbers["step"]
    if step < 1 or last <= first or (last - first) % step:
        raise ConfigError(
            f"The step of the dimension {called} must be positive and lead exactly from its first to its last value. "
            f"Got {quoted(given)}."
        )
    if (last - first) // step >= LONGEST_RANGE:
        raise ConfigError(f"Expected at most {LONGEST_RANGE} values for the dimension {called}. Got {quoted(given)}.")
    return list(range(first, last + 1, step))
