"""Codes of any space as people write them."""

from __future__ import annotations

import json
import re
from typing import Any

from ncp.cells import CELL201, cell_text, parse_cell
from ncp.errors import CodeError, ConfigError, quoted
from ncp.multires import MULTIRES, Code
from ncp.space import Categorical, Dimension, Space


def code_text(space: Space, code: Any) -> str:
    """A code's text, which `read_code` reads: for a space of one's own its values, choices by their names.

    >>> code_text(Space.from_dict({"width": [8, 16], "op": ["skip", "conv"]}), [16, 1])
    '16,conv'

    Raises:
        CodeError: anything but one code of the space.
    """
    rows = space.codes(code)
    if len(rows) != 1:
        raise CodeError(f"Expected one code. Got {len(rows)}.")
    numbers = rows[0].tolist()
    if space == MULTIRES:
        return str(Code(numbers))
    if space == CELL201:
        return cell_text(numbers)
    named = [value_text(dim, number) for dim, number in zip(space.dimensions, numbers, strict=True)]
    return (
        ("_".join(map(str, numbers))) if any("," in name or name != name.strip() for name in named) else ",".join(named)
    )


def value_text(dim: Dimension, number: int) -> str:
    """What a number stands for in a dimension: a choice's name, or itself."""
    return dim.choices[number] if isinstance(dim, Categorical) else str(number)


def read_code(space: Space, text: str) -> tuple[int, ...]:
    """The code that a text stands for.

    A network's or a cell's text as its space defines it; for a space of one's own its values in order with commas
    between, choices by their names, or its integers joined by `_`. For every space also a list as JSON, and for a
    network its setting.

    >>> read_code(Space.from_dict({"width": [8, 16], "op": ["skip", "conv"]}), "16, conv")
    (16, 1)

    Raises:
        CodeError: a text of another form, or values outside the space.
    """
    if space == MULTIRES:
        return read_network(text).vector
    stripped = text.strip() if isinstance(text, str) else text
    if isinstance(stripped, str) and stripped.startswith("["):
        try:
            listed = json.loads(stripped)
        except (ValueError, RecursionError) as error:
            raise CodeError(f"Expected a code's values as JSON. Got {quoted(text)}: {error}.") from None
        return _of_values(space, listed, text)
    if space == CELL201:
        return parse_cell(stripped)
    parts = str(stripped).split("," if "," in str(stripped) else "_")
    return _of_values(space, [part.strip() for part in parts], text)


def read_network(text: str) -> Code:
    """Any of the three written forms of a network's code: its text, or its vector or setting as JSON.

    Raises:
        CodeError: anything else.
    """
    if not isinstance(text, str) or not text.lstrip().startswith(("[", "{")):
        return Code.parse(text.strip() if isinstance(text, str) else text)
    try:
        read = json.loads(text, object_pairs_hook=_setting)
    except CodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise CodeError(f"Expected a code's vector or setting as JSON. Got {quoted(text)}: {error}.") from None
    return Code.from_vector(read) if isinstance(read, list) else Code.from_setting(**read)


def read_size(text: str) -> tuple[int, int]:
    """`224` or `512x1024` as height and width.

    Raises:
        ConfigError: anything else.
    """
    numbers = re.fullmatch(r"([0-9]{1,9})(?:x([0-9]{1,9}))?", text, re.IGNORECASE)
    if not numbers:
        raise ConfigError(f"Expected an image size such as 224 or 512x1024. Got {quoted(text)}.")
    height, width = numbers.groups()
    return int(height), int(width or height)


def _setting(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A setting's three keys, each of them once."""
    keys = [key for key, _ in pairs]
    if sorted(keys) != ["input_channel", "last_channel", "network_setting"]:
        raise CodeError(
            f"Expected a setting with the keys input_channel, network_setting and last_channel. Got {quoted(keys)}."
        )
    return dict(pairs)


def _of_values(space: Space, values: list[Any], text: Any) -> tuple[int, ...]:
    if len(values) != len(space):
        raise CodeError(
            f"Expected {len(space)} values with commas between ({', '.join(space.names[:3])}, ..), or as many integers "
            f"joined by '_'. Got {len(values)} in {quoted(text)}."
        )
    numbers = [_level(dim, value) for dim, value in zip(space.dimensions, values, strict=True)]
    return tuple(space.codes(numbers)[0].tolist())


def _level(dim: Dimension, value: Any) -> int:
    """A value by a choice's name, or as the integer that it is."""
    if isinstance(dim, Categorical) and value in dim.choices:
        return dim.choices.index(value)
    text = str(value)
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20):
        allowed = dim.choices if isinstance(dim, Categorical) else dim.values
        shown = ", ".join(map(str, allowed)) if len(allowed) <= 20 else f"{allowed[0]} to {allowed[-1]}"
        raise CodeError(f"Expected one of {shown} for {dim.name}. Got {quoted(value)}.")
    return int(text)
