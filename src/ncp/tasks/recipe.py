"""The sections `data` and `recipe` of a task file, with the defaults that all kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ncp.errors import ConfigError
from ncp.io.yaml_sections import Section

Count = Annotated[int, Field(strict=True, ge=1)]
NotNegativeCount = Annotated[int, Field(strict=True, ge=0)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Size = Annotated[tuple[Count, Count], BeforeValidator(lambda size: (size, size) if isinstance(size, int) else size)]
"""Height and width [pixels]; one number for a square."""


def ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    """Refuse a lower bound that is above the upper one.

    Raises:
        ConfigError: the bounds are in the wrong order.
    """
    if bounds[0] > bounds[1]:
        raise ConfigError(
            "{field} must be at most the second number, {upper}. Got {given}.",
            field="0",
            given=bounds[0],
            upper=f"{bounds[1]:g}",
        )
    return bounds


Scale = Annotated[tuple[Positive, Positive], AfterValidator(ascending)]
"""The smallest and the largest factor."""


class DataSection(Section):
    """Where the data is. Kinds add their own keys.

    Attributes:
        path: the folder of the data, relative to the task file.
        skip_bad: leave out files that cannot be used; else they stop the task.
        fast_hash: identify files by size and time of change instead of by content.
        cache: decode all samples once into the cache; else decode them again in every epoch.
    """

    path: Path
    skip_bad: Flag = False
    fast_hash: Flag = False
    cache: Flag = True


def _require_effect(section: Section, unused: tuple[str, ...]) -> None:
    """Refuse settings that the optimiser or schedule of this name would ignore.

    Raises:
        ConfigError: such a setting differs from its default.
    """
    for key in unused:
        value = getattr(section, key)
        if value != type(section).model_fields[key].default:
            raise ConfigError(
                "{field} has no effect on {name}, so remove it. Got {given}.",
                field=key,
                given=value,
                name=str(section.name),  # type: ignore[attr-defined]
            )


class Optimiser(Section):
    """The optimiser.

    Attributes:
        name: `sgd`, `adamw` or `adam` (whose weight decay is decoupled, too).
        lr: peak learning rate.
        momentum: momentum of `sgd`; the first beta of the others.
        nesterov: Nesterov's momentum, for `sgd`.
        beta2: the second beta of `adamw` and `adam`.
        weight_decay: weight decay; biases and parameters of batch norm have none unless `decay_all`.
        decay_all: decay every parameter.
        clip: largest norm of the gradient; 0 for no bound.
    """

    name: Literal["sgd", "adamw", "adam"] = "sgd"
    lr: Positive = 0.1
    momentum: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.9
    nesterov: Flag = True
    beta2: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.999
    weight_decay: NotNegative = 5e-4
    decay_all: Flag = False
    clip: NotNegative = 0.0

    @model_validator(mode="after")
    def _of_its_name(self) -> Self:
        _require_effect(self, ("beta2",) if self.name == "sgd" else ())
        return self


OPTIMISERS: dict[str, dict[str, float]] = {
    "adamw": {"lr": 2e-3, "weight_decay": 0.05},
    "adam": {"lr": 2e-3, "weight_decay": 0.0},
}
"""Settings that differ from those of `sgd`, where a recipe names another optimiser than the kind's."""


class Schedule(Section):
    """The learning rate as a function of the step.

    Attributes:
        name: `cosine`, `poly`, `one-cycle` or `constant`.
        warmup: epochs of linear warm-up from 1 % of the peak; half of a training that is not longer than that.
            `one-cycle` has its own rise instead. A default is shortened in short trainings, see `with_short_warmup`.
        final: the last learning rate, as a share of the peak.
        power: exponent of `poly`.
        rise: share of `one-cycle` in which the rate rises, from a tenth of the peak.
    """

    name: Literal["cosine", "poly", "one-cycle", "constant"] = "cosine"
    warmup: NotNegative = 0.0
    final: Share = 0.0
    power: Positive = 0.9
    rise: Share = 0.4

    @model_validator(mode="after")
    def _of_its_name(self) -> Self:
        _require_effect(self, UNUSED[self.name])
        return self


