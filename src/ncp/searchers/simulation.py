"""Simulate a search on a table: the searcher asks for codes, and sees the values of the rows that it evaluates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.errors import ConfigError
from ncp.numbers import as_count, as_seed
from ncp.optim.objective import Objective, as_objective
from ncp.predictors.fitting import SHIPPED
from ncp.progress import Progress, quiet
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.prior import Prior, as_prior, fit_prior
from ncp.searchers.registry import OURS, SEARCHERS, Make, require_searchers
from ncp.searchers.scoring import Scored, score_rows
from ncp.spaces.arrays import Codes, Reals
from ncp.tables.cache import load_table
from ncp.tables.columns import task_of, tasks_of
from ncp.tables.table import Table
from ncp.threads import one_thread

PATIENCE = 200
"""After this many repeated proposals in a row, a random row is evaluated."""


@dataclass(frozen=True, eq=False)
class History:
    """The rows that a simulated search evaluated, in order.

    Attributes:
        searcher: its name.
        seed: of all its random numbers.
        rows: places in the table, `(queries,)`.
        codes: `(queries, d)`.
        scores: the objective, `(queries,)`: in the column's own unit for a single column, else the mean of z-scores
            over the table; more is better, and a minimised column counts negative. For every standard deviation by
            which a row misses a minimum value, 10 standard deviations are subtracted.
        meets: which rows meet all minimum values, `(queries,)`.
        best: the best score so far, `(queries,)`. A row that misses a minimum value counts less than every row of the
            table that meets all of them.
        optimum: the best score of the table's rows that meet all minimum values.
        seconds: the searcher's own time until each row was proposed, `(queries,)`.
        listed: how many proposals the searcher chose from a list of all codes; 0 unless it is `bayesian`.
        propagated: how many proposals `bayesian` chose in a space with too many codes to list: from codes along a
            propagation, their neighbours and random codes.
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

    def __repr__(self) -> str:
        return (
            f"History({self.searcher}, seed {self.seed}: best {self.best[-1]:.4g} of {self.optimum:.4g} "
            f"after {len(self.rows)} evaluations)"
        )

    @property
    def regret(self) -> Reals:
        """How much better the optimum is than the best score so far, `(queries,)`."""
        return self.optimum - self.best


def simulate(
    table: Table,
    searcher: str = OURS,
    *,
    objective: Any,
    queries: int = 200,
    seed: int = 0,
    warm_start: Table | None = None,
    prior: Any = None,
) -> History:
    """Simulate a search on a table.

    If a searcher proposes a row again, it receives the same value, and this does not count as an evaluation. If it
    proposes a code that is not in the table, the nearest unevaluated row is used instead and counted.

    Args:
        table: the measured values; rows without a value in a column of the objective are left out.
        searcher: one of `SEARCHERS`.
        objective: an `Objective`, or a column, several, or weights by column.
        queries: how many rows to evaluate; all of them, if the table has fewer.
        seed: of all random numbers.
        warm_start: rows whose scores the searcher learns before it begins. They do not count as evaluations. The table
            must have the same space and the objective's columns.
        prior: what is known of other tasks, for `bayesian`: a `Table` of other tasks' columns, whose codes need not be
            those of `table`; a `Predictor` of other tasks; the name of one of both; or None. Columns of the objective's
            own tasks are left out. If it has codes of `table`, the prior of each row is predicted without this row.

    Raises:
        ConfigError: the searcher does not exist, the objective does not fit the table or has an uncertainty penalty,
            `queries` or `seed` is out of range, or a prior that does not fit (see `ncp.searchers.prior`) or that the
            searcher does not use.
        DataError: no row has all values, or the warm start has another space or lacks a column.
        InfeasibleError: no row meets the minimum values.
        MissingExtraError: the searcher needs Optuna, which is not installed.
    """
    require_searchers([searcher], "searcher")
    queries, seed = as_count(queries, "queries"), as_seed(seed)
    wanted = as_objective(objective)
    scored = score_rows(table, wanted, warm_start)
    make = makers([searcher], prior_of_rows(prior, table, scored, wanted))[searcher]
    return simulate_scored(scored, searcher, make, queries=queries, seed=seed)


