"""Codes as text: the values of a code in order, for every space that has no written form of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ncp.errors import CodeError, quoted
from ncp.spaces.dimensions import Dimension, read_value, value_text


def read_values(dimensions: Sequence[Dimension], text: str) -> list[int]:
    """The integers of a text that lists the values of a code in order.

    Three notations are read: values with commas between them, choices by name (`16,conv`); integers joined by `_`;
    and a JSON list.

    Raises:
        CodeError: a wrong count of values, or one that is neither an integer nor a choice.
    """
    try:
        values = json.loads(text) if text.startswith("[") else text.split("," if "," in text else "_")
    except (ValueError, RecursionError) as error:
        raise CodeError(f"Expected a code's values as JSON. Got {quoted(text)}: {error}.") from None
    if len(values) != len(dimensions):
        names = ", ".join(dim.name for dim in dimensions[:3])
        raise CodeError(
            f"Expected {len(dimensions)} values with commas between ({names}, ..), or as many integers joined by '_'. "
            f"Got {len(values)} in {quoted(text)}."
        )
    values = [value.strip() if isinstance(value, str) else value for value in values]
    return [read_value(dim, value) for dim, value in zip(dimensions, values, strict=True)]


def values_text(dimensions: Sequence[Dimension], numbers: Sequence[int]) -> str:
    """The values of one code with commas between them, choices by name, as `read_values` reads them.

    If a choice's name would make the text ambiguous, for example because it contains a comma, the text is a JSON list
    of the integers.
    """
    named = ",".join(value_text(dim, number) for dim, number in zip(dimensions, numbers, strict=True))
    try:
        read = read_values(dimensions, named)
    except CodeError:
        read = []
    return named if read == numbers else json.dumps(numbers)


def read_texts(codes: Any, read: Callable[[str], Sequence[int]]) -> Any:
    """`codes` with every text in it read.

    Raises:
        CodeError: a list that mixes texts and integers, and what `read` refuses.
    """
    if isinstance(codes, str):
        return read(codes.strip())
    if isinstance(codes, np.ndarray) and codes.dtype.kind in "OU":
        codes = codes.tolist()
    if isinstance(codes, (list, tuple)) and any(isinstance(code, str) for code in codes):
        if any(isinstance(code, (int, float)) for code in codes):
            raise CodeError(f"Expected codes as integers or as texts. Got both in {quoted(codes)}.")
        return [read(code.strip()) if isinstance(code, str) else code for code in codes]
    return codes
