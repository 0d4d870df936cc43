"""The kinds of predictors, and the functions that fit and load one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import Tensor

from ncp.errors import ConfigError, DataError, quoted
from ncp.io.files import as_path, is_file
from ncp.numbers import as_seed
from ncp.predictors.base import Predictor
from ncp.predictors.blend import Blend, BlendSettings
from ncp.predictors.ensemble import Ensemble, EnsembleSettings
from ncp.predictors.file import DAMAGE, HINT, damaged, read
from ncp.predictors.gp import GaussianProcess, GpSettings
from ncp.predictors.mlp import Mlp, MlpSettings
from ncp.predictors.training import training_rows
from ncp.predictors.transfer import Transfer
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import CodesLike
from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Space, require_space
from ncp.tables.columns import column_names, minimised_names
from ncp.threads import one_thread

KINDS: dict[str, type[Blend | Ensemble | GaussianProcess | Mlp | Transfer]] = {
    cls.kind: cls for cls in (Blend, Mlp, Ensemble, GaussianProcess, Transfer)
}

Settings = BlendSettings | MlpSettings | EnsembleSettings | GpSettings
SETTINGS: dict[str, type[Settings]] = {
    "default": BlendSettings,
    "mlp": MlpSettings,
    "ensemble": EnsembleSettings,
    "gp": GpSettings,
    "transfer": GpSettings,
}

SHIPPED = ("nas-bench-mr",)
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
    """Learn the values of codes, all columns in one fit.

    Args:
        codes: `(n, d)`, as `space.codes` reads them; one that was measured several times may come several times.
        values: `(n, m)`, or `(n,)` for one column, in raw units, none missing; for `transfer` NaN where a row has no
            value.
        columns: m different names, `task/metric`.
        space: what the codes belong to.
        kind: `default` (an ensemble and a Gaussian process), `mlp` (the paper's), `ensemble`, `gp`; or `transfer`, for
            new columns of which few rows have a value, beside others of which most have.
        seed: of everything random; the same seed gives the same predictor, with any number of threads.
        progress: called with the share that is done.
        settings: how it is trained, of the class that `SETTINGS` names for the kind; its defaults when left out.
        minimised: columns in which small values are better: an objective wants them small, see `set_reference`. What is
            predicted stays in raw units.

    Raises:
        CodeError: a code outside the space.
        ConfigError: a kind that there is not, settings of another kind, a seed that is none, a space whose values are
            too close to each other for single precision.
        DataError: values that do not fit the codes, are missing, or do not fit into single precision; a column
            twice; a minimised column that is none.
    """
    require_space(space)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"Expected one of {', '.join(KINDS)} as the kind of predictor. Got {quoted(kind)}.")
    chosen = SETTINGS[kind]() if settings is None else settings
    if type(chosen) is not SETTINGS[kind]:
        raise ConfigError(f"Expected {SETTINGS[kind].__name__} for the kind {kind}. Got {quoted(chosen)}.")
    names = column_names(columns)
    if not names:
        raise DataError("Expected a column to fit. Got no column names.")
    least = minimised_names(minimised, names)
    rows, numbers = training_rows(space, codes, values, names, missing=kind == Transfer.kind)
    predictor = KINDS[kind].fit(space, rows, numbers, names, as_seed(seed), progress, chosen)  # type: ignore[arg-type]
    predictor.set_reference(numbers, least)
    return predictor


def load_predictor(name: str | Path) -> Predictor:
    """Read a predictor from the file that `Predictor.save` wrote.

    Args:
        name: the path of the file, or `nas-bench-mr` for the predictor that comes with the package.

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


def load_judge(name: str = "nas-bench-mr") -> Predictor:
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
        raise ValueError(f"its columns are {quoted(columns)}, and not different texts")
    kind = KINDS[description["kind"]]
    predictor = kind.build(Space.from_dict(description["space"]), columns, **description["shape"])
    predictor.seen = tensors["seen"]
    for prefix, module in predictor.named_modules():
        if isinstance(module, Predictor) and prefix:
            module.seen = tensors[f"{prefix}.seen"]
    predictor.load_state_dict(dict(tensors))
    return predictor.requires_grad_(False).eval()
