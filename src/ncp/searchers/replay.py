"""A search simulated on a table: it pays for the rows that it asks for, and sees no others."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.numbers import as_count, as_seed
from ncp.optim.objective import as_objective
from ncp.searchers.registry import OURS, SEARCHERS, Make, require_searchers
from ncp.searchers.scoring import Scored, score_rows
from ncp.spaces.arrays import Codes, Reals
from ncp.tables.table import Table
from ncp.threads import one_thread

PATIENCE = 200
"""After this many repeated proposals in a row, a random row is evaluated."""


@dataclass(frozen=True, eq=False)
class History:
    """What a simulated search evaluated, in order.

    Attributes:
        searcher: its name.
        seed: of everything random in it.
        rows: of the table, `(queries,)`.
        codes: `(queries, d)`.
        scores: the objective, `(queries,)`: in the column's own unit if it is one column, else mean z-scores over the
            table; more is better, and a minimised column counts negative. `FLOOR` (10) standard deviations are
            subtracted for every standard deviation by which a row breaks a minimum value.
        meets: which of the rows meet all minimum values, `(queries,)`.
        best: the best score so far, `(queries,)`. A row that breaks a minimum value counts less than every row of the
            table that meets all of them.
        optimum: the best score of the table's rows that meet all minimum values.
        seconds: of the searcher's own time, when each row was asked for, `(queries,)`.
        listed: how many proposals the searcher chose from a list of all codes; 0 unless it is `bayesian`.
        propagated: how many it chose from codes on the way of a propagation, their neighbours and random ones, where
            there are too many codes to list.
    """

    searcher: str
    seed: int
    rows: NDArray[np.int64]
    codes: Codes
    scores: Reals
    meets: NDArray[np.bool_]
    best: Reals
    optimum: float
    seconds: Reals
    listed: int
    propagated: int

    @property
    def regret(self) -> Reals:
        """By how much the optimum is better than the best so far, `(queries,)`."""
        return self.optimum - self.best


def simulate(
    table: Table,
    searcher: str = OURS,
    *,
    objective: Any,
    queries: int = 200,
    seed: int = 0,
    warm_start: Table | None = None,
) -> History:
    """Simulate a search on a table.

    If a searcher proposes a row again, it receives the same value, and this does not count as a query. If it proposes a
    code that is not in the table, the nearest row that was not evaluated yet is used instead, and counts.

    Args:
        table: the measured values; rows without a value in a column of the objective cannot be asked for.
        searcher: one of `SEARCHERS`.
        objective: what is wanted: an `Objective`, or a column, several, or weights by column.
        queries: rows that are evaluated; all of them, if the table has fewer.
        seed: of everything random.
        warm_start: rows that the searcher is told before it begins, at no cost: of the same space, with the objective's
            columns.

    Raises:
        ConfigError: a searcher that there is not, an objective that does not fit the table or has an uncertainty
            penalty, or a number of queries or a seed that is none.
        DataError: no row with values, or a warm start of another space.
        InfeasibleError: no row meets the minimum values.
        MissingExtraError: a searcher of Optuna's without Optuna.
    """
    require_searchers([searcher], "searcher")
    queries, seed = as_count(queries, "queries"), as_seed(seed)
    scored = score_rows(table, as_objective(objective), warm_start)
    return replay(scored, searcher, SEARCHERS[searcher], queries=queries, seed=seed)


@one_thread()
def replay(scored: Scored, name: str, make: Make, *, queries: int, seed: int, patience: int = PATIENCE) -> History:
    """As `simulate`, on scored rows, with the searcher that `make` makes."""
    space, codes, scores = scored.space, scored.codes, scored.scores
    queries = min(queries, len(codes))
    rng = np.random.default_rng(seed)
    began, own = perf_counter(), 0.0
    agent = make(space, rng, codes if len(codes) < space.size else None)
    own += perf_counter() - began
    if len(scored.warm[0]):
        agent.tell(*scored.warm)
    places = {code.tobytes(): row for row, code in enumerate(codes)}
    paid: list[int] = []
    seconds: list[float] = []
    asked = np.zeros(len(codes), dtype=bool)
    stale = 0
    while len(paid) < queries:
        began = perf_counter()
        proposed = agent.ask() if stale < patience else codes[rng.choice(np.flatnonzero(~asked), 1)]
        own += perf_counter() - began
        told = []
        for code in proposed:
            row = places.get(code.tobytes())
            if row is None:
                away = space.steps(codes, code)
                row = int(np.where(asked, np.inf, away).argmin())
            stale += 1
            if not asked[row]:
                if len(paid) == queries:
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
    return History(
        searcher=name,
        seed=seed,
        rows=scored.rows[paid],
        codes=codes[paid],
        scores=scores[paid],
        meets=scored.meets[paid],
        best=np.maximum.accumulate(scored.counted[paid]),
        optimum=scored.optimum,
        seconds=np.array(seconds),
        listed=agent.listed,
        propagated=agent.propagated,
    )
