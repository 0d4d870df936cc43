"""Choose a search's predictor and judge, and check codes by table or judge.

Predictor and judge are the shipped pair, a pair fitted on a table, or a given predictor and a judge fitted for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncp.errors import ConfigError, DataError
from ncp.optim.objective import Objective
from ncp.optim.pair_cache import PairCache, digests_of
from ncp.optim.pair_files import ROLES
from ncp.optim.results import Values
from ncp.predictors.fitting import SHIPPED, fit_predictor, load_judge, load_predictor
from ncp.predictors.predictor import Predictor
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes
from ncp.spaces.space import Space
from ncp.tables.table import Table, require_table
from ncp.threads import background_threads

JUDGE_ROWS = 200
"""A judge for a given predictor is fitted on at least this many rows."""
PAIR_ROWS = 20
"""A predictor and a judge are fitted on at least this many rows together."""


class Pair(NamedTuple):
    """A search's predictor, its judge (None if there are too few rows to fit one), and where the two come from.

    `source` is `shipped`, `given`, `fitted` on the table, `fitted and kept` in the cache, or `kept`: fitted on the same
    table by an earlier search. `slow` says whether something had to be fitted.
    """

    predictor: Predictor
    judge: Predictor | None
    source: str
    slow: bool = False


def predictor_and_judge(
    predictor: Predictor | str | Path | None,
    judge: Predictor | str | Path | None,
    table: Table | None,
    objectives: Sequence[Objective],
    seed: int,
    progress: Progress = quiet,
) -> Pair:
    """The predictor that a search follows, and the judge that checks its results.

    - Neither predictor nor table: the shipped predictor and its judge.
    - A table alone: a predictor fitted on one half of its sampled rows and a judge on the other half. For the published
      table, which is recognised by its values, that is the shipped pair.
    - A predictor: its judge is fitted on rows of the table that the predictor has not seen. A shipped predictor comes
      with its judge, unless the table has other values than it was fitted on.
    - A judge: it replaces the one above, which is then not fitted.

    Only the columns that the objectives name are fitted, on rows that have a value in all of them.

    Args:
        predictor: a predictor, its file, or the name of a shipped one.
        judge: likewise.
        table: measured values.
        objectives: all objectives of the search.
        seed: of the halves and fits.
        progress: called with the share that is done.

    Raises:
        ConfigError: an argument has a wrong type, two have different spaces, one lacks a column, the table minimises
            other columns than the predictor, or a minimised column has a negative weight.
        DataError: a file cannot be read, or there are too few rows to fit on.
    """
    given, judge = read_predictor(predictor, "predictor"), read_predictor(judge, "judge")
    if table is not None:
        require_table(table)
    pair = _pair_for(table, objectives, judge, seed, progress) if given is None else Pair(given, judge, "given")
    columns = wanted_columns(objectives, pair.predictor.columns)
    for objective in objectives:
        objective.require_direction(pair.predictor.columns, pair.predictor.minimised)
    if table is not None:
        _require_match(pair.predictor, table, columns)
    if pair.judge is None:
        pair = _with_judge(pair, table, columns, seed, progress)
    if pair.judge is not None:
        _require_judge(pair.judge, pair.predictor.space, columns)
    return pair


def verify(codes: Codes, columns: Sequence[str], judge: Predictor | None, table: Table | None = None) -> Values:
    """Check codes: take values from a table where it has them, and from the judge elsewhere.

    Args:
        codes: `(n, d)`.
        columns: k columns.
        judge: a predictor of another family than the search's, fitted on rows that the search's has not seen.
        table: measured values.

    Returns:
        Values `(n, k)`; NaN where neither table nor judge has one.

    Raises:
        ConfigError: the judge lacks one of the columns.
    """
    mean, std = np.full((2, len(codes), len(columns)), np.nan)
    source = np.full(mean.shape, "none", dtype="<U9")
    if judge is not None:
        _require_columns(judge, columns)
        predicted = judge.predict(codes)
        where = [judge.columns.index(column) for column in columns]
        mean, source[:] = predicted.mean[:, where], "judge"
        std = predicted.std[:, where]
    if table is not None:
        measured = table.lookup(codes, columns)
        known = ~np.isnan(measured)
        mean[known], std[known], source[known] = measured[known], 0.0, "table"
    return Values(tuple(columns), mean, std, source)


def wanted_columns(objectives: Sequence[Objective], columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that have a weight or a minimum value in one of the objectives, each once."""
    places = dict.fromkeys(place for objective in objectives for place in objective.named(columns))
    return tuple(columns[place] for place in places)


