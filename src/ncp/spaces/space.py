"""A search space: which integer arrays are codes, how codes are written, relaxed, snapped back and moved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncp.errors import CodeError, counted, quoted
from ncp.numbers import as_items, require_type
from ncp.spaces.arrays import Codes, CodesLike, Reals, chunks, distinct, read_array
from ncp.spaces.cell_graph import CellGraph
from ncp.spaces.dimensions import Categorical, Dimension, Ordinal, described
from ncp.spaces.family import FAMILIES, Family
from ncp.spaces.text import read_texts, read_values, values_text

LISTED = 3
"""Names of dimensions that the representation of a space shows."""


class Moves(NamedTuple):
    """k single moves of codes. Each says which row moves, in which dimension, and to the value at which place.

    Attributes:
        rows: `(k,)`.
        dimensions: `(k,)`.
        targets: places among the values of the dimension, `(k,)`.
    """

    rows: NDArray[np.int64]
    dimensions: NDArray[np.int64]
    targets: NDArray[np.int64]

    def only(self, which: NDArray[Any]) -> Moves:
        """The moves that a mask or indices select."""
        return Moves(self.rows[which], self.dimensions[which], self.targets[which])


@dataclass(frozen=True, repr=False)
class Space:
    """A product of ordinal and categorical dimensions.

    Codes are integer arrays of shape `(n, d)`. Their relaxation has shape `(n, width)`: an ordinal dimension is one
    real in the units of its values, a categorical one is a point on the simplex of its choices, one-hot for a code.

    >>> space = Space([Ordinal("c", range(8, 129, 8)), Categorical("edge", ["none", "skip"])])
    >>> space.relax([[16, 1]])
    array([[16.,  0.,  1.]])
    >>> space.snap([[19.9, 0.7, 0.3]])
    array([[16,  0]])
    """

    dimensions: tuple[Dimension, ...]

    def __init__(self, dimensions: Iterable[Dimension]) -> None:
        given = tuple(as_items(dimensions, "dimensions", "dimensions"))
        for dim in given:
            if not isinstance(dim, (Ordinal, Categorical)):
                raise CodeError(f"Expected dimensions, Ordinal or Categorical. Got {quoted(dim)}.")
        names = [dim.name for dim in given]
        if not given or len(set(names)) < len(names):
            raise CodeError(f"Expected at least one dimension, with different names. Got {names!r}.")
        object.__setattr__(self, "dimensions", given)

    def __repr__(self) -> str:
        listed = ", ".join(self.names[:LISTED]) + (", .." if len(self) > LISTED else "")
        return f"Space({counted(len(self), 'dimension')}: {listed})"

    def __len__(self) -> int:
        return len(self.dimensions)

    @property
    def names(self) -> tuple[str, ...]:
        """The dimensions' names, in order."""
        return tuple(dim.name for dim in self.dimensions)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The relaxed coordinates of each dimension."""
        ends = np.cumsum([dim.width for dim in self.dimensions]).tolist()
        return tuple(slice(end - dim.width, end) for dim, end in zip(self.dimensions, ends, strict=True))

    @cached_property
    def simplices(self) -> tuple[NDArray[np.int64], ...]:
        """Relaxed coordinates of the categorical dimensions, one array `(dimensions, width)` per width."""
        widths: dict[int, list[int]] = {}
        for dim, where in zip(self.dimensions, self.slices, strict=True):
            if isinstance(dim, Categorical):
                widths.setdefault(dim.width, []).append(where.start)
        return tuple(np.array(starts)[:, None] + np.arange(width) for width, starts in widths.items())

    @property
    def width(self) -> int:
        """Number of relaxed coordinates."""
        return sum(dim.width for dim in self.dimensions)

    @cached_property
    def bounds(self) -> Reals:
        """Smallest and largest value of every relaxed coordinate, `(2, width)`."""
        pairs = [
            [(dim.values[0], dim.values[-1])] if isinstance(dim, Ordinal) else [(0, 1)] * dim.width
            for dim in self.dimensions
        ]
        return np.array([pair for dim_pairs in pairs for pair in dim_pairs], dtype=np.float64).T

    @property
    def size(self) -> int:
        """The number of codes."""
        return math.prod(len(dim.values) for dim in self.dimensions)

    def contains(self, codes: CodesLike) -> NDArray[np.bool_]:
        """Which rows of `codes` `(n, d)` are in the space, `(n,)`.

        Raises:
            CodeError: a text that cannot be read, or values that are not numbers.
        """
        array = read_array(read_texts(codes, self._read))
        if array.shape[1] != len(self):
            return np.zeros(len(array), dtype=bool)
        if len(array) == 1:  # numpy takes longer on a single row
            return np.array([all(v in dim.values for dim, v in zip(self.dimensions, array[0].tolist(), strict=True))])
        low, high, step, uneven = self._grid
        inside = np.empty(len(array), dtype=bool)
        for chunk in chunks(len(array)):
            rows = array[chunk]
            with np.errstate(invalid="ignore"):  # infinity has no remainder
                inside[chunk] = ((rows >= low) & (rows <= high) & ((rows - low) % step == 0)).all(axis=1)
            for column in uneven:
                inside[chunk] &= np.isin(rows[:, column], self.dimensions[column].values)
        return inside

    @cached_property
    def _grid(self) -> tuple[Codes, Codes, Codes, tuple[int, ...]]:
        """Smallest value, largest value and step of every dimension, `(d,)`; and the unevenly spaced dimensions."""
        every = [np.asarray(dim.values) for dim in self.dimensions]
        low, high = (np.array([values[end] for values in every]) for end in (0, -1))
        step = np.array([np.gcd.reduce(np.diff(values)) for values in every])
        uneven = np.flatnonzero((high - low) // step + 1 != [len(values) for values in every])
        return low, high, step, tuple(uneven.tolist())

    def codes(self, codes: CodesLike) -> Codes:
        """Read one code or many as an integer array `(n, d)`.

        Args:
            codes: one code or many: numbers `(d,)` or `(n, d)`, texts as `text` writes them, or objects with a
                `vector`. Whole floats count as integers, because files often have no other type.

        Raises:
            CodeError: a text that cannot be read, a value that is not a number, a wrong number of values, or a value
                outside the space.
        """
        array = read_array(read_texts(codes, self._read))
        if len(array) and array.shape[1] != len(self):
            raise CodeError(f"Expected {len(self)} integers per code. Got {array.shape[1]}.")
        inside = self.contains(array)
        if len(array) and not inside.all():
            row = int(np.argmin(inside))
            for dim, value in zip(self.dimensions, array[row].tolist(), strict=True):
                if value not in dim.values:
                    where = "" if len(array) == 1 else f" in row {row}"
                    raise CodeError(f"Expected {described(dim)} for {dim.name}. Got {quoted(value)}{where}.")
        return array.astype(np.int64, copy=False).reshape(len(array), len(self))

    def code(self, code: CodesLike) -> Codes:
        """Read exactly one code, in any form that `codes` reads, as integers `(d,)`.

        Raises:
            CodeError: no code, several codes, or an error of `codes`.
        """
        rows = self.codes(code)
        if len(rows) != 1:
            raise CodeError(f"Expected one code. Got {len(rows)}.")
        one: Codes = rows[0]
        return one

    def text(self, code: CodesLike) -> str:
        """One code as text, which `codes` reads.

        The family of the space decides how (`ncp.spaces.families`). Without a family the text lists the values in order
        with commas between, choices by name.

        >>> Space.from_dict({"width": [8, 16], "op": ["skip", "conv"]}).text([16, 1])
        '16,conv'

        Raises:
            CodeError: anything but one code of the space.
        """
        numbers = self.code(code).tolist()
        family = self.family
        return values_text(self.dimensions, numbers) if family is None else family.format(numbers)

    def sample(self, n: int, rng: np.random.Generator) -> Codes:
        """Draw `n` codes uniformly and independently, `(n, d)`."""
        columns = np.empty((len(self), n), dtype=np.int64)  # filled by rows: twice as fast as by columns
        for column, dim in zip(columns, self.dimensions, strict=True):
            column[:] = np.asarray(dim.values)[rng.integers(len(dim.values), size=n)]
        return np.ascontiguousarray(columns.T)

    def neighbours(self, code: CodesLike) -> Codes:
        """All codes that are one move away, `(k, d)`: to the next smaller or larger value, or to any other choice.

        Raises:
            CodeError: anything but one code of the space.
        """
        bases = self.code(code)[None]
        return self.moved(bases, self.moves(bases))

    def moves(self, codes: Codes) -> Moves:
        """All single moves of codes `(n, d)`, ordered by code."""
        dimension, shift, size, choice = self._ways
        index = np.stack([np.searchsorted(dim.values, c) for dim, c in zip(self.dimensions, codes.T, strict=True)])
        index = index.T[:, dimension]
        target = np.where(choice, shift + (shift >= index), index + shift)
        rows, ways = np.nonzero((target >= 0) & (target < size))
        return Moves(rows, dimension[ways], target[rows, ways])

    def moved(self, codes: Codes, moves: Moves) -> Codes:
        """The code after each move, `(k, d)`."""
        made: Codes = codes[moves.rows]
        made[np.arange(len(made)), moves.dimensions] = self._values[moves.dimensions, moves.targets]
        return made

    def changed(self, codes: Codes, free: NDArray[np.bool_]) -> Codes:
        """All codes that differ from one of `codes` `(n, d)` in at most one dimension, to any of its values.

        Args:
            codes: `(n, d)`, which are among the result.
            free: the dimensions that may change, `(d,)`.

        Returns:
            Each code once, `(k, d)`; none if no dimension is free.
        """
        every = [(j, value) for j in np.flatnonzero(free).tolist() for value in self.dimensions[j].values]
        if not every:
            return codes[:0]
        places, values = np.array(every).T
        made = np.repeat(codes, len(every), axis=0)
        made[np.arange(len(made)), np.tile(places, len(codes))] = np.tile(values, len(codes))
        return made[distinct(made)[0]]

    def mutated(self, code: Codes, rng: np.random.Generator) -> Codes:
        """A copy of a code `(d,)` with another value in one dimension, both drawn uniformly."""
        child = code.copy()
        position = rng.integers(len(self))
        values = [value for value in self.dimensions[position].values if value != code[position]]
        child[position] = values[rng.integers(len(values))]
        return child

    def steps(self, codes: Codes, code: Codes) -> NDArray[np.int64]:
        """How many steps codes `(n, d)` are away from one code `(d,)`, `(n,)`.

        Between two values of an ordinal dimension there are as many steps as places in its list of values; between two
        choices there is one.

        >>> Space([Ordinal("c", [8, 16, 64]), Categorical("op", ["none", "skip"])]).steps(
        ...     np.array([[64, 1], [8, 0]]), np.array([8, 0])
        ... )
        array([3, 0])
        """
        _, _, step, uneven = self._grid
        away = np.abs(codes - code) // step
        for column in uneven:
            values = self.dimensions[column].values
            away[:, column] = np.abs(np.searchsorted(values, codes[:, column]) - values.index(code[column]))
        total: NDArray[np.int64] = np.where(self._choices, away > 0, away).sum(axis=1)
        return total

    @cached_property
    def _choices(self) -> NDArray[np.bool_]:
        """Which dimensions are categorical, `(d,)`."""
        return np.array([isinstance(dim, Categorical) for dim in self.dimensions])

    @cached_property
    def _ways(self) -> Codes:
        """All moves that some code can make, `(4, k)`: dimension, shift, number of values, whether it is categorical.

        An ordinal dimension shifts by -1 or 1. In a categorical one the shift counts the other choices.
        """
        return np.array(
            [
                (position, shift, len(dim.values), isinstance(dim, Categorical))
                for position, dim in enumerate(self.dimensions)
                for shift in ((-1, 1) if isinstance(dim, Ordinal) else range(len(dim.values) - 1))
            ]
        ).T

    @cached_property
    def _values(self) -> Codes:
        """The values of every dimension, padded with zeros, `(d, most)`."""
        values = np.zeros((len(self), max(len(dim.values) for dim in self.dimensions)), dtype=np.int64)
        for row, dim in zip(values, self.dimensions, strict=True):
            row[: len(dim.values)] = dim.values
        return values

    def relax(self, codes: CodesLike) -> Reals:
        """Codes `(n, d)` as points of the relaxed space, `(n, width)`.

        Raises:
            CodeError: as in `codes`.
        """
        array = self.codes(codes)
        choice = self._choices
        first = np.array([where.start for where in self.slices])
        relaxed = np.zeros((len(array), self.width))
        relaxed[:, first[~choice]] = array[:, ~choice]
        np.put_along_axis(relaxed, first[choice] + array[:, choice], 1.0, axis=1)
        return relaxed

    def snap(self, relaxed: ArrayLike) -> Codes:
        """The codes nearest to points of the relaxed space, `(n, width)` to `(n, d)`.

        Ordinal ties go up, categorical ties to the earlier choice. Infinity becomes the largest value.

        Raises:
            CodeError: a wrong number of coordinates, or NaN.
        """
        try:
            x = np.atleast_2d(np.asarray(relaxed, dtype=np.float64))
        except (TypeError, ValueError):
            raise CodeError(f"Expected points of {self.width} real coordinates. Got {quoted(relaxed)}.") from None
        if x.ndim != 2 or x.shape[1] != self.width:
            raise CodeError(f"Expected points of {self.width} coordinates, (n, {self.width}). Got shape {x.shape}.")
        if np.isnan(x).any():
            raise CodeError("Expected real coordinates to snap. Got nan: an earlier step has diverged.")
        codes = np.empty((len(x), len(self)), dtype=np.int64)
        for chunk in chunks(len(x)):
            for column, dim, where in zip(codes[chunk].T, self.dimensions, self.slices, strict=True):
                column[:] = _nearest(dim, x[chunk, where])
        return codes

    @property
    def family(self) -> Family | None:
        """The family of the space; None unless a published benchmark has this space."""
        return FAMILIES.get(self)

    @property
    def graph(self) -> CellGraph | None:
        """For cells, what the codes mean; None for every other space."""
        return None if self.family is None else self.family.graph

    @property
    def has_network(self) -> bool:
        """Whether the codes are multi-resolution networks, which have an exact cost and can be built."""
        return self.family is not None and self.family.network

    def _read(self, text: str) -> Sequence[int]:
        family = self.family
        return read_values(self.dimensions, text) if family is None else family.parse(text)

    def to_dict(self) -> dict[str, Any]:
        """The space as plain data for JSON and YAML files, `{name: values or choices}`."""
        return {dim.name: list(dim.values if isinstance(dim, Ordinal) else dim.choices) for dim in self.dimensions}

    @classmethod
    def from_dict(cls, data: Mapping[str, Sequence[int] | Sequence[str]]) -> Space:
        """Read a result of `to_dict`: a list of integers is ordinal, a list of texts categorical.

        Raises:
            CodeError: anything else.
        """
        if not isinstance(data, Mapping):
            raise CodeError(f"Expected dimensions by name, such as {{'width': [8, 16]}}. Got {quoted(data)}.")
        dimensions: list[Dimension] = []
        for name, values in data.items():
            if not isinstance(values, (list, tuple)):
                raise CodeError(
                    f"Expected a list of integers or texts for the dimension {name!r}. Got {quoted(values)}."
                )
            kind = Categorical if any(isinstance(v, str) for v in values) else Ordinal
            dimensions.append(kind(name, values))
        return cls(dimensions)


def require_space(space: Any) -> None:
    """Refuse anything but a space.

    Raises:
        ConfigError: anything but a `Space`.
    """
    require_type(space, Space, "space", "an ncp.Space, from ncp.load_space or ncp.Space")


def _nearest(dim: Dimension, x: Reals) -> Codes:
    """The values of a dimension nearest to its relaxed coordinates, `(n, dim.width)` to `(n,)`."""
    if isinstance(dim, Categorical):
        nearest: Codes = x.argmax(axis=1)
    else:
        values = np.asarray(dim.values)
        midpoints = (values[1:] + values[:-1]) / 2
        nearest = values[np.searchsorted(midpoints, x[:, 0], side="right")]
    return nearest
