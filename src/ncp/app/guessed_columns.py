"""Guess which columns of an uploaded table are the code and which are values, so that it needs no file of its space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ncp.errors import DataError, quoted
from ncp.io.tabular import TEXT_COLUMNS, Columns
from ncp.spaces.dimensions import Categorical, Dimension, Ordinal
from ncp.spaces.named import DIMENSIONS
from ncp.spaces.space import Space

LEVELS = 32
"""Most levels of a column that is guessed to be a dimension. On average every level is in at least two rows."""
MOST_LEVELS = 200
"""Most levels of a column that is named as a dimension."""
LARGEST = 2**53
"""Whole numbers in a dimension are smaller, so that a float holds them exactly."""
NUMBERS = 0.9
"""Least share of numbers in a column of numbers; the other cells are mistakes."""
MINIMISED = ("latency", "loss", "error", "perplexity", "flops", "macs", "params", "energy", "memory")
"""Words in the names of columns in which lower is better."""


@dataclass(frozen=True)
class GuessedColumn:
    """A column, and what it is taken for.

    Attributes:
        name: its name in the file.
        dimension: the dimension of the code that it holds, or None.
        is_value: whether it holds values. A column that is neither is not read, except origin and flags.
    """

    name: str
    dimension: Dimension | None
    is_value: bool

    @property
    def minimised(self) -> bool:
        """Whether lower is probably better, by its name."""
        return self.is_value and any(word in self.name.lower() for word in MINIMISED)


def guess_columns(file: Columns, named: Sequence[str] = ()) -> list[GuessedColumn]:
    """Guess what the columns of a file are.

    Whole numbers with few levels are an ordinal dimension, texts with few levels a categorical one. All other columns
    of numbers hold values.

    Args:
        file: the columns.
        named: the columns that hold the code, if the user has named them.

    Raises:
        DataError: a named column that does not exist or cannot be a dimension.
    """
    for name in named:
        if name not in file.names:
            raise _no_dimension(name, f"is not in the table. Its columns are {quoted(file.names)}")
    return [_guess(file, name, name in named if named else None) for name in file.names]


def guessed_space(columns: Sequence[GuessedColumn]) -> Space:
    """The space of guessed columns.

    Raises:
        DataError: too few or many of them are dimensions.
    """
    dimensions = [column.dimension for column in columns if column.dimension is not None]
    least, most = DIMENSIONS
    if not least <= len(dimensions) <= most:
        raise DataError(
            "A search space has from {least} to {most} dimensions. The table has {count}: {given}. Name the columns "
            "of the code in {field}, or choose a file of the search space.",
            field="codes",
            given=[dimension.name for dimension in dimensions],
            count=str(len(dimensions)),
            least=str(least),
            most=str(most),
        )
    return Space(dimensions)


def _guess(file: Columns, name: str, wanted: bool | None) -> GuessedColumn:
    """What a column is; `wanted` says whether it is a dimension, and None that this is to be guessed."""
    if name in TEXT_COLUMNS and not wanted:
        return GuessedColumn(name, None, False)
    texts = [text for cell in file.cells(name) if cell is not None and (text := str(cell).strip())]
    numbers = [number for text in texts if (number := _number(text)) is not None]
    has_numbers = len(numbers) >= NUMBERS * max(1, len(texts))
    levels: list[Any] = sorted(set(numbers) if has_numbers else set(texts))
    whole = not has_numbers or all(level.is_integer() and abs(level) < LARGEST for level in levels)
    is_dimension = wanted
    if wanted is None:
        is_dimension = whole and 2 <= len(levels) <= LEVELS and 2 * len(levels) <= len(texts)
    if not is_dimension:
        return GuessedColumn(name, None, has_numbers)
    if not whole:
        raise _no_dimension(name, "has fractions. Write whole numbers in a smaller unit")
    if not 2 <= len(levels) <= MOST_LEVELS:
        raise _no_dimension(name, f"has {len(levels)} different values, but a dimension has from 2 to {MOST_LEVELS}")
    dimension = Ordinal(name, map(int, levels)) if has_numbers else Categorical(name, levels)
    return GuessedColumn(name, dimension, False)


def _number(text: str) -> float | None:
    """The finite number that a text says, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _no_dimension(name: str, why: str) -> DataError:
    return DataError("{field} names {given}, which {why}.", field="codes", given=name, why=why)
