"""What the tab Study shows of a folder: its state, and the sections of its report. It reads the folder only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ncp.app.downloads import csv_of
from ncp.errors import counted
from ncp.progress import Progress, duration
from ncp.report.page_parts import Cell, Grid, Page, Section
from ncp.report.study_page import study_page
from ncp.studies.overview import Overview, Running, overview

Button = Callable[[str], str]
"""The HTML of a button for a code; empty if there is none."""


Progressed = tuple[Any, ...]
"""What changes in the state of a study when its report has more to show."""


@dataclass(frozen=True)
class StudyView:
    """A study at one moment: its state, and its report unless that is the one that was seen before."""

    state: Overview
    page: Page | None


def read_view(folder: Path, seen: Progressed | None, _: Progress) -> StudyView:
    """The state of a study, and everything that its report shows if there is more than at an earlier look.

    Args:
        folder: the folder of the study.
        seen: `progressed` of the state at that look; None at the first one.

    Raises:
        DataError: there is no study, or its file is damaged.
    """
    state = overview(folder)
    return StudyView(state, None if progressed(state) == seen else study_page(folder))


def progressed(state: Overview) -> Progressed:
    """How far a study is, without what runs."""
    return state.total, state.done, len(state.failed), None if state.tuning is None else state.tuning.told


def state_html(state: Overview) -> str:
    """How many trainings are done, who works on them, and a table of those that run.

    It is empty for a study whose user trains the codes (`ncp.Study`).
    """
    if not state.tasks:
        return ""
    text = f"Codes: {state.codes}. {state.counts}."
    left, holder = state.seconds_left, state.scheduler
    if holder is None:
        text += " No process works on this study now."
        text += f" The rest would take about {duration(left)}." if left else ""
    else:
        text += f" About {duration(left)} left." if left else ""
        workers = counted(holder["workers"], "worker")
        text += f" Process {holder['process']} on {holder['host']} works on it with {workers}."
    table = ""
    if state.running:
        heads = ["task", "seed", "epoch", "metric", "time left", "code"]
        table = grid_html(Grid(heads, [_running_cells(each) for each in state.running]), "running trainings")
    return f'<p class="lead" role="status">{escape(text)}</p>{table}'


def section_html(section: Section, button: Button) -> str:
    """A section without its figures."""
    parts = [f"<h2>{escape(section.title)}</h2>"]
    parts += [f'<p class="note">{escape(text)}</p>' for text in section.texts]
    if section.copied:
        code = f"<code>{escape(section.copied)}</code>{button(section.copied)}"
        parts.append(f'<div class="code-line">{code}</div>')
    if section.drawing:
        label = 'tabindex="0" role="group" aria-label="drawing of the network"'
        parts.append(f'<div class="scroll" {label}>{section.drawing}</div>')
    if section.table is not None:
        parts.append(grid_html(section.table, section.title, button))
    return "".join(parts)


def grid_html(grid: Grid, label: str, button: Button = lambda _: "") -> str:
    """A table, which scrolls if it is wider than the page."""
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in grid.heads)
    rows = "".join(f"<tr>{''.join(_cell(cell, button) for cell in row)}</tr>" for row in grid.rows)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(label)}">{table}</div>'


def grid_csv(grid: Grid) -> bytes:
    """A table as csv; what is below the text of a cell follows it in parentheses."""
    rows = [[f"{cell.text} ({cell.below})" if cell.below else cell.text for cell in row] for row in grid.rows]
    return csv_of(grid.heads, rows)


def _running_cells(each: Running) -> list[Cell]:
    epochs = "" if each.epochs is None else f" of {each.epochs}"
    epoch = "-" if each.epoch is None else f"{each.epoch:.4g}{epochs}"
    metric = "-" if each.value is None else f"{each.metric} {each.value:.2f}"
    left = "-" if each.seconds_left is None else duration(each.seconds_left)
    return [Cell(text) for text in (each.asked.task, str(each.asked.seed), epoch, metric, left, each.asked.code)]


def _cell(cell: Cell, button: Button) -> str:
    text = f"<code>{escape(cell.text)}</code> {button(cell.copied)}" if cell.copied else escape(cell.text)
    below = f'<br><span class="std">{escape(cell.below)}</span>' if cell.below else ""
    return f"<td>{text}{below}</td>"
