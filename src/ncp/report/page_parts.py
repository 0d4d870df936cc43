"""The parts of a report's page, and its HTML, in which all texts from documents are escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from ncp.extras import require_extra
from ncp.report import figures
from ncp.report.style import page_colours
from ncp.report.svg import picture_css


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: its text.
        below: a smaller text below it.
        copied: the text that its button copies; empty for a cell without a button.
        wide: whether its lines may be broken.
    """

    text: str
    below: str = ""
    copied: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Grid:
    """A table with its headings."""

    heads: list[str]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Plot:
    """An interactive figure.

    Attributes:
        name: a name that is unique on the page.
        title: the heading above the figure.
        figure: the figure as plotly.js reads it.
        alone: whether it takes the full width of the page.
    """

    name: str
    title: str
    figure: figures.Figure
    alone: bool = False

    @property
    def rows(self) -> set[int]:
        """The table's rows whose codes the points show."""
        return {row for trace in self.figure["data"] for row in trace.get("rows", ())}


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        title: its heading.
        texts: its paragraphs.
        copied: a text with a button that copies it.
        drawing: an SVG element.
        table: a table.
        plots: interactive figures.
    """

    title: str
    texts: Sequence[str] = ()
    copied: str = ""
    drawing: str = ""
    table: Grid | None = None
    plots: Sequence[Plot] = ()


@dataclass(frozen=True)
class Page:
    """A page: its title, a line below it, and its sections."""

    title: str
    subtitle: str
    sections: list[Section] = field(default_factory=list)

    @property
    def plots(self) -> list[Plot]:
        """The interactive figures of all sections."""
        return [plot for section in self.sections for plot in section.plots]

    def html(self, rows: Mapping[int, str]) -> str:
        """The page as HTML.

        Args:
            rows: codes of a table's rows, by their indices, for the figures that show them.

        Raises:
            MissingExtraError: plotly or jinja2 is not installed.
        """
        require_extra("report", "a report")
        from jinja2 import Environment

        source = files("ncp.report").joinpath("page.html").read_text("utf-8")
        return (
            Environment(autoescape=True)
            .from_string(source)
            .render(
                page=self,
                figures=_script_json({plot.name: plot.figure for plot in self.plots}),
                rows=_script_json(rows),
                library=figures.packed_library(),
                colours=page_colours(),
                picture_css=picture_css(),
            )
        )


def _script_json(data: Mapping[Any, Any]) -> str:
    """Json that cannot end the script element around it."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c")
