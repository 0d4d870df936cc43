"""What is wanted, an objective over predicted values, and what is allowed, a budget of exact cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Never, Protocol

import numpy as np
from numpy.typing import NDArray

from ncp.cost import Head, ImageSize, has_cost, macs, params, require_countable
from ncp.errors import CodeError, ConfigError, InfeasibleError, quoted
from ncp.spaces.arrays import Codes
from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Space

SHORTFALL_PENALTY = 10.0
"""What a standard deviation below a floor takes off a score: more than any objective gives."""


class Numbers(dict[str, float]):
    """Numbers by name that cannot be changed, so that they can be hashed."""

    def _refuse(self, *_: Any, **__: Any) -> Never:
        raise TypeError("the numbers of an objective cannot be changed: make another objective")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:  # a dict is filled item by item when it is unpickled or copied
        return Numbers, (dict(self),)


@dataclass(frozen=True)
class Objective:
    """A weighted mean of columns in z-scores (standard deviations from a table's mean), with minimum values.

    An objective is a value: it can be compared, hashed, copied and pickled.

    >>> Objective({"seg/mIoU": 1.0, "video/top1": 1.0}).resolve(["seg/mIoU", "seg/mAcc", "video/top1"])
    [0, 2]

    Args:
        weights: weight by column. A task's name stands for its first column, a metric's for the one column that has it.
            A negative weight asks for small values of a column in which large values are better.
        caution: the uncertainty penalty: standard deviations of the predictor's mean that are subtracted from its
            values (a lower confidence bound). It keeps a search from exploiting the predictor's errors.
        at_least: minimum values by column or task [raw units], whether the column has a weight or not; for a minimised
            column the largest value that is allowed. A search returns no code that is measured, or else
            predicted, to be worse.

    Raises:
        ConfigError: no weights, a weight that is zero or no finite number, or a minimum that is no finite number.
    """

    weights: Mapping[str, float]
    uncertainty_penalty: float = 0.0
    at_least: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping) or not self.weights:
            raise ConfigError(
                "{field} must give at least one column a weight, such as {example}. Got {given}.",
                field="weights",
                given=self.weights,
                example="{'seg/mIoU': 1}",
            )
        if not isinstance(self.at_least, Mapping):
            raise ConfigError(
                "{field} must give minimum values by column, such as {example}. Got {given}.",
                field="at_least",
                given=self.at_least,
                example="{'seg/mIoU': 76}",
            )
        for name, numbers in (("weights", self.weights), ("at_least", self.at_least)):
            object.__setattr__(self, name, _numbers(name, numbers))
        if not _finite(self.uncertainty_penalty) or self.uncertainty_penalty < 0:
            raise ConfigError(
                "{field} must be zero or a positive number. Got {given}.",
                field="uncertainty_penalty",
                given=self.uncertainty_penalty,
            )
        object.__setattr__(self, "uncertainty_penalty", float(self.uncertainty_penalty))

    def resolve(self, columns: Sequence[str]) -> list[int]:
        """Where the columns that have a weight lie among `columns`.

        Raises:
            ConfigError: a name that is neither a column nor a task, with the closest one.
        """
        return _places(self.weights, columns, "objective")

    def minimums(self, columns: Sequence[str]) -> dict[int, float]:
        """Minimum values by their column's place among `columns`.

        Raises:
            ConfigError: a name that is neither a column nor a task, with the closest one.
        """
        return dict(zip(_places(self.at_least, columns, "at_least"), self.at_least.values(), strict=True))

    def named(self, columns: Sequence[str]) -> list[int]:
        """Where the columns that have a weight or a minimum lie among `columns`."""
        return list(dict.fromkeys([*self.resolve(columns), *self.minimums(columns)]))

    def plain(self) -> Objective:
        """The weights alone: without an uncertainty penalty and minimum values."""
        return Objective(self.weights)

    def require_direction(self, columns: Sequence[str], minimised: Sequence[str]) -> None:
        """Refuse a negative weight of a minimised column, which would ask for its largest values.

        Raises:
            ConfigError: with the column.
        """
        for j, (name, weight) in zip(self.resolve(columns), self.weights.items(), strict=True):
            if weight < 0 and columns[j] in minimised:
                raise ConfigError(
                    "Small values of {column} are better, so its weight in {field} must be positive. Got {given}.",
                    field="objective",
                    given=f"{name}: {weight:g}",
                    column=columns[j],
                )

    def score(self, mean: Any, std: Any, columns: Sequence[str], location: Any, unit: Any) -> Any:
        """The objective of values, arrays or tensors, less `FLOOR` for every standard deviation below a minimum.

        Args:
            mean: values `(..., m)` in raw units.
            std: their standard deviations `(..., m)`, or None without an uncertainty penalty.
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
            if self.uncertainty_penalty and std is not None:
                total = total - self.uncertainty_penalty * abs(weight) / scale * std[..., j] / abs(unit[j])
        return total - SHORTFALL_PENALTY * self.shortfall(mean, columns, unit) if self.at_least else total

    def shortfall(self, mean: Any, columns: Sequence[str], unit: Any) -> Any:
        """How far values `(..., m)` are below all minimum values together, `(...)` in standard deviations.

        Values of columns without a minimum are never looked at: they may be NaN.
        """
        missing: Any = mean[..., :0].sum(-1)
        for j, floor in self.minimums(columns).items():
            missing = missing + ((floor - mean[..., j]) / unit[j]).clip(min=0)
        return missing


def as_objective(given: Any) -> Objective:
    """An objective from itself, a task or column, several of them (each with weight 1), or weights by column.

    >>> as_objective(["seg", "video"]) == Objective({"seg": 1, "video": 1})
    True

    Raises:
        ConfigError: anything else.
    """
    if isinstance(given, Objective):
        return given
    if isinstance(given, Mapping):
        return Objective(given)
    names = [given] if isinstance(given, str) and given else given if isinstance(given, (list, tuple)) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            "{field} must be a task or a column, a list of them, weights such as {example}, or an ncp.Objective. "
            "Got {given}.",
            field="objective",
            given=given,
            example="{'seg': 1, 'video': 2}",
        )
    if len(set(names)) < len(names):
        raise ConfigError("{field} must name every column once. Got {given}.", field="objective", given=given)
    return Objective(dict.fromkeys(names, 1.0))


