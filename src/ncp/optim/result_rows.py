"""Fill the rows of a result: the values of codes by predictor, judge, table and measurement, each with its source."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from ncp.cost import has_cost
from ncp.io.files import plain
from ncp.network.latency import LatencyModel
from ncp.optim.budget import BOUNDS, Budget
from ncp.optim.judge import verify
from ncp.optim.measured_rows import MeasuredRows, objective_of
from ncp.optim.problem import Problem
from ncp.optim.results import Baseline, Row, Values
from ncp.predictors.predictor import Predictor
from ncp.spaces.arrays import Codes, Reals
from ncp.tables.table import Table

LATENCY = "latency [ms]"
"""The column of predicted and measured latencies."""
UPPER_TENTH = 1.2816
"""Standard deviations between a normal's median and its 90th percentile."""
BUDGET = (*BOUNDS, "image_size", "classes", "task")
"""The fields of a budget that a result's provenance repeats."""


def rows_of(
    problem: Problem,
    codes: Codes,
    judge: Predictor | None,
    table: Table | None,
    ranks: Reals | None = None,
    measuring: bool = True,
) -> tuple[Row, ...]:
    """Predict codes, check them by table or judge, and compute their cost.

    Args:
        problem: the objective, the budget and the predictor.
        codes: `(n, d)`.
        judge: checks codes that are not in the table.
        table: measured values.
        ranks: the numbers that codes are ranked by, `(n,)`; the predictor's scores when left out.
        measuring: whether to measure latencies that the budget bounds, which takes seconds per code. Otherwise the rows
            have no latencies.
    """
    scores = problem.values_and_scores(codes)[1] if ranks is None else ranks
    columns = _columns(problem)
    predicted, verified = _predicted(problem, codes, columns), verify(codes, columns, judge, table)
    predicted_scores, verified_scores = _objective(problem, predicted), _objective(problem, verified)
    model = latency_model(problem.budget) if measuring else None
    if model is not None:
        predicted = predicted.beside(_predicted_latencies(model, codes))
        verified = verified.beside(_measured_latencies(model, codes))
    costs = _costs(problem, codes)
    return tuple(
        Row(
            code=problem.space.text(code),
            vector=tuple(code.tolist()),
            score=float(scores[i]),
            predicted_score=float(predicted_scores[i]),
            verified_score=_known(verified_scores[i]),
            predicted=predicted.row(i),
            verified=verified.row(i),
            macs=costs[i][0],
            params=costs[i][1],
        )
        for i, code in enumerate(codes)
    )


def baseline_of(problem: Problem, known: MeasuredRows, judge: Predictor | None, table: Table) -> Baseline | None:
    """The best measured row that the search may return, with the judge's values of it; None if there is no such row."""
    if not len(known.codes):
        return None
    best, columns = known.codes[:1], _columns(problem)
    judged = verify(best, columns, judge)
    ((macs, params),) = _costs(problem, best)
    return Baseline(
        code=problem.space.text(best[0]),
        vector=tuple(best[0].tolist()),
        measured=verify(best, columns, None, table).row(0),
        judged=judged.row(0),
        score=float(known.measured[0]),
        judged_score=_known(_objective(problem, judged)[0]),
        macs=macs,
        params=params,
        rows=len(known.codes),
    )


def predicted_scores_of(problem: Problem, codes: Codes) -> Reals:
    """The objective of codes by the predictor, `(n,)`, without an uncertainty penalty [standard deviations]."""
    return _objective(problem, _predicted(problem, codes, _columns(problem)))


def provenance_of(problem: Problem, judge: Predictor | None, table: Table | None, **more: Any) -> dict[str, Any]:
    """Plain data: `more`, the budget, and the columns, predictor, judge and table that a result is based on."""
    predictor, latency = problem.predictor, latency_model(problem.budget)
    provenance: dict[str, Any] = plain(
        {
            **more,
            **{name: getattr(problem.budget, name) for name in BUDGET},
            "latency_of": None if latency is None else asdict(latency.conditions),
            "columns": _columns(problem),
            "minimised": predictor.minimised,
            "predictor": predictor.kind,
            "judge": None if judge is None else judge.kind,
            "table_rows": None if table is None else len(table),
            "version": version("ncp-nas"),
        }
    )
    return provenance


def latency_model(budget: Budget) -> LatencyModel | None:
    """The model by which latencies are measured; None if the budget does not bound them, or by another function."""
    bounded = budget.max_latency_ms is not None
    return budget.latency if bounded and isinstance(budget.latency, LatencyModel) else None


def _columns(problem: Problem) -> tuple[str, ...]:
    """The predictor's columns that the objective names."""
    columns = problem.predictor.columns
    return tuple(columns[j] for j in problem.objective.named(columns))


def _predicted(problem: Problem, codes: Codes, columns: tuple[str, ...]) -> Values:
    """The predictor's values of codes."""
    predictor = problem.predictor
    where = [predictor.columns.index(column) for column in columns]
    predicted = predictor.predict(codes)
    mean = predicted.mean[:, where]
    return Values(columns, mean, predicted.std[:, where], np.full(mean.shape, "predictor"))


def _objective(problem: Problem, values: Values) -> Reals:
    """The objective of values in standard deviations, `(n,)`; NaN where one is missing."""
    columns = problem.predictor.columns
    every = np.full((len(values.mean), len(columns)), np.nan)
    every[:, [columns.index(column) for column in values.columns]] = values.mean
    return objective_of(problem, every)


def _known(score: float) -> float | None:
    return float(score) if np.isfinite(score) else None


def _costs(problem: Problem, codes: Codes) -> list[tuple[int | None, int | None]]:
    """Multiply-adds and parameters of every code as the budget counts them; None where the space has no exact cost."""
    if not has_cost(problem.space):
        return [(None, None)] * len(codes)
    counting = problem.budget.counting
    every = counting.macs(codes), counting.params(codes)
    return list(zip(*(cost.tolist() for cost in every), strict=True))


def _predicted_latencies(model: LatencyModel, codes: Codes) -> Values:
    mean = np.asarray(model(codes), dtype=float)[:, None]
    return Values((LATENCY,), mean, mean * model.error.rms, np.full(mean.shape, "predictor"))


def _measured_latencies(model: LatencyModel, codes: Codes) -> Values:
    measured = model.measure(codes)
    mean = np.array([[each.median] for each in measured])
    std = np.array([[(each.p90 - each.median) / UPPER_TENTH] for each in measured])
    return Values((LATENCY,), mean, std, np.full(mean.shape, "measured"))
