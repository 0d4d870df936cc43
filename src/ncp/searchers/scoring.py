"""Score the rows of a table for simulated searches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncp.errors import DataError, InfeasibleError
from ncp.optim.objective import Objective
from ncp.searchers.objective_scale import ObjectiveScale
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space
from ncp.tables.table import Table, require_table


@dataclass(frozen=True, eq=False)
class Scored:
    """The rows that have a value in every column of an objective, `n` of them.

    Attributes:
        space: of the codes.
        rows: their places in the table, `(n,)`, in increasing order.
        codes: `(n, d)`.
        scores: the scores that a searcher learns, `(n,)`; see `score_rows`.
        columns: the m weighted columns that add up to the scores, `(n, m)`; None for scores that are no sum, because
            there are minimum values.
        meets: which rows meet all minimum values, `(n,)`.
        counted: the scores that count for the best so far, `(n,)`: those of rows that miss a minimum value are lowered
            below every row that meets all.
        optimum: the best score of the rows that meet all minimum values.
        warm: codes `(k, d)`, scores `(k,)` and columns `(k, m)` that a searcher learns before it begins.
    """

    space: Space
    rows: NDArray[np.int64]
    codes: Codes
    scores: Reals
    columns: Reals | None
    meets: NDArray[np.bool_]
    counted: Reals
    optimum: float
    warm: tuple[Codes, Reals, Reals | None]


def score_rows(table: Table, objective: Objective, warm_start: Table | None = None) -> Scored:
    """Score the rows of a table.

    The score is the objective: in the column's own unit for a single column, else the mean of z-scores over the table.
    More is better, and a minimised column counts negative. `SHORTFALL_PENALTY` standard deviations are subtracted for
    every standard deviation by which a row misses a minimum value.

    Args:
        table: the measured values.
        objective: weights and minimum values.
        warm_start: rows to learn before the search, scored on the table's scale; rows without a value are left out.

    Raises:
        ConfigError: the objective does not fit the table, or has an uncertainty penalty.
        DataError: no row has all values, a value is too large, or the warm start has another space or lacks a column.
        InfeasibleError: no row meets the minimum values.
    """
    require_table(table)
    scale = ObjectiveScale(table, objective)
    scores, short = scale.scores(table)
    rows = np.flatnonzero(np.isfinite(scores))
    if not len(rows):
        raise DataError(f"No row of the table has a value in all columns of the objective: {', '.join(scale.names)}.")
    scores, short = scores[rows], short[rows]
    columns = None if objective.at_least else scale.columns(table)[rows]
    meets = short <= 0
    if not meets.any():
        raise InfeasibleError(
            "No row of the table meets {field}: {bounds}. Ask for less.", field="at_least", bounds=scale.bounds()
        )
    least = float(scores[meets].min())
    below = np.minimum(np.minimum(scores, least - scale.penalty(short)), np.nextafter(least, -np.inf))
    warm: tuple[Codes, Reals, Reals | None] = np.empty((0, len(table.space)), dtype=np.int64), np.empty(0), None
    if warm_start is not None:
        require_table(warm_start, "warm_start")
        if warm_start.space != table.space:
            raise DataError("The warm start has another search space than the table.")
        warm_scores, _ = scale.scores(warm_start)
        known = np.isfinite(warm_scores)
        warm_columns = None if objective.at_least else scale.columns(warm_start)[known]
        warm = warm_start.codes[known], warm_scores[known], warm_columns
    return Scored(
        table.space,
        rows,
        table.codes[rows],
        scores,
        columns,
        meets,
        np.where(meets, scores, below),
        float(scores[meets].max()),
        warm,
    )
