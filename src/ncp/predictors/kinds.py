"""Which kinds of predictor there are, and the one door to fit them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ncp.errors import ConfigError, quoted
from ncp.multires import MULTIRES
from ncp.predictors.base import Predictor, training_rows
from ncp.predictors.blend import Blend, BlendSettings
from ncp.predictors.ensemble import Ensemble, EnsembleSettings
from ncp.predictors.gp import GaussianProcess, GpSettings
from ncp.predictors.mlp import Mlp, MlpSettings
from ncp.predictors.transfer import Transfer
from ncp.progress import Progress, quiet
from ncp.space import Space

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


def fit_predictor(
    codes: Any,
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
        codes: `(n, d)`, as `space.codes` reads them.
        values: `(n, m)`, in raw units, none missing; for `transfer` NaN where a row has no value.
        columns: m names, `task/metric`.
        space: what the codes belong to.
        kind: `default` (an ensemble and a Gaussian process), `mlp` (the paper's), `ensemble`, `gp`; or `transfer`, for
            new columns of which few rows have a value, beside others of which most have.
        seed: of everything random; the same seed and threads give the same predictor.
        progress: called with the share that is done.
        settings: how it is trained, of the class that `SETTINGS` names for the kind; its defaults when left out.
        minimised: columns in which small values are better: an objective wants them small, see `measure_by`. What is
            predicted stays in raw units.

    Raises:
        CodeError: a code outside the space.
        ConfigError: a kind that there is not, settings of another kind, or a minimised column that is none.
        DataError: values that do not fit the codes or are missing.
    """
    if kind not in KINDS:
        raise ConfigError(f"Expected one of {', '.join(KINDS)} as the kind of predictor. Got {quoted(kind)}.")
    chosen = SETTINGS[kind]() if settings is None else settings
    if type(chosen) is not SETTINGS[kind]:
        raise ConfigError(f"Expected {SETTINGS[kind].__name__} for the kind {kind}. Got {quoted(chosen)}.")
    unknown = [minimised] if isinstance(minimised, str) else [name for name in minimised if name not in columns]
    if unknown:
        raise ConfigError(f"Expected minimised columns among {', '.join(columns)}. Got {quoted(unknown[0])}.")
    rows, numbers = training_rows(space, codes, values, columns, missing=kind == Transfer.kind)
    predictor = KINDS[kind].fit(space, rows, numbers, tuple(columns), seed, progress, chosen)  # type: ignore[arg-type]
    predictor.measure_by(numbers, minimised)
    return predictor
