"""Output of commands: progress bars, JSON documents and tables."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import typer

from ncp.cost_text import gmacs_text, mparams_text
from ncp.errors import counted, printable
from ncp.io.files import is_file, plain

if TYPE_CHECKING:
    from rich.table import Table

    from ncp.optim.results import Baseline, Row, Value

UNCHECKED = "Not checked: these values come from the predictor alone. Pass --table to get a check."
SCORES = "Scores: the weighted mean of the tasks, in standard deviations above the average measured architecture."
NO_BASELINE = "No baseline: run `ncp data fetch` once to compare with the best trained network."
FOLDED = 16
"""Width of a column whose heading is folded, unless its cells are wider [characters]."""
GAP = 2
"""Space between columns [characters]; 1 if the table then fits on the screen in one piece."""


class ProgressBar(Protocol):
    """Show the share that is done, and a new description if there is one."""

    def __call__(self, share: float, doing: str | None = None) -> None: ...  # noqa: D102


@contextmanager
def progress_bar(doing: str) -> Iterator[ProgressBar]:
    """A progress bar on standard error if that is a terminal; it disappears at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    same = sys.stdout.isatty()  # else rich would print on the screen what is meant for a file
    with Progress(
        *columns, console=screen, transient=True, redirect_stdout=same, disable=not screen.is_terminal
    ) as bar:
        task = bar.add_task(doing, total=1.0)
        yield lambda share, doing=None: bar.update(task, completed=share, description=doing)


def command() -> str:
    """The command line that the user typed."""
    return shlex.join(["ncp", *sys.argv[1:]])


def run_id(document: Mapping[str, Any]) -> str:
    """An identifier of a result, which all files of a run carry."""
    return sha256(json.dumps(plain(document), sort_keys=True).encode()).hexdigest()[:16]


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(plain(document), indent=2, allow_nan=False))


def say(*lines: str) -> None:
    """Print lines without folding them, with control characters escaped."""
    for line in lines:
        sys.stdout.write(f"{printable(line)}\n")  # typer.echo writes UTF-8 even where the user wants ASCII


SOURCES = {
    "fitted": "The predictor and its judge were fitted on this table.",
    "fitted and kept": "The predictor and its judge were fitted on this table, and cached for the next search.",
    "kept": "The predictor and its judge were fitted on this table by an earlier search.",
}
"""Sentences about a predictor, by its source."""


def source_of(provenance: Mapping[str, Any]) -> list[str]:
    """A line about the fit of the predictor; none if it was passed in or ships with the package."""
    source = provenance["predictor_source"]
    return [SOURCES[source]] if source in SOURCES else []


def latency_source(provenance: Mapping[str, Any]) -> list[str]:
    """A line about what latencies were measured with; none if the budget does not bound them."""
    of = provenance["latency_of"]
    if of is None:
        return []
    images = f"{of['batch']} x {of['image_size'][0]} x {of['image_size'][1]} pixels"
    where = counted(of["threads"], "thread") if of["device"] == "cpu" else of["device"]
    return [f"Latencies are of {of['runtime']} in {of['precision']}, {images}, {where}."]


def cost_source(document: Mapping[str, Any]) -> list[str]:
    """A line about what the costs of a result or front are counted for; none in spaces without cost."""
    from ncp.optim.budget import counting_text
    from ncp.optim.results import counting_of

    if document["rows"][0]["macs"] is None:
        return []
    return [f"Costs are exact, for {counting_text(counting_of(document['provenance']))}."]


def head_advice(document: Mapping[str, Any], head: str | None) -> list[str]:
    """A line on --head, if a network for segmentation is sought and a bound on multiply-adds counts the default head.

    Args:
        document: a result or front.
        head: the option; a head that the user chose needs no advice, and neither does that of a latency model.
    """
    from ncp.tables.columns import metric_of
    from ncp.tables.published import METRICS

    provenance = document["provenance"]
    by_default = head is None and provenance["latency_of"] is None and provenance["max_macs"] is not None
    if not by_default or not any(metric_of(column) in METRICS["seg"] for column in provenance["columns"]):
        return []
    return ["The head of a segmentation network costs more; --head segmentation counts it in the budget."]


def exact_macs(macs: int) -> str:
    """Multiply-adds in billions, and exactly.

    >>> exact_macs(3_998_928_882)
    '3.999 GMACs (3,998,928,882)'
    """
    return f"{gmacs_text(macs)} GMACs ({macs:,})"


def earlier_run(path: Path, option: str = "--out") -> list[str]:
    """A sentence on the result that a command is about to replace, and on the option that avoids it."""
    if not is_file(path):
        return []
    replaced = f"The results replace those of an earlier run in {path.parent}."
    return [f"{replaced} To keep both, name another folder with {option}."]


