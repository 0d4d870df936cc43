"""The kinds of predictors, and the functions that fit and load one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ncp.errors import ConfigError, DataError, quoted
from ncp.io.files import as_path, is_file
from ncp.numbers import as_seed
from ncp.predictors.blend import Blend
from ncp.predictors.core import Core, TrainingSet
from ncp.predictors.ensemble import Ensemble
from ncp.predictors.exact import Exact
from ncp.predictors.file import DAMAGE, HINT, damaged, read
from ncp.predictors.gp import GaussianProcess
from ncp.predictors.mlp import Mlp
from ncp.predictors.predictor import Predictor, digests
from ncp.predictors.scale import Scale
from ncp.predictors.settings import Settings
from ncp.predictors.training_rows import training_rows
from ncp.predictors.transfer import Transfer
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import CodesLike
from ncp.spaces.families import DEFAULT_TABLE
from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Space, require_space
from ncp.tables.columns import column_names, minimised_names
from ncp.threads import one_thread

Kind = Literal["default", "mlp", "ensemble", "gp", "exact", "transfer"]
"""Names of the kinds, for annotations."""
KINDS: dict[str, type[Core]] = {cls.kind: cls for cls in (Blend, Mlp, Ensemble, GaussianProcess, Exact, Transfer)}
"""The core of each kind."""
SHIPPED = (DEFAULT_TABLE,)
"""Names of the predictors that come with the package, each with its judge."""


@one_thread()
def fit_predictor(
    codes: CodesLike,
    values: Any,
    columns: Sequence[str],
    *,
    space: Space = MULTIRES,
    kind: str = "default",
    seed: int = 0,
    progress: Progress = quiet,
    settings: Settings | None = None,
    minimised: Sequence[str] = (),
) -> Predictor:
    """Fit a predictor of the values of codes, all columns together.

    Args:
        codes: `(n, d)`, as `space.codes` reads them; a code that was measured several times may occur several times.
        values: `(n, m)`, or `(n,)` for one column, in raw units. None may be missing, except for the kind `transfer`,
            where NaN says that a row has no value.
        columns: m different names, `task/metric`.
        space: the space of the codes.
        kind: `default` (an ensemble and Gaussian processes), `mlp` (the paper's), `ensemble`, `gp`, `exact` (a Gaussian
            process per column, for up to about 1,000 rows); or `transfer`, for new columns with values in few rows,
            beside columns with values in most.
        seed: of all randomness; the same seed gives the same predictor, with any number of threads.
        progress: called with the share of the work that is done.
        settings: how to fit, an object of the kind's settings class; its defaults when left out.
        minimised: columns where lower is better; objectives prefer low values there. Predictions stay in raw units.

    Raises:
        CodeError: a code outside the space.
        ConfigError: an unknown kind, settings of another kind, a seed out of bounds, or a space whose values are too
            close to each other for single precision.
        DataError: values that do not match the codes, are missing, or do not fit into single precision; a column named
            twice; a minimised column that is not among the columns.
    """
    require_space(space)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"{{field}} must be one of {', '.join(KINDS)}. Got {{given}}.", field="kind", given=kind)
    core_class = KINDS[kind]
    chosen = core_class.settings() if settings is None else settings
    if type(chosen) is not core_class.settings:
        raise ConfigError(
            "{field} must be {wanted} for the kind {kind}. Got {given}.",
            field="settings",
            given=chosen,
            wanted=core_class.settings.__name__,
            kind=kind,
        )
    names = tuple(column_names(columns))
    if not names:
        raise DataError("There are no columns to fit. Name at least one.")
    lower_is_better = minimised_names(minimised, names)
    rows, numbers = training_rows(space, codes, values, names, missing=core_class.takes_missing)
    inputs, scale = core_class.fitted_ends(space, names, rows, numbers)
    training_set = TrainingSet(space, names, rows, inputs, scale.to_latent(numbers, core_class.cut_at))
    core = core_class.fit(training_set, chosen, as_seed(seed), progress)
    predictor = Predictor(space, names, inputs, core, scale)
    predictor.seen = torch.as_tensor(np.unique(digests(space, rows)))
    predictor.set_reference(numbers, lower_is_better)
    return predictor.requires_grad_(False).eval()


def load_predictor(name: str | Path = DEFAULT_TABLE) -> Predictor:
    """Load a predictor: the one that comes with the package, or one from the file that `Predictor.save` wrote.

    Args:
        name: `nas-bench-mr` for the predictor that comes with the package, or the path of the file.

    Raises:
        DataError: no such file, or not a complete predictor file.
    """
    path = as_path(name, "predictor")
    if str(name) in SHIPPED:
        predictor = _loaded(_shipped(str(name), "search"))
        predictor.shipped = str(name)
        return predictor
    if not is_file(path):
        raise DataError(f"There is no predictor file {path}, and the name is not {' or '.join(SHIPPED)}. {HINT}")
    return _loaded(path)


def load_judge(name: str = DEFAULT_TABLE) -> Predictor:
    """Read the judge of a predictor that comes with the package: another kind, fitted on the other half of the rows.

    Raises:
        DataError: a name without a judge.
    """
    if not isinstance(name, str) or name not in SHIPPED:
        raise DataError(f"No judge is called {quoted(name)}. There is one for {' and '.join(SHIPPED)}.")
    return _loaded(_shipped(name, "judge"))


def _shipped(name: str, role: str) -> Path:
    return Path(str(files("ncp") / "assets" / f"{name}.{role}.safetensors"))


def _loaded(path: Path) -> Predictor:
    description, tensors = read(path)
    try:
        return _built(description, tensors)
    except DAMAGE as error:
        raise damaged(path, error) from error


def _built(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Predictor:
    columns = description["columns"]
    named = isinstance(columns, list) and all(isinstance(name, str) and name for name in columns)
    if not named or len(set(columns)) < len(columns):
        raise ValueError(f"its columns {quoted(columns)} are not different names")
    space, core_class = Space.from_dict(description["space"]), KINDS[description["kind"]]
    inputs, scale = core_class.inputs(space), Scale.empty(len(columns), description["knots"])
    core = core_class(len(inputs), len(columns), **description["core"])  # type: ignore[call-arg]
    predictor = Predictor(space, columns, inputs, core, scale)
    predictor.seen = tensors["seen"]
    predictor.load_state_dict(dict(tensors))
    return predictor.requires_grad_(False).eval()
