"""Which kinds of predictor there are, and the one door to fit them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ncp.errors import ConfigError, quoted
from ncp.multires import MULTIRES
from ncp.predictors.base import Predictor, Progress, quiet, training_rows
from ncp.predictors.blend import Blend
from ncp.predictors.ensemble import Ensemble
from ncp.predictors.gp import GaussianProcess
from ncp.predictors.mlp import Mlp
from ncp.space import Space

KINDS: dict[str, type[Blend | Ensemble | GaussianProcess | Mlp]] = {
    cls.kind: cls for cls in (Blend, Mlp, Ensemble, GaussianProcess)
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
) -> Predictor:
    """Learn the values of codes, all columns in one fit.

    Args:
        codes: `(n, d)`, as `space.codes` reads them.
        values: `(n, m)`, in raw units, none missing.
        columns: m names, `task/metric`.
        space: what the codes belong to.
        kind: `default` (an ensemble and a Gaussian process), `mlp` (the paper's), `ensemble` or `gp`.
        seed: of everything random; the same seed and threads give the same predictor.
        progress: called with the share that is done.

    Raises:
        CodeError: a code outside the space.
        ConfigError: a kind that there is not.
        DataError: values that do not fit the codes or are missing.
    """
    if kind not in KINDS:
        raise ConfigError(f"Expected one of {', '.join(KINDS)} as the kind of predictor. Got {quoted(kind)}.")
    rows, numbers = training_rows(space, codes, values, columns)
    predictor = KINDS[kind].fit(space, rows, numbers, tuple(columns), seed, progress)
    predictor.measure_by(numbers)
    return predictor
