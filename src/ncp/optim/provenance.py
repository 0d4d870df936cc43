"""What was asked and of whom, as the files of results hold it."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from ncp.optim.problem import Problem
from ncp.optim.result_rows import latency_model
from ncp.predictors.base import Predictor

BUDGET = ("max_macs", "max_params", "max_latency_ms", "image_size", "classes", "task")


def provenance_of(problem: Problem, judge: Predictor | None, **more: Any) -> dict[str, Any]:
    """Plain data: `more`, the budget, and by which columns and predictors codes were found and judged."""
    predictor, latency = problem.predictor, latency_model(problem.budget)
    return {
        **more,
        **{name: getattr(problem.budget, name) for name in BUDGET},
        "latency_of": None if latency is None else asdict(latency.conditions),
        "columns": [predictor.columns[j] for j in problem.objective.named(predictor.columns)],
        "minimised": list(predictor.minimised),
        "predictor": predictor.kind,
        "judge": None if judge is None else judge.kind,
        "version": version("ncp-nas"),
    }
