"""Settings of predictors: dataclasses whose fields declare their bounds, checked when an object is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from ncp.errors import ConfigError
from ncp.numbers import as_count, as_items, as_number

Count = Annotated[int, Ge(1)]
Share = Annotated[float, Ge(0), Lt(1)]
LearningRate = Annotated[float, Gt(0), Le(1)]
WeightDecay = Annotated[float, Ge(0)]
HeldOut = Annotated[float, Gt(0), Le(0.5)]


@dataclass(frozen=True)
class Settings:
    """How a predictor of some kind is fitted; each kind has its own subclass.

    A field is an integer or a number, annotated with its bounds, a tuple of such (at least one), or other settings.
    Numbers of numpy become Python's.

    Raises:
        ConfigError: a field out of its bounds or of another type.
    """

    def __post_init__(self) -> None:
        for name, declared in get_type_hints(type(self), include_extras=True).items():
            object.__setattr__(self, name, _checked(getattr(self, name), declared, name))


def _checked(value: Any, declared: Any, field: str) -> Any:
    if get_origin(declared) is tuple:
        items = as_items(value, field, "integers")
        if not items:
            raise ConfigError("{field} must be a list of at least one integer. Got {given}.", field=field, given=value)
        return tuple(_checked(item, get_args(declared)[0], field) for item in items)
    if isinstance(declared, type) and issubclass(declared, Settings):
        if not isinstance(value, declared):
            raise ConfigError(
                "{field} must be of the class {wanted}. Got {given}.",
                field=field,
                given=value,
                wanted=declared.__name__,
            )
        return value
    kind, *bounds = get_args(declared)
    limits: dict[type, Any] = {type(bound): bound for bound in bounds}
    if kind is int:
        return as_count(value, field, least=limits[Ge].ge)
    return as_number(
        value,
        field,
        above=limits[Gt].gt if Gt in limits else None,
        least=limits[Ge].ge if Ge in limits else None,
        below=limits[Lt].lt if Lt in limits else None,
        most=limits[Le].le if Le in limits else None,
    )
