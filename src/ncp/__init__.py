"""Find one network architecture that is good at several vision tasks within an exact cost budget, in seconds."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncp.cells import CELL201
    from ncp.cost import macs, params
    from ncp.datasets import load_table
    from ncp.errors import (
        CodeError,
        ConfigError,
        DataError,
        InfeasibleError,
        MissingExtraError,
        NcpError,
        NotTabulatedError,
    )
    from ncp.latency import LatencyModel, load_latency
    from ncp.multires import MULTIRES, Code, Stage
    from ncp.network import MultiResolutionNet
    from ncp.objective import Budget, Objective
    from ncp.predictors import Prediction, Predictor, fit_predictor, load_judge, load_predictor
    from ncp.propagation import Trajectory, propagate
    from ncp.searchers import Comparison, History, Result, compare, search, simulate
    from ncp.searchers.front import Front
    from ncp.searchers.pareto import pareto_search
    from ncp.space import Categorical, Ordinal, Space
    from ncp.spaces import load_space
    from ncp.table import Table

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

__all__ = [
    "CELL201",
    "MULTIRES",
    "Budget",
    "Categorical",
    "Code",
    "CodeError",
    "Comparison",
    "ConfigError",
    "DataError",
    "Front",
    "History",
    "InfeasibleError",
    "LatencyModel",
    "MissingExtraError",
    "MultiResolutionNet",
    "NcpError",
    "NotTabulatedError",
    "Objective",
    "Ordinal",
    "Prediction",
    "Predictor",
    "Result",
    "Space",
    "Stage",
    "Table",
    "Trajectory",
    "compare",
    "fit_predictor",
    "load_judge",
    "load_latency",
    "load_predictor",
    "load_space",
    "load_table",
    "macs",
    "params",
    "pareto_search",
    "propagate",
    "search",
    "simulate",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that `import ncp` costs neither torch nor time."""
    if name not in _MODULE:
        raise AttributeError(f"module 'ncp' has no attribute {name!r}")
    value = getattr(import_module(_MODULE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
