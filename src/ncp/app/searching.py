"""The jobs of a search: a film of the gradient, the search itself, few edits, or a front. They run in a worker."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np

from ncp.app.dataset import Dataset, OpenDataset, open_benchmark, open_dataset
from ncp.app.frames import frames_of
from ncp.errors import ConfigError, NcpError
from ncp.optim.budget import Budget
from ncp.optim.front import Front
from ncp.optim.front_search import Refinement, pareto_search
from ncp.optim.judge import predictor_and_judge
from ncp.optim.objective import Objective
from ncp.optim.problem import Problem
from ncp.optim.propagation import StrategyName, follow
from ncp.optim.results import Result
from ncp.optim.search import POOL, Settings, result_of, search, start_of
from ncp.predictors.predictor import Predictor
from ncp.progress import Progress

Find = Literal["best", "edits", "front"]

FILM_STARTS, FILM_STEPS = 8, 30
"""The film shows the first of few starts. They take less than a second, so there is a first answer at once."""
TOP = 10
FRONT = 100
"""Most codes of a front."""
REFINEMENT = Refinement(rounds=8, moves=40_000, crossed=5_000, tried=10_000, directions=400)
"""A front is refined for a few seconds, less thoroughly than by `ncp pareto`."""


class StoppedError(NcpError):
    """The user has stopped the search."""


@dataclass(frozen=True)
class SearchRequest:
    """The settings of a search.

    Attributes:
        weights: the weight of each column of the objective. Each column is an objective of its own for a front.
        at_least: minimum values by column [raw units].
        budget: bounds on cost.
        freeze: names of dimensions that keep the values of `origin`.
        origin: the code that is open, which is the first start.
        find: the best codes, the best of few edits of `origin`, or a front.
        strategy: as in `search`.
        starts: how many codes are propagated; all but the first are random.
        steps: gradient steps per start.
        uncertainty_penalty: as in `Objective`.
        max_changes: most dimensions that an edit changes.
    """

    weights: Mapping[str, float]
    at_least: Mapping[str, float]
    budget: Budget
    freeze: tuple[str, ...]
    origin: tuple[int, ...]
    find: Find = "best"
    strategy: StrategyName = "continuous"
    starts: int = 256
    steps: int = 70
    uncertainty_penalty: float = 0.0
    max_changes: int = 6

    @property
    def objective(self) -> Objective:
        """The objective of the search."""
        return Objective(self.weights, self.uncertainty_penalty, self.at_least)


def warm_up() -> None:
    """Open the benchmark and run a short search, because the first one in a process is slow."""
    opened = open_benchmark()
    middle = tuple(dim.values[len(dim.values) // 2] for dim in opened.space.dimensions)
    request = SearchRequest({opened.columns[0]: 1.0}, {}, Budget(max_macs=4e9), (), middle, starts=2, steps=3)
    run_film(opened.source, request, lambda _: None)


def run_film(dataset: Dataset, request: SearchRequest, progress: Progress) -> tuple[Result, list[dict[str, Any]]]:
    """Propagate the open code and a few random ones; return a first result and the frames of the film.

    Raises:
        InfeasibleError: no code meets the budget or the minimum values.
        ConfigError: settings that `search` does not accept.
    """
    began, opened, objective = perf_counter(), open_dataset(dataset), request.objective
    starts, steps = min(request.starts, FILM_STARTS), min(request.steps, FILM_STEPS)
    settings = Settings.of(objective, request.strategy, starts, TOP, steps, seed=0)
    pair = predictor_and_judge(_predictor(opened), opened.judge, opened.table, [objective], settings.seed)
    problem = Problem.of(pair.predictor, objective, request.budget, request.freeze)
    start = start_of(problem.feasible, settings, np.array(request.origin), None)
    run = follow(problem, settings.strategy, start.codes, settings.steps, progress)
    result = result_of(problem, pair, opened.table, start, settings, run, run.best(POOL), measuring=False)
    return replace(result, seconds=perf_counter() - began, _trajectory=None), frames_of(result)


def run_search(dataset: Dataset, request: SearchRequest, trace: Path, stop: Path, progress: Progress) -> Result:
    """Search as `ncp search` does, and write what a report needs of the steps to `trace`.

    Args:
        dataset: what to search.
        request: the settings.
        trace: a file for the steps of the search.
        stop: once this file exists, the search stops.
        progress: called with the share that is done.

    Raises:
        InfeasibleError: no code meets the budget or the minimum values.
        ConfigError: settings that `search` does not accept.
        StoppedError: `stop` exists.
    """
    from ncp.report.trace import Trace

    opened = open_dataset(dataset)
    result = search(
        request.objective,
        budget=request.budget,
        predictor=_predictor(opened),
        judge=opened.judge,
        table=opened.table,
        starts=request.starts,
        top=TOP,
        strategy=request.strategy,
        steps=request.steps,
        freeze=request.freeze,
        origin=np.array(request.origin),
        max_changes=request.max_changes if request.find == "edits" else None,
        progress=_until(stop, progress),
    )
    Trace.of(result).to_json(trace)
    return replace(result, _trajectory=None)  # it has many megabytes, and the trace has what reports show


def run_front(dataset: Dataset, request: SearchRequest, stop: Path, progress: Progress) -> Front:
    """Search the codes that trade the columns and exact cost against each other.

    Raises:
        InfeasibleError: no code meets the budget or the minimum values.
        ConfigError: settings that `pareto_search` does not accept.
        StoppedError: `stop` exists.
    """
    opened = open_dataset(dataset)
    return pareto_search(
        [Objective({c: math.copysign(1.0, w)}, request.uncertainty_penalty) for c, w in request.weights.items()],
        budget=request.budget,
        predictor=_predictor(opened),
        judge=opened.judge,
        table=opened.table,
        at_least=request.at_least,
        starts=request.starts,
        steps=request.steps,
        size=FRONT,
        refinement=REFINEMENT,
        progress=_until(stop, progress),
    )


def _until(stop: Path, progress: Progress) -> Progress:
    """Progress that ends the job once a file exists."""

    def report(share: float) -> None:
        if stop.exists():
            raise StoppedError("The search was stopped.")
        progress(share)

    return report


def _predictor(opened: OpenDataset) -> Predictor:
    if opened.predictor is None:
        raise ConfigError("This table has no predictor yet. Train one first.")
    return opened.predictor
