"""The best trained codes of a study, with values, cost and source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

import numpy as np

from ncp.cost import Counting, has_cost
from ncp.cost_text import gmacs_text, mparams_text
from ncp.optim.results import Value
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space

SOURCE = "trained"
"""The source of the values."""
SHOWN = 4
"""Most values on one line."""


@dataclass(frozen=True)
class TrainedRow:
    """One trained code.

    Attributes:
        code: the code as text.
        vector: the code as integers.
        score: the objective: in the unit of the column for a single one, where more is better also if the column is
            minimised; else the weighted mean of z-scores over the codes of the study.
        values: the mean over trainings by column, with its standard error if there are several.
        trainings: the number of trainings that are done.
        macs: multiply-adds at the budget's image size; None where cost is not known.
        params: parameters; None where cost is not known.
    """

    code: str
    vector: tuple[int, ...]
    score: float
    values: dict[str, Value] = field(hash=False)
    trainings: int
    macs: int | None
    params: int | None

    @property
    def text(self) -> str:
        """The first values and the code, on one line."""
        values = [f"{column} {value.mean:.4g}" for column, value in list(self.values.items())[:SHOWN]]
        return f"{', '.join(values)}: {self.code}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"vector": list(self.vector)}


def trained_rows(
    space: Space,
    codes: Codes,
    values: Mapping[str, Sequence[Reals]],
    scores: Reals,
    counting: Counting,
) -> list[TrainedRow]:
    """Rows of codes `(k, d)`.

    Args:
        space: of the codes.
        codes: `(k, d)`.
        values: the values of all trainings of each code, by column.
        scores: `(k,)`.
        counting: how cost is counted.
    """
    known = has_cost(space) and len(codes) > 0
    macs, params = (counting.macs(codes), counting.params(codes)) if known else (None, None)
    return [
        TrainedRow(
            space.text(code),
            tuple(code.tolist()),
            float(scores[i]),
            {column: value_of(rows[i]) for column, rows in values.items() if len(rows[i])},
            max((len(rows[i]) for rows in values.values()), default=0),
            None if macs is None else int(macs[i]),
            None if params is None else int(params[i]),
        )
        for i, code in enumerate(codes)
    ]


def value_of(values: Reals) -> Value:
    """The mean over trainings `(n,)`, with its standard error if there are several."""
    error = float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Value(float(np.mean(values)), error, SOURCE)


def rows_table(rows: Sequence[TrainedRow], caption: str) -> str:
    """The rows in HTML."""
    columns = list(dict.fromkeys(column for row in rows for column in row.values))
    has = bool(rows) and rows[0].macs is not None
    heads = ["code", "score", *columns, *(("GMACs", "M params") if has else ())]
    lines = []
    for row in rows:
        values = [f"{row.values[c].mean:.2f} ({SOURCE})" if c in row.values else "" for c in columns]
        cost = [gmacs_text(row.macs or 0), mparams_text(row.params or 0)] if has else []
        lines.append("".join(f"<td>{escape(cell)}</td>" for cell in (row.code, f"{row.score:.2f}", *values, *cost)))
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