def earlier_file(path: Path | None, option: str = "--out") -> list[str]:
    """A sentence on the file that a command is about to replace, and on the option that avoids it."""
    if path is None or not is_file(path):
        return []
    return [f"{path} replaces an earlier file. To keep both, name another file with {option}."]


def written(*paths: Path, replaced: Sequence[str] = (), as_json: bool = False) -> None:
    """List the files that a command wrote, and say what they replaced; with --json only that, on standard error."""
    if as_json:
        for line in replaced:
            typer.echo(f"ncp: {printable(line)}", err=True)
    else:
        say(f"Written: {', '.join(map(str, paths))}", *replaced)


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]], keys: int = 1, left: Sequence[str] = ()) -> None:
    """Print a table. If the screen is too narrow, print it in pieces, so that no number is cut.

    Args:
        heads: names of the columns.
        rows: cells of every row; a cell can have several lines.
        keys: number of first columns that every piece repeats; they are aligned to the left.
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
    gaps = len(heads) - 1
    gap = 1 if sum(widths) + gaps <= console.width < sum(widths) + GAP * gaps else GAP
    room = console.width - sum(widths[:keys]) - gap * (keys - 1)
    pieces: list[list[int]] = []
    for column in range(keys, len(heads)):
        if pieces and sum(widths[c] + gap for c in (*pieces[-1], column)) <= room:
            pieces[-1].append(column)
        else:
            pieces.append([column])
    for number, piece in enumerate(pieces):
        columns = [*range(keys), *piece]
        table = _table([(heads[c], widths[c], c < keys or heads[c] in left) for c in columns], gap)
        for row in texts:
            table.add_row(*(Text("\n".join(row[column])) for column in columns))
        needed = sum(widths[column] + gap for column in columns)
        screen = console if needed <= console.width else Console(width=needed)
        screen.print(*([""] if number else []), table, sep="\n")


def _table(columns: Sequence[tuple[str, int, bool]], gap: int) -> Table:
    """An empty table with columns of given names, widths and alignments; long headings and keys are folded."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))
    for head, wide, left in columns:
        justify: Any = "left" if left else "right"
        table.add_column(Text(printable(head)), justify=justify, width=wide, overflow="fold")
    return table


def show_rows(rows: Sequence[Row], indices: Sequence[int], with_score: bool, baseline: Baseline | None = None) -> None:
    """Print the predicted values of rows and, below them, the check; each with its source.

    Args:
        rows: rows of a result or front.
        indices: the rows to print.
        with_score: whether to print the score, too.
        baseline: the best measured row, to print below the others: as measured and, below that, by the judge.
    """
    columns = list(rows[0].predicted)
    lines: list[_Line] = []
    for index in indices:
        row = rows[index]
        upper = _Values("predictor", row.predicted, row.predicted_score)
        lines.append(_Line(str(index + 1), upper, _Values.of(row.verified, row.verified_score), row.macs, row.params))
    if baseline is not None:
        upper, lower = (
            _Values.of(baseline.measured, baseline.score),
            _Values.of(baseline.judged, baseline.judged_score),
        )
        lines.append(_Line("base", upper, lower, baseline.macs, baseline.params))
    cells = []
    for line in lines:
        pairs = [(line.upper.source, line.lower.source)]
        pairs += [(_format(line.upper.values.get(c)), _format(line.lower.values.get(c))) for c in columns]
        pairs += [(_score(line.upper.score), _score(line.lower.score))] if with_score else []
        cost = [] if line.macs is None else [gmacs_text(line.macs), mparams_text(line.params or 0)]
        cells.append([line.name, *map("\n".join, pairs), *cost])
    cost = [] if rows[0].macs is None else ["GMACs", "M params"]
    show_table(["#", "source", *columns, *(["score"] if with_score else []), *cost], cells, keys=2)


class _Values(NamedTuple):
    """Values of one code by column, their sources, and the score that they make."""

    source: str
    values: Mapping[str, Value]
    score: float | None

    @classmethod
    def of(cls, values: Mapping[str, Value], score: float | None) -> _Values:
        """Values that name their sources."""
        return cls(", ".join(dict.fromkeys(value.source for value in values.values())) or "none", values, score)


class _Line(NamedTuple):
    """What a table of codes shows of one code: two lines of values, and the cost where it is known."""

    name: str
    upper: _Values
    lower: _Values
    macs: int | None
    params: int | None


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:z.2f}"


def _format(value: Value | None) -> str:
    """A value with its standard deviation; a measured value of a table has none."""
    if value is None:
        return "-"
    return f"{value.mean:z.2f} ±{value.std:.2f}" if value.std else f"{value.mean:z.2f}"
