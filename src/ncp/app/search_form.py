"""The form of the tab Search: what to find, objective, budget, what is kept fixed, and settings of the search."""

from __future__ import annotations

import math
from typing import Any

from nicegui import ui

from ncp.app.address import image_text
from ncp.app.components import ErrorLine, ObjectiveTable, heading
from ncp.app.field_errors import Field, label, show_error
from ncp.app.layout import dimension_groups
from ncp.app.searching import SearchRequest
from ncp.app.session import Session
from ncp.errors import NcpError, quoted
from ncp.optim.budget import Budget
from ncp.optim.objective import Objective
from ncp.optim.propagation import STRATEGIES
from ncp.tables.columns import task_of

FINDS = {"best": "Best codes", "edits": "Few edits", "front": "Front"}
ABOUT = {
    "best": "The best codes that differ. Each is over 10 % cheaper than every better one, better in a column, or, "
    "where no cost is known, built differently.",
    "edits": "The open code, which the tab Code shows, with a few dimensions changed.",
    "front": "Codes that trade the columns and cost against each other. Only the signs of the weights count.",
}
MOST_STEPS, MOST_STARTS = 200, 1024


class SearchForm:
    """The fields and their error messages; `read` turns them into a request."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.rows = _objective_rows(session)
        heading("Find")
        self.find = ui.toggle(FINDS, value="best").props('no-caps unelevated spread aria-label="what to find"')
        self.about = ui.label(ABOUT["best"]).classes("note")
        self.max_changes = _number_field("most dimensions to change", "6")
        heading("Objective")
        self.objective = ObjectiveTable(self.rows, self._edit_objective)
        self._build_budget()
        self._build_frozen()
        self._build_settings()
        self.fields: dict[str, Field] = {
            "max_macs": self.macs,
            "max_params": self.params,
            "max_latency_ms": self.latency,
            "max_changes": self.max_changes,
            "strategy": self.strategy,
            "starts": self.starts,
            "steps": self.steps,
            "uncertainty_penalty": self.uncertainty_penalty,
            "freeze": self.single,
            "objective": self.objective,
            "objectives": self.objective,
            "weights": self.objective,
            "at_least": self.objective,
        }
        self.usual = self._texts()
        self._restoring = False
        for field in (*self._single_fields().values(), self.single, *self.groups.values()):
            field.on_value_change(self._remember)
        self._show_find()

    def _single_fields(self) -> dict[str, Any]:
        """The fields with one value, by the names that the address uses."""
        return {
            "find": self.find,
            "changes": self.max_changes,
            "gmacs": self.macs,
            "mparams": self.params,
            **({} if self.latency_model is None else {"latency": self.latency}),
            "strategy": self.strategy,
            "starts": self.starts,
            "steps": self.steps,
            "penalty": self.uncertainty_penalty,
        }

    def _show_find(self) -> None:
        """Show what the choice of what to find means."""
        self.about.set_text(ABOUT[self.find.value])
        self.max_changes.set_visibility(self.find.value == "edits")

    def restore(self) -> str:
        """Show the settings of the session, as a link has them; return what was wrong with them."""
        texts, self._restoring = self.usual | self.session.settings, True
        unknown = self._restore_objective(texts["objective"], texts["minimum"])
        choices = {"find": [*FINDS], "strategy": [*STRATEGIES]}
        for name, field in self._single_fields().items():
            if texts[name] in choices.get(name, [texts[name]]):
                field.value = texts[name]
            else:
                field.value = self.usual[name]
                unknown.append(texts[name])
        kept = [name for name in texts["keep"].split(",") if name]
        names = self.session.dataset.space.names
        for name, box in self.groups.items():
            box.value = name in kept
        self.single.value = [name for name in kept if name in names]
        unknown += [name for name in kept if name not in names and name not in self.groups]
        unknown += [name for name in self.session.settings if name not in self.usual]
        self._restoring = False
        self._show_find()
        return f"Unknown parts of this link were ignored: {quoted(', '.join(unknown))}." if unknown else ""

    def _restore_objective(self, objective: str, minimum: str) -> list[str]:
        """Choose the columns of a link with their weights and minimum values; return unknown columns."""
        weights, minimums = _pairs(objective), _pairs(minimum)
        columns = [row["column"] for row in self.rows]
        for row in self.rows:
            column = row["column"]
            row |= {"on": column in weights, "weight": weights.get(column) or "1", "minimum": minimums.get(column, "")}
        self.objective.show_rows(self.rows)
        return [name for name in (weights | minimums) if name not in columns]

    def _texts(self) -> dict[str, str]:
        """All fields as texts, by the names that the address uses."""
        chosen = [(row["column"], str(row["weight"])) for row in self.rows if row["on"]]
        minimums = [(row["column"], str(row["minimum"] or "").strip()) for row in self.rows]
        groups = [name for name, box in self.groups.items() if box.value]
        return {
            "objective": ",".join(column if weight == "1" else f"{column}:{weight}" for column, weight in chosen),
            "minimum": ",".join(f"{column}:{minimum}" for column, minimum in minimums if minimum),
            "keep": ",".join([*groups, *self.single.value]),
            **{name: str(field.value or "") for name, field in self._single_fields().items()},
        }

    def _remember(self) -> None:
        """Tell the session which settings are not the usual ones."""
        if not self._restoring:
            self._show_find()
            texts = self._texts()
            self.session.set_settings({name: text for name, text in texts.items() if text != self.usual[name]})

    def _build_budget(self) -> None:
        has_cost = self.session.dataset.has_cost
        title = heading("Budget (at most)")
        with ui.element("div").classes("fields"):
            self.macs = _number_field("GMACs", "4" if has_cost else "")
            self.params = _number_field("M params", "")
            self.latency = _number_field("latency [ms]", "").classes("whole")
        for element in (title, self.macs, self.params):
            element.set_visibility(has_cost)
        model = self.latency_model = self.session.latency if has_cost else None
        self.latency.set_visibility(model is not None)
        if model is not None:
            error = f"Predictions are off by {100 * model.error.mape:.0f} % on average."
            ui.label(f"Latency on this machine: {model.conditions.text}. {error}").classes("note")

    def _build_frozen(self) -> None:
        space = self.session.dataset.space
        heading("Keep fixed")
        self.groups: dict[str, ui.checkbox] = {}
        with ui.element("div").classes("checks"):
            for group in dimension_groups(space):
                self.groups[group["name"]] = ui.checkbox(group["name"]).props("dense")
        self.single = ui.select(list(space.names), label="individual settings", multiple=True, value=[])
        self.single.props("outlined dense use-chips options-dense")

    def _build_settings(self) -> None:
        with ui.element("details").classes("group"):
            with ui.element("summary"):
                ui.label("Search settings").classes("group-name")
            with ui.element("div").classes("fields"):
                self.strategy = ui.select(list(STRATEGIES), value="continuous", label="strategy")
                self.strategy.props("outlined dense options-dense")
                self.starts = _number_field("starts", "256")
                self.steps = _number_field("steps", "70")
                self.uncertainty_penalty = _number_field("uncertainty penalty [std]", "0")

    def show_error(self, error: NcpError, below: ErrorLine) -> None:
        """Show an error beside the field that it names, or `below` if it names none."""
        show_error(error, self.fields, below)

    def read(self, below: ErrorLine) -> SearchRequest | None:
        """Read all fields; return None if one is wrong, which then has a message beside it or `below`."""
        objective = self._read_objective()
        below.error = self.single.error = self.strategy.error = None
        macs, params, penalty = map(_read_number, (self.macs, self.params, self.uncertainty_penalty))
        latency = None if self.latency_model is None else _read_number(self.latency)
        starts, steps = _read_count(self.starts, 2, MOST_STARTS), _read_count(self.steps, 2, MOST_STEPS)
        changes = _read_count(self.max_changes, 1, len(self.session.dataset.space)) if self.find.value == "edits" else 1
        if objective is None or any(field.error for field in self._single_fields().values() if field is not self.find):
            return None
        weights, minimums = objective
        bounds: dict[str, Any] = {
            "max_macs": None if macs is None else macs * label("max_macs").unit,
            "max_params": None if params is None else params * label("max_params").unit,
        }
        counting = self.session.counting
        if latency is not None:
            self.latency.error = self._latency_problem()
            if self.latency.error:
                return None
            bounds |= {"max_latency_ms": latency, "latency": self.latency_model}
        try:
            Objective(weights, penalty or 0.0, minimums)
            budget = Budget(**bounds, image_size=counting.image_size, classes=counting.classes, task=counting.task)
        except NcpError as error:
            self.show_error(error, below)
            return None
        return SearchRequest(
            weights,
            minimums,
            budget,
            freeze=self._read_frozen(),
            origin=self.session.code,
            find=self.find.value,
            strategy=self.strategy.value,
            starts=starts,
            steps=steps,
            uncertainty_penalty=penalty or 0.0,
            max_changes=changes,
        )

    def _latency_problem(self) -> str | None:
        """Why latency cannot be bounded while cost is counted as it is; None if it can."""
        measured, counting = self.session.first_counting, self.session.counting
        if (measured.sides, measured.task) == (counting.sides, counting.task):
            return None
        return (
            f"Latencies were measured with image size {image_text(measured)} and head {measured.task}. Choose these "
            "under Cost settings in the tab Code, or leave this empty."
        )

    def _edit_objective(self, rows: list[dict[str, Any]]) -> None:
        self.rows = [known | edited for known, edited in zip(self.rows, rows, strict=True)]
        self._read_objective()
        self._remember()

    def _read_objective(self) -> tuple[dict[str, float], dict[str, float]] | None:
        """Weights and minimum values by column, or None if a field is wrong."""
        problems: dict[str, dict[str, str]] = {}
        weights, minimums = {}, {}
        for row in self.rows:
            column, problem = row["column"], problems.setdefault(row["column"], {})
            if row["on"]:
                weights[column] = _number(str(row["weight"])) or 0.0
                if not weights[column]:
                    problem["weight"] = "The weight must be a number other than zero, such as 1."
            if str(row["minimum"] or "").strip():
                minimum = _number(str(row["minimum"]))
                if minimum is None:
                    problem["minimum"] = "The minimum value must be a number, such as 76.5."
                else:
                    minimums[column] = minimum
        self.objective.show_errors(problems)
        self.objective.error = None if weights else "Choose at least one column."
        return None if any(problems.values()) or not weights else (weights, minimums)

    def _read_frozen(self) -> tuple[str, ...]:
        """Names of the dimensions that are kept fixed."""
        space = self.session.dataset.space
        names = [
            space.names[dim["place"]]
            for group in dimension_groups(space)
            if self.groups[group["name"]].value
            for dim in group["dims"]
        ]
        return tuple(dict.fromkeys([*names, *self.single.value]))


def _objective_rows(session: Session) -> list[dict[str, Any]]:
    """A row per column. The first column of every task is shown, and those of a few tasks are chosen."""
    dataset, seen, rows = session.dataset, set[str](), []
    for column in dataset.columns:
        first = task_of(column) not in seen
        seen.add(task_of(column))
        on, hint = column in dataset.first_columns, "at most" if column in dataset.minimised else ""
        rows.append({"column": column, "on": on, "weight": "1", "minimum": "", "first": first, "hint": hint})
    return rows


def _pairs(text: str) -> dict[str, str]:
    """Columns with a number each, of a text such as `seg/mIoU:2,video/top1`."""
    parts = [part.partition(":") for part in text.split(",") if part]
    return {column: number for column, _, number in parts}


def _number_field(label: str, value: str) -> ui.input:
    field = ui.input(label, value=value).without_auto_validation()
    return field.props("outlined dense hide-bottom-space inputmode=decimal")


def _number(text: str) -> float | None:
    """The finite number that a text says, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_number(field: ui.input) -> float | None:
    """The number in a field, or None if it is empty or wrong; a wrong one gets a message."""
    text = (field.value or "").strip()
    number = _number(text) if text else None
    field.error = "This must be a number." if text and number is None else None
    return number


def _read_count(field: ui.input, least: int, most: int) -> int:
    """The whole number in a field; if it is another text, the field gets a message, and the number is 0."""
    text = (field.value or "").strip()
    count = int(text) if text.isdecimal() and len(text) < 10 else 0
    field.error = None if least <= count <= most else f"This must be a whole number from {least} to {most}."
    return count
