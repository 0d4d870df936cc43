"""The settings of a study: checked when it begins, and compared with its file when it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ncp.errors import ConfigError, quoted
from ncp.numbers import as_items, as_seed
from ncp.optim.budget import Budget, as_budget
from ncp.optim.feasible import Feasible
from ncp.optim.objective import Objective, as_objective
from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Space
from ncp.studies.prior_identity import default_prior, is_default, is_same, prior_identity
from ncp.studies.search_record import SearchRecord, budget_fields, read_budget_fields


class Given(NamedTuple):
    """The settings that a caller gives for a study; None where they are left out, but for `prior` and `minimised`."""

    objective: Any
    budget: Budget | None
    space: Space | None
    prior: Any
    seed: int | None
    minimised: Sequence[str]


def begun(folder: Path, given: Given) -> SearchRecord:
    """The record of a new study.

    Raises:
        ConfigError: an invalid argument, or no objective.
        InfeasibleError: no code meets the budget.
    """
    objective, budget, space, prior, seed, minimised = given
    if objective is None:
        raise ConfigError(
            "There is no study in {folder} yet. A new one needs an {field}, such as {example}.",
            field="objective",
            folder=str(folder),
            example="{'roads': 1, 'clips': 1}",
        )
    wanted, bounds, chosen = _objective(objective), as_budget(budget), MULTIRES if space is None else space
    feasible = Feasible.of(chosen, bounds)
    feasible.require(np.array([[dim.values[0] for dim in chosen.dimensions]]))
    return SearchRecord(
        chosen,
        wanted,
        budget_fields(bounds),
        prior_identity(default_prior(chosen) if is_default(prior) else prior),
        0 if seed is None else as_seed(seed),
        _minimised(minimised),
    )


def require_same(record: SearchRecord, folder: Path, given: Given) -> Budget:
    """Refuse arguments that differ from a study's record, and return its budget.

    Raises:
        ConfigError: with the argument that differs.
    """
    objective, budget, space, prior, seed, minimised = given
    pairs: dict[str, tuple[Any, Any]] = {}
    if space is not None:
        pairs["space"] = (record.space, space)
    if objective is not None:
        pairs["objective"] = (record.objective, _objective(objective))
    if budget is not None:
        pairs["budget"] = (dict(record.budget), budget_fields(as_budget(budget)))
    if not is_default(prior):
        pairs["prior"] = (record.prior, prior_identity(prior))
    if seed is not None:
        pairs["seed"] = (record.seed, as_seed(seed))
    least = _minimised(minimised)
    if least:
        pairs["minimised"] = (sorted(record.minimised), sorted(least))
    for name, (before, now) in pairs.items():
        if not (is_same(before, now) if name == "prior" else before == now):
            shown = "" if name == "space" else " It was {before} and is now {now}."
            raise ConfigError(
                f"The study {{folder}} has another {{field}}.{shown} Leave {{field}} out to go on, or use another "
                "folder.",
                field=name,
                folder=str(folder),
                before=_shown(before, now),
                now=_shown(now, before),
            )
    if budget is not None:
        return budget
    if record.budget["max_latency_ms"] is not None:
        raise ConfigError(
            "The study {folder} bounds the latency, and its file does not have the model of it. Pass "
            "{max_latency_ms} and {latency} again.",
            field="budget",
            folder=str(folder),
        )
    return read_budget_fields(record.budget)


def _objective(given: Any) -> Objective:
    objective = as_objective(given)
    if objective.uncertainty_penalty:
        raise ConfigError(
            "The values of a study are measured, not predicted. Leave out {field}.",
            field="uncertainty_penalty",
            given=objective.uncertainty_penalty,
        )
    return objective


def _minimised(given: Sequence[str]) -> tuple[str, ...]:
    names = as_items(given, "minimised", "names of columns")
    odd = [name for name in names if not isinstance(name, str) or not name]
    if odd:
        raise ConfigError("{field} must be a list of names of columns. Got {given}.", field="minimised", given=odd[0])
    return tuple(names)


def _shown(value: Any, other: Any) -> str:
    """A setting in words; of a budget, the fields that differ."""
    if isinstance(value, Objective):
        least = f", at least {dict(value.at_least)}" if value.at_least else ""
        return f"{dict(value.weights)}{least}"
    if isinstance(value, dict) and isinstance(other, dict):
        return ", ".join(f"{key} {quoted(value[key])}" for key in value if value[key] != other.get(key)) or quoted(
            value
        )
    return quoted(value)
