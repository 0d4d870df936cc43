"""Codes of any space as people write them."""

from __future__ import annotations

import re
from typing import Any

from ncp.dimensions import value_text
from ncp.errors import CodeError, ConfigError, quoted
from ncp.multires import read_network
from ncp.space import Space

__all__ = ["code_text", "read_code", "read_network", "read_size", "value_text"]


def code_text(space: Space, code: Any) -> str:
    """The text of a code."""
    return space.text(code)


def read_code(space: Space, text: str) -> tuple[int, ...]:
    """The code of a text."""
    if not isinstance(text, str):
        hint = " Keep digits as text: a leading 0 counts." if isinstance(text, int) else ""
        raise CodeError(f"Expected a code's text. Got {quoted(text)}.{hint}")
    return tuple(space.code(text).tolist())


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
