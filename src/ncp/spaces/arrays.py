"""Arrays of codes: read from arguments, cut into chunks, and without duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncp.errors import CodeError, quoted

Codes = NDArray[np.int64]
Reals = NDArray[np.float64]


class HasVector(Protocol):
    """An object that holds one code as its `vector`, as `ncp.Code` and the rows of a result do."""

    @property
    def vector(self) -> Sequence[int]: ...  # noqa: D102


CodesLike = ArrayLike | HasVector | Sequence[HasVector | ArrayLike]
"""One code or many, as `Space.codes` reads them: numbers `(d,)` or `(n, d)`, texts, or objects with a vector."""


def chunks(rows: int, size: int = 1 << 14) -> Iterator[slice]:
    """Slices that cover `rows` rows, small enough for the columns of each to fit the processor's cache."""
    return (slice(start, start + size) for start in range(0, rows, size))


def distinct(codes: Codes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct codes among codes `(n, d)`: their first rows `(k,)`, and which of these each row equals, `(n,)`.

    >>> distinct(np.array([[8, 1], [8, 0], [8, 1]]))
    (array([0, 1]), array([0, 1, 0]))
    """
    whole = np.ascontiguousarray(codes).view(np.dtype((np.void, codes.dtype.itemsize * codes.shape[1])))[:, 0]
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[inverse]


def best_first(scores: Reals) -> NDArray[np.int64]:
    """Where the scores are, from the highest to the lowest; equal ones in their order, `(n,)`."""
    order: NDArray[np.int64] = np.argsort(-scores, kind="stable")
    return order


def best_distinct(codes: Codes, scores: Reals, k: int | None = None) -> NDArray[np.int64]:
    """Rows of the `k` different codes of highest score, best first; of all different codes without `k`."""
    first, _ = distinct(codes)
    best: NDArray[np.int64] = first[best_first(scores[first])[:k]]
    return best


def ranks_within(groups: NDArray[np.int64], scores: Reals) -> NDArray[np.int64]:
    """The rank of every score in its group, from 0 for the highest, `(n,)`; equal ones in their order.

    >>> ranks_within(np.array([0, 0, 4, 0]), np.array([1.0, 3.0, 2.0, 3.0]))
    array([2, 0, 0, 1])
    """
    order = np.lexsort((-scores, groups))
    ordered = groups[order]
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[order] = np.arange(len(groups)) - np.searchsorted(ordered, ordered)
    return ranks


def crossed(codes: Codes, n: int, rng: np.random.Generator) -> Codes:
    """`n` children of codes drawn in pairs, `(n, d)`: every dimension from either parent (uniform crossover)."""
    mothers, fathers = codes[rng.integers(len(codes), size=(2, n))]
    children: Codes = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
    return children


def read_array(codes: Any) -> NDArray[Any]:
    """One code or many as an array of numbers `(n, d)`.

    Raises:
        CodeError: a value that is not a number, rows of different lengths, or more than two axes.
    """
    if isinstance(codes, np.ndarray) and codes.dtype.hasobject:
        codes = codes.tolist()
    codes = getattr(codes, "vector", codes)
    if isinstance(codes, (list, tuple)):
        codes = [getattr(code, "vector", code) for code in codes]
    if isinstance(codes, list) or np.asarray(codes).dtype.kind not in "iuf":
        for value in _flat(codes):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise CodeError(f"Expected codes of integers. Got {quoted(value)}.")
    try:
        array = np.asarray(codes)
    except ValueError:
        raise CodeError("All codes must have the same length. These have different lengths.") from None
    if array.ndim not in (1, 2):
        raise CodeError(f"Expected one code, (d,), or many, (n, d). Got {quoted(codes)} of shape {array.shape}.")
    return array if array.ndim == 2 else array.reshape(1 if array.size else 0, array.size)


def _flat(values: Any) -> Iterator[Any]:
    """The values in nested sequences and arrays."""
    plain = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(plain, (list, tuple)):
        for value in plain:
            yield from _flat(value)
    else:
        yield plain
