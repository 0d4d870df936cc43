"""Configuration files of `ncp train-predictor`: YAML, overridden key by key; an error names the key that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import yaml
from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails

from ncp.errors import ConfigError, Name, quoted
from ncp.io.files import as_path
from ncp.io.yaml import read_yaml
from ncp.predictors.fitting import KINDS, Kind
from ncp.predictors.settings import Settings

Seed = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
TestSize = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A section of a configuration file; unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """The data to learn from.

    Attributes:
        table: a table's name or path.
        columns: columns or tasks; all columns if null.
        only_sampled: test on randomly sampled rows only. Rows that were added by hand are never trained on.
    """

    table: Text = "nas-bench-mr"
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    only_sampled: Annotated[bool, Field(strict=True)] = True


class Split(Section):
    """Which rows are held out for testing, see `Table.split`."""

    seed: Seed = 0
    test_size: TestSize = 0.2


class Learner(Section):
    """The kind of predictor and the seed of its fit."""

    kind: Kind = "default"
    seed: Seed = 0


class Output(Section):
    """The folder for the files; `out/predictor-KIND` if null."""

    folder: Path | None = None


class Configuration(Section):
    """All sections of a configuration file.

    Attributes:
        optimization: settings, which check their own bounds, of the class that is the context of the validation.
    """

    data: Data = Data()
    split: Split = Split()
    predictor: Learner = Learner()
    optimization: Annotated[InstanceOf[Settings], Field(default_factory=dict, validate_default=True)]
    output: Output = Output()

    @field_validator("optimization", mode="before")
    @classmethod
    def _of_the_kind(cls, given: Any, info: ValidationInfo) -> Settings:
        kind: type[Settings] = info.context  # type: ignore[assignment]
        return _settings(kind, given)

    @property
    def folder(self) -> Path:
        """The folder for the files."""
        return self.output.folder or Path("out") / f"predictor-{self.predictor.kind}"

    def to_yaml(self) -> str:
        """Every key with its value: a configuration file that repeats the run."""
        document = self.model_dump(mode="json")
        document["optimization"] = asdict(self.optimization)
        document["output"]["folder"] = str(self.folder)
        return yaml.safe_dump(document, sort_keys=False)


def _settings(kind: type[Settings], given: Any) -> Settings:
    """Settings from a section of keys.

    Raises:
        ValidationError: unknown keys, or values that the settings refuse. Pydantic prepends the section's name.
    """
    if not isinstance(given, Mapping):
        raise _refused(kind, InitErrorDetails(type="model_type", loc=(), input=given, ctx={"class_name": "Settings"}))
    declared = get_type_hints(kind)
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise _refused(
            kind, *(InitErrorDetails(type="extra_forbidden", loc=(str(key),), input=given[key]) for key in unknown)
        )
    values = dict(given)
    for name in given:
        if is_dataclass(declared[name]):
            try:
                values[name] = _settings(declared[name], given[name])
            except ValidationError as error:
                raise _refused(kind, *(_inside(name, dict(problem)) for problem in error.errors())) from None
    try:
        return kind(**values)
    except ConfigError as error:
        details = InitErrorDetails(type="value_error", loc=(), input=given, ctx={"error": error})
        raise _refused(kind, details) from None


def _refused(kind: type[Settings], *details: InitErrorDetails) -> ValidationError:
    return ValidationError.from_exception_data(kind.__name__, list(details))


def _inside(section: str, problem: dict[str, Any]) -> InitErrorDetails:
    """A problem of a section inside another one."""
    return InitErrorDetails(
        type=problem["type"], loc=(section, *problem["loc"]), input=problem["input"], ctx=problem.get("ctx", {})
    )


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> Configuration:
    """Read a configuration file, and override keys by texts such as `optimization.epochs=50`.

    Raises:
        ConfigError: a file that cannot be read or is not YAML; a key that is unknown (the message names the closest
            known one) or occurs twice; a value of the wrong type or out of range.
    """
    file = as_path(path, "config")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"Expected a configuration file. Got {file}: {reason}. See the examples in configs."
        ) from None
    document = _sections(read_yaml(text, str(file)))
    for override in overrides:
        _override(document, override)
    return _validated(document)


def _sections(document: Any) -> dict[str, Any]:
    """The document's sections; a section without keys, which YAML reads as null, becomes an empty one."""
    if not isinstance(document, dict | None):
        raise ConfigError(f"Expected sections such as data, predictor and optimization. Got {quoted(document)}.")
    return {name: {} if section is None else section for name, section in (document or {}).items()}


