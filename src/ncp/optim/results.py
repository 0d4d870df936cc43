"""What a search returns: ranked codes with values, each of which names its source, and the json file of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ncp.cost import Counting
from ncp.errors import ConfigError, DataError, counted
from ncp.io.data_frames import data_frame
from ncp.io.files import read_json, write_json
from ncp.optim.notebook import columns_of_rows, html_table
from ncp.spaces.arrays import Reals
from ncp.tables.columns import task_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from ncp.optim.propagation import Trajectory

FORMAT = 2
"""The version of the json files of results and fronts."""


@dataclass(frozen=True)
class Value:
    """A value in raw units, its standard deviation, and where it comes from."""

    mean: float
    std: float
    source: str


@dataclass(frozen=True, eq=False)
class Values:
    """Values of many codes, each with its source.

    Attributes:
        columns: m names.
        mean: `(n, m)` in raw units; NaN where there is no value.
        std: `(n, m)`; zero where a value comes from a table.
        source: `(n, m)`: `table`, `judge`, `predictor`, `measured`, or `none`.
    """

    columns: tuple[str, ...]
    mean: Reals
    std: Reals
    source: NDArray[np.str_]

    def beside(self, other: Values) -> Values:
        """The same codes with the columns of both."""
        return Values(
            (*self.columns, *other.columns),
            np.hstack([self.mean, other.mean]),
            np.hstack([self.std, other.std]),
            np.hstack([self.source, other.source]),
        )

    def row(self, i: int) -> dict[str, Value]:
        """The values of one code by column, without missing ones."""
        return {
            column: Value(float(self.mean[i, j]), float(self.std[i, j]), str(self.source[i, j]))
            for j, column in enumerate(self.columns)
            if np.isfinite(self.mean[i, j])
        }


@dataclass(frozen=True)
class Row:
    """One code that a search found.

    Attributes:
        code: the code as text.
        vector: the code as integers.
        score: the number that rows are ranked by: the predicted score less the uncertainty penalty; with a table, the
            weighted mean of measurement and prediction (see `ncp.optim.measured_rows`).
        predicted_score: the objective by the search's predictor [standard deviations].
        verified_score: the objective by the table or the judge; None without either.
        predicted: values by the search's predictor, by column.
        verified: values by the table or the judge, by column.
        macs: multiply-adds at the budget's image size; None where cost is not known.
        params: parameters; None where cost is not known.
    """

    code: str
    vector: tuple[int, ...]
    score: float
    predicted_score: float
    verified_score: float | None
    predicted: dict[str, Value] = field(hash=False)
    verified: dict[str, Value] = field(hash=False)
    macs: int | None
    params: int | None

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Row:
        """A row from plain data, as in the json file.

        Raises:
            AttributeError, LookupError, TypeError, ValueError: a key is missing or has a value of another type.
        """
        return cls(
            score=float(document["score"]),
            predicted_score=float(document["predicted_score"]),
            verified_score=_optional(float, document["verified_score"]),
            predicted=_values(document["predicted"]),
            verified=_values(document["verified"]),
            **_code_and_cost(document),
        )


@dataclass(frozen=True)
class Baseline:
    """The best measured row within the budget: what a search has to beat.

    The row was chosen for its high measured values, so these are partly luck. To compare it with codes that only the
    judge has checked, use the judge's values of it, which are usually lower.

    Attributes:
        code: the code as text.
        vector: the code as integers.
        measured: values by the table, by column.
        judged: values by the judge, by column; empty without a judge.
        score: the objective by the table [standard deviations].
        judged_score: the objective by the judge; None without one.
        macs: multiply-adds at the budget's image size; None where cost is not known.
        params: parameters; None where cost is not known.
        rows: how many measured rows are within the budget.
    """

    code: str
    vector: tuple[int, ...]
    measured: dict[str, Value] = field(hash=False)
    judged: dict[str, Value] = field(hash=False)
    score: float
    judged_score: float | None
    macs: int | None
    params: int | None
    rows: int

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Baseline:
        """A baseline from plain data, as in the json file.

        Raises:
            AttributeError, LookupError, TypeError, ValueError: a key is missing or has a value of another type.
        """
        return cls(
            measured=_values(document["measured"]),
            judged=_values(document["judged"]),
            score=float(document["score"]),
            judged_score=_optional(float, document["judged_score"]),
            rows=int(document["rows"]),
            **_code_and_cost(document),
        )


@dataclass(frozen=True, repr=False)
class Result:
    """The codes that a search returns, best first, and the run that led to them.

    Results are compared by everything but their trajectory.

    Attributes:
        rows: the codes, at least one.
        baseline: the best measured row within the budget; None without a table, or where no row is within the budget.
        provenance: the request (weights, uncertainty penalty, budget, strategy, starts, steps, seed) and what answered
            it (columns, predictor, judge, table, version).
        seconds: how long the search took.
    """

    rows: tuple[Row, ...]
    baseline: Baseline | None
    provenance: dict[str, Any] = field(hash=False)
    seconds: float
    _trajectory: Trajectory | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"Result({counted(len(self.rows), 'code')}, the best is {self.best.code!r} with {self.best.score:.2f})"

    def _repr_html_(self) -> str:
        document = self.to_dict()
        return html_table(document["rows"], baseline_text(document))

    @property
    def best(self) -> Row:
        """The first row."""
        return self.rows[0]

    @property
    def trajectory(self) -> Trajectory:
        """The propagation of all starts; it is not part of the json file.

        Raises:
            DataError: the result was read from a file.
        """
        if self._trajectory is None:
            raise DataError("A result from a file has no trajectory. Run the search again to get one.")
        return self._trajectory

    @property
    def gap(self) -> float | None:
        """How far predicted scores exceed verified ones on average; None without verified scores."""
        gaps = [row.predicted_score - row.verified_score for row in self.rows if row.verified_score is not None]
        return sum(gaps) / len(gaps) if gaps else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the json file."""
        return {
            "format": FORMAT,
            "provenance": self.provenance,
            "seconds": self.seconds,
            "gap": self.gap,
            "baseline": None if self.baseline is None else row_dict(self.baseline),
            "rows": [row_dict(row) for row in self.rows],
        }

    def to_json(self, path: str | Path) -> None:
        """Write the result to a file, whole or not at all.

        Raises:
            DataError: the file cannot be written.
        """
        write_json(path, self.to_dict())

    @classmethod
    def from_json(cls, path: str | Path) -> Result:
        """Read a result from the file of `to_json` or `ncp search`.

        Raises:
            DataError: the file cannot be read, or it is not the result of a search.
        """
        with result_document(path, "search") as document:
            provenance = dict(document["provenance"])
            if "weights" not in provenance:
                raise ValueError("this is the front of several objectives")
            baseline = _optional(Baseline.from_dict, document["baseline"])
            return cls(read_rows(document), baseline, provenance, float(document["seconds"]))

    def to_pandas(self) -> DataFrame:
        """One row per code, in order: code, scores, cost, and values by column.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return data_frame(columns_of_rows([row_dict(row) for row in self.rows]))


def counting_of(provenance: Mapping[str, Any]) -> Counting:
    """How the costs of a result or front were counted.

    Raises:
        ValueError: the provenance is of a damaged file, which whoever reads it names.
    """
    try:
        return Counting(provenance["image_size"], provenance["classes"], provenance["task"])
    except ConfigError as error:
        raise ValueError(str(error)) from error


def baseline_text(document: Mapping[str, Any]) -> str:
    """One or two sentences on the baseline in a result's document; empty if no table was given."""
    baseline = document["baseline"]
    if baseline is None:
        return no_baseline_text(document)
    judged = baseline["judged_score"]
    by_judge = "" if judged is None else f"; the judge, which also checks the other codes, estimates {judged:z.2f}"
    first = " It is the first code." if document["rows"][0]["code"] == baseline["code"] else ""
    return (
        f"Baseline: the best of {counted(baseline['rows'], 'measured row')} within the budget. Its training reached a "
        f"score of {baseline['score']:z.2f} (table){by_judge}.{first}"
    )


