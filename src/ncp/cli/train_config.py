"""Configuration files of `ncp train`: YAML, overridden key by key, and refused with the key's name where wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ncp.errors import ConfigError, Name, quoted
from ncp.io.files import as_path
from ncp.io.yaml import read_yaml
from ncp.predictors.blend import BlendSettings
from ncp.predictors.ensemble import EnsembleSettings
from ncp.predictors.fitting import Settings
from ncp.predictors.gp import GpSettings
from ncp.predictors.mlp import MlpSettings

Seed = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
Whole = Annotated[int, Field(strict=True)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[Real, Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A part of a configuration: known keys only, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """What is learned: a table by name or path, and its columns or tasks (all of them if null)."""

    table: Text = "nas-bench-mr"
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    only_sampled: Annotated[bool, Field(strict=True)] = True
    """Test on rows drawn at random only. Rows that were added by hand are never trained on, whatever stands here."""


class Split(Section):
    """Which rows are held out, see `Table.split`."""

    seed: Seed = 0
    test_size: Share = 0.2


class Learner(Section):
    """What learns."""

    kind: Literal["default", "mlp", "ensemble", "gp", "transfer"] = "default"
    seed: Seed = 0


class Output(Section):
    """Where the files go; `out/train-KIND` if null."""

    folder: Path | None = None


class Optimization(Section):
    """How a kind of predictor is trained; the settings know their bounds."""

    def settings(self) -> Settings:
        """The same for `fit_predictor`."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _within_bounds(self) -> Self:
        self.settings()
        return self


class EnsembleOptimization(Optimization):
    """See `EnsembleSettings`."""

    hidden: tuple[Whole, ...] = EnsembleSettings.hidden
    members: Whole = EnsembleSettings.members
    epochs: Whole = EnsembleSettings.epochs
    batch: Whole = EnsembleSettings.batch
    dropout: Real = EnsembleSettings.dropout
    learning_rate: Real = EnsembleSettings.learning_rate
    weight_decay: Real = EnsembleSettings.weight_decay
    held_out: Real = EnsembleSettings.held_out

    def settings(self) -> EnsembleSettings:
        """The same for `fit_predictor`."""
        return EnsembleSettings(**dict(self))


class GpOptimization(Optimization):
    """See `GpSettings`."""

    inducing: Whole = GpSettings.inducing
    subset: Whole = GpSettings.subset
    steps: Whole = GpSettings.steps
    learning_rate: Real = GpSettings.learning_rate

    def settings(self) -> GpSettings:
        """The same for `fit_predictor`."""
        return GpSettings(**dict(self))


class MlpOptimization(Optimization):
    """See `MlpSettings`."""

    epochs: Whole = MlpSettings.epochs
    batch: Whole = MlpSettings.batch
    dropout: Real = MlpSettings.dropout
    learning_rate: Real = MlpSettings.learning_rate
    weight_decay: Real = MlpSettings.weight_decay
    held_out: Real = MlpSettings.held_out

    def settings(self) -> MlpSettings:
        """The same for `fit_predictor`."""
        return MlpSettings(**dict(self))


class BlendOptimization(EnsembleOptimization):
    """The ensemble's keys, and under `gp` the Gaussian processes'."""

    gp: GpOptimization = GpOptimization()

    def settings(self) -> BlendSettings:
        """The same for `fit_predictor`."""
        return BlendSettings(**{**dict(self), "gp": self.gp.settings()})


AnyOptimization = TypeVar("AnyOptimization", bound=Optimization)


class Configuration(Section, Generic[AnyOptimization]):
    """Everything that `ncp train` goes by."""

    data: Data = Data()
    split: Split = Split()
    predictor: Learner = Learner()
    optimization: AnyOptimization
    output: Output = Output()

    @property
    def folder(self) -> Path:
        """Where the files go."""
        return self.output.folder or Path("out") / f"train-{self.predictor.kind}"

    def to_yaml(self) -> str:
        """Every key with its value: a configuration file that does the same again."""
        document = self.model_dump(mode="json")
        document["output"]["folder"] = str(self.folder)
        return yaml.safe_dump(document, sort_keys=False)


MODELS: dict[str, type[Configuration[Any]]] = {
    "default": Configuration[BlendOptimization],
    "mlp": Configuration[MlpOptimization],
    "ensemble": Configuration[EnsembleOptimization],
    "gp": Configuration[GpOptimization],
    "transfer": Configuration[GpOptimization],
}


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> Configuration[Any]:
    """Read a configuration file, then let texts such as `optimization.epochs=50` override it.

    Raises:
        ConfigError: no such file, no YAML, a key that is not known (with the closest one that is), given twice, or
            whose value has the wrong type or lies out of range.
    """
    file = as_path(path, "config")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"Expected a configuration file. Got {file}: {reason}. See the examples in configs."
        ) from None
    document = _sections(read_yaml(text, f"in {file}"))
    for override in overrides:
        _override(document, override)
    return _validated(document)


def _sections(document: Any) -> dict[str, Any]:
    """The document's sections; one whose keys are all left out is an empty one."""
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
    place[key] = read_yaml(value, f"as the value of {keys}")


def _validated(document: dict[str, Any]) -> Configuration[Any]:
    predictor = document.get("predictor")
    kind = predictor.get("kind") if isinstance(predictor, dict) else None
    model = MODELS[kind if isinstance(kind, str) and kind in MODELS else "default"]
    try:
        return model.model_validate({"optimization": {}, **document})
    except ValidationError as error:
        known = list(_keys(model))
        problems = [_problem(dict(problem), known) for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(problems)) from None


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The dotted names of every key and section."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")


_EXPECTED = {
    "model_type": "a section of keys",
    "tuple_type": "a list",
    "too_short": "a list that is not empty",
    "string_too_short": "a text that is not empty",
    "path_type": "a path",
}


def _problem(problem: dict[str, Any], known: Sequence[str]) -> str:
    """One of pydantic's errors in this package's words."""
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
        return refused.said(lambda field: Name(f"{key}.{field}"))
    expected = _EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Input should be ")
    return f"Expected {key} to be {expected}. Got {quoted(problem['input'])}."
