"""Task files: what to train on, of which kind, and with which recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ncp.cost import Counting
from ncp.errors import ConfigError, DataError, quoted
from ncp.io.files import as_path, file_sha256, reason_of
from ncp.io.yaml import read_yaml
from ncp.io.yaml_sections import set_key, validated
from ncp.progress import Progress, quiet
from ncp.tasks.command import KIND as COMMAND
from ncp.tasks.command import CommandSection, CommandTask, command_task
from ncp.tasks.decoded import Prepared, prepare
from ncp.tasks.kind import Kind, Listing
from ncp.tasks.kinds import KINDS
from ncp.tasks.presets import with_preset
from ncp.tasks.recipe import NAMED, DataSection, Recipe, with_short_warmup

FORMAT = 1
"""Version of task files."""
SHARED_KEYS = ("format", "name", "kind")
KEYS = (*SHARED_KEYS, "data", "recipe")
COMMAND_KEYS = (*SHARED_KEYS, *CommandSection.model_fields)


@dataclass(frozen=True)
class Task:
    """A data set, a kind and a recipe.

    Attributes:
        name: the name of its columns, as in `roads/mIoU`.
        kind: what is predicted and how it is scored.
        folder: the folder of the data.
        data: the section `data`, with every default.
        recipe: the section `recipe`, with every default.
        remarks: sentences on defaults that do not suit this recipe, and were changed.
    """

    name: str
    kind: Kind
    folder: Path
    data: Any
    recipe: Any
    remarks: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def listing(self) -> Listing:
        """Classes and samples, by the names of files.

        Raises:
            DataError: data that is missing.
        """
        return self.kind.listing(self.folder, self.data)

    @property
    def counting(self) -> Counting | None:
        """How exact cost is counted; None if it is not counted for this kind and image size."""
        return self.kind.counting(self.listing.classes, self.recipe)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table, the main one first."""
        return tuple(f"{self.name}/{metric}" for metric in self.kind.metrics)

    def prepare(self, progress: Progress = quiet) -> Prepared:
        """Check, hash and decode all samples, or find them in the cache.

        Raises:
            DataError: data that is missing or cannot be used.
        """
        return prepare(self.kind, self.folder, self.listing, self.data, self.recipe, progress)

    def identity(self, prepared: Prepared) -> dict[str, Any]:
        """What makes two trainings the same, besides code and seed: plain data.

        It contains the settings that differ from their defaults, so a new key in a later version does not change it. It
        also contains the version of the kind, which changes when the defaults change.
        """
        left_out = set(DataSection.model_fields)
        recipe = self.recipe.model_dump(mode="json", exclude_defaults=True)
        if self.recipe.pretrained is not None:
            recipe["pretrained"] = _digest(self.recipe.pretrained)
        return {
            "task": self.name,
            "kind": f"{self.kind.name} {self.kind.version}",
            "data": self.data.model_dump(mode="json", exclude=left_out, exclude_defaults=True),
            "recipe": recipe,
            "data_hash": prepared.data_hash,
        }

    def to_dict(self) -> dict[str, Any]:
        """Every key of the task file, with the folder of the data as an absolute path."""
        data = self.data.model_dump(mode="json") | {"path": str(self.folder.resolve())}
        recipe = self.recipe.model_dump(mode="json", exclude={"epochs"} if self.recipe.steps else None)
        return {"format": FORMAT, "name": self.name, "kind": self.kind.name, "data": data, "recipe": recipe}

    def to_yaml(self) -> str:
        """A task file with every default written out."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)


def load_task(path: str | Path, overrides: Sequence[str] = ()) -> Task | CommandTask:
    """Read a task file.

    >>> task = load_task("roads.yaml", ["recipe.epochs=5"])  # doctest: +SKIP

    Args:
        path: a YAML file. Paths in it are relative to its folder.
        overrides: values by dotted keys, as in `recipe.epochs=5`.

    Raises:
        ConfigError: the file cannot be read, is of another version, or has unknown keys or invalid values.
    """
    file = as_path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the task file {file}: {reason_of(error)}.") from None
    document = read_yaml(text, str(file))
    if not isinstance(document, dict):
        raise ConfigError(f"Expected the keys {', '.join(KEYS)} in {file}. Got {quoted(document)}.")
    _expand(document)
    for override in overrides:
        set_key(document, override, "recipe.epochs=5")
    return task_from_dict({"name": file.stem} | document, file.parent, str(file))


def task_from_dict(document: Mapping[str, Any], folder: Path = Path(), where: str = "the task") -> Task | CommandTask:
    """A task from the content of a task file.

    Args:
        document: the keys of the file.
        folder: what paths are relative to.
        where: what messages call the file.

    Raises:
        ConfigError: another version, unknown keys or invalid values.
    """
    kinds = (*KINDS, COMMAND)
    name, kind = document.get("name"), document.get("kind")
    known = COMMAND_KEYS if kind == COMMAND else KEYS
    if document.get("format", FORMAT) != FORMAT:
        raise ConfigError(
            f"{where} has format {quoted(document['format'])}, but this version of ncp reads format {FORMAT}. "
            "Update ncp, or rewrite the file."
        )
    unknown = [key for key in document if key not in known]
    if unknown:
        raise ConfigError(f"{where} has the unknown key {quoted(unknown[0])}. The keys are {', '.join(known)}.")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ConfigError(f"{where}: name must be letters, digits, dots, dashes and underscores. Got {quoted(name)}.")
    if not isinstance(kind, str) or kind not in kinds:
        raise ConfigError(f"{where}: kind must be one of {', '.join(kinds)}. Got {quoted(kind)}.")
    if kind == COMMAND:
        own = {key: value for key, value in document.items() if key not in SHARED_KEYS}
        return command_task(name, own, folder, where)
    found = KINDS[kind]
    data = validated(found.data, document.get("data"), "data.")
    written = document.get("recipe")
    recipe: Recipe = validated(found.recipe, with_preset(kind, written), "recipe.")
    recipe, remarks = with_short_warmup(recipe, written)
    if recipe.pretrained is not None:
        recipe = recipe.model_copy(update={"pretrained": (folder / recipe.pretrained.expanduser()).resolve()})
    return Task(name, found, folder / data.path.expanduser(), data, recipe, remarks)


def _expand(document: dict[str, Any]) -> None:
    """Write short forms such as `optimiser: adamw` as sections, so that overrides find them."""
    recipe = document.get("recipe")
    if isinstance(recipe, dict):
        for key in NAMED:
            if isinstance(recipe.get(key), str):
                recipe[key] = {"name": recipe[key]}


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"Cannot read the weights {path}: {error.strerror}.") from None
