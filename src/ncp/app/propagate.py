"""The second walk: what is wanted and allowed, the code on its way there, and the best codes with verdicts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nicegui import ui

from ncp.app.components import Film, Wishes, markup, pressable
from ncp.app.downloads import onnx_of, python_of, report_of
from ncp.app.found import results
from ncp.app.jobs import Wish, best_rows, found
from ncp.app.layout import groups
from ncp.app.visitor import Visitor
from ncp.errors import ConfigError, InfeasibleError, NcpError
from ncp.objective import Budget, Objective
from ncp.propagation import STRATEGIES
from ncp.searchers.result import Result, Row

FIRST = ("seg", "cls-50-1000", "video")
"""Tasks that are wanted to begin with; of a table of one's own the first column."""


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
                self.caution = _field("caution [std]", "0")
        self.press = (
            ui.button("Propagate", on_click=self.start, color=None).props("unelevated no-caps").classes("primary")
        )
        self.problem = ui.label("").classes("problem").props("role=alert")
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
            column, given = row["column"], str(row["weight"]).strip()
            if row["on"]:
                weight = _number(given)
                try:
                    Objective({column: weight})
                    weights[column] = weight
                except ConfigError as error:
                    problems.setdefault(column, {})["weight"] = str(error)
            if str(row["floor"] or "").strip():
                floor = _number(str(row["floor"]))
                if isinstance(floor, float) and abs(floor) < float("inf"):
                    floors[column] = floor
                else:
                    problems.setdefault(column, {})["floor"] = f"Expected a number as a floor. Got {floor!r}."
        self.wishes.complain(problems)
        return None if problems else (weights, floors)

    def _read(self) -> Wish | None:
        """What is asked, or None where a field says what is wrong with it."""
        read, counting = self._read_wishes(), self.visitor.counting
        for field in (self.macs, self.params, self.steps, self.caution):
            field.error = None
        self.problem.set_text("")
        bounds: dict[str, Any] = {}
        for name, field, unit in (("max_macs", self.macs, 1e9), ("max_params", self.params, 1e6)):
            text = (field.value or "").strip()
            bound = _number(text) if text else None
            bounds[name] = bound * unit if isinstance(bound, float) else bound
            field.error = _complaint(lambda name=name: Budget(**{name: bounds[name]}))
        steps, caution = (self.steps.value or "").strip(), _number((self.caution.value or "0").strip())
        if not (steps.isdecimal() and 2 <= int(steps) <= 200):
            self.steps.error = f"Expected from 2 to 200 steps. Got {steps!r}."
        self.caution.error = _complaint(lambda: Objective({"x": 1.0}, caution))
        if read is None or any(f.error for f in (self.macs, self.params, self.steps, self.caution)):
            return None
        weights, floors = read
        try:
            Objective(weights)
        except ConfigError as error:
            self.problem.set_text(str(error))
            return None
        return Wish(
            weights,
            floors,
            Budget(**bounds, image_size=counting.image_size, classes=counting.classes, task=counting.task),
            self._frozen(),
            self.visitor.code,
            self.strategy.value,
            steps=int(steps),
            caution=caution,
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
                self._complain(error)
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

    def _complain(self, error: NcpError) -> None:
        """Beside the budget's field what is about the budget; below the button what is not."""
        if isinstance(error, InfeasibleError) and "--max-gmacs" in str(error):
            self.macs.error = str(error)
        elif isinstance(error, InfeasibleError) and "--max-mparams" in str(error):
            self.params.error = str(error)
        else:
            self.problem.set_text(str(error))

    async def _ended(self, step: int, stopped: bool) -> None:
        """After a stop only what was met until then counts."""
        if not stopped or self.result is None or self.wish is None:
            return
        codes = self.result.trajectory.codes[: step + 1]
        met = codes.reshape(-1, codes.shape[-1])
        try:
            self.rows, _ = await self.visitor.workers.run(
                best_rows, self.visitor.subject.place, self.wish, _distinct(met)
            )
        except NcpError as error:
            self.problem.set_text(str(error))
            return
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
            await self._save("report.html", "text/html", report_of, result, self.visitor.subject.place)
        elif act == "python":
            ui.download.content(python_of(self.visitor.subject.space, row, self.result.asked), "network.py")
        elif act == "onnx":
            ui.notify("Writing ONNX, and checking it against the network …")
            counting = self.visitor.counting
            await self._save("network.onnx", "application/octet-stream", onnx_of, row.vector, counting)

    async def _save(self, name: str, kind: str, job: Callable[..., bytes], *arguments: Any) -> None:
        """Let a worker make a file, and send it."""
        try:
            data = await self.visitor.trainers.run(job, *arguments, self.visitor.folder)
        except (NcpError, ImportError) as error:
            self.problem.set_text(str(error))
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


def _number(text: str) -> Any:
    """A number, or the text for the library to refuse."""
    try:
        return float(text)
    except ValueError:
        return text


def _complaint(make: Any) -> str | None:
    try:
        make()
    except ConfigError as error:
        return str(error)
    return None


def _distinct(codes: Any) -> Any:
    import numpy as np

    return np.unique(codes, axis=0)
