"""A search replayed on a table: it pays for the rows that it asks for, and sees no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.errors import ConfigError, DataError, quoted
from ncp.objective import Objective
from ncp.predictors.scale import deviations
from ncp.searchers.base import Searcher
from ncp.searchers.evolution import Evolution
from ncp.searchers.local import Local
from ncp.searchers.propagating import Propagating
from ncp.searchers.random import Random
from ncp.searchers.samplers import Gp, Nsga2, Tpe
from ncp.space import Categorical, Codes, Reals, Space
from ncp.table import Table

SEARCHERS: dict[str, Callable[..., Searcher]] = {
    "random": Random,
    "local": Local,
    "evolution": Evolution,
    "evolution-10": partial(Evolution, population=10, tournament=5),
    "tpe": Tpe,
    "nsga2": Nsga2,
    "gp": Gp,
    "propagation": Propagating,
}
"""By name; `evolution` has a population of 50, `evolution-10` of 10."""

PATIENCE = 200
"""After so many proposals in a row that were paid for before, a random code is asked for."""


@dataclass(frozen=True, eq=False)
class History:
    """What a replayed search asked for, in order.

    Attributes:
        searcher: its name.
        seed: of everything random in it.
        rows: of the table, `(queries,)`.
        codes: `(queries, d)`.
        scores: the objective, `(queries,)`: in the column's own units if it is one column, else mean z-scores over the
            table; more is better, a minimised column counts negative.
        optimum: the best score in the table.
        seconds: of the searcher's own time, when each row was asked for, `(queries,)`.
    """

    searcher: str
    seed: int
    rows: NDArray[np.int64]
    codes: Codes
    scores: Reals
    optimum: float
    seconds: Reals

    @property
    def best(self) -> Reals:
        """The best score so far, `(queries,)`."""
        best: Reals = np.maximum.accumulate(self.scores)
        return best

    @property
    def regret(self) -> Reals:
        """By how much the table's best is better than the best so far, `(queries,)`."""
        return self.optimum - self.best


def simulate(
    table: Table,
    searcher: str = "propagation",
    *,
    objective: Objective,
    queries: int = 200,
    seed: int = 0,
    warm_start: Table | None = None,
) -> History:
    """Replay a search on a table.

    A row that was asked for before is told again and costs nothing. A proposal that the table does not hold stands for
    the nearest row that was not asked for: that row is paid for and told.

    Args:
        table: the measured values; rows without a value of the objective cannot be asked for.
        searcher: one of `SEARCHERS`.
        objective: what is wanted.
        queries: rows that are paid for; all of them, if the table has fewer.
        seed: of everything random.
        warm_start: rows that the searcher is told before it begins, at no cost: of the same space, with the objective's
            columns.

    Raises:
        ConfigError: a searcher that there is not, an objective that does not fit the table, or no queries.
        DataError: no row with values, or a warm start of another space.
        MissingExtraError: a searcher of Optuna's without Optuna.
    """
    if searcher not in SEARCHERS:
        raise ConfigError(f"Expected one of {', '.join(SEARCHERS)} as the searcher. Got {quoted(searcher)}.")
    if isinstance(queries, bool) or not isinstance(queries, int) or queries < 1:
        raise ConfigError(f"Expected at least one query. Got {quoted(queries)}.")
    scores = scores_of(table, objective)
    warm = None if warm_start is None else _warm(warm_start, table, objective)
    valued = np.flatnonzero(np.isfinite(scores))
    if not len(valued):
        raise DataError(f"Expected rows with values of {', '.join(objective.weights)}. Got none.")
    space, codes, scores = table.space, table.codes[valued], scores[valued]
    rng = np.random.default_rng(seed)
    began, own = perf_counter(), 0.0
    agent = SEARCHERS[searcher](space, rng, codes if len(codes) < space.size else None)
    own += perf_counter() - began
    if warm is not None and len(warm[0]):
        agent.tell(*warm)
    places = {code.tobytes(): row for row, code in enumerate(codes)}
    steps = _steps(space, codes)
    paid: list[int] = []
    seconds: list[float] = []
    asked = np.zeros(len(codes), dtype=bool)
    stale = 0
    while len(paid) < min(queries, len(codes)):
        began = perf_counter()
        proposed = agent.ask() if stale < PATIENCE else codes[rng.choice(np.flatnonzero(~asked), 1)]
        own += perf_counter() - began
        told = []
        for code in proposed:
            row = places.get(code.tobytes())
            if row is None:
                away = np.abs(steps - _steps(space, code[None])).sum(1)
                row = int(np.where(asked, np.inf, away).argmin())
            stale += 1
            if not asked[row]:
                if len(paid) == min(queries, len(codes)):
                    break
                asked[row] = True
                paid.append(row)
                seconds.append(own)
                stale = 0
            told.append(row)
        began = perf_counter()
        if told:
            agent.tell(codes[told], scores[told])
        own += perf_counter() - began
    return History(searcher, seed, valued[paid], codes[paid], scores[paid], float(scores.max()), np.array(seconds))


def scores_of(table: Table, objective: Objective, within: Table | None = None) -> Reals:
    """The objective of every row `(n,)`, as `History.scores`, z-scores over the rows of `within` or else of `table`.

    NaN where a value is missing.
    """
    columns = objective.resolve(table.columns)
    values = table.values[:, columns]
    signs = np.array([-1.0 if table.columns[j] in table.minimised else 1.0 for j in columns])
    if len(columns) == 1:
        wanted_sign = np.sign(next(iter(objective.weights.values())))
        one: Reals = values[:, 0] * signs[0] * wanted_sign
        return one
    names = [table.columns[j] for j in columns]
    known = values if within is None else within.select(columns=names).values
    location, unit = np.zeros((2, len(names)))
    for j, column in enumerate(known.T):
        held = column[np.isfinite(column)]
        location[j], unit[j] = (held.mean(), deviations(held[:, None])[0]) if len(held) else (0.0, 1.0)
    wanted = Objective(dict(zip(names, objective.weights.values(), strict=True)))
    scores: Reals = wanted.score(values, None, names, location, signs * unit)
    return scores


def _warm(rows: Table, table: Table, objective: Objective) -> tuple[Codes, Reals]:
    """Codes and scores, in the table's measure, that are told for nothing."""
    if rows.space != table.space:
        raise DataError("Expected a warm start of the table's own space. Got another space.")
    scores = scores_of(rows, objective, within=table)
    known = np.isfinite(scores)
    return rows.codes[known], scores[known]


def _steps(space: Space, codes: Codes) -> Reals:
    """Codes as points whose distance, summed over coordinates, counts steps as `Table.nearest` does."""
    parts: list[Any] = []
    for dim, column in zip(space.dimensions, codes.T, strict=True):
        if isinstance(dim, Categorical):
            parts.append(np.eye(dim.width)[column] / 2)
        else:
            parts.append(np.searchsorted(dim.values, column)[:, None])
    return np.concatenate(parts, axis=1, dtype=np.float64)
