"""The kind `command`: a program or a Python function of the user trains the network and says what it reached."""

from __future__ import annotations

import inspect
import json
import math
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from pydantic import field_validator

from ncp.errors import ConfigError, DataError, NcpError, quoted
from ncp.io.files import file_sha256, read_json
from ncp.io.yaml_sections import Section, validated
from ncp.progress import Progress, quiet
from ncp.tables.columns import column_names
from ncp.tasks.programs import run_program
from ncp.tasks.recipe import Positive

KIND = "command"
METRICS, LOG = "metrics.json", "log.txt"
PLACEHOLDERS = ("{code}", "{vector}", "{seed}", "{folder}")
LINES, CHARACTERS = 5, 500
"""The most lines and characters of a program's output that the reason of a failure quotes."""
LARGEST = 1 << 20
"""The largest metrics.json that is read [bytes]."""


class CommandError(NcpError):
    """A training of a command that failed; the message is the reason."""


Train = Callable[[str, int, Path], Mapping[str, float]]
"""A function of a code's text, a seed and the folder of the run, that returns metrics by name."""


class CommandData(Section):
    """The section `data` of a command.

    Attributes:
        path: the folder in which the command runs, relative to the task file.
        files: files that decide what is learned, relative to `path`. If one changes, all trainings are new.
    """

    path: Path = Path()
    files: tuple[Path, ...] = ()


