"""The first rows of an uploaded table and what its columns are taken for, shown before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from ncp.app.guessed_columns import GuessedColumn, guess_columns
from ncp.app.jobs import LARGEST_TABLE
from ncp.io.tabular import TEXT_COLUMNS, read_columns
from ncp.progress import Progress
from ncp.spaces.dimensions import Categorical

ROWS = 5
"""Rows that are shown."""
LONGEST = 24
"""Longest text of a cell that is shown in full [characters]."""
CHOICES = 4
"""Most choices of a dimension that are listed."""


@dataclass(frozen=True)
class Preview:
    """The beginning of a table.

    Attributes:
        columns: what the columns are taken for.
        rows: the texts of the first rows.
        count: the number of all rows.
    """

    columns: tuple[GuessedColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    count: int

    @property
    def minimised(self) -> str:
        """The columns in which lower is probably better, as their field shows them."""
        return ", ".join(column.name for column in self.columns if column.minimised and "," not in column.name)


def preview_table(path: Path, _: Progress) -> Preview:
    """Read the beginning of a table, and guess its columns.

    Raises:
        DataError: a file that is not a table, or is too large.
    """
    file = read_columns(path, LARGEST_TABLE)
    shown = [[_shortened(cell) for cell in file.cells(name)[:ROWS]] for name in file.names]
    return Preview(tuple(guess_columns(file)), tuple(zip(*shown, strict=True)), file.rows)


def preview_html(preview: Preview, name: str) -> str:
    """The first rows as a table, whose heads say what each column is taken for."""
    heads = "".join(
        f'<th scope="col">{escape(_shortened(column.name))}<br><span class="role">{escape(_role(column))}</span></th>'
        for column in preview.columns
    )
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in preview.rows)
    dimensions = sum(column.dimension is not None for column in preview.columns)
    values = sum(column.is_value for column in preview.columns)
    return (
        f"<h2>{escape(name)}</h2>"
        f'<p class="note">{preview.count:,} rows, of which the first {len(preview.rows)} are shown. Columns that look '
        f"like dimensions of the code: {dimensions}; like measured values: {values}. If that is right, press Read. "
        "Otherwise open Search space, and name the columns of the code or choose a file.</p>"
        '<div class="scroll" tabindex="0" role="group" aria-label="the first rows"><table class="preview">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _role(column: GuessedColumn) -> str:
    """What a column is taken for, in words."""
    dimension = column.dimension
    if dimension is None:
        other = "kept as text" if column.name in TEXT_COLUMNS else "not read"
        return ("value, lower is better" if column.minimised else "value") if column.is_value else other
    count = len(dimension.values)
    if not isinstance(dimension, Categorical):
        return f"dimension: {count} numbers, {dimension.values[0]} to {dimension.values[-1]}"
    choices = ", ".join(map(_shortened, dimension.choices[:CHOICES]))
    return f"dimension: {choices}" if count <= CHOICES else f"dimension: {count} choices, {choices}, …"


def _shortened(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
