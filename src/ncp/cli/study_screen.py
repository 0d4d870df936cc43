"""What `ncp build`, `ncp tune` and `ncp study` print of a study: its progress, failures and noise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ncp.cli.output import progress_bar, say, show_table
from ncp.errors import counted, printable
from ncp.progress import duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    import ncp
    from ncp.studies.overview import Overview, Running, Tuning
    from ncp.studies.scheduler import Events
    from ncp.studies.trainings import TrainingRow

LISTED = 20
"""Most failures that are listed."""
REDRAWN = 1.0
"""Time between two drawings of the screen [s]."""


def read_data(tasks: Sequence[ncp.Task | ncp.CommandTask], quietly: bool) -> None:
    """Read the data of all tasks before the first training, and say what was changed in their recipes."""
    from ncp.tasks.task import Task

    for task in tasks:
        with progress_bar(f"Reading the data of {task.name}") as bar:
            task.prepare(bar)
        if isinstance(task, Task) and task.remarks and not quietly:
            say(f"{task.name}: {' '.join(task.remarks)}")


def total_line(found: Overview) -> str:
    """How many trainings are done, failed, running and waiting, and how long the rest takes."""
    left = found.seconds_left
    return f"{found.counts}; about {duration(left)} left" if left else found.counts


def best_line(tuning: Tuning) -> str:
    """How many codes are known, and the best of them."""
    of = "" if tuning.planned is None else f" of {tuning.planned}"
    best = "" if tuning.best is None else f"; best: {tuning.best.text}"
    return f"codes: {tuning.told}{of}{best}"


def running_line(each: Running) -> str:
    """Task, seed, epoch, metric, time left and code of a training."""
    epochs = "" if each.epochs is None else f" of {each.epochs}"
    parts = [f"{each.asked.task}, seed {each.asked.seed}"]
    parts += ["running" if each.epoch is None else f"epoch {each.epoch:.4g}{epochs}"]
    parts += [] if each.value is None else [f"{each.metric} {each.value:z.2f}"]
    parts += [] if each.seconds_left is None else [f"{duration(each.seconds_left)} left"]
    return f"{', '.join(parts)}: {each.asked.code}"


def ended_line(row: TrainingRow, place: str) -> str:
    """How a training ended."""
    name = f"{place} {row.asked.task}, seed {row.asked.seed}"
    if row.status == "failed":
        return f"{name}: failed: {_one_line(row.reason)}: {row.asked.code}"
    metrics = ", ".join(f"{metric} {value:.4g}" for metric, value in list(row.metrics.items())[:3])
    seconds = row.details.get("seconds")
    return f"{name}: {metrics}{'' if seconds is None else f', {duration(seconds)}'}: {row.asked.code}"


@contextmanager
def study_events(quietly: bool) -> Iterator[Events]:
    """What a build prints: a line per worker and one in all on a terminal, else a line per training that has ended."""
    from rich.console import Console

    from ncp.studies.scheduler import Events

    screen = Console(stderr=True)
    if quietly:
        yield Events()
    elif screen.is_terminal:
        from rich.live import Live

        with Live(console=screen, auto_refresh=False, transient=True) as live:
            yield _live_events(live, screen)
    else:
        yield _plain_events()


def _live_events(live: Live, screen: Console) -> Events:
    from rich.text import Text

    from ncp.studies.scheduler import Events

    drawn = 0.0

    def looked(overview: Callable[[], Overview]) -> None:
        nonlocal drawn
        if time.monotonic() - drawn < REDRAWN:
            return
        drawn = time.monotonic()
        found = overview()
        text = Text(no_wrap=True, overflow="ellipsis")
        best = [] if found.tuning is None else [best_line(found.tuning)]
        lines = [*map(running_line, found.running), total_line(found), *best]
        text.append("\n".join(map(printable, lines)))
        live.update(text, refresh=True)

    def ended(row: TrainingRow) -> None:
        if row.status == "failed":
            screen.print(printable(ended_line(row, "*")), markup=False, highlight=False)

    def said(remark: str) -> None:
        screen.print(printable(remark), markup=False, highlight=False)

    return Events(looked, ended, said)


def _plain_events() -> Events:
    from ncp.studies.scheduler import Events

    count = 0

    def ended(row: TrainingRow) -> None:
        nonlocal count
        count += 1
        say(ended_line(row, f"{count}."))
        sys.stdout.flush()

    return Events(ended=ended, said=lambda remark: say(remark))


def show_study(found: Overview) -> None:
    """Print what a study has done and what it does."""
    if found.tasks:
        say(f"{found.folder}: {counted(found.codes, 'code')}, tasks {', '.join(found.tasks)}")
    holder = found.scheduler
    if holder is not None:
        say(f"Process {holder['process']} on {holder['host']} works on it with {counted(holder['workers'], 'worker')}.")
    if found.tasks:
        say(f"{total_line(found)}.")
    if found.tuning is not None:
        say(f"{best_line(found.tuning)}.")
    for each in found.running:
        say(f"  {running_line(each)}")
    if found.failed:
        say(f"{len(found.failed)} failed:")
        for row in found.failed[:LISTED]:
            say(f"  {ended_line(row, '').strip()}")
        if len(found.failed) > LISTED:
            say(f"  and {len(found.failed) - LISTED} more; --json lists all.")
        again = "build" if found.tuning is None else "tune"
        say(f"ncp {again} --retry-failed trains them again.")
    if found.noise:
        rows = [
            [column, f"{noise.std:.3g}", str(noise.codes), str(noise.trainings)]
            for column, noise in found.noise.items()
        ]
        show_table(["column", "std between seeds", "codes", "trainings"], rows)
    elif found.done and found.tuning is None:
        say("No code has two seeds on a task, so the noise between seeds is not known. Add --seeds 2 for some codes.")


def _one_line(text: str) -> str:
    return " ".join(text.split())
