"""What pictures of results show: one dataclass per picture, computed from what the commands wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ncp.cost import has_cost, macs
from ncp.optim.objective import Objective
from ncp.pareto import non_dominated
from ncp.report.style import COST, unit_of, with_unit
from ncp.searchers.comparison import Comparison
from ncp.spaces.arrays import Reals
from ncp.tables.columns import first_of
from ncp.tables.table import Table

MOST = 3000
"""The most rows of a table that are drawn. They are spread evenly over it, which keeps files small."""
LEVELS = np.linspace(0.05, 0.95, 19)
"""Confidence levels of a calibration curve."""


def worst_edge(values: Reals, lower: bool) -> float:
    """The value beyond which the worst 2 % lie; `lower` says whether lower is better."""
    return float(np.quantile(values, 0.98 if lower else 0.02))


@dataclass(frozen=True, eq=False)
class Agreement:
    """Predicted values of one column, and the values of the same codes by table or judge.

    Attributes:
        column: `task/metric`.
        predicted: `(n,)` [raw units].
        std: `(n,)`, predicted standard deviation of a table's value [raw units].
        known: `(n,)`, by table or judge [raw units].
        codes: n codes as texts, empty where they are not known.
        sources: the n sources of the known values.
    """

    column: str
    predicted: Reals
    std: Reals
    known: Reals
    codes: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often values lie within predicted intervals.

    Attributes:
        column: `task/metric`.
        levels: `(k,)`, confidence levels of the intervals.
        shares: `(k,)`, shares of the values that lie within them.
    """

    column: str
    levels: Reals
    shares: Reals


@dataclass(frozen=True, eq=False)
class Scatter:
    """Predicted against measured values of the held-out rows of a training.

    Attributes:
        column: `task/metric`.
        unit: unit of both axes.
        measured: `(n,)`, the table's values.
        predicted: `(n,)`.
        tau: Kendall's tau of the two; None where it is not defined.
        low: where both axes begin.
        high: where both axes end; failed runs may lie outside.
    """

    column: str
    unit: str
    measured: Reals
    predicted: Reals
    tau: float | None
    low: float
    high: float

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Which points lie outside of the axes, `(n,)`."""
        low, high = np.minimum(self.measured, self.predicted), np.maximum(self.measured, self.predicted)
        return np.asarray((low < self.low) | (high > self.high))


class Trained(NamedTuple):
    """The best measured row within the budget: its place in a trade-off, and its code as text."""

    x: float
    y: float
    code: str


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """Cost, or where it is not known a first quantity, against another quantity.

    Attributes:
        x_name: name of the horizontal axis, with its unit.
        y_name: name of the vertical axis, with its unit.
        x: `(n,)`, horizontal values of the codes that were found.
        y: `(n,)`, their predicted values [raw units], or [standard deviations] for a mean of columns.
        codes: the same codes as texts.
        edge: `(n,)`, whether no other code beats this one in these two quantities.
        rows_x: `(r,)`, horizontal values of a table's rows.
        rows_y: `(r,)`, vertical values of the same rows.
        rows: `(r,)`, their indices in the table.
        budget: the highest x that was allowed, or None.
        minimum: the lowest y that was allowed, or None.
        lower: whether lower y are better.
        baseline: the best measured row within the budget, or None.
    """

    x_name: str
    y_name: str
    x: Reals
    y: Reals
    codes: tuple[str, ...]
    edge: NDArray[np.bool_]
    rows_x: Reals
    rows_y: Reals
    rows: NDArray[np.int64]
    budget: float | None
    minimum: float | None
    lower: bool = False
    baseline: Trained | None = None

    @property
    def heights(self) -> tuple[float, float]:
        """The y that are worth showing: the codes, the baseline, and the table's rows without the worst 2 %."""
        ends = [self.y] if self.baseline is None else [self.y, np.array([self.baseline.y])]
        if len(self.rows_y):
            best = self.rows_y.min() if self.lower else self.rows_y.max()
            ends.append(np.array([best, worst_edge(self.rows_y, self.lower)]))
        shown = np.concatenate(ends)
        return float(shown.min()), float(shown.max())


@dataclass(frozen=True, eq=False)
class Curve:
    """One searcher's regret by evaluations: its mean and a 95 % interval of the mean, `(queries,)` each [objective]."""

    searcher: str
    mean: Reals
    low: Reals
    high: Reals

    @classmethod
    def of(cls, searcher: str, regrets: Reals) -> Curve:
        """The curve of regrets `(simulations, queries)`."""
        mean = regrets.mean(axis=0)
        half = 1.96 * regrets.std(axis=0, ddof=1) / np.sqrt(len(regrets))
        return cls(searcher, mean, np.maximum(mean - half, 0), mean + half)