def halves(table: Table, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split the sampled complete rows of a table in random halves: for the search's predictor, and for its judge."""
    complete = ~np.isnan(table.values).any(axis=1)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(table.sampled & complete))
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def fit_searcher_and_judge(table: Table, seed: int = 0, progress: Progress = quiet) -> tuple[Predictor, Predictor]:
    """Fit a Gaussian process to one half of the sampled rows and an ensemble to the other, both at the same time.

    Each runs on one thread, and takes its z-scores from both halves.

    Raises:
        DataError: too few rows have a value in every column.
    """
    halved = _require_halves(table, seed)
    with background_threads(1) as (pool, alive):
        judging = pool.submit(_fit_half, table, halved, 1, "ensemble", seed, alive(quiet))
        predictor = _fit_half(table, halved, 0, "gp", seed, share(progress, 0.0, 0.9))
        judge = judging.result()
    progress(1.0)
    return predictor, judge


def judge_for(
    predictor: Predictor, table: Table, columns: Sequence[str], seed: int = 0, progress: Progress = quiet
) -> Predictor | None:
    """Fit a judge to the sampled complete rows that a predictor has not seen; None for fewer than `JUDGE_ROWS`.

    The judge is a Gaussian process, or an ensemble for a predictor that is a Gaussian process. A predictor of kind
    `default` blends both, so its judge shares one of its two families.
    """
    few = table.select(columns=columns)
    known = ~np.isnan(few.values).any(axis=1)
    unseen = np.flatnonzero(known & few.sampled & ~predictor.has_seen(few.codes))
    if len(unseen) < JUDGE_ROWS:
        return None
    return fit_predictor(
        few.codes[unseen],
        few.values[unseen],
        few.columns,
        space=few.space,
        kind="ensemble" if predictor.kind in ("gp", "exact") else "gp",
        seed=seed,
        progress=progress,
        minimised=few.minimised,
    )


def is_shipped(table: Table, columns: Sequence[str]) -> bool:
    """Whether the shipped predictors were fitted on these columns of this table, by its codes and values."""
    if not set(columns) <= set(table.columns) - set(table.minimised):
        return False
    card = json.loads(files("ncp").joinpath("assets", "card.json").read_text(encoding="utf-8"))
    return all(card["values"].get(column) == digest for column, digest in digests_of(table, columns).items())


def read_predictor(given: Any, field: str) -> Predictor | None:
    """A predictor, or the one of a file or a shipped name; None stays None.

    Raises:
        ConfigError: `given` is something else; `field` is the name of the argument.
        DataError: the file cannot be read.
    """
    if given is None or isinstance(given, Predictor):
        return given
    if not isinstance(given, (str, Path)):
        raise ConfigError(
            "{field} must be a predictor, from ncp.fit_predictor or ncp.load_predictor, or the path of its file. "
            "Got {given}.",
            field=field,
            given=given,
        )
    return load_judge(str(given)) if field == "judge" and str(given) in SHIPPED else load_predictor(given)