UNUSED: dict[str, tuple[str, ...]] = {
    "cosine": ("power", "rise"),
    "poly": ("rise",),
    "one-cycle": ("power", "warmup"),
    "constant": ("final", "power", "rise"),
}
"""Settings that have no effect, by the name of the schedule."""
NAMED = ("optimiser", "schedule")
"""Sections that may be written as their name alone."""


class Recipe(Section):
    """Everything about the optimisation. Kinds add image sizes and augmentation.

    Attributes:
        epochs: passes over the training samples.
        steps: optimiser steps instead of epochs.
        batch: samples per step. A last smaller batch of an epoch is left out, unless it is the only one.
        optimiser: the optimiser.
        schedule: the learning rate.
        label_smoothing: share of the target that is spread over all classes.
        ema: decay of the moving average of weights and buffers, which is then evaluated and kept; 0 for none.
        precision: `float32`, `bfloat16` (mixed), or `auto`: bfloat16 on GPUs that have it.
        evaluate_every: epochs between evaluations; the last epoch is always evaluated.
        pretrained: weights to start from, a file of this package or of the authors; null for random ones.
    """

    epochs: Count = 20
    steps: Count | None = None
    batch: Count = 32
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    label_smoothing: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0
    ema: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    evaluate_every: Count = 1
    pretrained: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_one_length(cls, given: Any) -> Any:
        """Refuse both `epochs` and `steps`, of which one would be ignored; null stands for a key that is left out."""
        if not isinstance(given, dict):
            return given
        given = {key: value for key, value in given.items() if key != "epochs" or value is not None}
        if "epochs" in given and given.get("steps") is not None:
            raise ConfigError(
                "{field} and {steps} both set the length of the training. Remove one of them, or set it to null.",
                field="epochs",
                given=given["epochs"],
            )
        return given

    @model_validator(mode="before")
    @classmethod
    def _over_defaults(cls, given: Any) -> Any:
        """Take settings of optimiser and schedule that are not given from the defaults, if they are of that name."""
        if not isinstance(given, dict):
            return given
        sections = {}
        for key in NAMED:
            section = {"name": given[key]} if isinstance(given.get(key), str) else given.get(key)
            if isinstance(section, dict):
                usual = cls.model_fields[key].default
                name = section.get("name", usual.name)
                before = usual.model_dump() if name == usual.name else OPTIMISERS.get(str(name), {})
                sections[key] = {**before, **section}
        return {**given, **sections}


WARMUP = 0.2
"""The largest share of a training that a default warm-up takes, so that most steps have a falling learning rate."""


def with_short_warmup(recipe: Recipe, written: Any) -> tuple[Recipe, tuple[str, ...]]:
    """Shorten a warm-up that is a default, and is longer than the share `WARMUP` of the epochs.

    The shorter one is written into the recipe, so it identifies a run like one that the user wrote.

    Args:
        recipe: the recipe, with every default.
        written: the section `recipe` as the user wrote it. A warm-up in it stays as it is.

    Returns:
        the recipe, and remarks if it was changed. A training in steps is not: its epochs depend on the data.
    """
    section = written.get("schedule") if isinstance(written, Mapping) else None
    usual, most = recipe.schedule.warmup, round(WARMUP * recipe.epochs, 4)
    if recipe.steps or usual <= most or (isinstance(section, Mapping) and "warmup" in section):
        return recipe, ()
    schedule = recipe.schedule.model_copy(update={"warmup": most})
    remark = f"The default warm-up of {usual:g} epochs is shortened to {most:g}, {WARMUP:.0%} of this training."
    return recipe.model_copy(update={"schedule": schedule}), (remark, "Set recipe.schedule.warmup to choose another.")