def prior_of_rows(
    given: Any, table: Table, scored: Scored, objective: Objective, progress: Progress = quiet
) -> Prior | None:
    """The prior of a simulation, without the objective's tasks, and for each row predicted without this row.

    Raises:
        ConfigError: a predictor that was fitted on rows of the table, or a prior that does not fit.
        DataError: a file that cannot be read, or a table with too few rows.
    """
    own = tasks_of(table.columns[j] for j in objective.named(table.columns))
    prior = as_prior(given, table.space, own, progress=progress)
    if prior is not None and prior.has_seen(scored.codes):
        if not isinstance(given, str) or given not in SHIPPED:
            raise ConfigError(
                "The predictor of {field} was fitted on rows of this table, so it knows what a search should find out. "
                "Give the table of the other tasks instead.",
                field="prior",
            )
        known = load_table(given)
        columns = [name for name in known.columns if task_of(name) not in own]
        prior = fit_prior(known, columns, given, progress=progress)
    return None if prior is None else prior.tabulated(scored.codes)


def makers(names: Sequence[str], prior: Prior | None) -> dict[str, Make]:
    """What makes the searchers of these names; `bayesian` uses the prior.

    Raises:
        ConfigError: a prior that none of the searchers uses.
    """
    if prior is not None and OURS not in names:
        raise ConfigError(f"Only the searcher {OURS} uses {{field}}. Add it, or leave {{field}} out.", field="prior")
    return {name: partial(Bayesian, prior=prior) if name == OURS else SEARCHERS[name] for name in names}


@one_thread()
def simulate_scored(
    scored: Scored, name: str, make: Make, *, queries: int, seed: int, patience: int = PATIENCE
) -> History:
    """As `simulate`, on scored rows, with the searcher that `make` makes.

    After `patience` repeated proposals in a row, a random row is evaluated.
    """
    rng, clock = np.random.default_rng(seed), _Clock()
    evaluated = _Evaluated(scored, queries, clock)
    with clock.running():
        searcher = make(scored.space, rng, scored.codes if len(scored.codes) < scored.space.size else None)
    if len(scored.warm[0]):
        searcher.tell(*scored.warm)
    while evaluated.remaining:
        with clock.running():
            proposed = searcher.ask() if evaluated.repeats < patience else evaluated.draw(rng)
        rows = evaluated.add(proposed)
        with clock.running():
            if rows:
                columns = None if scored.columns is None else scored.columns[rows]
                searcher.tell(scored.codes[rows], scored.scores[rows], columns)
    rows = evaluated.rows
    return History(
        searcher=name,
        seed=seed,
        rows=scored.rows[rows],
        codes=scored.codes[rows],
        scores=scored.scores[rows],
        meets=scored.meets[rows],
        best=np.maximum.accumulate(scored.counted[rows]),
        optimum=scored.optimum,
        seconds=np.array(evaluated.seconds),
        listed=searcher.listed,
        propagated=searcher.propagated,
    )


class _Clock:
    """Adds up the time that a searcher takes [s]."""

    seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        began = perf_counter()
        yield
        self.seconds += perf_counter() - began


class _Evaluated:
    """The rows that a search has evaluated, in order, and when each was proposed.

    `repeats` counts proposals since the last new row.
    """

    def __init__(self, scored: Scored, queries: int, clock: _Clock) -> None:
        self.space, self.codes, self.clock = scored.space, scored.codes, clock
        self.remaining = min(queries, len(scored.codes))
        self.repeats = 0
        self.rows: list[int] = []
        self.seconds: list[float] = []
        self._places = {code.tobytes(): row for row, code in enumerate(scored.codes)}
        self._done = np.zeros(len(scored.codes), dtype=bool)

    def draw(self, rng: np.random.Generator) -> Codes:
        """The code of a random row that was not evaluated yet, `(1, d)`."""
        drawn: Codes = self.codes[rng.choice(np.flatnonzero(~self._done), 1)]
        return drawn

    def add(self, codes: Codes) -> list[int]:
        """Evaluate proposed codes until no evaluations remain: the row of each, known ones included."""
        rows = []
        for code in codes:
            row = self._places.get(code.tobytes())
            if row is None:
                row = int(np.where(self._done, np.inf, self.space.steps(self.codes, code)).argmin())
            if self._done[row]:
                self.repeats += 1
            elif self.remaining:
                self._evaluate(row)
            else:
                break
            rows.append(row)
        return rows

    def _evaluate(self, row: int) -> None:
        self._done[row] = True
        self.rows.append(row)
        self.seconds.append(self.clock.seconds)
        self.remaining -= 1
        self.repeats = 0