def _numbers(name: str, given: Mapping[str, float]) -> Numbers:
    """Finite numbers by name; weights are not zero."""
    for key, number in given.items():
        if not isinstance(key, str) or not _finite(number) or (name == "weights" and number == 0):
            kind = "a finite number that is not zero" if name == "weights" else "a finite number"
            raise ConfigError(
                f"{{field}} must give every column {kind}. Got {{given}}.", field=name, given={key: number}
            )
    return Numbers({key: float(number) for key, number in given.items()})


def _places(names: Iterable[str], columns: Sequence[str], of: str) -> list[int]:
    """Where columns lie among `columns`, of which some are named by their task or metric; `of` is the argument."""
    tasks: dict[str, str] = {}
    for column in columns:
        tasks.setdefault(column.partition("/")[0], column)
    metrics = Counter(column.partition("/")[2] for column in columns)
    known = {m: c for c in columns if (m := c.partition("/")[2]) and metrics[m] == 1} | tasks
    found = []
    for name in names:
        if name not in columns and name not in known:
            every = list(dict.fromkeys([*columns, *known]))
            folded = {each.casefold(): each for each in reversed(every)}
            close = get_close_matches(name.casefold(), folded, n=1)
            hint = f"Did you mean {quoted(folded[close[0]])}?" if close else f"There are {_listed(columns)}."
            raise ConfigError("{field} has no task or column {given}. {hint}", field=of, given=name, hint=hint)
        found.append(columns.index(name if name in columns else known[name]))
    if len(set(found)) < len(found):
        raise ConfigError("{field} must name every column once. Got {given}.", field=of, given=list(names))
    return found


def _listed(columns: Sequence[str], most: int = 12) -> str:
    """The first names of many."""
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    return ", ".join(columns[:most]) + more


