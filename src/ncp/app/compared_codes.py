"""Codes side by side: their drawings, the dimensions that differ, and a table of their values, also as csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

from ncp.app.dataset import OpenDataset
from ncp.app.downloads import csv_of
from ncp.app.lookup import CodeFacts, format_value, look_up
from ncp.cost import Counting
from ncp.report.network_drawing import network_element
from ncp.spaces.dimensions import changed
from ncp.spaces.multires import Code

Vector = tuple[int, ...]
EXACT = "exact"
_DASH = "–"  # noqa: RUF001


@dataclass(frozen=True)
class ComparedRow:
    """A cost or a column of every code.

    Attributes:
        name: what it is.
        values: a value per code; None where it is not known.
        sources: `exact`, `table` or `predictor` per code.
    """

    name: str
    values: tuple[float | None, ...]
    sources: tuple[str, ...]

    def with_source(self, code: int) -> tuple[float | None, str | None]:
        """The value of the code with an index, and its source; neither if it is not known."""
        value = self.values[code]
        return value, None if value is None else self.sources[code]


@dataclass(frozen=True)
class ComparedCodes:
    """Codes and what is known of them.

    Attributes:
        dataset: what predicts and has measured their values.
        counting: how their costs are counted.
        codes: the codes by name.
    """

    dataset: OpenDataset
    counting: Counting
    codes: Mapping[str, Vector]

    @cached_property
    def facts(self) -> list[CodeFacts]:
        """Facts about every code."""
        return [look_up(self.dataset, code, self.counting) for code in self.codes.values()]

    @cached_property
    def rows(self) -> list[ComparedRow]:
        """The exact costs of the codes and every column: its measured value, or else the predicted one."""
        exact, rows = (EXACT,) * len(self.facts), []
        macs, params = [each.macs for each in self.facts], [each.params for each in self.facts]
        for name, unit, costs in (("GMACs", 1e9, macs), ("M params", 1e6, params)):
            known = [cost for cost in costs if cost is not None]
            if len(known) == len(costs):
                rows.append(ComparedRow(name, tuple(cost / unit for cost in known), exact))
        for columns in zip(*(each.columns for each in self.facts), strict=True):
            values = tuple(each.mean if each.measured is None else each.measured for each in columns)
            sources = tuple("predictor" if each.measured is None else "table" for each in columns)
            rows.append(ComparedRow(columns[0].column, values, sources))
        return rows

    def drawings(self) -> str:
        """The drawings of the codes, if they are of networks."""
        if not self.dataset.space.has_network:
            return ""
        drawings = "".join(_drawing(name, code, self.counting) for name, code in self.codes.items())
        return f'<div class="pair">{drawings}</div>'

    def changes(self) -> str:
        """The dimensions in which every other code differs from the first one."""
        (first, origin), *others = self.codes.items()
        parts = []
        for name, code in others:
            found = changed(self.dataset.space.dimensions, origin, code)
            items = "".join(f"<li><span>{escape(dim)}</span> {escape(x)} → {escape(y)}</li>" for dim, x, y in found)
            between = f" between {first} and {name}" if len(others) > 1 else ""
            parts.append(f'<p class="note">{len(found)} of {len(code)} dimensions differ{between}</p>')
            parts.append(f'<ul class="changes">{items}</ul>')
        return "".join(parts)

    def csv(self) -> bytes:
        """A line per code with its name, and every cost and column with its source."""
        heads = ["name", "code", *(head for row in self.rows for head in (row.name, f"source {row.name}"))]
        lines = [
            [name, each.text, *(cell for row in self.rows for cell in row.with_source(k))]
            for k, (name, each) in enumerate(zip(self.codes, self.facts, strict=True))
        ]
        return csv_of(heads, lines)

    def table(self) -> str:
        """A row per cost and column, a column per code, and the difference if there are two.

        The head of a cost says that it is exact, and the head of a code has the source of most of its other values. A
        value with another source names it.
        """
        usual = [self._usual_source(code) for code in range(len(self.codes))]
        names = [_with_source(name, source) for name, source in zip(self.codes, usual, strict=True)]
        if len(names) == 2:
            first, last = self.codes
            names.append(f"{last} minus {first}")
        heads = "".join(f'<th scope="col" class="number">{name}</th>' for name in names)
        body = "".join(_row(row, usual) for row in self.rows)
        table = f'<table><thead><tr><th scope="col">column</th>{heads}</tr></thead><tbody>{body}</tbody></table>'
        label = 'tabindex="0" role="group" aria-label="values of these codes"'
        return f'<div class="scroll compared" {label}>{table}</div>'

    def _usual_source(self, code: int) -> str:
        """The source of most values of a code that are not exact; empty if it has none."""
        sources = [row.sources[code] for row in self.rows if row.values[code] is not None]
        sources = [source for source in sources if source != EXACT]
        return max(sorted(set(sources)), key=sources.count, default="")


def _drawing(name: str, code: Vector, counting: Counting) -> str:
    svg = network_element(Code.from_vector(code), counting)
    scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="drawing of {name}">{svg}</div>'
    return f'<div class="slot"><h3>{name}</h3>{scroll}</div>'


def _row(row: ComparedRow, usual: Sequence[str]) -> str:
    exact = all(source == EXACT for source in row.sources)
    expected = [EXACT] * len(usual) if exact else usual
    cells = "".join(map(_cell, row.values, row.sources, expected))
    if len(row.values) == 2:
        first, last = row.values
        change = _DASH if first is None or last is None else f"{last - first:+z.2f}"
        cells += f'<td class="number">{change}</td>'
    name = escape(row.name).replace("/", "/<wbr>")
    return f'<tr><th scope="row">{_with_source(name, EXACT if exact else "")}</th>{cells}</tr>'


def _cell(value: float | None, source: str, expected: str) -> str:
    """A value, with its source where that is another one than the heads say."""
    text = _DASH if value is None else _with_source(format_value(value), "" if source == expected else source)
    return f'<td class="number">{text}</td>'


def _with_source(text: str, source: str) -> str:
    return f'{text} <span class="std">{source}</span>' if source else text
