"""How results look in a notebook: rows as an HTML table, and as the columns of a data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

NUMBERS = ("code", "score", "predicted_score", "verified_score", "macs", "params")


def html_table(rows: Sequence[Mapping[str, Any]], caption: str, most: int = 20) -> str:
    """The first `most` rows, as plain data, in HTML. A value is the verified one where there is one."""
    columns = list(rows[0]["predicted"]) if rows else []
    lines = []
    for row in rows[:most]:
        values = row["predicted"] | row["verified"]
        cells = [
            row["code"],
            _number(row["score"], 2),
            _number(row["verified_score"], 2),
            *(f"{_number(values[column]['mean'], 2)} ({values[column]['source']})" for column in columns),
            _number(row["macs"], 3, 1e9),
            _number(row["params"], 2, 1e6),
        ]
        lines.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    names = ["code", "score", "verified score", *columns, "GMACs", "M params"]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    shown = f"The first {most} of {len(rows)} codes. " if len(rows) > most else ""
    return (
        f"<table><caption>{escape(shown + caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def columns_of_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows, as plain data, by column: code, scores and cost, and per value mean, standard deviation and source."""
    columns = {name: [row[name] for row in rows] for name in NUMBERS}
    for side in ("predicted", "verified"):
        for column in dict.fromkeys(name for row in rows for name in row[side]):
            values = [row[side].get(column, {}) for row in rows]
            columns[f"{side} {column}"] = [value.get("mean") for value in values]
            columns[f"{side} std {column}"] = [value.get("std") for value in values]
            columns[f"{side} source {column}"] = [value.get("source") for value in values]
    return columns


def _number(value: float | None, digits: int, unit: float = 1.0) -> str:
    return "" if value is None else f"{value / unit:.{digits}f}"
