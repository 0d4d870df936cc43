"""What a search maximises: a weighted mean of columns with minimum values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Never

from ncp.errors import ConfigError
from ncp.numbers import is_finite
from ncp.tables.columns import first_of, spelling

SHORTFALL_PENALTY = 10.0
"""Score taken off per standard deviation below a minimum value: more than any objective gains."""


class Numbers(dict[str, float]):
    """Numbers by name. They cannot be changed, so they can be hashed."""

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
        weights: weight by column. A task's name means its first column, a metric's name the only column with it.
            A negative weight asks for small values of a column in which large values are better.
        uncertainty_penalty: epistemic standard deviations that are subtracted from predicted values (a lower confidence
            bound), so that a search does not exploit the predictor's errors.
        at_least: minimum values by column or task [raw units]; for a minimised column the largest value that is
            allowed. The column needs no weight. A search returns no code that was measured to be worse, or that is
            predicted to be worse if it was not measured.

    Raises:
        ConfigError: no weights, a weight that is zero or not finite, a minimum value that is not finite, or a negative
            uncertainty penalty.
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
        if not is_finite(self.uncertainty_penalty) or self.uncertainty_penalty < 0:
            raise ConfigError(
                "{field} must be zero or a positive number. Got {given}.",
                field="uncertainty_penalty",
                given=self.uncertainty_penalty,
            )
        object.__setattr__(self, "uncertainty_penalty", float(self.uncertainty_penalty))

    def resolve(self, columns: Sequence[str]) -> list[int]:
        """The places among `columns` of the columns that have a weight.

        Raises:
            ConfigError: a name that is neither a column nor a task, with the closest one.
        """
        return _places(self.weights, columns, "objective")

    def minimums(self, columns: Sequence[str]) -> dict[int, float]:
        """Minimum values by the place of their column among `columns`.

        Raises:
            ConfigError: a name that is neither a column nor a task, with the closest one.
        """
        return dict(zip(_places(self.at_least, columns, "at_least"), self.at_least.values(), strict=True))

    def named(self, columns: Sequence[str]) -> list[int]:
        """The places among `columns` of the columns that have a weight or a minimum value."""
        return list(dict.fromkeys([*self.resolve(columns), *self.minimums(columns)]))

    def plain(self) -> Objective:
        """The same weights without an uncertainty penalty and minimum values."""
        return Objective(self.weights)

    def require_direction(self, columns: Sequence[str], minimised: Sequence[str]) -> None:
        """Refuse a negative weight of a minimised column, which would ask for its largest values.

        Raises:
            ConfigError: a negative weight, with its column.
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
        """The objective of values, arrays or tensors, less `SHORTFALL_PENALTY` per standard deviation below a minimum.

        Args:
            mean: values `(..., m)` in raw units.
            std: their epistemic standard deviations `(..., m)`; None to leave the uncertainty penalty out.
            columns: m names.
            location: means of the columns over a table, `(m,)`.
            unit: standard deviations of the columns over a table, `(m,)`; negative for minimised columns.

        Returns:
            `(...)`, in standard deviations.
        """
        total: Any = 0.0
        scale = sum(abs(weight) for weight in self.weights.values())
        for j, weight in zip(self.resolve(columns), self.weights.values(), strict=True):
            total = total + weight / scale * (mean[..., j] - location[j]) / unit[j]
            if self.uncertainty_penalty and std is not None:
                total = total - self.uncertainty_penalty * abs(weight) / scale * std[..., j] / abs(unit[j])
        if self.at_least:
            total = total - SHORTFALL_PENALTY * self.shortfall(mean, columns, unit)
        return total

    def shortfall(self, mean: Any, columns: Sequence[str], unit: Any) -> Any:
        """How far values `(..., m)` are below all minimum values together, `(...)` [standard deviations].

        Columns without a minimum value may be NaN.
        """
        missing: Any = mean[..., :0].sum(-1)  # zeros of the right shape and kind
        for j, minimum in self.minimums(columns).items():
            missing = missing + ((minimum - mean[..., j]) / unit[j]).clip(min=0)
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
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(n, str) and n for n in names):
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
    """The numbers of an argument by name, all finite; weights that are not zero."""
    for key, number in given.items():
        if not isinstance(key, str) or not is_finite(number) or (name == "weights" and number == 0):
            kind = "a finite number that is not zero" if name == "weights" else "a finite number"
            raise ConfigError(
                f"{{field}} must give every column {kind}. Got {{given}}.", field=name, given={key: number}
            )
    return Numbers({key: float(number) for key, number in given.items()})


def _places(names: Iterable[str], columns: Sequence[str], of: str) -> list[int]:
    """The places among `columns` of names of columns, tasks or metrics; `of` is the argument that errors name."""
    found = []
    for name in names:
        column = first_of(name, columns)
        if column is None:
            raise ConfigError(
                "{field} has no task or column {given}. {hint}", field=of, given=name, hint=spelling(name, columns)
            )
        found.append(columns.index(column))
    if len(set(found)) < len(found):
        raise ConfigError("{field} must name every column once. Got {given}.", field=of, given=list(names))
    return found
