"""Rows of a result: what the predictor claims of codes, and what table, judge or clock say."""

from __future__ import annotations

import numpy as np

from ncp.cost import has_cost, macs, params
from ncp.evaluate import verify
from ncp.latency import LatencyModel
from ncp.objective import Budget, Objective
from ncp.predictors import Predictor
from ncp.problem import Problem
from ncp.searchers.result import Row, Value
from ncp.space import Codes
from ncp.table import Table
from ncp.texts import code_text

LATENCY = "latency [ms]"
"""The column in which predicted and measured latencies stand."""
UPPER_TENTH = 1.2816
"""Standard deviations between a normal's median and its 90th percentile."""


def rows_of(problem: Problem, codes: Codes, judge: Predictor | None, table: Table | None) -> tuple[Row, ...]:
    """What the searcher claims of every code, and what table or judge say."""
    predictor, objective, budget = problem.predictor, problem.objective, problem.budget
    _, scores = problem.values_and_scores(codes)
    where = objective.named(predictor.columns)
    columns = tuple(predictor.columns[j] for j in where)
    predicted = predictor.predict(codes)
    stds = np.zeros_like(predicted.mean) if predicted.std is None else predicted.std
    verified = verify(codes, columns, judge, table)
    location, unit = predictor.location.numpy()[where], predictor.unit.numpy()[where]
    weighted = columns[: len(objective.weights)]
    wanted = Objective(dict(zip(weighted, objective.weights.values(), strict=True)))
    claims = wanted.score(predicted.mean[:, where], None, columns, location, unit)
    verdicts = wanted.score(verified.values, None, columns, location, unit)
    latencies = _latencies(budget, codes)
    known = has_cost(predictor.space)
    cost = macs(codes, budget.image_size, budget.classes, budget.task).tolist() if known else [None] * len(codes)
    size = params(codes, budget.classes, budget.task).tolist() if known else [None] * len(codes)
    return tuple(
        Row(
            code=code_text(predictor.space, code),
            vector=tuple(code.tolist()),
            score=float(scores[i]),
            claim=float(claims[i]),
            verdict=float(verdicts[i]) if np.isfinite(verdicts[i]) else None,
            predicted={
                c: Value(float(predicted.mean[i, j]), float(stds[i, j]), "predictor")
                for c, j in zip(columns, where, strict=True)
            }
            | latencies[i][0],
            verified={
                c: Value(float(verified.values[i, j]), float(verified.std[i, j]), str(verified.source[i]))
                for j, c in enumerate(columns)
                if np.isfinite(verified.values[i, j])
            }
            | latencies[i][1],
            macs=cost[i],
            params=size[i],
        )
        for i, code in enumerate(codes)
    )


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
