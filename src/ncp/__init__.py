"""Find one network architecture that is good at several vision tasks within an exact cost budget, in seconds."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncp.cells import CELL201 as CELL201
    from ncp.cost import macs as macs, params as params
    from ncp.datasets import load_table as load_table
    from ncp.errors import (
        CodeError as CodeError,
        ConfigError as ConfigError,
        DataError as DataError,
        InfeasibleError as InfeasibleError,
        MissingExtraError as MissingExtraError,
        NcpError as NcpError,
        NotTabulatedError as NotTabulatedError,
    )
    from ncp.latency import LatencyModel as LatencyModel, load_latency as load_latency
    from ncp.multires import MULTIRES as MULTIRES, Code as Code, Stage as Stage
    from ncp.network import MultiResolutionNet as MultiResolutionNet
    from ncp.objective import Budget as Budget, Objective as Objective
    from ncp.predictors import (
        Prediction as Prediction,
        Predictor as Predictor,
        fit_predictor as fit_predictor,
        load_judge as load_judge,
        load_predictor as load_predictor,
    )
    from ncp.propagation import Trajectory as Trajectory, propagate as propagate
    from ncp.searchers import (
        Comparison as Comparison,
        History as History,
        Result as Result,
        compare as compare,
        search as search,
        simulate as simulate,
    )
    from ncp.searchers.front import Front as Front
    from ncp.searchers.pareto import pareto_search as pareto_search
    from ncp.space import Categorical as Categorical, Ordinal as Ordinal, Space as Space
    from ncp.spaces import load_space as load_space
    from ncp.table import Table as Table

    __version__: str

_WHERE = {
    "ncp.cells": ("CELL201",),
    "ncp.cost": ("macs", "params"),
    "ncp.datasets": ("load_table",),
    "ncp.errors": (
        "CodeError",
        "ConfigError",
        "DataError",
        "InfeasibleError",
        "MissingExtraError",
        "NcpError",
        "NotTabulatedError",
    ),
    "ncp.latency": ("LatencyModel", "load_latency"),
    "ncp.multires": ("MULTIRES", "Code", "Stage"),
    "ncp.network": ("MultiResolutionNet",),
    "ncp.objective": ("Budget", "Objective"),
    "ncp.predictors": ("Prediction", "Predictor", "fit_predictor", "load_judge", "load_predictor"),
    "ncp.propagation": ("Trajectory", "propagate"),
    "ncp.searchers": ("Comparison", "History", "Result", "compare", "search", "simulate"),
    "ncp.searchers.front": ("Front",),
    "ncp.searchers.pareto": ("pareto_search",),
    "ncp.space": ("Categorical", "Ordinal", "Space"),
    "ncp.spaces": ("load_space",),
    "ncp.table": ("Table",),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

__all__ = sorted([*_MODULE, "__version__"])


def __getattr__(name: str) -> object:
    """Load a public name or a module when it is first asked for: `import ncp` costs neither torch nor time."""
    value: object
    if name in _MODULE:
        value = getattr(import_module(_MODULE[name]), name)
    elif name == "__version__":
        from importlib.metadata import version  # slow to load

        value = version("ncp-nas")
    elif not name.startswith("_") and find_spec(f"ncp.{name}") is not None:
        value = import_module(f"ncp.{name}")
    else:
        raise AttributeError(f"module 'ncp' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
