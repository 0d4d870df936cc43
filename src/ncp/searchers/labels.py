"""The scores that a search has learned, with repeats and failures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space


@dataclass(frozen=True)
class Labels:
    """What is known of n different codes.

    Attributes:
        codes: `(n, d)`.
        scores: mean over repeats, `(n,)`. A failed training counts as the worst score.
        columns: the columns that add up to the score, `(n, m)`; None for scores that are no sum.
        repeats: `(n,)`.
    """

    codes: Codes
    scores: Reals
    columns: Reals | None
    repeats: Reals


class Told:
    """Scores of evaluated codes, in the order in which they came.

    Attributes:
        codes: the different codes, `(n, d)`.
    """

    def __init__(self, space: Space) -> None:
        self.codes: Codes = np.empty((0, len(space)), dtype=np.int64)
        self._scores: dict[bytes, list[tuple[float, Reals | None]]] = {}

    def add(self, codes: Codes, scores: Reals, columns: Reals | None = None) -> None:
        """Add scores `(k,)` of codes `(k, d)`, NaN for failures; an equal score of the same code counts once.

        `columns` `(k, m)` add up to the scores.
        """
        fresh = []
        for row, code in enumerate(codes):
            name = code.tobytes()
            if name not in self._scores:
                fresh.append(row)
                self._scores[name] = []
            score = float(scores[row])
            if score not in (known for known, _ in self._scores[name]):
                self._scores[name].append((score, None if columns is None else columns[row]))
        self.codes = np.concatenate([self.codes, codes[fresh]])

    def labels(self) -> Labels | None:
        """What is known of the codes; None if no training has succeeded."""
        done = [[each for each in self._scores[code.tobytes()] if np.isfinite(each[0])] for code in self.codes]
        failed = np.array([not each for each in done])
        if failed.all():
            return None
        scores = np.array([np.mean([score for score, _ in each]) if each else np.nan for each in done])
        scores[failed] = scores[~failed].min()
        repeats = np.array([max(len(each), 1) for each in done], dtype=np.float64)
        return Labels(self.codes, scores, _columns(done, failed), repeats)


def _columns(done: list[list[tuple[float, Reals | None]]], failed: NDArray[np.bool_]) -> Reals | None:
    """Mean columns of codes, `(n, m)`, with the worst values for failed ones; None if some have no columns."""
    known = [[columns for _, columns in each if columns is not None] for each in done]
    if any(len(some) < len(each) for some, each in zip(known, done, strict=True)):
        return None
    width = next(len(some[0]) for some in known if some)
    means = np.stack([np.mean(some, axis=0) if some else np.full(width, np.nan) for some in known])
    means[failed] = means[~failed].min(axis=0)
    return means
