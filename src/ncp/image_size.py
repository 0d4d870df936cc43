"""Image sizes as people write them."""

from __future__ import annotations

import re

from ncp.errors import ConfigError, quoted


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