def _override(document: dict[str, Any], override: str) -> None:
    keys, equals, value = override.partition("=")
    if not equals or not all(keys.split(".")):
        raise ConfigError(f"Expected --set KEY=VALUE, such as --set optimization.epochs=50. Got {quoted(override)}.")
    *sections, key = keys.strip().split(".")
    place = document
    for depth, name in enumerate(sections, start=1):
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise ConfigError(f"Expected {'.'.join(sections[:depth])} to be a section of keys. Got {quoted(place)}.")
    place[key] = read_yaml(value, f"the value of {keys}")


def _validated(document: dict[str, Any]) -> Configuration:
    settings = _settings_class(document.get("predictor"))
    try:
        return Configuration.model_validate(document, context=settings)
    except ValidationError as error:
        known = [*_keys(Configuration), *_keys(settings, "optimization.")]
        problems = [_problem(dict(problem), known) for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(problems)) from None


def _settings_class(predictor: Any) -> type[Settings]:
    """The class of the settings that the section `predictor` asks for; the default kind's if it names no kind."""
    kind = predictor.get("kind") if isinstance(predictor, dict) else None
    return KINDS[kind if isinstance(kind, str) and kind in KINDS else Learner().kind].settings


def _keys(section: type[BaseModel] | type[Settings], prefix: str = "") -> Iterator[str]:
    """The dotted names of every key and section."""
    if issubclass(section, BaseModel):
        declared = {name: field.annotation for name, field in section.model_fields.items()}
    else:
        hints = get_type_hints(section)
        declared = {field.name: hints[field.name] for field in fields(section)}
    for name, kind in declared.items():
        yield prefix + name
        if isinstance(kind, type) and issubclass(kind, (BaseModel, Settings)) and kind is not Settings:
            yield from _keys(kind, f"{prefix}{name}.")


_EXPECTED = {
    "model_type": "a section of keys",
    "tuple_type": "a list",
    "too_short": "a list that is not empty",
    "string_too_short": "a text that is not empty",
    "path_type": "a path",
}


def _problem(problem: dict[str, Any], known: Sequence[str]) -> str:
    """One of pydantic's errors in the words of this package."""
    *sections, last = (str(part) for part in problem["loc"] if part != "[key]")
    section = "".join(f"{name}." for name in sections)
    key = section + last
    if problem["type"] in ("extra_forbidden", "invalid_key"):
        same = [name for name in known if name.rpartition(".")[2] == last]
        beside = {name.rpartition(".")[2]: name for name in reversed(known) if name.startswith(section)}
        if "." not in key and not same and not get_close_matches(key, beside, n=1):
            every = ", ".join(name for name in known if "." not in name)
            return f"There is no section {quoted(key)}. The sections are {every}."
        closest = same[0] if same else beside[get_close_matches(last, beside, n=1, cutoff=0)[0]]
        return f"Expected a known key. Got {quoted(key)}. Did you mean {closest}?"
    refused = problem.get("ctx", {}).get("error")
    if isinstance(refused, ConfigError):
        return refused.worded(lambda field: Name(f"{key}.{field}"))
    expected = _EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Input should be ")
    return f"Expected {key} to be {expected}. Got {quoted(problem['input'])}."
