"""The file of a search for few trainings: its settings, which codes were asked for, and what they reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ncp.errors import DataError, quoted
from ncp.io.files import read_json, write_json
from ncp.numbers import as_seed, is_finite
from ncp.optim.budget import BOUNDS, Budget
from ncp.optim.objective import Objective
from ncp.spaces.space import Space
from ncp.tables.columns import column_names

SEARCH = "search.json"
FORMAT = 1
"""Version of `search.json`."""
BUDGET = (*BOUNDS, "image_size", "classes", "task")
"""The fields of a budget in the file."""


@dataclass(frozen=True)
class Ask:
    """A code that was asked for.

    Attributes:
        code: its text.
        at: when.
        known: the number of codes whose values were known.
        pending: the number of other codes that were being trained.
        process: the process that got the code.
        host: the machine of this process.
    """

    code: str
    at: str
    known: int
    pending: int
    process: int
    host: str


@dataclass(frozen=True)
class Tell:
    """What a training of a code reached.

    Attributes:
        code: its text.
        at: when the study learned it.
        values: values by column; None if the training failed.
        reason: why it failed.
    """

    code: str
    at: str
    values: Mapping[str, float] | None
    reason: str = ""


@dataclass(frozen=True)
class SearchRecord:
    """Everything that decides what a study proposes next.

    Attributes:
        space: the space of the codes.
        objective: the objective, which ranks the codes.
        budget: the fields `BUDGET` of the budget.
        prior: the name of the prior, or what identifies a table or a predictor; None without a prior.
        seed: the seed.
        minimised: the columns in which lower is better.
        columns: the columns of the values; none before the first.
        asks: the codes that were asked for, in order.
        tells: what trainings reached, in order.
    """

    space: Space
    objective: Objective
    budget: Mapping[str, Any]
    prior: str | Mapping[str, Any] | None
    seed: int
    minimised: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = ()
    tells: tuple[Tell, ...] = field(default=())

    @property
    def told(self) -> dict[str, list[Tell]]:
        """The tells by code, in the order of the first of each."""
        found: dict[str, list[Tell]] = {}
        for each in self.tells:
            found.setdefault(each.code, []).append(each)
        return found

    @property
    def pending(self) -> list[Ask]:
        """The asked codes that have no result yet."""
        told = {each.code for each in self.tells}
        return [each for each in self.asks if each.code not in told]

    def write(self, folder: Path) -> None:
        """Write `search.json`, whole or not at all.

        Raises:
            DataError: the folder cannot be written.
        """
        document = {
            "format": FORMAT,
            "space": self.space.to_dict(),
            "objective": {"weights": self.objective.weights, "at_least": self.objective.at_least},
            "budget": self.budget,
            "prior": self.prior,
            "seed": self.seed,
            "minimised": self.minimised,
            "columns": self.columns,
            "asks": [asdict(each) for each in self.asks],
            "tells": [{**vars(each), "values": each.values} for each in self.tells],
        }
        write_json(folder / SEARCH, document)


def budget_fields(budget: Budget) -> dict[str, Any]:
    """A budget as plain data, without a model of latency."""
    return {name: getattr(budget, name) for name in BUDGET} | {"image_size": list(budget.counting.sides)}


def read_budget_fields(fields: Mapping[str, Any]) -> Budget:
    """A budget from plain data.

    Raises:
        ConfigError: a bound on latency, whose model the file does not have.
    """
    height, width = fields["image_size"]
    return Budget(**{**fields, "image_size": height if height == width else (height, width)})


def read_record(folder: Path) -> SearchRecord:
    """Read the file of a search.

    Raises:
        DataError: the file is missing, damaged or of another version.
    """
    file = folder / SEARCH
    if not file.exists():
        raise DataError(f"{folder} has no {SEARCH}. Name the folder of ncp tune or ncp.Study.")
    try:
        document = read_json(file)
    except DataError as error:
        raise DataError(f"{error} {_ADVICE}") from None
    if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
        raise DataError(
            f"{file} has format {quoted(document['format'])}, but this version of ncp reads format {FORMAT}. "
            "Update ncp, or use another folder."
        )
    try:
        record = SearchRecord(
            Space.from_dict(document["space"]),
            Objective(document["objective"]["weights"], at_least=document["objective"]["at_least"]),
            {name: document["budget"][name] for name in BUDGET},
            document["prior"],
            document["seed"],
            tuple(document["minimised"]),
            tuple(document["columns"]),
            tuple(Ask(**each) for each in document["asks"]),
            tuple(Tell(**each) for each in document["tells"]),
        )
        _check(record)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{file} is damaged: {error}. {_ADVICE}") from None
    return record


def _check(record: SearchRecord) -> None:
    """Check what the types of a record promise, as a file may have anything.

    Raises:
        TypeError, ValueError, LookupError: something else.
    """
    read_budget_fields({**record.budget, "max_latency_ms": None})
    as_seed(record.seed)
    column_names(record.columns)
    if not isinstance(record.prior, (str, dict, type(None))):
        raise TypeError("a prior that is neither a name nor a digest")
    texts = [*record.minimised, *(text for each in record.asks for text in (each.code, each.at, each.host))]
    texts += [text for each in record.tells for text in (each.code, each.at, each.reason)]
    numbers = [number for each in record.asks for number in (each.known, each.pending, each.process)]
    if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in numbers):
        raise TypeError("a text or a number of another type")
    for each in record.tells:
        for name, value in ({} if each.values is None else each.values).items():
            if name not in record.columns or not is_finite(value):
                raise ValueError(f"{name} {value!r} of {each.code}")
    record.space.codes([*(each.code for each in record.asks), *(each.code for each in record.tells)])


_ADVICE = (
    f"Restore a copy of {SEARCH}. Without one, use another folder, or remove the file and tell the values that are "
    "known again; ncp tune finds finished trainings in the folder runs."
)
