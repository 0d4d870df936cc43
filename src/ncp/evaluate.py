"""How good a predictor ranks, and what a code is worth: its row of a table, or an independent judge's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from ncp.errors import ConfigError
from ncp.predictors import Prediction, Predictor, fit_predictor, load_judge, load_predictor
from ncp.progress import Progress, quiet
from ncp.space import Reals
from ncp.table import Table

Source = Literal["table", "predictor", "judge", "measured", "trained"]


LEAST = 200
"""Fewer rows make no judge."""


@dataclass(frozen=True)
class Quality:
    """How predictions of one column compare with the values of rows held out.

    Attributes:
        tau: Kendall's tau-b, of ranks.
        mae: mean absolute error [raw units].
        within_one: share of rows within one standard deviation (0.68 if errors were normal).
        within_two: share within two (0.95).
    """

    tau: float
    mae: float
    within_one: float
    within_two: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Values of codes, each with its source.

    Attributes:
        columns: m names.
        values: `(n, m)`, in raw units.
        std: `(n, m)`; zero where a value comes from a table.
        source: `(n,)`, where each row's values come from.
    """

    columns: tuple[str, ...]
    values: Reals
    std: Reals
    source: NDArray[np.str_]


def quality(prediction: Prediction, values: Reals, columns: Sequence[str]) -> dict[str, Quality]:
    """Compare predictions with the values `(n, m)` of rows that the predictor has not seen."""
    measured = {}
    for j, column in enumerate(columns):
        error = np.abs(prediction.mean[:, j] - values[:, j])
        std = prediction.std[:, j] if prediction.std is not None else np.zeros(len(error))
        measured[column] = Quality(
            tau=float(kendalltau(prediction.mean[:, j], values[:, j]).statistic),
            mae=float(error.mean()),
            within_one=float((error <= std).mean()),
            within_two=float((error <= 2 * std).mean()),
        )
    return measured


def verify(codes: Any, columns: Sequence[str], judge: Predictor | None, table: Table | None = None) -> Evaluation:
    """Look codes up in a table, and where they are not there, ask the judge.

    Args:
        codes: `(n, d)`.
        columns: which values are asked for.
        judge: a predictor of another family, fitted on rows which the searcher's has not seen; None for no judge.
        table: measured values; a code counts as tabulated if the table has a value in every column asked for.

    Raises:
        ConfigError: a judge without one of the columns.
    """
    if judge is not None:
        absent = [column for column in columns if column not in judge.columns]
        if absent:
            raise ConfigError(f"Expected a judge of {', '.join(columns)}. Got one without {absent[0]}.")
        predicted = judge.predict(codes)
        where = [judge.columns.index(column) for column in columns]
        values, std = predicted.mean[:, where], np.zeros((len(predicted.mean), len(where)))
        std = std if predicted.std is None else predicted.std[:, where]
    else:
        values, std = np.full((2, len(codes), len(columns)), np.nan)
    source = np.full(len(values), "judge" if judge is not None else "none", dtype="<U9")
    if table is not None and set(columns) <= set(table.columns):
        known = table.select(columns=list(columns))
        for i, code in enumerate(codes):
            row = known.row(code)
            if row is not None and not np.isnan(known.values[row]).any():
                values[i], std[i], source[i] = known.values[row], 0.0, "table"
    return Evaluation(tuple(columns), values, std, source)


def require_same_direction(predictor: Predictor, table: Table) -> None:
    """Refuse a table and a predictor of which only one takes small values of a column for the better ones.

    Raises:
        ConfigError: such a column.
    """
    for column in predictor.columns:
        if column in table.columns and (column in table.minimised) != (column in predictor.minimised):
            alone = "table" if column in table.minimised else "predictor"
            raise ConfigError(
                f"Expected {column} to be minimised by predictor and table alike. Got it so in the {alone} alone. "
                "Fit the predictor again, with minimised=table.minimised."
            )


def halves(table: Table, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sampled complete rows of a table in two random halves: for the searcher's predictor, and for the judge."""
    complete = ~np.isnan(table.values).any(axis=1)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(table.sampled & complete))
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def fit_searcher_and_judge(table: Table, seed: int = 0, progress: Progress = quiet) -> tuple[Predictor, Predictor]:
    """A Gaussian process on one half of the sampled rows and an ensemble on the other, both in the table's z-scores."""
    mine, other = halves(table, seed)
    fitted = []
    for rows, kind, begin in ((mine, "gp", 0.0), (other, "ensemble", 0.5)):
        predictor = fit_predictor(
            table.codes[rows],
            table.values[rows],
            table.columns,
            space=table.space,
            kind=kind,
            seed=seed,
            progress=lambda share, begin=begin: progress(begin + share / 2),  # type: ignore[misc]
        )
        predictor.measure_by(table.values[np.concatenate([mine, other])], table.minimised)
        fitted.append(predictor)
    return fitted[0], fitted[1]


def judge_for(predictor: Predictor, table: Table, seed: int = 0) -> Predictor | None:
    """A judge fitted on the sampled complete rows which a predictor has not seen; None below `LEAST` of them.

    It is of another family than the predictor; `default` is of both, so that its judge shares half of it.
    """
    if predictor.space != table.space or not set(predictor.columns) <= set(table.columns):
        return None
    where = [table.columns.index(column) for column in predictor.columns]
    known = ~np.isnan(table.values[:, where]).any(axis=1)
    unseen = np.flatnonzero(known & table.sampled & ~predictor.has_seen(table.codes))
    if len(unseen) < LEAST:
        return None
    return fit_predictor(
        table.codes[unseen],
        table.values[unseen][:, where],
        predictor.columns,
        space=table.space,
        kind="ensemble" if predictor.kind == "gp" else "gp",
        seed=seed,
        minimised=[name for name in table.minimised if name in predictor.columns],
    )


def predictor_and_judge(
    predictor: Predictor | None, judge: Predictor | None, table: Table | None, seed: int, progress: Progress
) -> tuple[Predictor, Predictor | None]:
    """What a search follows and what judges it, where they are not given.

    Without a predictor: the shipped ones, unless a table is not the one they were fitted on, else two fitted on its
    halves. With a predictor and a table: a judge of rows that the predictor has not seen.

    Raises:
        ConfigError: a table that minimises other columns than the predictor.
    """
    if predictor is None:
        predictor, fitted = _pair(table, seed, progress)
        judge = judge or fitted
    elif judge is None and table is not None:
        judge = judge_for(predictor, table, seed)
    if table is not None:
        require_same_direction(predictor, table)
    return predictor, judge


def _pair(table: Table | None, seed: int, progress: Progress) -> tuple[Predictor, Predictor]:
    """A searcher's predictor and its judge: the shipped ones, unless a table is not the one they were fitted on."""
    predictor, judge = load_predictor("nas-bench-mr"), load_judge("nas-bench-mr")
    if table is None or _fitted_on(table, predictor, judge):
        return predictor, judge
    return fit_searcher_and_judge(table, seed, progress)


def _fitted_on(table: Table, predictor: Predictor, judge: Predictor) -> bool:
    """Whether every sampled row of `table` is one that one of the two has seen, with the same columns."""
    if table.space != predictor.space or not set(table.columns) <= set(predictor.columns) or table.minimised:
        return False
    codes = table.codes[table.sampled]
    return bool((predictor.has_seen(codes) | judge.has_seen(codes)).all())
