"""The searchers by name, and the error for other names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial

from ncp.errors import ConfigError, quoted
from ncp.extras import has_extra, require_extra
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.evolution import Evolution
from ncp.searchers.local import Local
from ncp.searchers.optuna_samplers import Gp, Nsga2, Tpe
from ncp.searchers.random import Random
from ncp.searchers.searcher import Searcher

Make = Callable[..., Searcher]
"""Makes a searcher from a space, a random generator and, where codes are limited, a pool."""

SEARCHERS: dict[str, Make] = {
    "random": Random,
    "local": Local,
    "evolution": Evolution,
    "evolution-10": partial(Evolution, population=10, tournament=5),
    "tpe": Tpe,
    "nsga2": Nsga2,
    "gp": Gp,
    "bayesian": Bayesian,
}
"""All searchers; `evolution` has a population of 50, `evolution-10` of 10."""

OPTUNA = ("tpe", "nsga2", "gp")
"""The searchers that need Optuna."""

OURS = "bayesian"
"""The searcher of this package. The baseline of a comparison is the best of all others."""
YARDSTICK = "random"
"""The searcher with which a comparison compares every other one."""

_MEANT = {"propagation": OURS}
"""Suggestions for wrong names whose spelling does not help."""


def installed(names: Sequence[str] = tuple(SEARCHERS)) -> list[str]:
    """The searchers whose packages are installed, in the given order."""
    return [name for name in names if name not in OPTUNA or has_extra("search")]


def require_searchers(names: Sequence[str], field: str) -> None:
    """Refuse unknown names, repeated names, and searchers whose packages are missing.

    Args:
        names: names of searchers.
        field: the name of the argument, for errors.

    Raises:
        ConfigError: there is no name, a name is unknown, or a name is repeated.
        MissingExtraError: a searcher needs Optuna, which is not installed.
    """
    if not names:
        raise ConfigError(f"{{field}} names no searcher. Choose from {', '.join(SEARCHERS)}.", field=field)
    for place, name in enumerate(names):
        if not isinstance(name, str) or name not in SEARCHERS:
            raise ConfigError(
                f"There is no searcher {{name}}. {_hint(name)}Choose from {', '.join(SEARCHERS)}.",
                field=field,
                given=name,
                name=quoted(name),
            )
        if name in names[:place]:
            raise ConfigError("{field} must name each searcher once. {name} comes twice.", field=field, name=name)
        if name in OPTUNA:
            require_extra("search", f"the searcher {name}")


def _hint(name: object) -> str:
    low = str(name).strip().lower()
    close = [_MEANT[low]] if low in _MEANT else get_close_matches(low, SEARCHERS, n=1)
    return f"Did you mean {close[0]}? " if close else ""