class CommandSection(Section):
    """The keys of a task file of this kind, beside its name.

    Attributes:
        command: the program and its arguments, with placeholders; no shell reads them.
        function: a Python function `module:name`, instead of a command.
        metrics: names of the metrics, the main one first, with `:min` after those of which lower is better. If they are
            left out, all numbers in `metrics.json` count, and more is better.
        timeout: the longest time that a training may take [s].
        data: where the command runs, and what else decides its outcome.
    """

    command: str | None = None
    function: str | None = None
    metrics: tuple[str, ...] = ()
    timeout: Positive | None = None
    data: CommandData = CommandData()

    @field_validator("metrics")
    @classmethod
    def _different(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        column_names([name.removesuffix(":min") for name in given])
        return given


@dataclass(frozen=True)
class CommandTask:
    """A task that a program or a function of the user trains.

    Attributes:
        name: the name of its columns, as in `roads/mIoU`.
        section: the keys of the task file.
        folder: the folder in which the command runs.
    """

    name: str
    section: CommandSection
    folder: Path

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, the main one first; none if all numbers of `metrics.json` count."""
        return tuple(name.removesuffix(":min") for name in self.section.metrics)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table, the main one first; none if they are known only after a training."""
        return tuple(f"{self.name}/{metric}" for metric in self.metrics)

    @property
    def minimised(self) -> tuple[str, ...]:
        """The columns in which lower is better."""
        marked = self.section.metrics
        return tuple(f"{self.name}/{name.removesuffix(':min')}" for name in marked if name.endswith(":min"))

    def prepare(self, progress: Progress = quiet) -> str:
        """The data hash: SHA-256 of the command, or of the function's source, and of all files in `data.files`.

        Raises:
            DataError: a file cannot be read.
            ConfigError: the function cannot be found.
        """
        files = {str(name): _digest(self.folder / name) for name in self.section.data.files}
        source = None if self.section.function is None else _source(load_function(self.section.function))
        return sha256(json.dumps([self.section.command, source, files], sort_keys=True).encode()).hexdigest()

    def identity(self, prepared: str) -> dict[str, Any]:
        """What makes two trainings the same, besides code and seed: plain data."""
        recipe = {"command": self.section.command, "function": self.section.function}
        return {"task": self.name, "kind": KIND, "data": {}, "recipe": recipe, "data_hash": prepared}

    def to_dict(self) -> dict[str, Any]:
        """Every key of the task file, with the folder as an absolute path."""
        section = self.section.model_dump(mode="json")
        section["data"]["path"] = str(self.folder.resolve())
        return {"format": 1, "name": self.name, "kind": KIND, **section}

    def arguments(self, code: str, vector: Sequence[int], seed: int, folder: Path) -> list[str]:
        """The program and its arguments for one training."""
        values = (code, json.dumps(list(vector)), str(seed), str(folder.resolve()))
        parts = shlex.split(self.section.command or "")
        for placeholder, value in zip(PLACEHOLDERS, values, strict=True):
            parts = [part.replace(placeholder, value) for part in parts]
        return parts

    def train(
        self, code: str, vector: Sequence[int], seed: int, folder: Path, environment: Mapping[str, str]
    ) -> dict[str, float]:
        """Train one code; the output goes to `log.txt` in the folder.

        Args:
            code: the text of the code.
            vector: its values.
            seed: the seed.
            folder: the folder of the run.
            environment: variables that are set for the program.

        Returns:
            the metrics by name, the declared ones first.

        Raises:
            CommandError: the training failed.
            ConfigError: the program or the function is not there.
        """
        (folder / METRICS).unlink(missing_ok=True)  # of an earlier attempt that was stopped
        if self.section.function is not None:
            return self._checked(_call(load_function(self.section.function), code, seed, folder), "The function")
        log, limit = folder / LOG, self.section.timeout
        begin = log.stat().st_size if log.exists() else 0
        try:
            status = run_program(self.arguments(code, vector, seed, folder), self.folder, environment, log, limit)
        except TimeoutExpired:
            raise CommandError(f"The command took longer than {limit:g} s.{_last_lines(log, begin)}") from None
        if status:
            raise CommandError(f"The command ended with status {status}.{_last_lines(log, begin)}")
        if not (folder / METRICS).exists():
            raise CommandError(f"The command wrote no {METRICS}.{_last_lines(log, begin)}")
        try:
            given = read_json(folder / METRICS, LARGEST)
        except DataError as error:
            raise CommandError(str(error)) from None
        return self._checked(given, f"{METRICS} of the command")

    def _checked(self, given: object, what: str) -> dict[str, float]:
        """Metrics, if all are finite numbers and all declared ones are there."""
        if not isinstance(given, Mapping) or not given:
            raise CommandError(f"{what} must give numbers by name. Got {quoted(given)}.")
        metrics: dict[str, float] = {}
        for name, value in given.items():
            number = value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
            if not isinstance(name, str) or not name or "," in name or not name.isprintable():
                raise CommandError(f"{what} must name each metric by a text without commas. Got {quoted(name)}.")
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
                raise CommandError(f"{what} must give a finite number for {name}. Got {quoted(value)}.")
            metrics[name] = float(number)
        missing = [name for name in self.metrics if name not in metrics]
        if missing:
            raise CommandError(f"{what} must give {missing[0]}, as the task declares. Got {', '.join(metrics)}.")
        return {name: metrics[name] for name in (*self.metrics, *(n for n in metrics if n not in self.metrics))}


def command_task(name: str, document: Mapping[str, Any], folder: Path, where: str) -> CommandTask:
    """A task from the keys of a task file, without `format`, `name` and `kind`.

    Raises:
        ConfigError: unknown keys or invalid values.
    """
    section = validated(CommandSection, dict(document))
    if (section.command is None) == (section.function is None):
        raise ConfigError(f"{where}: give either command or function.")
    if section.command is not None:
        try:
            parts = shlex.split(section.command)
        except ValueError as error:
            raise ConfigError(f"{where}: cannot split the command {quoted(section.command)}: {error}.") from None
        if not any(code in part for part in parts for code in PLACEHOLDERS[:2]):
            raise ConfigError(
                f"{where}: the command must contain {{code}} or {{vector}}. Got {quoted(section.command)}. "
                f"The placeholders are {', '.join(PLACEHOLDERS)}."
            )
    elif section.timeout is not None:
        raise ConfigError(f"{where}: timeout works for a command only. Leave it out for a function.")
    return CommandTask(name, section, folder / section.data.path.expanduser())


def function_task(
    name: str, function: Train, metrics: Sequence[str] = (), files: Sequence[str | Path] = ()
) -> CommandTask:
    """A task that a Python function trains.

    >>> def train(code, seed, folder):
    ...     return {"accuracy": 71.2, "latency": 3.5}
    >>> task = function_task("mine", train, metrics=["accuracy", "latency:min"])  # doctest: +SKIP

    Args:
        name: the name of the task's columns.
        function: called with the text of a code, a seed and the folder of the run; returns finite numbers by name. It
            must be importable by name, because other processes call it.
        metrics: names of the metrics, the main one first, with `:min` after those of which lower is better; all numbers
            that the function returns when left out.
        files: files that decide what is learned. If one changes, all trainings are new.

    Raises:
        ConfigError: a function that other processes cannot import, or invalid names.
    """
    module, qualified = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    path = f"{module}:{qualified}"
    script = module != "__main__" or hasattr(sys.modules["__main__"], "__file__")
    if not module or not script or _found(path) is not function:
        raise ConfigError(
            "{field} must be a function that other processes can import: define it at the top of a module. "
            "Got {given}.",
            field="function",
            given=function,
        )
    from ncp.tasks.task import task_from_dict

    data = {"files": [str(Path(file).absolute()) for file in files]}
    return task_from_dict(  # type: ignore[return-value]
        {"name": name, "kind": KIND, "function": path, "metrics": tuple(metrics), "data": data}
    )


def load_function(path: str) -> Train:
    """The function `module:name`.

    Raises:
        ConfigError: there is no such function.
    """
    found = _found(path)
    if not callable(found):
        raise ConfigError(f"Cannot import the function {quoted(path)}. Install its module, or run where it lies.")
    return found  # type: ignore[no-any-return]


def _found(path: str) -> Any:
    module, _, name = path.partition(":")
    found: Any = None
    with suppress(ImportError, AttributeError, ValueError):
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    return found


def _source(function: Train) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""  # written in another language


def _call(function: Train, code: str, seed: int, folder: Path) -> Mapping[str, float]:
    """Call a function; what it prints goes to the log of its run."""
    with (folder / LOG).open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        try:
            return function(code, seed, folder)
        except Exception as error:
            traceback.print_exc()
            raise CommandError(f"The function raised {type(error).__name__}: {error}"[:CHARACTERS]) from None


def _last_lines(log: Path, begin: int) -> str:
    """The end of what a program printed, for the reason of a failure."""
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - 4 * CHARACTERS))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    text = "\n".join(lines[-LINES:])[-CHARACTERS:]
    return f" Its last output: {text}" if text else " It printed nothing."


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"Cannot read {path}, which data.files of the task lists: {error.strerror}.") from None
