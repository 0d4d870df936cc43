"""A search space: which integer arrays are architecture codes, and how they relax to reals and snap back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncp.errors import CodeError

Codes = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Ordinal:
    """A dimension of ordered integers; a code holds the value itself.

    >>> Ordinal("channels", range(8, 33, 8)).values
    (8, 16, 24, 32)
    """

    name: str
    values: tuple[int, ...]

    def __init__(self, name: str, values: Iterable[int]) -> None:
        given = tuple(values)
        whole = all(isinstance(v, (int, np.integer)) for v in given)
        if len(given) < 2 or not whole or list(given) != sorted(set(given)):
            raise CodeError(
                f"Expected at least two increasing integers for the ordinal dimension {name!r}. Got {given!r}."
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", tuple(int(v) for v in given))

    @property
    def width(self) -> int:
        """Number of real coordinates of the relaxed dimension: one."""
        return 1


@dataclass(frozen=True)
class Categorical:
    """A dimension of unordered choices; a code holds the index of the choice.

    >>> Categorical("edge", ["none", "skip"]).values
    (0, 1)
    """

    name: str
    choices: tuple[str, ...]

    def __init__(self, name: str, choices: Iterable[str]) -> None:
        given = tuple(choices)
        if len(given) < 2 or len(set(given)) < len(given):
            raise CodeError(
                f"Expected at least two different choices for the categorical dimension {name!r}. Got {given!r}."
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "choices", given)

    @property
    def values(self) -> tuple[int, ...]:
        """The integers that a code may hold here."""
        return tuple(range(len(self.choices)))

    @property
    def width(self) -> int:
        """Number of real coordinates of the relaxed dimension: one per choice, on a simplex."""
        return len(self.choices)


Dimension = Ordinal | Categorical


@dataclass(frozen=True)
class Space:
    """A product of ordinal and categorical dimensions.

    Codes are integer arrays of shape `(n, d)`. Their relaxation has shape `(n, width)`: an ordinal dimension is one
    real in the units of its values, a categorical one is a point on the simplex of its choices (one-hot for a code).

    >>> space = Space([Ordinal("c", range(8, 129, 8)), Categorical("edge", ["none", "skip"])])
    >>> space.relax([[16, 1]])
    array([[16.,  0.,  1.]])
    >>> space.snap([[19.9, 0.7, 0.3]])
    array([[16,  0]])
    """

    dimensions: tuple[Dimension, ...]

    def __init__(self, dimensions: Iterable[Dimension]) -> None:
        given = tuple(dimensions)
        names = [dim.name for dim in given]
        if not given or len(set(names)) < len(names):
            raise CodeError(f"Expected at least one dimension, each with a name of its own. Got {names!r}.")
        object.__setattr__(self, "dimensions", given)

    def __len__(self) -> int:
        return len(self.dimensions)

    @property
    def names(self) -> tuple[str, ...]:
        """The dimensions' names, in order."""
        return tuple(dim.name for dim in self.dimensions)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each dimension lies among the relaxed coordinates."""
        ends = np.cumsum([dim.width for dim in self.dimensions]).tolist()
        return tuple(slice(end - dim.width, end) for dim, end in zip(self.dimensions, ends, strict=True))

    @property
    def width(self) -> int:
        """Number of relaxed coordinates."""
        return sum(dim.width for dim in self.dimensions)

    @cached_property
    def bounds(self) -> Reals:
        """Least and greatest value of every relaxed coordinate, `(2, width)`."""
        pairs = [
            [(dim.values[0], dim.values[-1])] if isinstance(dim, Ordinal) else [(0, 1)] * dim.width
            for dim in self.dimensions
        ]
        return np.array([pair for dim_pairs in pairs for pair in dim_pairs], dtype=np.float64).T

    @property
    def size(self) -> int:
        """How many codes there are."""
        size = 1
        for dim in self.dimensions:
            size *= len(dim.values)
        return size

    def contains(self, codes: ArrayLike) -> NDArray[np.bool_]:
        """Which rows of `codes` `(n, d)` lie in the space, `(n,)`."""
        array = np.atleast_2d(np.asarray(codes))
        if array.shape[-1] != len(self):
            return np.zeros(len(array), dtype=bool)
        inside = np.ones(len(array), dtype=bool)
        for dim, column in zip(self.dimensions, array.T, strict=True):
            inside &= np.isin(column, dim.values)
        return inside

    def codes(self, codes: Any) -> Codes:
        """Read one code or many as an integer array `(n, d)`, or say what is wrong with them.

        Args:
            codes: an array or nested sequence of integers, `(d,)` or `(n, d)`; or objects with a `vector`, one or many.

        Raises:
            CodeError: a wrong number of integers, a number that is not whole, or a value outside the space.
        """
        array = _numbers(codes, len(self))
        inside = self.contains(array)
        if not inside.all():
            row = int(np.argmin(inside))
            for dim, value in zip(self.dimensions, array[row].tolist(), strict=True):
                if value not in dim.values:
                    where = "" if len(array) == 1 else f" in row {row}"
                    raise CodeError(f"Expected {_allowed(dim)} for {dim.name}. Got {value}{where}.")
        return array

    def sample(self, n: int, rng: np.random.Generator) -> Codes:
        """Draw `n` codes uniformly, `(n, d)`."""
        codes = np.empty((n, len(self)), dtype=np.int64)
        for position, dim in enumerate(self.dimensions):
            index = rng.integers(len(dim.values), size=n, dtype=np.uint16)
            codes[:, position] = np.asarray(dim.values)[index]
        return codes

    def neighbours(self, code: ArrayLike) -> Codes:
        """All codes one move away, `(k, d)`: the next smaller and larger value, or any other choice."""
        (base,) = self.codes(code)
        moved = []
        for position, dim in enumerate(self.dimensions):
            index = dim.values.index(int(base[position]))
            near = (index - 1, index + 1) if isinstance(dim, Ordinal) else range(len(dim.values))
            for other in near:
                if other != index and 0 <= other < len(dim.values):
                    step = base.copy()
                    step[position] = dim.values[other]
                    moved.append(step)
        return np.stack(moved)

    def relax(self, codes: Any) -> Reals:
        """Codes `(n, d)` as points of the relaxed space, `(n, width)`."""
        array = _numbers(codes, len(self))
        relaxed = np.empty((len(array), self.width))
        for dim, where, column in zip(self.dimensions, self.slices, array.T, strict=True):
            relaxed[:, where] = column[:, None] if isinstance(dim, Ordinal) else np.eye(dim.width)[column]
        return relaxed

    def snap(self, relaxed: ArrayLike) -> Codes:
        """The codes nearest to points of the relaxed space, `(n, width)` to `(n, d)`; a tie goes up.

        Raises:
            CodeError: a coordinate that is not a number.
        """
        x = np.atleast_2d(np.asarray(relaxed, dtype=np.float64))
        if x.shape[-1] != self.width:
            raise CodeError(f"Expected {self.width} relaxed coordinates per point. Got {x.shape[-1]}.")
        if np.isnan(x).any():
            raise CodeError("Expected real coordinates to snap. Got NaN: a step before this one has diverged.")
        codes = np.empty((len(x), len(self)), dtype=np.int64)
        for position, (dim, where) in enumerate(zip(self.dimensions, self.slices, strict=True)):
            if isinstance(dim, Categorical):
                codes[:, position] = x[:, where].argmax(axis=1)
                continue
            values = np.asarray(dim.values)
            midpoints = (values[1:] + values[:-1]) / 2
            codes[:, position] = values[np.searchsorted(midpoints, x[:, where.start], side="right")]
        return codes

    def to_dict(self) -> dict[str, Any]:
        """The space as plain data, `{name: [values] or [choices]}`: what json and YAML files hold."""
        return {dim.name: list(dim.values if isinstance(dim, Ordinal) else dim.choices) for dim in self.dimensions}

    @classmethod
    def from_dict(cls, data: Mapping[str, Sequence[int] | Sequence[str]]) -> Space:
        """Read what `to_dict` wrote: a list of integers is ordinal, a list of texts categorical."""
        return cls(
            Categorical(name, [str(v) for v in values])
            if any(isinstance(v, str) for v in values)
            else Ordinal(name, [int(v) for v in values])
            for name, values in data.items()
        )


def _numbers(codes: Any, d: int) -> Codes:
    """`codes` as int64 `(n, d)`; only what is whole and complete is let through."""
    one = getattr(codes, "vector", None)
    if one is not None:
        codes = one
    elif isinstance(codes, (list, tuple)):
        codes = [getattr(code, "vector", code) for code in codes]
    try:
        array = np.atleast_2d(np.asarray(codes))
    except ValueError:
        raise CodeError(f"Expected codes of {d} integers each. Got rows of different lengths.") from None
    if array.ndim != 2 or array.shape[1] != d:
        raise CodeError(f"Expected {d} integers per code. Got {array.shape[-1]}.")
    if array.dtype.kind in "iu":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.floor(array)).all():
        return array.astype(np.int64)
    wrong = [v for v in array.ravel().tolist() if not isinstance(v, (int, float)) or v != v or v % 1]
    raise CodeError(f"Expected {d} integers per code. Got {wrong[0] if wrong else array.dtype!r}.")


def _allowed(dim: Dimension) -> str:
    """How a message names the values of a dimension."""
    if isinstance(dim, Categorical):
        return f"an index from 0 to {len(dim.choices) - 1} ({', '.join(dim.choices)})"
    steps = {b - a for a, b in zip(dim.values, dim.values[1:], strict=False)}
    if len(steps) > 1:
        return f"one of {', '.join(map(str, dim.values))}"
    (step,) = steps
    multiple = (
        "an integer" if step == 1 else f"a multiple of {step}" if dim.values[0] % step == 0 else f"steps of {step}"
    )
    return f"{multiple} from {dim.values[0]} to {dim.values[-1]}"