def difference_text(row: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """How a row of a result's document differs from the first one: in cost, and in each value.

    Checked values are compared where the table has one of the codes, and predictions otherwise.

    >>> value = lambda mean: {"mean": mean, "std": 0.0, "source": "predictor"}
    >>> best = {"macs": 200, "predicted": {"seg/mIoU": value(77.0), "video/top1": value(26.5)}, "verified": {}}
    >>> worse = {"macs": 150, "predicted": {"seg/mIoU": value(76.0), "video/top1": value(27.0)}, "verified": {}}
    >>> difference_text(worse, best)
    '25 % fewer multiply-adds; seg -1.00, video +0.50'
    """
    names = _labels(list(best["predicted"]))
    values = [
        f"{names[column]} {_difference(column, row, best):+z.2f}"
        for column in best["predicted"]
        if column in row["predicted"]
    ]
    if row["macs"] is None or not best["macs"]:
        return ", ".join(values)
    return f"{_cost_difference(row['macs'], best['macs'])}; {', '.join(values)}"


def _cost_difference(macs: int, others: int) -> str:
    if macs == others:
        return "the same multiply-adds"
    share = round(100 * abs(macs / others - 1))
    return f"{f'{share} %' if share else 'under 1 %'} {'more' if macs > others else 'fewer'} multiply-adds"


def _difference(column: str, row: Mapping[str, Any], best: Mapping[str, Any]) -> float:
    """The difference of two rows in a column: of checked values if one of them is measured, else of predictions."""
    checked = [each["verified"].get(column) for each in (row, best)]
    measured = all(checked) and any(value["source"] == "table" for value in checked)
    source = "verified" if measured else "predicted"
    return float(row[source][column]["mean"] - best[source][column]["mean"])


def _labels(columns: Sequence[str]) -> dict[str, str]:
    """The task of every column, or its whole name where the task has several columns."""
    tasks = list(map(task_of, columns))
    return {column: column if tasks.count(task) > 1 else task for column, task in zip(columns, tasks, strict=True)}


def no_baseline_text(document: Mapping[str, Any]) -> str:
    """Why the document of a result or a front has no baseline; empty if no table was given."""
    rows = document["provenance"]["table_rows"]
    if rows is None:
        return ""
    return f"No baseline: none of the table's {rows} rows is complete, within the budget and above the minimum values."


def row_dict(row: Row | Baseline) -> dict[str, Any]:
    """A row as plain data."""
    return asdict(row) | {"vector": list(row.vector)}


@contextmanager
def result_document(path: str | Path, command: str) -> Iterator[dict[str, Any]]:
    """Lend the json document that a command has written to a block that reads it.

    Raises:
        DataError: the file cannot be read or has another format, or the block misses a key or meets a wrong type.
    """
    document = read_json(path)
    broken = DataError(f"{path} is not a result of ncp {command}, or it is damaged.")
    if not isinstance(document, dict):
        raise broken
    require_format(path, document, command)
    try:
        yield document
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise broken from error


def require_format(path: str | Path, document: Mapping[str, Any], command: str) -> None:
    """Refuse a document that another version of a command has written.

    Raises:
        DataError: the document has another format.
    """
    if document.get("format") != FORMAT:
        raise DataError(
            f"{path} was written by another version of ncp: its format is {document.get('format')}, and this version "
            f"reads {FORMAT}. Run ncp {command} again."
        )


def read_rows(document: Mapping[str, Any]) -> tuple[Row, ...]:
    """The rows of a document.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: there is no row, or a row is damaged.
    """
    rows = tuple(Row.from_dict(row) for row in document["rows"])
    if not rows:
        raise ValueError("a result has at least one row")
    return rows


def _optional(read: Any, value: Any) -> Any:
    return None if value is None else read(value)


def _values(document: Mapping[str, Any]) -> dict[str, Value]:
    return {
        str(column): Value(float(value["mean"]), float(value["std"]), str(value["source"]))
        for column, value in document.items()
    }


def _code_and_cost(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that every row has."""
    return {
        "code": str(document["code"]),
        "vector": tuple(int(value) for value in document["vector"]),
        "macs": _optional(int, document["macs"]),
        "params": _optional(int, document["params"]),
    }