@dataclass(frozen=True, eq=False)
class _Quantity:
    """An axis of a trade-off: its name, label and `(n,)` values, and whether lower values are better."""

    name: str
    label: str
    values: Reals
    lower: bool


def agreements(rows: Sequence[Mapping[str, Any]]) -> tuple[Agreement, ...]:
    """Predicted and verified values by column, from rows of a search or front that have both."""
    found = []
    for column in rows[0]["predicted"] if rows else ():
        both = [row for row in rows if column in row["predicted"] and column in row["verified"]]
        if both:
            predicted, known = ([row[name][column] for row in both] for name in ("predicted", "verified"))
            found.append(
                Agreement(
                    column,
                    np.array([value["mean"] for value in predicted]),
                    np.array([value["std"] for value in predicted]),
                    np.array([value["mean"] for value in known]),
                    tuple(row["code"] for row in both),
                    tuple(value["source"] for value in known),
                )
            )
    return tuple(found)


def heldout_agreements(columns: Mapping[str, Mapping[str, Sequence[float]]]) -> tuple[Agreement, ...]:
    """Predicted and measured values by column, from the columns of `heldout.json`."""
    found = []
    for column, numbers in columns.items():
        predicted, std, measured = (np.array(numbers[name], dtype=float) for name in ("predicted", "std", "measured"))
        n = len(predicted)
        found.append(Agreement(column, predicted, std, measured, ("",) * n, ("table",) * n))
    return tuple(found)


def calibrations(found: Sequence[Agreement]) -> tuple[Calibration, ...]:
    """By column, how often values lie within the central intervals of a normal with the predicted deviation."""
    curves = []
    for each in found:
        off = np.abs(each.known - each.predicted) / np.maximum(each.std, 1e-12)
        shares = (off[:, None] <= norm.ppf((1 + LEVELS) / 2)).mean(axis=0)
        curves.append(Calibration(each.column, LEVELS, shares))
    return tuple(curves)


def scatters(found: Sequence[Agreement], quality: Mapping[str, Mapping[str, Any]]) -> tuple[Scatter, ...]:
    """Predicted against measured values by column.

    Args:
        found: predicted and measured values of the held-out rows.
        quality: the columns of `metrics.json`.
    """
    panels = []
    for each in found:
        tau = quality[each.column]["tau"]
        low, high = square_limits(np.stack([each.known, each.predicted]))
        tau = None if tau is None or math.isnan(tau) else tau
        panels.append(Scatter(each.column, unit_of(each.column), each.known, each.predicted, tau, low, high))
    return tuple(panels)


def square_limits(pairs: Reals) -> tuple[float, float]:
    """The range of both axes: all values, or if some lie far out, the middle 98 in 100 and as much around them."""
    inner = np.quantile(pairs, [0.01, 0.99])
    reach = inner[1] - inner[0]
    low, high = max(pairs.min(), inner[0] - reach), min(pairs.max(), inner[1] + reach)
    margin = (high - low) * 0.04 or 1.0
    return float(low - margin), float(high + margin)


def tradeoffs(document: Mapping[str, Any], table: Table | None = None) -> tuple[Tradeoff, ...]:
    """One panel per predicted column of a search or front.

    Args:
        document: the content of `result.json` or `pareto.json`.
        table: rows to draw behind the codes that were found.
    """
    rows, provenance = document["rows"], document["provenance"]
    if not rows:
        return ()
    lower = _lower_is_better(provenance)
    quantities = []
    for column in rows[0]["predicted"]:
        values = np.array([row["predicted"][column]["mean"] for row in rows])
        quantities.append(_Quantity(column, with_unit(column), values, column in lower))
    return _panels(document, table, quantities, rows[0]["macs"] is not None)


def objective_tradeoffs(document: Mapping[str, Any], table: Table | None = None) -> tuple[Tradeoff, ...]:
    """One panel per objective of a front.

    Args:
        document: the content of `pareto.json`.
        table: rows to draw behind the front.
    """
    rows, provenance = document["rows"], document["provenance"]
    quantities = []
    for name in provenance["objectives"]:
        column = name.removeprefix("-")
        if column in provenance["columns"]:
            values = np.array([row["predicted"][column]["mean"] for row in rows])
            lower = name.startswith("-") != (column in provenance["minimised"])
            label = f"{column} [{unit_of(column)}]{' (lower is better)' if lower else ''}"
            quantities.append(_Quantity(column, label, values, lower))
        else:
            values = np.array([row["predicted_scores"][name] for row in rows])
            quantities.append(_Quantity(name, f"{name} [std]", values, False))
    return _panels(document, table, quantities, bool(provenance["cost"]))


