"""Pareto fronts: which points are not dominated, and the hypervolume that points dominate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import moocore  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncp.errors import ConfigError, quoted
from ncp.spaces.arrays import Reals

EXACT = 5
"""Up to this number of objectives hypervolumes are exact. The time of exact ones grows exponentially with it."""


def non_dominated(points: ArrayLike, minimise: bool | Sequence[bool] = False) -> NDArray[np.bool_]:
    """Which points no other point dominates, by being as good in every objective and better in one.

    Of equal points only the first counts.

    >>> non_dominated([[3, 1], [2, 1], [1, 2], [3, 1]]).tolist()
    [True, False, True, False]
    >>> non_dominated([[3, 1], [2, 1], [1, 2]], minimise=[False, True]).tolist()
    [True, False, False]

    Args:
        points: `(n, k)`, finite.
        minimise: whether lower is better, for all objectives or for each.

    Returns:
        A mask `(n,)`.

    Raises:
        ConfigError: points that are not a finite array `(n, k)`, or a wrong number of truth values.
    """
    rows = _points(points)
    wanted = np.atleast_1d(np.asarray(minimise))
    if wanted.dtype != bool or wanted.shape not in ((1,), rows.shape[1:]):
        raise ConfigError(f"Expected True or False, or one of them per objective, as minimise. Got {quoted(minimise)}.")
    if not len(rows):
        return np.zeros(0, dtype=bool)
    mask: NDArray[np.bool_] = moocore.is_nondominated(np.where(wanted, rows, -rows))
    return mask


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """The volume between the points and a reference that they dominate; higher is better in every objective.

    With more than `EXACT` objectives it is approximated within one percent, deterministically.

    >>> hypervolume([[2, 1], [1, 2]], reference=[0, 0])
    3.0

    Args:
        points: `(n, k)`, finite. A point adds nothing unless it is above the reference in every objective.
        reference: `(k,)`, finite.

    Raises:
        ConfigError: points that are not a finite array `(n, k)`, or a reference that is not a finite array `(k,)`.
    """
    rows = _points(points)
    corner = np.asarray(reference, dtype=np.float64)
    if corner.shape != rows.shape[1:] or not np.isfinite(corner).all():
        raise ConfigError(f"Expected a reference of {rows.shape[1]} finite numbers. Got {quoted(reference)}.")
    above = rows[(rows > corner).all(axis=1)]
    if not len(above):
        return 0.0
    if rows.shape[1] > EXACT:
        return float(moocore.hv_approx(-above, ref=-corner, method="Rphi-FWE+"))
    return float(moocore.hypervolume(-above, ref=-corner))


def _points(points: Any) -> Reals:
    """Points as an array `(n, k)`."""
    try:
        rows = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        rows = np.empty(0)
    if rows.ndim != 2 or not rows.shape[1] or not np.isfinite(rows).all():
        raise ConfigError(f"Expected finite points, (n, objectives). Got {quoted(points)}.")
    return rows