class LatencyOf(Protocol):
    """What predicts latencies `(n,)` [ms] of codes and of relaxed codes, as `ncp.LatencyModel` does."""

    space: Space

    def __call__(self, codes: Any) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Budget:
    """Bounds on exact cost, which no returned code exceeds, and on predicted latency.

    A budget is a value: it can be compared, hashed, copied and pickled.

    Args:
        max_macs: most multiply-adds [MACs]; None for no bound.
        max_params: most parameters; None for no bound.
        image_size: height and width at which multiply-adds are counted [pixels], multiples of 32.
        classes: outputs of the classifier that is counted.
        task: what the counted network ends in: `classification`, `segmentation` or `features`.
        max_latency_ms: highest latency [ms], as `latency` predicts it; None for no bound.
        latency: predicts latencies on a machine: `ncp.load_latency`.

    Raises:
        ConfigError: a bound that is no positive number, a bound on latency without a latency model, or an image size,
            number of classes or task that cannot be counted.
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
                raise ConfigError("{field} must be a positive number. Got {given}.", field=name, given=bound)
        if self.max_latency_ms is not None and self.latency is None:
            raise ConfigError(
                "{field} needs a latency model. Run `ncp profile --calibrate cpu.json` once, then pass {latency}.",
                field="max_latency_ms",
                given=self.max_latency_ms,
            )
        if self.latency is not None and not callable(self.latency):
            raise ConfigError(
                "{field} must be a latency model, from ncp.load_latency. Got {given}.",
                field="latency",
                given=self.latency,
            )
        require_countable(self.image_size, self.classes, self.task)
        for name in ("max_macs", "max_params", "max_latency_ms", "classes"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        size: Any = self.image_size
        whole = isinstance(size, (list, tuple))
        object.__setattr__(self, "image_size", tuple(int(side) for side in size) if whole else int(size))

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
        """Which codes are within the budget: `(n,)` for many, one truth value `()` for one code or its text."""
        one = _is_one(codes)
        if not self.bounds:
            return np.ones(() if one else len(codes), dtype=bool)
        rows = codes if isinstance(codes, np.ndarray) and codes.ndim == 2 else MULTIRES.codes(codes)
        allowed = np.ones(len(rows), dtype=bool)
        for cost, bound in zip(self.costs(rows), self.bounds, strict=True):
            allowed &= cost <= bound
        return allowed.reshape(()) if one else allowed

    def require(self, space: Space, smallest: Codes, frozen: Sequence[str] = ()) -> None:
        """Refuse a budget that even the smallest codes, `(n, d)`, exceed; `frozen` dimensions are named as a reason.

        Raises:
            InfeasibleError: with the smallest cost.
            ConfigError: a space whose costs are not known.
        """
        if not self.bounds:
            return
        names = [name for name in ("max_macs", "max_params", "max_latency_ms") if getattr(self, name) is not None]
        if not has_cost(space):
            raise ConfigError(
                "Budgets work only for NAS-Bench-MR networks. These codes have another space, so leave out {field}.",
                field=names[0],
                given=getattr(self, names[0]),
            )
        for name, cost, bound in zip(names, self.costs(smallest), self.bounds, strict=True):
            least = float(cost.max())
            if least > bound:
                raise InfeasibleError(
                    "{field} = {given} is below the cost of every code{frozen}. "
                    "Raise {field} to at least {least}{or_less}.",
                    field=name,
                    given=bound,
                    least=_rounded_up(least),
                    frozen=f" with {', '.join(frozen)} frozen" if frozen else "",
                    or_less=", or freeze less" if frozen else "",
                )


def as_budget(given: Any) -> Budget:
    """A budget from itself; None is no bound at all.

    Raises:
        ConfigError: anything else.
    """
    if given is None:
        return Budget()
    if not isinstance(given, Budget):
        raise ConfigError(
            "{field} must be an ncp.Budget, such as ncp.Budget(max_macs=4e9). Got {given}.", field="budget", given=given
        )
    return given


def _rounded_up(number: float) -> float:
    """A number in four digits, never below itself."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 3)
    return math.ceil(number / unit) * unit


def _finite(number: Any) -> bool:
    real = isinstance(number, (int, float, np.integer, np.floating)) and not isinstance(number, bool)
    return real and math.isfinite(number)


def _plain(number: Any) -> Any:
    """A number of numpy as Python's."""
    return number.item() if isinstance(number, np.generic) else number


def _is_one(codes: Any) -> bool:
    """Whether codes in any form are a single one: a text, an object with a vector, or a row of numbers.

    Raises:
        CodeError: what has neither.
    """
    if isinstance(codes, str) or hasattr(codes, "vector"):
        return True
    if getattr(codes, "ndim", 1) == 2:
        return False
    try:
        return len(codes) > 0 and _is_number(codes[0])
    except (TypeError, LookupError):
        raise CodeError(f"Expected one code or many. Got {quoted(codes)}.") from None


def _is_number(value: Any) -> bool:
    return not isinstance(value, str) and not hasattr(value, "vector") and np.ndim(value) == 0
