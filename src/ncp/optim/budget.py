"""What a search may spend: bounds on exact cost and on predicted latency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ncp.cost import Counting, Head, ImageSize, has_cost
from ncp.errors import CodeError, ConfigError, InfeasibleError, quoted
from ncp.numbers import is_finite
from ncp.spaces.arrays import Codes
from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Space

BOUNDS = ("max_macs", "max_params", "max_latency_ms")
"""Arguments of `Budget` that bound a cost."""


class LatencyOf(Protocol):
    """A model of latency, such as `ncp.LatencyModel`."""

    def __call__(self, codes: Any) -> Any:
        """Latencies `(n,)` [ms] of codes `(n, d)` or of a tensor of relaxed codes `(n, width)`."""


@dataclass(frozen=True)
class Budget:
    """Bounds on exact cost and on predicted latency. A search returns no code that exceeds one of them.

    A budget is a value: it can be compared, hashed, copied and pickled.

    Args:
        max_macs: most multiply-adds [MACs]; None for no bound.
        max_params: most parameters; None for no bound.
        image_size: height and width at which multiply-adds are counted [pixels], multiples of 32; when left out, those
            of the latency model, or 128.
        classes: outputs of the classifier that is counted; when left out, those of the latency model, or 50.
        task: what the network returns: `classification`, `segmentation` or `features`; when left out, as in the latency
            model, or `classification`.
        max_latency_ms: highest latency [ms], as `latency` predicts it; None for no bound.
        latency: a latency model of a machine, a runtime and a precision, from `ncp.load_latency`.

    Raises:
        ConfigError: a bound that is not a positive number, a bound on latency without a latency model, an image size,
            number of classes or task that cannot be counted, or an image size or task that is not the latency model's.
    """

    max_macs: float | None = None
    max_params: float | None = None
    image_size: ImageSize = None  # type: ignore[assignment]  # `__post_init__` replaces None here and below
    classes: int = None  # type: ignore[assignment]
    task: Head = None  # type: ignore[assignment]
    max_latency_ms: float | None = None
    latency: LatencyOf | None = None

    def __post_init__(self) -> None:
        for name in BOUNDS:
            bound = getattr(self, name)
            if bound is not None and not (is_finite(bound) and bound > 0):
                raise ConfigError("{field} must be a positive number. Got {given}.", field=name, given=bound)
            object.__setattr__(self, name, bound.item() if isinstance(bound, np.generic) else bound)
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
        measured = _measured(self.latency)
        for name in ("image_size", "classes", "task"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(measured or Counting(), name))
        counting = self.counting
        if measured is not None:
            _require_same_networks(counting, measured)
        object.__setattr__(self, "image_size", counting.image_size)
        object.__setattr__(self, "classes", counting.classes)

    @property
    def counting(self) -> Counting:
        """How multiply-adds and parameters are counted."""
        return Counting(self.image_size, self.classes, self.task)

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that are set, by the argument's name."""
        every = {name: getattr(self, name) for name in BOUNDS}
        return {name: float(bound) for name, bound in every.items() if bound is not None}

    def costs(self, codes: Any) -> dict[str, Any]:
        """The costs that are bounded, by the bound's name, of codes or of a tensor of relaxed codes `(n, width)`."""
        costs = {}
        if self.max_macs is not None:
            costs["max_macs"] = self.counting.macs(codes)
        if self.max_params is not None:
            costs["max_params"] = self.counting.params(codes)
        if self.max_latency_ms is not None and self.latency is not None:
            costs["max_latency_ms"] = self.latency(codes)
        return costs

    def allows(self, codes: Any) -> NDArray[np.bool_]:
        """Which codes are within the budget: `(n,)` for many, one truth value `()` for one code or its text."""
        one = _is_one(codes)
        if not self.bounds:
            return np.ones(() if one else len(codes), dtype=bool)
        rows = codes if isinstance(codes, np.ndarray) and codes.ndim == 2 else MULTIRES.codes(codes)
        allowed = np.ones(len(rows), dtype=bool)
        costs = self.costs(rows)
        for name, bound in self.bounds.items():
            allowed &= costs[name] <= bound
        return allowed.reshape(()) if one else allowed

    def require(self, space: Space, smallest: Codes, frozen: Sequence[str] = ()) -> None:
        """Refuse a budget that the smallest codes exceed.

        Args:
            space: of the codes.
            smallest: the cheapest code of every start, `(n, d)`.
            frozen: names of frozen dimensions, which the message gives as a reason.

        Raises:
            InfeasibleError: with the smallest cost.
            ConfigError: a space without exact cost.
        """
        bounds = self.bounds
        if not bounds:
            return
        if not has_cost(space):
            name, bound = next(iter(bounds.items()))
            raise ConfigError(
                "Budgets work only for NAS-Bench-MR networks. These codes have another space, so leave out {field}.",
                field=name,
                given=bound,
            )
        costs = self.costs(smallest)
        for name, bound in bounds.items():
            least = float(costs[name].max())
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
    """A budget from itself; None gives a budget without bounds.

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


def counting_text(counting: Counting) -> str:
    """What costs are counted for, in words.

    >>> counting_text(Counting((512, 1024), 19, "segmentation"))
    '512 x 1024 pixels, 19 classes, segmentation'
    """
    frames = "" if counting.frames is None else f" and {counting.frames} frames"
    classes = "" if counting.task == "features" else f", {counting.classes} classes"
    return f"{_pixels(counting)}{frames}{classes}, {counting.task}"


def _pixels(counting: Counting) -> str:
    height, width = counting.sides
    return f"{height} x {width} pixels"


def _measured(latency: Any) -> Counting | None:
    """How the costs of the networks are counted whose latency a model predicts; None if it does not know them.

    Sides are rounded up to multiples of 32, as in the model.
    """
    conditions = getattr(latency, "conditions", None)
    if conditions is None:
        return None
    height, width = (32 * math.ceil(side / 32) for side in conditions.image_size)
    return Counting((height, width), conditions.classes, conditions.task)


def _require_same_networks(counted: Counting, measured: Counting) -> None:
    """Refuse to count costs of other networks than those whose latency was measured.

    The number of classes may differ: it hardly changes the latency.

    Raises:
        ConfigError: another image size or head.
    """
    if _pixels(counted) != _pixels(measured):
        raise ConfigError(
            "{latency} was measured at {there}, but {field} is {here}. Leave out {field}, or calibrate at that size.",
            field="image_size",
            given=counted.image_size,
            here=_pixels(counted),
            there=_pixels(measured),
        )
    if counted.task != measured.task:
        raise ConfigError(
            "{latency} was measured with the head {there}, but {field} is {here}. Leave out {field}, or calibrate with "
            "that head.",
            field="task",
            given=counted.task,
            here=counted.task,
            there=measured.task,
        )


def _rounded_up(number: float) -> float:
    """A positive number rounded up to four digits."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 3)
    return math.ceil(number / unit) * unit


def _is_one(codes: Any) -> bool:
    """Whether codes in any form are a single one: a text, an object with a vector, or a row of numbers.

    Raises:
        CodeError: neither one code nor many.
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
