"""The folder of a study: which codes are trained on which tasks with which seeds, and where the runs are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ncp.errors import ConfigError, DataError, quoted
from ncp.io.files import read_json, write_json
from ncp.spaces.space import Space
from ncp.training.run import Run, run_id

STUDY, RUNS, TRAININGS, TABLE = "study.json", "runs", "trainings.parquet", "table.parquet"
FORMAT = 1
"""Version of `study.json`."""


class Asked(NamedTuple):
    """A training that a study asks for.

    Attributes:
        run: the identifier of the run.
        code: the text of the code.
        task: the name of the task.
        seed: the seed.
    """

    run: str
    code: str
    task: str
    seed: int


@dataclass(frozen=True)
class StudyTask:
    """What a study remembers of a task.

    Attributes:
        document: every key of the task file.
        identity: what makes two trainings the same, besides code and seed.
        columns: the columns of a table; none if they are known only after a training.
        minimised: the columns in which lower is better.
    """

    document: dict[str, Any]
    identity: dict[str, Any]
    columns: tuple[str, ...]
    minimised: tuple[str, ...]

    @property
    def epochs(self) -> int | None:
        """The epochs of the recipe; None if it counts steps, or has neither."""
        recipe = self.document.get("recipe", {})
        epochs: int | None = None if recipe.get("steps") else recipe.get("epochs")
        return epochs

    @property
    def steps(self) -> int | None:
        """The steps of the recipe; None if it counts epochs, or has neither."""
        steps: int | None = self.document.get("recipe", {}).get("steps")
        return steps


@dataclass(frozen=True)
class StudyFolder:
    """A folder with `study.json` and the runs.

    Attributes:
        path: the folder.
        space: the space of the codes.
        tasks: the tasks by name, in the order in which they were added.
        asked: all trainings that were ever asked for, each once.
    """

    path: Path
    space: Space
    tasks: dict[str, StudyTask] = field(default_factory=dict)
    asked: tuple[Asked, ...] = ()

    @property
    def codes(self) -> list[str]:
        """The codes, each once, in the order in which they were asked for."""
        return list(dict.fromkeys(each.code for each in self.asked))

    def run(self, asked: Asked) -> Run:
        """The run of a training."""
        return Run(self.path / RUNS / asked.run)

    def runs(self) -> Iterator[tuple[Asked, Run]]:
        """All trainings that were asked for, with their runs."""
        return ((asked, self.run(asked)) for asked in self.asked)

    def with_tasks(self, tasks: Mapping[str, StudyTask]) -> StudyFolder:
        """The study with more tasks.

        Raises:
            ConfigError: a task that the study has with another recipe, other data or of another kind.
        """
        for name, task in tasks.items():
            known = self.tasks.get(name)
            if known is not None and known.identity != task.identity:
                raise ConfigError(
                    f"The study {self.path} has a task {name} that differs: {_difference(known, task)}. Values of "
                    "different recipes or data must not share a column: use another name for the task or another "
                    "folder."
                )
        return replace(self, tasks={**self.tasks, **tasks})

    def asking(self, codes: Sequence[str], tasks: Sequence[str], seeds: int) -> tuple[StudyFolder, list[Asked]]:
        """The study with more trainings, and the trainings of these codes, tasks and seeds.

        The first seed of all codes comes first, so that a table of all codes is there as soon as possible.
        """
        wanted = [
            Asked(run_id(self.tasks[task].identity, code, seed), code, task, seed)
            for seed in range(seeds)
            for code in codes
            for task in tasks
        ]
        return replace(self, asked=tuple(dict.fromkeys((*self.asked, *wanted)))), wanted

    def write(self) -> None:
        """Write `study.json`, whole or not at all.

        Raises:
            DataError: the folder cannot be written.
        """
        codes = self.codes
        places = {code: place for place, code in enumerate(codes)}
        document = {
            "format": FORMAT,
            "space": self.space.to_dict(),
            "tasks": {name: vars(task) for name, task in self.tasks.items()},
            "codes": codes,
            "trainings": [[each.run, places[each.code], each.task, each.seed] for each in self.asked],
        }
        write_json(self.path / STUDY, document, indent=None)


def read_study(path: Path) -> StudyFolder:
    """Read the folder of a study.

    Raises:
        DataError: there is no study, or its file is damaged or of another version.
    """
    file = path / STUDY
    if not file.exists():
        raise DataError(f"{path} has no {STUDY}. Name the folder of a study, from ncp build or ncp tune.")
    document = read_json(file)
    if isinstance(document, dict) and document.get("format") != FORMAT:
        raise DataError(
            f"{file} has format {quoted(document.get('format'))}, but this version of ncp reads format {FORMAT}. "
            "Update ncp, or use another folder."
        )
    try:
        tasks = {
            name: StudyTask(task["document"], task["identity"], tuple(task["columns"]), tuple(task["minimised"]))
            for name, task in document["tasks"].items()
        }
        codes = document["codes"]
        asked = tuple(Asked(run, codes[code], task, seed) for run, code, task, seed in document["trainings"])
        if not all(each.task in tasks for each in asked):
            raise ValueError("a training of an unknown task")
        return StudyFolder(path, Space.from_dict(document["space"]), tasks, asked)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{file} is damaged: {error}. Remove it and run ncp build again with the same tasks and codes: finished "
            f"trainings in {RUNS} are used again."
        ) from None


def _difference(known: StudyTask, task: StudyTask) -> str:
    """The first key in which two identities differ, with both values."""
    before, now = _flat(known.identity), _flat(task.identity)
    key = next(key for key in (*before, *now) if key not in before or key not in now or before[key] != now[key])
    if key == "data_hash":
        return "the files of its data have changed"
    was, is_now = (quoted(each[key]) if key in each else "not set" for each in (before, now))
    return f"{key} was {was} and is now {is_now}"


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat
