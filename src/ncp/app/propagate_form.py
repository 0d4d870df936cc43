"""The form of the tab Propagate: objective, budget, what is kept fixed, and settings of the search."""

from __future__ import annotations

import math
from typing import Any

from nicegui import ui

from ncp.app.components import ErrorLine, ObjectiveTable, heading
from ncp.app.field_errors import Field, label, show_error
from ncp.app.jobs import SearchRequest
from ncp.app.layout import dimension_groups
from ncp.app.session import Session
from ncp.errors import NcpError, quoted
from ncp.optim.budget import Budget
from ncp.optim.objective import Objective
from ncp.optim.propagation import STRATEGIES
from ncp.tables.columns import task_of

MOST_STEPS = 200


class PropagateForm:
    """The fields and their error messages; `read` turns them into a request."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.rows = _objective_rows(session)
        heading("Objective")
        self.objective = ObjectiveTable(self.rows, self._edit_objective)
        self._build_budget()
        self._build_frozen()
        with ui.element("details").classes("group"):
            with ui.element("summary"):
                ui.label("Search settings").classes("group-name")
            with ui.element("div").classes("fields"):
                self.strategy = ui.select(list(STRATEGIES), value="continuous", label="strategy")
                self.strategy.props("outlined dense options-dense")
                self.steps = _number_field("steps", "30")
                self.uncertainty_penalty = _number_field("uncertainty penalty [std]", "0")
        self.fields: dict[str, Field] = {
            "max_macs": self.macs,
            "max_params": self.params,
            "strategy": self.strategy,
            "steps": self.steps,
            "uncertainty_penalty": self.uncertainty_penalty,
            "freeze": self.single,
            "objective": self.objective,
            "weights": self.objective,
            "at_least": self.objective,
        }
        self.usual = self._texts()
        self._restoring = False
        single_fields = (self.macs, self.params, self.strategy, self.steps, self.uncertainty_penalty, self.single)
        for field in (*single_fields, *self.groups.values()):
            field.on_value_change(self._remember)

    def restore(self) -> str:
        """Show the settings of the session, as a link has them; return what was wrong with them."""
        texts, self._restoring = self.usual | self.session.settings, True
        unknown = self._restore_objective(texts["objective"], texts["minimum"])
        self.macs.value, self.params.value = texts["gmacs"], texts["mparams"]
        self.steps.value, self.uncertainty_penalty.value = texts["steps"], texts["penalty"]
        if texts["strategy"] in STRATEGIES:
            self.strategy.value = texts["strategy"]
        else:
            unknown.append(texts["strategy"])
        kept = [name for name in texts["keep"].split(",") if name]
        names = self.session.dataset.space.names
        for name, box in self.groups.items():
            box.value = name in kept
        self.single.value = [name for name in kept if name in names]
        unknown += [name for name in kept if name not in names and name not in self.groups]
        self._restoring = False
        return f"The link names what is not known here: {quoted(', '.join(unknown))}." if unknown else ""

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
            "gmacs": self.macs.value or "",
            "mparams": self.params.value or "",
            "keep": ",".join([*groups, *self.single.value]),
            "strategy": self.strategy.value,
            "steps": self.steps.value or "",
            "penalty": self.uncertainty_penalty.value or "",
        }

    def _remember(self) -> None:
        """Tell the session which settings are not the usual ones."""
        if not self._restoring:
            texts = self._texts()
            self.session.set_settings({name: text for name, text in texts.items() if text != self.usual[name]})

    def _build_budget(self) -> None:
        has_cost = self.session.dataset.has_cost
        title = heading("Budget (at most)")
        with ui.element("div").classes("fields"):
            self.macs = _number_field("GMACs", "4" if has_cost else "")
            self.params = _number_field("M parameters", "")
        for element in (title, self.macs, self.params):
            element.set_visibility(has_cost)

    def _build_frozen(self) -> None:
        space = self.session.dataset.space
        heading("Keep fixed")
        self.groups: dict[str, ui.checkbox] = {}
        with ui.element("div").classes("checks"):
            for group in dimension_groups(space):
                self.groups[group["name"]] = ui.checkbox(group["name"]).props("dense")
        self.single = ui.select(list(space.names), label="single dimensions", multiple=True, value=[])
        self.single.props("outlined dense use-chips options-dense")

    def show_error(self, error: NcpError, below: ErrorLine) -> None:
        """Show an error beside the field that it names, or `below` if it names none."""
        show_error(error, self.fields, below)

    def read(self, below: ErrorLine) -> SearchRequest | None:
        """Read all fields; return None if one is wrong, which then has a message beside it or `below`."""
        objective = self._read_objective()
        below.error = self.single.error = self.strategy.error = None
        numbers = (self.macs, self.params, self.steps, self.uncertainty_penalty)
        macs, params, steps, penalty = map(_read_number, numbers)
        if not self.steps.error and (steps is None or steps % 1 or not 2 <= steps <= MOST_STEPS):
            self.steps.error = f"This must be a whole number from 2 to {MOST_STEPS}."
        if objective is None or steps is None or any(field.error for field in numbers):
            return None
        weights, minimums = objective
        bounds: dict[str, Any] = {
            "max_macs": None if macs is None else macs * label("max_macs").unit,
            "max_params": None if params is None else params * label("max_params").unit,
        }
        counting = self.session.counting
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
            strategy=self.strategy.value,
            steps=int(steps),
            uncertainty_penalty=penalty or 0.0,
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