def _pair_for(
    table: Table | None, objectives: Sequence[Objective], judge: Predictor | None, seed: int, progress: Progress
) -> Pair:
    """The shipped pair, or for another table than the published one a pair fitted on it; with the judge if given."""
    if table is None:
        return _shipped(judge)
    wanted = set(wanted_columns(objectives, table.columns))
    columns = tuple(column for column in table.columns if column in wanted)  # a task's first column stays its first
    if is_shipped(table, columns):
        return _shipped(judge)
    few = table.select(columns=columns)
    if judge is not None:
        _require_judge(judge, few.space, columns)
    for objective in objectives:
        objective.require_direction(few.columns, few.minimised)
    cache = PairCache(few, seed)
    cached = cache.load(ROLES if judge is None else ["search"])
    if cached is not None:
        return Pair(cached[0], judge or cached[1], "kept")
    fitted = None
    if judge is None:
        predictor, fitted = fit_searcher_and_judge(few, seed, progress)
    else:
        predictor = _fit_half(few, _require_halves(few, seed), 0, "gp", seed, progress)
    source = "fitted and kept" if cache.keep(predictor, fitted) else "fitted"
    return Pair(predictor, judge or fitted, source, slow=True)


def _shipped(judge: Predictor | None) -> Pair:
    return Pair(load_predictor(SHIPPED[0]), judge or load_judge(SHIPPED[0]), "shipped")


def _with_judge(pair: Pair, table: Table | None, columns: Sequence[str], seed: int, progress: Progress) -> Pair:
    """A given predictor with the judge that was shipped with it, or with one fitted on the table."""
    shipped = pair.predictor.shipped
    if shipped and (table is None or is_shipped(table, columns)):
        return pair._replace(judge=load_judge(shipped))
    if table is None:
        return pair
    judge = judge_for(pair.predictor, table, columns, seed, progress)
    return pair._replace(judge=judge, slow=judge is not None)


def _require_halves(table: Table, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    mine, other = halves(table, seed)
    rows = len(mine) + len(other)
    if rows < PAIR_ROWS:
        raise DataError(
            f"Too few rows to fit a predictor and a judge on: {rows} sampled rows have a value in all of "
            f"{', '.join(table.columns)}, and at least {PAIR_ROWS} are needed. Measure more, or leave a column out."
        )
    return mine, other


def _fit_half(
    table: Table, halved: tuple[NDArray[np.int64], ...], half: int, kind: str, seed: int, progress: Progress
) -> Predictor:
    """A predictor fitted to one half of rows, with z-scores over both."""
    rows = halved[half]
    data = table.codes[rows], table.values[rows], table.columns
    predictor = fit_predictor(*data, space=table.space, kind=kind, seed=seed, progress=progress)
    predictor.set_reference(table.values[np.concatenate(halved)], table.minimised)
    return predictor


def _require_match(predictor: Predictor, table: Table, columns: Sequence[str]) -> None:
    """Refuse a table whose space, columns or directions differ from the predictor's."""
    if predictor.space != table.space:
        raise ConfigError(
            "The predictor and {field} have different search spaces, of {dimensions} dimensions. Choose a table of the "
            "predictor's space.",
            field="table",
            given=table,
            dimensions=f"{len(predictor.space)} and {len(table.space)}",
        )
    for column in columns:
        if column not in table.columns:
            raise ConfigError(
                "{field} has no column {column}, which the objective names. It has {columns}.",
                field="table",
                given=table,
                column=column,
                columns=", ".join(table.columns),
            )
        if (column in table.minimised) != (column in predictor.minimised):
            alone = "table" if column in table.minimised else "predictor"
            raise ConfigError(
                "Small values of {column} are better in the {alone} only. Fit the predictor again with the table's "
                "minimised columns.",
                field="table",
                given=table,
                column=column,
                alone=alone,
            )


def _require_judge(judge: Predictor, space: Space, columns: Sequence[str]) -> None:
    """Refuse a judge of another space, or without one of the columns."""
    if judge.space != space:
        raise ConfigError(
            "The predictor and {field} have different search spaces, of {dimensions} dimensions.",
            field="judge",
            given=judge,
            dimensions=f"{len(space)} and {len(judge.space)}",
        )
    _require_columns(judge, columns)


def _require_columns(judge: Predictor, columns: Sequence[str]) -> None:
    absent = [column for column in columns if column not in judge.columns]
    if absent:
        raise ConfigError(
            "{field} has no column {column}. It has {columns}.",
            field="judge",
            given=judge,
            column=absent[0],
            columns=", ".join(judge.columns),
        )
