"""Rows of a result: what the predictor claims of codes, and what table, judge or clock say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncp.cost import has_cost
from ncp.network.latency import LatencyModel
from ncp.optim.budget import Budget
from ncp.optim.known import Known
from ncp.optim.problem import Problem
from ncp.optim.results import Baseline, Row, Value
from ncp.predictors.base import Predictor
from ncp.predictors.quality import Evaluation, verify
from ncp.spaces.arrays import Codes, Reals
from ncp.tables.table import Table

LATENCY = "latency [ms]"
"""The column in which predicted and measured latencies stand."""
UPPER_TENTH = 1.2816
"""Standard deviations between a normal's median and its 90th percentile."""


def predicted_scores_of(problem: Problem, codes: Codes) -> Reals:
    """The objective of codes by the predictor, `(n,)`, without an uncertainty penalty [standard deviations]."""
    mean = problem.predictor.predict(codes).mean
    return _objective(problem, mean)


def rows_of(
    problem: Problem, codes: Codes, judge: Predictor | None, table: Table | None, ranks: Reals | None = None
) -> tuple[Row, ...]:
    """What the searcher claims of every code, and what table or judge say.

    Args:
        problem: what is wanted, and by which predictor.
        codes: `(n, d)`.
        judge: whom to ask for what the table does not have.
        table: measured values.
        ranks: what the codes are ranked by, `(n,)`; the predictor's scores when left out.
    """
    predictor, objective = problem.predictor, problem.objective
    scores = problem.values_and_scores(codes)[1] if ranks is None else ranks
    where = objective.named(predictor.columns)
    columns = tuple(predictor.columns[j] for j in where)
    predicted = predictor.predict(codes)
    verified = verify(codes, columns, judge, table)
    predicted_scores, verified_scores = (
        _objective(problem, predicted.mean),
        _objective(problem, _among(problem, columns, verified.values)),
    )
    latencies = _latencies(problem.budget, codes)
    costs = _costs(problem, codes)
    return tuple(
        Row(
            code=predictor.space.text(code),
            vector=tuple(code.tolist()),
            score=float(scores[i]),
            predicted_score=float(predicted_scores[i]),
            verified_score=float(verified_scores[i]) if np.isfinite(verified_scores[i]) else None,
            predicted={
                c: Value(float(predicted.mean[i, j]), float(predicted.std[i, j]), "predictor")
                for c, j in zip(columns, where, strict=True)
            }
            | latencies[i][0],
            verified=_values(verified, i) | latencies[i][1],
            macs=costs[i][0],
            params=costs[i][1],
        )
        for i, code in enumerate(codes)
    )


def baseline_of(problem: Problem, known: Known, judge: Predictor | None, table: Table) -> Baseline | None:
    """The best measured row that the search may return, with the judge's value of it."""
    if not len(known.codes):
        return None
    best = known.codes[:1]
    predictor = problem.predictor
    columns = tuple(predictor.columns[j] for j in problem.objective.named(predictor.columns))
    judged = verify(best, columns, judge, None)
    score = float(_objective(problem, _among(problem, columns, judged.values))[0])
    macs_and_params = _costs(problem, best)[0]
    return Baseline(
        code=predictor.space.text(best[0]),
        vector=tuple(best[0].tolist()),
        measured=_values(verify(best, columns, None, table), 0),
        judged=_values(judged, 0),
        score=float(known.measured[0]),
        judged_score=score if np.isfinite(score) else None,
        macs=macs_and_params[0],
        params=macs_and_params[1],
        rows=len(known.codes),
    )


def _objective(problem: Problem, values: Reals) -> Reals:
    """The weighted mean of raw values `(n, m)` of the predictor's columns, `(n,)` in standard deviations."""
    predictor = problem.predictor
    location, unit = (x.double().cpu().numpy() for x in (predictor.location, predictor.unit))
    score: Reals = problem.objective.plain().score(values, None, predictor.columns, location, unit)
    return score


def _among(problem: Problem, columns: Sequence[str], values: Reals) -> Reals:
    """Values `(n, k)` of some columns at their places among the predictor's, `(n, m)`; NaN elsewhere."""
    every = np.full((len(values), len(problem.predictor.columns)), np.nan)
    every[:, [problem.predictor.columns.index(column) for column in columns]] = values
    return every


def _values(found: Evaluation, row: int) -> dict[str, Value]:
    """The values of one row that there are, by column."""
    return {
        column: Value(float(found.values[row, j]), float(found.std[row, j]), str(found.source[row, j]))
        for j, column in enumerate(found.columns)
        if np.isfinite(found.values[row, j])
    }


def _costs(problem: Problem, codes: Codes) -> list[tuple[int | None, int | None]]:
    """Multiply-adds and parameters of every code as the budget counts them, where they are known."""
    if not has_cost(problem.predictor.space):
        return [(None, None)] * len(codes)
    counting = problem.budget.counting
    every = counting.macs(codes), counting.params(codes)
    return list(zip(*(cost.tolist() for cost in every), strict=True))


def latency_model(budget: Budget) -> LatencyModel | None:
    """What can measure the latencies that the budget bounds."""
    bounded = budget.max_latency_ms is not None
    return budget.latency if bounded and isinstance(budget.latency, LatencyModel) else None


def _latencies(budget: Budget, codes: Codes) -> list[tuple[dict[str, Value], dict[str, Value]]]:
    """Of every code the predicted and the measured latency, where the budget bounds it."""
    model = latency_model(budget)
    if model is None:
        return [({}, {})] * len(codes)
    predicted, std = model(codes), model.error.rms
    return [
        (
            {LATENCY: Value(float(promised), float(promised * std), "predictor")},
            {LATENCY: Value(found.median, (found.p90 - found.median) / UPPER_TENTH, "measured")},
        )
        for promised, found in zip(predicted, model.measure(codes), strict=True)
    ]
