"""The second walk: what is wanted and allowed, the code on its way there, and the best codes with verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from nicegui import ui

from ncp.app.components import Film, Problem, Wishes, markup, pressable
from ncp.app.downloads import onnx_of, python_of, report_of
from ncp.app.found import results
from ncp.app.jobs import Wish, best_rows, found
from ncp.app.layout import groups
from ncp.app.problems import Place, complain, label, said
from ncp.app.visitor import Visitor
from ncp.errors import NcpError
from ncp.extras import require_extra
from ncp.optim.budget import Budget
from ncp.optim.objective import Objective
from ncp.optim.propagation import STRATEGIES
from ncp.optim.results import Result, Row

FIRST = ("seg", "cls-50-1000", "video")
"""Tasks that are wanted to begin with; of a table of one's own the first column."""
MOST_STEPS = 200


class Propagation:
    """The walk of one visitor: fields, film, and what was found."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.result: Result | None = None
        self.wish: Wish | None = None
        self.rows: tuple[Row, ...] = ()
        self.busy = False
        self.wanted = _first_rows(visitor)
        with ui.element("div").classes("propagate"):
            with ui.element("section").classes("side").props('aria-label="what is wanted and allowed"'):
                self._fields()
            with ui.element("section").classes("answer").props('aria-label="what was found"'):
                self.film = Film(visitor.subject.space, self._ended)
                self.found = markup(classes="found")
                pressable(self.found, self._pressed)
                if visitor.subject.predictor is None:
                    self.found.set_content('<p class="note">Train a predictor on your table first: Your table.</p>')
                else:
                    self.found.set_content(
                        '<p class="note">Choose what you want, then press Propagate: the code of the first tab follows '
                        "the predictor's gradient within the budget, and the ten best codes it and seven random "
                        "ones pass are listed here.</p>"
                    )

    def _fields(self) -> None:
        """What can be asked."""
        subject = self.visitor.subject
        ui.label("Wanted").classes("heading").props("role=heading aria-level=2")
        self.wishes = Wishes(self.wanted, self._wish)
        allowed = ui.label("Allowed, at most").classes("heading").props("role=heading aria-level=2")
        with ui.element("div").classes("fields"):
            self.macs = _field("GMACs", "4" if subject.priced else "")
            self.params = _field("M parameters", "")
        for field in (allowed, self.macs, self.params):
            field.set_visibility(subject.priced)
        ui.label("Kept as it is").classes("heading").props("role=heading aria-level=2")
        self.kept: dict[str, ui.checkbox] = {}
        with ui.element("div").classes("checks"):
            for group in groups(subject.space):
                self.kept[group["name"]] = ui.checkbox(group["name"]).props("dense")
        self.single = ui.select(list(subject.space.names), label="single dimensions", multiple=True, value=[])
        self.single.props("outlined dense use-chips options-dense")
        with ui.element("details").classes("group"):
            with ui.element("summary"):
                ui.label("How").classes("group-name")
            with ui.element("div").classes("fields"):
                self.strategy = ui.select(list(STRATEGIES), value="continuous", label="strategy")
                self.strategy.props("outlined dense options-dense")
                self.steps = _field("steps", "30")
                self.uncertainty_penalty = _field("caution [std]", "0")
        self.press = (
            ui.button("Propagate", on_click=self.start, color=None).props("unelevated no-caps").classes("primary")
        )
        self.problem = Problem()
        self.fields: dict[str, Place] = {
            "max_macs": self.macs,
            "max_params": self.params,
            "strategy": self.strategy,
            "steps": self.steps,
            "uncertainty_penalty": self.uncertainty_penalty,
            "freeze": self.single,
            "objective": self.wishes,
            "weights": self.wishes,
            "at_least": self.wishes,
        }
        if subject.predictor is None:
            self.press.disable()

    def _wish(self, rows: list[dict[str, Any]]) -> None:
        """Take over what was changed, and say beside its field what is wrong."""
        self.wanted = rows
        self._read_wishes()

    def _read_wishes(self) -> tuple[dict[str, float], dict[str, float]] | None:
        """Weights and floors, or None where a field is wrong."""
        problems: dict[str, dict[str, str]] = {}
        weights, floors = {}, {}
        for row in self.wanted:
            column, wrong = row["column"], problems.setdefault(row["column"], {})
            if row["on"]:
                weights[column] = _number(str(row["weight"])) or 0.0
                if not weights[column]:
                    wrong["weight"] = "The weight must be a number other than zero, such as 1."
            if str(row["floor"] or "").strip():
                floor = _number(str(row["floor"]))
                if floor is None:
                    wrong["floor"] = "The minimum value must be a number, such as 76.5."
                else:
                    floors[column] = floor
        self.wishes.complain(problems)
        self.wishes.error = None if weights else "Choose at least one column."
        return None if any(problems.values()) or not weights else (weights, floors)

    def _read(self) -> Wish | None:
        """What is asked, or None where a field says what is wrong with it."""
        read, counting = self._read_wishes(), self.visitor.counting
        numbers = (self.macs, self.params, self.steps, self.uncertainty_penalty)
        self.problem.error = self.single.error = self.strategy.error = None
        macs, params, steps, uncertainty_penalty = map(_filled, numbers)
        if not self.steps.error and (steps is None or steps % 1 or not 2 <= steps <= MOST_STEPS):
            self.steps.error = f"This must be a whole number from 2 to {MOST_STEPS}."
        if read is None or steps is None or any(field.error for field in numbers):
            return None
        weights, floors = read
        bounds: dict[str, Any] = {
            "max_macs": None if macs is None else macs * label("max_macs").unit,
            "max_params": None if params is None else params * label("max_params").unit,
        }
        try:
            Objective(weights, uncertainty_penalty or 0.0, floors)
            budget = Budget(**bounds, image_size=counting.image_size, classes=counting.classes, task=counting.task)
        except NcpError as error:
            complain(error, self.fields, self.problem)
            return None
        frozen, strategy = self._frozen(), self.strategy.value
        code = self.visitor.code
        return Wish(
            weights,
            floors,
            budget,
            frozen,
            code,
            strategy,
            steps=int(steps),
            uncertainty_penalty=uncertainty_penalty or 0.0,
        )

    def _frozen(self) -> tuple[str, ...]:
        space = self.visitor.subject.space
        kept = [
            space.names[dim["place"]]
            for group in groups(space)
            if self.kept[group["name"]].value
            for dim in group["dims"]
        ]
        return tuple(dict.fromkeys([*kept, *self.single.value]))

    async def start(self) -> None:
        """Propagate, and show the film."""
        wish = None if self.busy else self._read()
        if wish is None:
            return
        self.busy = True
        self.press.props("loading")
        try:
            result, frames = await self.visitor.workers.run(found, self.visitor.subject.place, wish)
        except NcpError as error:
            if not self.visitor.gone:
                complain(error, self.fields, self.problem)
            return
        finally:
            self.busy = False
            if not self.visitor.gone:
                self.press.props(remove="loading")
        if self.visitor.gone:
            return
        self.result, self.wish, self.rows = result, wish, result.rows
        self.found.set_content(results(result, result.rows))
        self.film.play(frames)

    async def _ended(self, step: int, stopped: bool) -> None:
        """After a stop only what was met until then counts."""
        if not stopped or self.result is None or self.wish is None:
            return
        result = self.result
        codes = result.trajectory.codes[: step + 1]
        met = codes.reshape(-1, codes.shape[-1])
        try:
            rows, _ = await self.visitor.workers.run(
                best_rows, self.visitor.subject.place, self.wish, np.unique(met, axis=0)
            )
        except NcpError as error:
            self.problem.error = said(error)
            return
        if self.result is not result:  # another propagation has ended meanwhile
            return
        self.rows = rows
        if not self.visitor.gone:
            self.found.set_content(results(self.result, self.rows, step))

    async def _pressed(self, act: str, place: int) -> None:
        """A button in the table of what was found."""
        if self.result is None or not 0 <= place < len(self.rows):
            return
        row, result = self.rows[place], replace(self.result, rows=self.rows)
        if act == "look":
            self.visitor.look_at(row.vector)
            ui.notify("Opened under Code", timeout=1500)
        elif act == "json":
            ui.download.content(json.dumps(result.to_dict(), indent=2), "result.json", "application/json")
        elif act == "report":
            ui.notify("Writing the report …")
            await self._save("report", "report.html", "text/html", report_of, result, self.visitor.subject.place)
        elif act == "python":
            ui.download.content(python_of(self.visitor.subject.space, row, self.result.provenance), "network.py")
        elif act == "onnx":
            ui.notify("Writing ONNX, and checking it against the network …")
            counting = self.visitor.counting
            await self._save("export", "network.onnx", "application/octet-stream", onnx_of, row.vector, counting)

    async def _save(self, extra: str, name: str, kind: str, job: Callable[..., bytes], *arguments: Any) -> None:
        """Let a worker make a file that an extra is needed for, and send it."""
        try:
            require_extra(extra, name)
            data = await self.visitor.trainers.run(job, *arguments, self.visitor.folder)
        except NcpError as error:
            self.problem.error = said(error)
            return
        ui.download.content(data, name, kind)


def _first_rows(visitor: Visitor) -> list[dict[str, Any]]:
    """A row per column: the first few tasks wanted, the first column of every task shown."""
    subject, seen, rows = visitor.subject, set[str](), []
    for column in subject.columns:
        task = column.partition("/")[0]
        first = task not in seen
        seen.add(task)
        hint = "at most" if column in subject.minimised else ""
        on = (task in FIRST and first) if not subject.own else column == subject.columns[0]
        rows.append({"column": column, "on": on, "weight": "1", "floor": "", "first": first, "hint": hint})
    return rows


def _field(label: str, value: str) -> ui.input:
    return (
        ui.input(label, value=value)
        .props("outlined dense hide-bottom-space inputmode=decimal")
        .without_auto_validation()
    )


def _number(text: str) -> float | None:
    """A number that a text says, if it is one and finite."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _filled(field: ui.input) -> float | None:
    """The number in a field, which says so if there is something else; None if it is empty."""
    text = (field.value or "").strip()
    number = _number(text) if text else None
    field.error = "This must be a number." if text and number is None else None
    return number
