"""How commands show what they do and find: a bar, one JSON document for programs, tables for people."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from ncp.errors import printable
from ncp.io.files import plain

if TYPE_CHECKING:
    from rich.table import Table

    from ncp.optim.results import Row, Value

UNCHECKED = "Not checked: these values come from the predictor alone. A --table with enough rows gives a judge."
FOLDED = 16
"""Characters in a line of a heading, unless its cells need more."""
GAP = 2
"""Blanks between columns."""


class Shows(Protocol):
    """Takes the share that is done, and a word for what is being done where it changes."""

    def __call__(self, share: float, doing: str | None = None) -> None: ...  # noqa: D102


@contextmanager
def progress_bar(doing: str) -> Iterator[Shows]:
    """A bar on standard error, which is gone afterwards, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(doing, total=1.0)
        yield lambda share, doing=None: bar.update(task, completed=share, description=doing)


def command() -> str:
    """What the user typed."""
    return shlex.join(["ncp", *sys.argv[1:]])


def run_id(document: Mapping[str, Any]) -> str:
    """A name for what a run found, which all of its files carry."""
    return sha256(json.dumps(plain(document), sort_keys=True).encode()).hexdigest()[:16]


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(plain(document), indent=2, allow_nan=False))


def say(*lines: str) -> None:
    """Print lines, however narrow the screen is, with control characters escaped."""
    for line in lines:
        sys.stdout.write(f"{printable(line)}\n")  # typer.echo writes UTF-8 even where the user wants ASCII


SOURCES = {
    "fitted": "The predictor and its judge were fitted on this table.",
    "fitted and kept": "The predictor and its judge were fitted on this table, and are kept for the next search.",
    "kept": "The predictor and its judge come from the cache: they were fitted on this table before.",
}
"""Descriptions of a predictor, by where it comes from."""


def source_of(provenance: Mapping[str, Any]) -> list[str]:
    """A line that says whether a search had to fit its predictor; none where it was given or shipped."""
    source = provenance["predictor_source"]
    return [SOURCES[source]] if source in SOURCES else []


def written(*paths: Path) -> None:
    """List the files that a command wrote, after its answer; not for output that a program reads."""
    say(f"Written: {', '.join(map(str, paths))}")


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]], keys: int = 1, left: Sequence[str] = ()) -> None:
    """Print a table. If the screen is too narrow, print it in pieces, so that no number is ever cut.

    Args:
        heads: the columns' names.
        rows: the cells of every row; a cell can have several lines.
        keys: how many of the first columns every piece repeats, aligned to the left.
        left: further columns that are aligned to the left.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.text import Text

    console = Console()
    texts = [[[printable(line) for line in cell.split("\n")] for cell in row] for row in rows]
    widths = []
    for column, head in enumerate(heads):
        cells = max((cell_len(line) for row in texts for line in row[column]), default=0)
        wide = max(cells, min(cell_len(head), FOLDED))
        widths.append(min(wide, max(FOLDED, console.width // 2)) if column < keys else wide)
    room = console.width - sum(widths[:keys]) - GAP * (keys - 1)
    pieces: list[list[int]] = []
    for column in range(keys, len(heads)):
        if pieces and sum(widths[c] + GAP for c in (*pieces[-1], column)) <= room:
            pieces[-1].append(column)
        else:
            pieces.append([column])
    for number, piece in enumerate(pieces):
        columns = [*range(keys), *piece]
        table = _table([(heads[c], widths[c], c < keys or heads[c] in left) for c in columns])
        for row in texts:
            table.add_row(*(Text("\n".join(row[column])) for column in columns))
        needed = sum(widths[column] + GAP for column in columns)
        screen = console if needed <= console.width else Console(width=needed)
        screen.print(*([""] if number else []), table, sep="\n")


def _table(columns: Sequence[tuple[str, int, bool]]) -> Table:
    """A table without rows, of columns that are as wide as said; in long headings and keys lines are folded."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for head, wide, left in columns:
        justify: Any = "left" if left else "right"
        table.add_column(Text(printable(head)), justify=justify, width=wide, overflow="fold")
    return table


def show_claims(rows: Sequence[Row], places: Sequence[int], objective: bool) -> None:
    """Print what is promised of some rows, and below it the verdict, each with its source.

    Args:
        rows: of a search or front.
        places: the rows to show.
        objective: whether to show the objective's value, too.
    """
    columns = list(rows[0].predicted)
    costly = rows[0].macs is not None
    cost = ("GMACs", "M params") if costly else ()
    cells = []
    for place in places:
        row = rows[place]
        source = ", ".join(dict.fromkeys(value.source for value in row.verified.values())) or "none"
        verified_score = "-" if row.verified_score is None else f"{row.verified_score:.2f}"
        cells.append(
            [
                str(place + 1),
                f"predictor\n{source}",
                *(f"{_told(row.predicted.get(c))}\n{_told(row.verified.get(c))}" for c in columns),
                *([f"{row.predicted_score:.2f}\n{verified_score}"] if objective else []),
                *([f"{(row.macs or 0) / 1e9:.3f}", f"{(row.params or 0) / 1e6:.2f}"] if costly else []),
            ]
        )
    show_table(["#", "source", *columns, *(["mean z"] if objective else []), *cost], cells, keys=2)


def _told(value: Value | None) -> str:
    """A value, and its standard deviation where it has one: a table's value is exact."""
    if value is None:
        return "-"
    return f"{value.mean:.2f} ±{value.std:.2f}" if value.std else f"{value.mean:.2f}"
