"""What the commands wrote, read again: search, front, comparison or training, and what a report shows of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ncp.cost import has_cost, macs
from ncp.errors import DataError
from ncp.optim.objective import Objective
from ncp.pareto import front
from ncp.spaces.arrays import Reals
from ncp.tables.table import Table

Kind = Literal["search", "pareto", "compare", "train"]
KEYS: dict[Kind, set[str]] = {
    "pareto": {"provenance", "rows", "hypervolume"},
    "search": {"provenance", "rows", "gap"},
    "compare": {"provenance", "best", "standings", "optimum"},
    "train": {"columns", "split", "kind"},
}
HELD = ("predicted", "std", "measured")
"""What `heldout.json` has of every column."""
LARGEST_FILE = 1 << 28
MOST = 3000
"""Rows of a table that stand behind what was found, evenly from it: a page of a large table stays small."""
LEVELS = np.linspace(0.05, 0.95, 19)
"""Shares that intervals are meant to hold."""


@dataclass(frozen=True, eq=False)
class Claims:
    """What a predictor said of codes and what came out, in one column.

    Attributes:
        column: `task/metric`.
        predicted: `(n,)` [raw units].
        std: `(n,)`, of a table's value about it [raw units].
        verified: `(n,)`, by table or judge [raw units].
        texts: the codes.
        sources: `(n,)`, where the verdicts come from.
    """

    column: str
    predicted: Reals
    std: Reals
    verified: Reals
    texts: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """Cost, or where there is none a first column, against a column.

    Attributes:
        x_name: of the horizontal axis, with its unit.
        y_name: of the vertical axis.
        x: `(n,)`, of the codes that were found.
        y: `(n,)`, as predicted [raw units].
        texts: their codes.
        edge: which of them no other beats in these two alone, `(n,)`.
        rows_x: `(r,)`, of a table's rows.
        rows_y: `(r,)`.
        rows: their places in the table, `(r,)`.
        budget: most of x, or None.
        floor: bound on y that was asked for, or None.
    """

    x_name: str
    y_name: str
    x: Reals
    y: Reals
    texts: tuple[str, ...]
    edge: NDArray[np.bool_]
    rows_x: Reals
    rows_y: Reals
    rows: NDArray[np.int64]
    budget: float | None
    floor: float | None


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often values lie within the intervals that should hold `levels` of them: `shares`, both `(k,)`."""

    column: str
    levels: Reals
    shares: Reals
    values: int


def read_document(path: str | Path) -> tuple[Kind, dict[str, Any]]:
    """What a command wrote as json, and which command it was.

    Raises:
        DataError: no such file, or one that no command wrote.
    """
    wanted = "Expected result.json, pareto.json, compare.json or metrics.json of a command."
    read = read_json(path, wanted)
    for kind, keys in KEYS.items():
        if isinstance(read, dict) and keys <= read.keys():
            return kind, read
    raise DataError(f"{wanted} Got {path}, which is none of them.")


