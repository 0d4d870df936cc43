"""Configuration files of `ncp train-predictor`: YAML, overridden key by key; an error names the key that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import yaml
from pydantic import Field, InstanceOf, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails

from ncp.errors import ConfigError, quoted
from ncp.io.files import as_path, reason_of
from ncp.io.yaml import read_yaml
from ncp.io.yaml_sections import Section, keys, problem_text, set_key
from ncp.predictors.fitting import KINDS, Kind
from ncp.predictors.settings import Settings

Seed = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
TestSize = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class Data(Section):
    """The data to learn from.

    Attributes:
        table: a table's name or path.
        columns: columns or tasks; all columns if null.
        only_sampled: test on randomly sampled rows only. Rows that were added by hand are never trained on.
        without_flags: leave out rows with one of these flags, both to train and to test.
    """

    table: Text = "nas-bench-mr"
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    only_sampled: Annotated[bool, Field(strict=True)] = True
    without_flags: tuple[Text, ...] = ()


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


def read_config(path: str | Path | None, overrides: Sequence[str] = ()) -> Configuration:
    """Read a configuration file, and override keys by texts such as `optimization.epochs=50`.

    Without a file, every key has its default.

    Raises:
        ConfigError: a file that cannot be read or is not YAML; a key that is unknown (the message names the closest
            known one) or occurs twice; a value of the wrong type or out of range.
    """
    document = {} if path is None else _sections(_content(as_path(path, "config")))
    for override in overrides:
        set_key(document, override, "optimization.epochs=50")
    return _validated(document)


def _content(file: Path) -> Any:
    """The content of a YAML file.

    Raises:
        ConfigError: the file cannot be read, or it is not YAML.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"Cannot read the configuration file {file}: {reason_of(error)}. Leave out --config to use every default."
        ) from None
    return read_yaml(text, str(file))


def _sections(document: Any) -> dict[str, Any]:
    """The document's sections; a section without keys, which YAML reads as null, becomes an empty one."""
    if not isinstance(document, dict | None):
        raise ConfigError(f"Expected sections such as data, predictor and optimization. Got {quoted(document)}.")
    return {name: {} if section is None else section for name, section in (document or {}).items()}


def _validated(document: dict[str, Any]) -> Configuration:
    settings = _settings_class(document.get("predictor"))
    try:
        return Configuration.model_validate(document, context=settings)
    except ValidationError as error:
        known = [*keys(Configuration), *_setting_keys(settings, "optimization.")]
        problems = [problem_text(dict(problem), known) for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(problems)) from None


def _settings_class(predictor: Any) -> type[Settings]:
    """The class of the settings that the section `predictor` asks for; the default kind's if it names no kind."""
    kind = predictor.get("kind") if isinstance(predictor, dict) else None
    return KINDS[kind if isinstance(kind, str) and kind in KINDS else Learner().kind].settings


def _setting_keys(settings: type[Settings], prefix: str) -> Iterator[str]:
    """The dotted names of every setting and section."""
    hints = get_type_hints(settings)
    for name in (field.name for field in fields(settings)):
        yield prefix + name
        kind = hints[name]
        if isinstance(kind, type) and issubclass(kind, Settings) and kind is not Settings:
            yield from _setting_keys(kind, f"{prefix}{name}.")
