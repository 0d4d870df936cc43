"""What pictures of a search for few trainings show: its progress, its front, and what its model has learned."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, norm

from ncp.cost import Counting, has_cost
from ncp.errors import NcpError
from ncp.optim.budget import Budget
from ncp.pareto import non_dominated
from ncp.report.style import COST, SCORE, with_unit
from ncp.searchers.evidence import Evidence
from ncp.searchers.objective_scale import ObjectiveScale
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.dimensions import Categorical
from ncp.spaces.space import Space
from ncp.studies.search_record import SearchRecord, read_budget_fields, read_record
from ncp.studies.study import Study
from ncp.studies.told_values import best_rows, told_table
from ncp.studies.trained_rows import TrainedRow

BEST = 10
"""The codes in the table of the best."""
MATTERED = 10
"""The dimensions that are shown."""
LEAST = 5
"""Fewest codes with a score that say something about the dimensions."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """A score or column of the told codes.

    Attributes:
        name: `task/metric`, or `score [std]` for a score of several columns.
        label: the name with its unit, and whether lower is better.
        values: `(n,)`, means over trainings [raw units]; NaN where trainings failed.
        lower: whether lower is better.
    """

    name: str
    label: str
    values: Reals
    lower: bool


@dataclass(frozen=True, eq=False)
class Scores:
    """The told codes in the order of their first results.

    Attributes:
        codes: n codes as texts.
        columns: the columns that the objective names.
        score: what ranks the codes: the column itself if the objective has a single one.
        main: the columns with a weight, without the score if it is one of them.
        qualifies: which codes have a score, meet the budget and meet all minimum values, `(n,)`.
        so_far: the best score of a qualifying code after each result, `(n,)`; NaN before the first.
    """

    codes: tuple[str, ...]
    columns: tuple[str, ...]
    score: Quantity
    main: tuple[Quantity, ...]
    qualifies: NDArray[np.bool_]
    so_far: Reals


@dataclass(frozen=True, eq=False)
class CostFront:
    """One quantity against exact cost.

    Attributes:
        quantity: its values at the k codes that have one.
        cost_name: the cost with its unit.
        cost: `(k,)`.
        codes: k codes as texts.
        front: which of them no other code dominates, `(k,)`.
        budget: the bound on this cost; None without one.
    """

    quantity: Quantity
    cost_name: str
    cost: Reals
    codes: tuple[str, ...]
    front: NDArray[np.bool_]
    budget: float | None


@dataclass(frozen=True)
class Effect:
    """How a dimension of the code goes along with the score.

    Attributes:
        name: the dimension; `name = choice` for a choice of a categorical one.
        tau: Kendall's tau between the dimension and the score, where a better score counts as larger.
    """

    name: str
    tau: float


@dataclass(frozen=True, eq=False)
class TuningFacts:
    """A search for few trainings, as a page shows it.

    Attributes:
        record: the settings of the study, its asked codes, and their values.
        scores: the told codes; None before the first value.
        best: the best codes, best first.
        fronts: the score and the main columns against cost; none in a space whose cost is not known.
        counting: how cost is counted.
        effects: the dimensions that go along with the score most, by absolute value.
        dimensions: how many dimensions and choices were compared.
        evidence: how well the model predicts left-out codes; None before there are labels enough.
        improvement: the expected improvement of the next training [units of the score]; None if it is not known.
        unknown: why evidence and improvement could not be computed; empty if they could.
    """

    record: SearchRecord
    scores: Scores | None
    best: tuple[TrainedRow, ...]
    fronts: tuple[CostFront, ...]
    counting: Counting
    effects: tuple[Effect, ...]
    dimensions: int
    evidence: Evidence | None
    improvement: float | None
    unknown: str

    @property
    def scored(self) -> int:
        """The number of codes with a score."""
        return 0 if self.scores is None else int(np.isfinite(self.scores.score.values).sum())


def tuning_facts(folder: Path, study: Study | None = None) -> TuningFacts:
    """The facts of a folder with a search.

    Args:
        folder: the folder.
        study: the open study, which may have a prior that its file only identifies.

    Raises:
        DataError: the file of the search is damaged or of another version.
    """
    record = read_record(folder)
    budget = read_budget_fields({**record.budget, "max_latency_ms": None})
    if study is not None:
        budget = study.budget
    scores = scores_of(record, budget)
    effects = () if scores is None else effects_of(record.space, record.space.codes(list(scores.codes)), scores.score)
    evidence, improvement, unknown = _learned(folder, study)
    return TuningFacts(
        record,
        scores,
        tuple(best_rows(record, budget, BEST)),
        () if scores is None else fronts_of(record.space, scores, budget),
        budget.counting,
        effects[:MATTERED],
        len(effects),
        evidence,
        improvement,
        unknown,
    )


def _learned(folder: Path, study: Study | None) -> tuple[Evidence | None, float | None, str]:
    """Evidence and expected improvement, or why they are not known."""
    try:
        known = Study(folder) if study is None else study
        return known.evidence, known.expected_improvement, ""
    except NcpError as error:
        return None, None, str(error)


def scores_of(record: SearchRecord, budget: Budget) -> Scores | None:
    """The told codes with their scores, without penalties for missed minimum values; None before the first value."""
    if not record.columns:
        return None
    table = told_table(record)
    scale = ObjectiveScale(table, record.objective)
    values = table.values[:, [table.columns.index(name) for name in scale.names]]
    weights = scale.objective.weights
    score = scale.terms(values)[:, : len(weights)].sum(axis=1)
    qualifies = np.isfinite(score) & (scale.shortfall(values) <= 0) & budget.allows(table.codes)
    main = []
    for name, weight in weights.items():
        place = scale.names.index(name)
        lower = bool(weight * scale.unit[place] < 0)
        label = with_unit(name) + (" (lower is better)" if lower else "")
        main.append(Quantity(name, label, values[:, place], lower))
    ranked = np.where(qualifies, score, -np.inf)
    so_far = np.maximum.accumulate(ranked)
    so_far[~np.isfinite(so_far)] = np.nan
    ranking, others = Quantity(SCORE, SCORE, score, lower=False), tuple(main)
    if len(main) == 1:
        ranking, others, so_far = main[0], (), -so_far if main[0].lower else so_far
    return Scores(tuple(map(table.space.text, table.codes)), tuple(scale.names), ranking, others, qualifies, so_far)


def fronts_of(space: Space, scores: Scores, budget: Budget) -> tuple[CostFront, ...]:
    """The score and the main columns against multiply-adds, or against parameters if only these are bounded."""
    if not has_cost(space):
        return ()
    codes = space.codes(list(scores.codes))
    by_params = budget.max_params is not None and budget.max_macs is None
    bound = budget.max_params if by_params else budget.max_macs
    unit = 1e6 if by_params else 1e9
    cost = (budget.counting.params(codes) if by_params else budget.counting.macs(codes)) / unit
    found = []
    for each in (scores.score, *scores.main):
        rows = np.flatnonzero(np.isfinite(each.values))
        if len(rows):
            values = each.values[rows]
            front = non_dominated(np.stack([values, cost[rows]], axis=1), minimise=[each.lower, True])
            found.append(
                CostFront(
                    Quantity(each.name, each.label, values, each.lower),
                    "parameters [M]" if by_params else COST,
                    cost[rows],
                    tuple(scores.codes[row] for row in rows),
                    front,
                    None if bound is None else bound / unit,
                )
            )
    return tuple(found)


def effects_of(space: Space, codes: Codes, score: Quantity) -> tuple[Effect, ...]:
    """Kendall's tau of every dimension that varies with the score, the largest in absolute value first.

    A categorical dimension counts by its choices, and one with two choices by the second.
    """
    known = np.flatnonzero(np.isfinite(score.values))
    if len(known) < LEAST:
        return ()
    relaxed, better = space.relax(codes[known]), score.values[known] * (-1 if score.lower else 1)
    found = []
    for dim, where in zip(space.dimensions, space.slices, strict=True):
        columns = relaxed[:, where].T
        names = [dim.name]
        if isinstance(dim, Categorical):
            names = [f"{dim.name} = {choice}" for choice in dim.choices]
            if len(names) == 2:
                names, columns = names[1:], columns[1:]
        for name, column in zip(names, columns, strict=True):
            tau = kendalltau(column, better).statistic
            if np.isfinite(tau):
                found.append(Effect(name, float(tau)))
    return tuple(sorted(found, key=lambda effect: -abs(effect.tau)))


def chance_tau(n: int) -> float:
    """The absolute Kendall's tau that one pair of n independent rankings in twenty exceeds.

    Normal approximation for rankings without ties: Kendall, Biometrika 30 (1938), 81-93.
    """
    return float(norm.ppf(0.975) * sqrt(2 * (2 * n + 5) / (9 * n * (n - 1))))