def _panels(
    document: Mapping[str, Any], table: Table | None, quantities: Sequence[_Quantity], by_cost: bool
) -> tuple[Tradeoff, ...]:
    """Every quantity against cost; or against the first quantity, which alone is drawn against itself."""
    rows, provenance = document["rows"], document["provenance"]
    x = quantities[0]
    if by_cost:
        x = _Quantity(COST, COST, np.array([row["macs"] for row in rows]) / 1e9, True)
    elif len(quantities) > 1:
        quantities = quantities[1:]
    measured = _measured(table, provenance)
    bound = provenance.get("max_macs") if by_cost else None
    columns = list(rows[0]["predicted"]) if rows else []
    minimums = {first_of(name, columns): value for name, value in (provenance.get("at_least") or {}).items()}
    panels = []
    for y in quantities:
        places, pairs = _rows_behind(measured, x.name, y.name)
        panels.append(
            Tradeoff(
                x_name=x.label,
                y_name=y.label,
                x=x.values,
                y=y.values,
                codes=tuple(row["code"] for row in rows),
                edge=non_dominated(np.column_stack([x.values, y.values]), minimise=[x.lower, y.lower]),
                rows_x=pairs[:, 0],
                rows_y=pairs[:, 1],
                rows=places,
                budget=None if bound is None else bound / 1e9,
                minimum=minimums.get(y.name),
                lower=y.lower,
                baseline=_trained(document.get("baseline"), x.name, y.name),
            )
        )
    return tuple(panels)


def _trained(baseline: Mapping[str, Any] | None, x: str, y: str) -> Trained | None:
    """The measured row of a search's document in a trade-off; None without one, or where a value is not known."""
    if baseline is None or "measured" not in baseline:  # the baseline of a front is no single row
        return None
    known = {column: float(value["mean"]) for column, value in baseline["measured"].items()}
    if baseline["macs"] is not None:
        known[COST] = baseline["macs"] / 1e9
    return Trained(known[x], known[y], baseline["code"]) if x in known and y in known else None


def _measured(table: Table | None, provenance: Mapping[str, Any]) -> dict[str, Reals]:
    """A table's values by column, and the cost of its rows where that is known."""
    if table is None:
        return {}
    measured = dict(zip(table.columns, table.values.T, strict=True))
    if has_cost(table.space):
        counted = (provenance[name] for name in ("image_size", "classes", "task"))
        measured[COST] = macs(table.codes, *counted) / 1e9
    return measured


def _rows_behind(measured: Mapping[str, Reals], x: str, y: str) -> tuple[NDArray[np.int64], Reals]:
    """Places of a table's rows that have both values, thinned, and their values `(r, 2)`."""
    if x not in measured or y not in measured:
        return np.empty(0, dtype=np.int64), np.empty((0, 2))
    pairs = np.column_stack([measured[x], measured[y]])
    places = np.flatnonzero(np.isfinite(pairs).all(axis=1))
    places = places[evenly(len(places), MOST)]
    return places, pairs[places]


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the places 0 to count - 1, spread evenly, first and last among them."""
    places: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
    return places


def _lower_is_better(provenance: Mapping[str, Any]) -> set[str]:
    """The columns of which lower values are better: minimised ones, and others with a negative weight."""
    weighted = [each["weights"] for each in provenance.get("objectives", {}).values()] or [provenance["weights"]]
    weights = {name: weight for each in weighted for name, weight in each.items()}
    columns = provenance["columns"]
    against = {columns[j] for name, w in weights.items() if w < 0 for j in Objective({name: 1.0}).resolve(columns)}
    return against ^ set(provenance["minimised"])


def regret_curves(comparison: Comparison) -> tuple[Curve, ...]:
    """The regret of every searcher, the best searcher first."""
    curves = []
    for standing in comparison.standings():
        regret = comparison.optimum - comparison.best[standing.searcher]
        curves.append(Curve.of(standing.searcher, regret))
    return tuple(curves)


def proposal_counts(comparison: Comparison) -> Iterator[str]:
    """One sentence per searcher that lists or propagates codes: how often it did which."""
    for name, listed in comparison.listed.items():
        propagated = comparison.propagated[name]
        if (listed + propagated).any():
            yield (
                f"Proposals of {name} per simulation: {listed.mean():g} were chosen from a list of all codes, "
                f"{propagated.mean():g} were found by propagation."
            )
