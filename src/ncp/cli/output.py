"""How commands show what they do and find: a bar, one JSON document for programs, tables for people."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from ncp.searchers.result import Row


class Shows(Protocol):
    """Takes the share that is done, and a word for what is being done where it changes."""

    def __call__(self, share: float, doing: str | None = None) -> None: ...  # noqa: D102


@contextmanager
def progress_bar(doing: str) -> Iterator[Shows]:
    """A bar on standard error, which is gone afterwards."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=1.0)
        yield lambda share, doing=None: bar.update(task, completed=share, description=doing)


def command() -> str:
    """What the user typed."""
    return shlex.join(["ncp", *sys.argv[1:]])


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, allow_nan=False))


def claims_table(rows: Sequence[Row], places: Sequence[int], objective: bool) -> Table:
    """Of some rows what is promised, and below it the verdict, each with its source; `objective`, whether that too."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    columns = list(rows[0].predicted)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("#", justify="right")
    table.add_column("source", no_wrap=True)
    for column in columns:
        table.add_column(escape(column), justify="right", overflow="fold", min_width=11)
    for name in (*(["mean z"] if objective else []), "GMACs", "M params"):
        table.add_column(name, justify="right")
    for place in places:
        row = rows[place]
        source = ", ".join(dict.fromkeys(value.source for value in row.verified.values())) or "none"
        total = f"{row.claim:.2f}\n{'-' if row.verdict is None else f'{row.verdict:.2f}'}"
        table.add_row(
            str(place + 1),
            f"predictor\n{source}",
            *(f"{_told(row.predicted.get(c))}\n{_told(row.verified.get(c))}" for c in columns),
            *([total] if objective else []),
            "-" if row.macs is None else f"{row.macs / 1e9:.3f}",
            "-" if row.params is None else f"{row.params / 1e6:.2f}",
        )
    return table


def _told(value: Any) -> str:
    """A value as people read it, on one line."""
    return "-" if value is None else f"{value.mean:.2f}\N{NO-BREAK SPACE}±{value.std:.2f}"
