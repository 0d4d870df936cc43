"""Find one network architecture that is good at several vision tasks within an exact cost budget, in seconds."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncp.spaces.cells import CELL201 as CELL201
    from ncp.cost import macs as macs, params as params
    from ncp.tables.cache import load_table as load_table
    from ncp.errors import (
        CodeError as CodeError,
        ConfigError as ConfigError,
        DataError as DataError,
        InfeasibleError as InfeasibleError,
        MissingExtraError as MissingExtraError,
        NcpError as NcpError,
        NotTabulatedError as NotTabulatedError,
    )
    from ncp.network.latency import LatencyModel as LatencyModel, load_latency as load_latency
    from ncp.spaces.multires import MULTIRES as MULTIRES, Code as Code, Stage as Stage
    from ncp.network.net import MultiResolutionNet as MultiResolutionNet
    from ncp.network.loading import load_network as load_network
    from ncp.optim.budget import Budget as Budget
    from ncp.optim.objective import Objective as Objective
    from ncp.predictors.predictor import Prediction as Prediction, Predictor as Predictor
    from ncp.predictors.fitting import (
        fit_predictor as fit_predictor,
        load_judge as load_judge,
        load_predictor as load_predictor,
    )
    from ncp.optim.paper import Paper as Paper
    from ncp.optim.strategies import Continuous as Continuous, WinnerTakesAll as WinnerTakesAll
    from ncp.optim.propagation import Trajectory as Trajectory, propagate as propagate
    from ncp.searchers.comparison import Comparison as Comparison, compare as compare
    from ncp.searchers.simulation import History as History, simulate as simulate
    from ncp.optim.results import Result as Result
    from ncp.optim.search import search as search
    from ncp.optim.front import Front as Front
    from ncp.optim.front_search import pareto_search as pareto_search
    from ncp.spaces.dimensions import Categorical as Categorical, Ordinal as Ordinal
    from ncp.spaces.space import Space as Space
    from ncp.spaces.named import load_space as load_space
    from ncp.tables.table import Table as Table
    from ncp.studies.building import build as build
    from ncp.studies.study import Study as Study
    from ncp.studies.tuning import Tuned as Tuned, tune as tune
    from ncp.tasks.command import CommandTask as CommandTask, function_task as function_task
    from ncp.tasks.task import Task as Task, load_task as load_task
    from ncp.training.run import Run as Run
    from ncp.training.train import train as train

    __version__: str

_WHERE = {
    "ncp.spaces.cells": ("CELL201",),
    "ncp.cost": ("macs", "params"),
    "ncp.tables.cache": ("load_table",),
    "ncp.errors": (
        "CodeError",
        "ConfigError",
        "DataError",
        "InfeasibleError",
        "MissingExtraError",
        "NcpError",
        "NotTabulatedError",
    ),
    "ncp.network.latency": ("LatencyModel", "load_latency"),
    "ncp.spaces.multires": ("MULTIRES", "Code", "Stage"),
    "ncp.network.net": ("MultiResolutionNet",),
    "ncp.network.loading": ("load_network",),
    "ncp.optim.budget": ("Budget",),
    "ncp.optim.objective": ("Objective",),
    "ncp.predictors.predictor": ("Prediction", "Predictor"),
    "ncp.predictors.fitting": ("fit_predictor", "load_judge", "load_predictor"),
    "ncp.optim.paper": ("Paper",),
    "ncp.optim.strategies": ("Continuous", "WinnerTakesAll"),
    "ncp.optim.propagation": ("Trajectory", "propagate"),
    "ncp.optim.results": ("Result",),
    "ncp.optim.search": ("search",),
    "ncp.searchers.comparison": ("Comparison", "compare"),
    "ncp.searchers.simulation": ("History", "simulate"),
    "ncp.optim.front": ("Front",),
    "ncp.optim.front_search": ("pareto_search",),
    "ncp.spaces.dimensions": ("Categorical", "Ordinal"),
    "ncp.spaces.space": ("Space",),
    "ncp.spaces.named": ("load_space",),
    "ncp.tables.table": ("Table",),
    "ncp.studies.building": ("build",),
    "ncp.studies.study": ("Study",),
    "ncp.studies.tuning": ("Tuned", "tune"),
    "ncp.tasks.command": ("CommandTask", "function_task"),
    "ncp.tasks.task": ("Task", "load_task"),
    "ncp.training.run": ("Run",),
    "ncp.training.train": ("train",),
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
    elif name == "integrations":
        import_module("ncp.integrations.optuna")  # so that `ncp.integrations.optuna` needs no import of its own
        value = import_module("ncp.integrations")
    elif not name.startswith("_") and find_spec(f"ncp.{name}") is not None:
        value = import_module(f"ncp.{name}")
    else:
        raise AttributeError(f"module 'ncp' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
