"""The parts of a report's page, and its text: what comes from documents is escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from ncp.extras import require_extra
from ncp.report import figures as drawn
from ncp.report.style import page_colours
from ncp.report.svg import picture_css


@dataclass(frozen=True)
class Cell:
    """Of a table: a text, what stands below it, and what its button copies."""

    text: str
    below: str = ""
    copied: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Grid:
    """A table."""

    heads: list[str]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Figure:
    """A figure's title, and what plotly draws; `alone` in its line or beside others."""

    name: str
    title: str
    drawn: drawn.Figure
    alone: bool = False

    @property
    def rows(self) -> set[int]:
        """Of a table, whose codes its points show."""
        return {row for trace in self.drawn["data"] for row in trace.get("rows", ())}


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    title: str
    texts: list[str] = field(default_factory=list)
    copied: str = ""
    drawing: str = ""
    table: Grid | None = None
    figures: list[Figure] = field(default_factory=list)


def rendered(title: str, subtitle: str, sections: list[Section], rows: Mapping[int, str]) -> str:
    """The page's text; what comes from documents is escaped. `rows` are the codes of a table's rows in figures."""
    require_extra("report", "a report")
    from jinja2 import Environment

    every = {figure.name: figure.drawn for section in sections for figure in section.figures}
    template = Environment(autoescape=True).from_string(files("ncp.report").joinpath("page.html").read_text("utf-8"))
    return template.render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        figures=_embedded(every),
        rows=_embedded(rows),
        bundle=drawn.bundle(),
        colours=page_colours(),
        picture_css=picture_css(),
    )


def _embedded(data: Mapping[Any, Any]) -> str:
    """Json that ends no script."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c")
