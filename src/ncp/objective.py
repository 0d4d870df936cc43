"""What is wanted, an objective over predicted values, and what is allowed, a budget of exact cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ncp.cost import Head, ImageSize, has_cost, macs, params, require_countable
from ncp.errors import ConfigError, InfeasibleError, quoted
from ncp.space import Codes, Space

FLOOR = 10.0
"""What a standard deviation below a floor takes off a score: more than any objective gives."""


@dataclass(frozen=True)
class Objective:
    """A weighted mean of columns, each in standard deviations from its mean over a table (z-scores), above floors.

    >>> Objective({"seg/mIoU": 1.0, "video/top1": 1.0}).resolve(["seg/mIoU", "seg/mAcc", "video/top1"])
    [0, 2]

    Args:
        weights: column to weight; a negative weight asks for small values. A task's name stands for its first column,
            a metric's for the one column that has it.
        caution: standard deviations of the predictor's curve that are taken off: a searcher that believes its
            predictor's best guess finds the predictor's errors.
        at_least: floors of columns or tasks [raw units], whether they have a weight or not; of a minimised column the
            most that is allowed. A search returns no code that is predicted below one.

    Raises:
        ConfigError: no weights, one that is zero or no finite number, or a floor that is no finite number.
    """

    weights: Mapping[str, float]
    caution: float = 0.0
    at_least: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        weights = dict(self.weights) if isinstance(self.weights, Mapping) else {}
        if not weights or not all(_finite(weight) and weight != 0 for weight in weights.values()):
            raise ConfigError(
                "Expected at least one column with a weight that is not zero, such as {'seg/mIoU': 1.0}. "
                f"Got {quoted(self.weights)}."
            )
        if not _finite(self.caution) or self.caution < 0:
            raise ConfigError(f"Expected zero or more standard deviations of caution. Got {quoted(self.caution)}.")
        if not isinstance(self.at_least, Mapping):
            raise ConfigError(f"Expected floors by column, such as {{'seg/mIoU': 76}}. Got {quoted(self.at_least)}.")
        if not all(_finite(floor) for floor in self.at_least.values()):
            raise ConfigError(f"Expected one finite number per column as a floor. Got {quoted(dict(self.at_least))}.")
        for name, numbers in (("weights", weights), ("at_least", self.at_least)):
            object.__setattr__(self, name, MappingProxyType({k: float(x) for k, x in numbers.items()}))

    def resolve(self, columns: Sequence[str]) -> list[int]:
        """Where the columns that have a weight lie among `columns`.

        Raises:
            ConfigError: a name that is neither a column nor a task, with the closest one.
        """
        return _places(self.weights, columns, "the objective")

    def floors(self, columns: Sequence[str]) -> dict[int, float]:
        """Floors by their column's place among `columns`.

        Raises:
            ConfigError: a name that is neither a column nor a task, with the closest one.
        """
        return dict(zip(_places(self.at_least, columns, "the floors"), self.at_least.values(), strict=True))

    def named(self, columns: Sequence[str]) -> list[int]:
        """Where the columns that have a weight or a floor lie among `columns`."""
        return list(dict.fromkeys([*self.resolve(columns), *self.floors(columns)]))

    def score(self, mean: Any, std: Any, columns: Sequence[str], location: Any, unit: Any) -> Any:
        """The objective of values, arrays or tensors, less `FLOOR` for every standard deviation below a floor.

        Args:
            mean: values `(..., m)` in raw units.
            std: their standard deviations `(..., m)`, or None without caution.
            columns: m names.
            location: means of the columns over a table, `(m,)`.
            unit: standard deviations of the columns over a table, `(m,)`; negative where small values are better.

        Returns:
            `(...)`, in standard deviations.
        """
        total: Any = 0.0
        scale = sum(abs(weight) for weight in self.weights.values())
        for j, weight in zip(self.resolve(columns), self.weights.values(), strict=True):
            total = total + weight / scale * (mean[..., j] - location[j]) / unit[j]
            if self.caution and std is not None:
                total = total - self.caution * abs(weight) / scale * std[..., j] / abs(unit[j])
        return total - FLOOR * self.short(mean, columns, unit) if self.at_least else total

    def short(self, mean: Any, columns: Sequence[str], unit: Any) -> Any:
        """How far values `(..., m)` are below all floors together, `(...)` in standard deviations.

        Values of columns without a floor are never looked at: they may be NaN.
        """
        missing: Any = mean[..., :0].sum(-1)
        for j, floor in self.floors(columns).items():
            missing = missing + ((floor - mean[..., j]) / unit[j]).clip(min=0)
        return missing


def _places(names: Iterable[str], columns: Sequence[str], of: str) -> list[int]:
    """Where columns lie among `columns`, of which some are named by their task or metric."""
    tasks: dict[str, str] = {}
    for column in columns:
        tasks.setdefault(column.partition("/")[0], column)
    metrics = Counter(column.partition("/")[2] for column in columns)
    known = {m: c for c in columns if (m := c.partition("/")[2]) and metrics[m] == 1} | tasks
    found = []
    for name in names:
        if name not in columns and name not in known:
            close = get_close_matches(name, [*columns, *tasks], n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Tasks: {', '.join(tasks)}."
            raise ConfigError(f"Expected a task or a column, task/metric. Got {quoted(name)}. {hint}")
        found.append(columns.index(name if name in columns else known[name]))
    if len(set(found)) < len(found):
        raise ConfigError(f"Expected every column once in {of}. Got {quoted(list(names))}.")
    return found


class LatencyOf(Protocol):
    """What predicts latencies `(n,)` [ms] of codes and of relaxed codes, as `ncp.LatencyModel` does."""

    space: Space

    def __call__(self, codes: Any) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Budget:
    """Bounds on exact cost, which no returned code exceeds, and on predicted latency.

    Args:
        max_macs: most multiply-adds [MACs]; None for no bound.
        max_params: most parameters; None for no bound.
        image_size: height and width at which multiply-adds are counted [pixels], multiples of 32.
        classes: outputs of the classifier that is counted.
        task: what the counted network ends in: `classification`, `segmentation` or `features`.
        max_latency_ms: highest latency [ms], as `latency` predicts it; None for no bound.
        latency: predicts latencies on a machine: `ncp.load_latency`.

    Raises:
        ConfigError: a bound that is no positive number, one on latency without what predicts it, or an image size,
            number of classes or task that is none.
    """

    max_macs: float | None = None
    max_params: float | None = None
    image_size: ImageSize = 128
    classes: int = 50
    task: Head = "classification"
    max_latency_ms: float | None = None
    latency: LatencyOf | None = None

    def __post_init__(self) -> None:
        for name in ("max_macs", "max_params", "max_latency_ms"):
            bound = getattr(self, name)
            if bound is not None and not (_finite(bound) and bound > 0):
                raise ConfigError(f"Expected a positive number as {name}. Got {quoted(bound)}.")
        if self.max_latency_ms is not None and self.latency is None:
            raise ConfigError(
                "Expected what predicts latencies for a bound on them. Got none. "
                "Measure this machine with ncp profile --calibrate, and give ncp.load_latency(FILE) as latency."
            )
        require_countable(self.image_size, self.classes, self.task)

    @property
    def bounds(self) -> list[float]:
        """The bounds that there are."""
        every = (self.max_macs, self.max_params, self.max_latency_ms)
        return [float(bound) for bound in every if bound is not None]

    def costs(self, codes: Any) -> list[Any]:
        """What the bounds are on, for codes or a tensor of relaxed codes; one array or tensor per bound."""
        counted = []
        if self.max_macs is not None:
            counted.append(macs(codes, self.image_size, self.classes, self.task))
        if self.max_params is not None:
            counted.append(params(codes, self.classes, self.task))
        if self.max_latency_ms is not None and self.latency is not None:
            counted.append(self.latency(codes))
        return counted

    def allows(self, codes: Any) -> NDArray[np.bool_]:
        """Which of many codes are within the budget, `(n,)`."""
        allowed = np.ones(len(codes), dtype=bool)
        for cost, bound in zip(self.costs(codes), self.bounds, strict=True):
            allowed &= cost <= bound
        return allowed

    def require(self, space: Space, smallest: Codes, frozen: Sequence[str] = ()) -> None:
        """Refuse a budget that even the smallest codes, `(n, d)`, exceed; `frozen` dimensions are named as a reason.

        Raises:
            InfeasibleError: with the smallest cost.
            ConfigError: a space whose costs are not known.
        """
        if not self.bounds:
            return
        if not has_cost(space):
            raise ConfigError("Expected a space whose exact cost is known for a budget. Got another. Leave it out.")
        units = {
            "max_macs": ("MMACs", 1e6, "gmacs", 1e9),
            "max_params": ("M params", 1e6, "mparams", 1e6),
            "max_latency_ms": ("ms", 1.0, "latency-ms", 1.0),
        }
        names = [name for name in units if getattr(self, name) is not None]
        for name, cost, bound in zip(names, self.costs(smallest), self.bounds, strict=True):
            least = float(cost.max())
            if least > bound:
                unit, shown, flag, size = units[name]
                kept = f" with {', '.join(frozen)} as they are" if frozen else ""
                raise InfeasibleError(
                    f"No code{kept} costs {bound / shown:.4g} {unit} or less: the smallest costs {least / shown:.4g}. "
                    f"Raise --max-{flag} to at least {_rounded_up(least / size)}{', or freeze less' if frozen else ''}."
                )


def _rounded_up(number: float) -> str:
    return f"{math.ceil(number * 1e4) / 1e4:.4f}".rstrip("0").rstrip(".")


def _finite(number: Any) -> bool:
    real = isinstance(number, (int, float, np.integer, np.floating)) and not isinstance(number, bool)
    return real and math.isfinite(number)