def read_json(path: str | Path, wanted: str) -> Any:
    """What a json file holds, whose numbers are all finite.

    Args:
        path: of the file.
        wanted: a sentence that says what the file should be.

    Raises:
        DataError: no such file, one that is too large, or no json.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)  # a device can be endless, whatever its size says
        if len(data) > LARGEST_FILE:
            raise DataError(f"{wanted} Got more than {LARGEST_FILE} bytes: {path}.")
        return json.loads(data.decode(), parse_float=_finite, parse_constant=_finite)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{wanted} Got {path}: {reason}.") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def claims_data(rows: Sequence[Mapping[str, Any]]) -> tuple[Claims, ...]:
    """Claims and verdicts per column, of rows of a search or front that have both."""
    found = []
    for column in rows[0]["predicted"] if rows else ():
        both = [row for row in rows if column in row["predicted"] and column in row["verified"]]
        if both:
            said, known = ([row[name][column] for row in both] for name in ("predicted", "verified"))
            found.append(
                Claims(
                    column,
                    np.array([value["mean"] for value in said]),
                    np.array([value["std"] for value in said]),
                    np.array([value["mean"] for value in known]),
                    tuple(row["code"] for row in both),
                    tuple(value["source"] for value in known),
                )
            )
    return tuple(found)


def heldout_data(held: Mapping[str, Mapping[str, Sequence[float]]]) -> tuple[Claims, ...]:
    """The same of rows held out from a training, as `heldout.json` has them."""
    found = []
    for column, numbers in held.items():
        predicted, std, measured = (np.array(numbers[name], dtype=np.float64) for name in HELD)
        n = len(predicted)
        found.append(Claims(column, predicted, std, measured, ("",) * n, ("table",) * n))
    return tuple(found)


def calibration_data(predicted_scores: Sequence[Claims]) -> tuple[Calibration, ...]:
    """Per column, the share of values within the central intervals of a normal with the predicted deviation."""
    found = []
    for each in predicted_scores:
        off = np.abs(each.verified - each.predicted) / np.maximum(each.std, 1e-12)
        shares = (off[:, None] <= norm.ppf((1 + LEVELS) / 2)).mean(axis=0)
        found.append(Calibration(each.column, LEVELS, shares, len(off)))
    return tuple(found)


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the places 0 to count - 1, spread evenly, first and last among them."""
    places: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
    return places


def tradeoff_data(document: Mapping[str, Any], table: Table | None = None) -> tuple[Tradeoff, ...]:
    """Panels of a search or front, with a table's rows behind them where it has the columns."""
    rows, provenance = document["rows"], document["provenance"]
    if not rows:
        return ()
    columns = list(rows[0]["predicted"])
    costly = rows[0]["macs"] is not None
    across = "cost [GMACs]" if costly else columns[0]
    behind: dict[str, Reals] = {}
    if table is not None:
        behind = dict(zip(table.columns, table.values.T, strict=True))
        if costly and has_cost(table.space):
            behind[across] = (
                macs(table.codes, provenance["image_size"], provenance["classes"], provenance["task"]) / 1e9
            )
    x = np.array([row["macs"] / 1e9 if costly else row["predicted"][across]["mean"] for row in rows])
    bound = provenance.get("max_macs") if costly else None
    floors = provenance.get("at_least") or {}
    small = _wanted_small(provenance)
    panels = []
    for column in columns if costly else columns[1:]:
        places, held = np.empty(0, dtype=np.int64), np.empty((0, 2))
        if across in behind and column in behind:
            held = np.column_stack([behind[across], behind[column]])
            places = np.flatnonzero(np.isfinite(held).all(axis=1))
            places = places[evenly(len(places), MOST)]
            held = held[places]
        y = np.array([row["predicted"][column]["mean"] for row in rows])
        panels.append(
            Tradeoff(
                x_name=across,
                y_name=column,
                x=x,
                y=y,
                texts=tuple(row["code"] for row in rows),
                edge=front(np.column_stack([x, y]), minimise=[costly or across in small, column in small]),
                rows_x=held[:, 0],
                rows_y=held[:, 1],
                rows=places,
                budget=None if bound is None else bound / 1e9,
                floor=floors.get(column, floors.get(column.partition("/")[0])),
            )
        )
    return tuple(panels)


def _wanted_small(provenance: Mapping[str, Any]) -> set[str]:
    """The columns of which less is wanted: minimised ones, and others by a negative weight."""
    goals = (
        [each["weights"] for each in provenance["objectives"].values()]
        if "objectives" in provenance
        else [provenance["weights"]]
    )
    weights = {name: weight for goal in goals for name, weight in goal.items()}
    columns = provenance["columns"]
    against = {columns[j] for name, w in weights.items() if w < 0 for j in Objective({name: 1.0}).resolve(columns)}
    return against ^ set(provenance["minimised"])
