"""Any space and any values give finite predictions or an error of ours."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ncp import Categorical, NcpError, Ordinal, Space, fit_predictor
from ncp.predictors.blend import BlendSettings
from ncp.predictors.ensemble import EnsembleSettings
from ncp.predictors.fitting import KINDS
from ncp.predictors.gp import GpSettings
from ncp.predictors.mlp import MlpSettings

TINY = {
    "default": BlendSettings(hidden=(4,), members=2, epochs=1, gp=GpSettings(steps=1, inducing=8, subset=12)),
    "ensemble": EnsembleSettings(hidden=(4,), members=2, epochs=2),
    "gp": GpSettings(steps=2, inducing=8, subset=12),
    "mlp": MlpSettings(epochs=2, batch=16),
    "transfer": GpSettings(steps=1, inducing=8, subset=12),
}


def any_dimension(rng: np.random.Generator, name: str) -> Ordinal | Categorical:
    count = int(rng.integers(2, 8))
    if rng.random() < 0.5:
        return Categorical(name, [f"c{k}" for k in range(count)])
    low, high = sorted((10 ** rng.uniform(0, 10, size=2)).astype(int).tolist())
    low = -low if rng.random() < 0.3 else low
    return Ordinal(name, np.unique([*rng.integers(low, high + count + 1, size=count).tolist(), low, high + 1]).tolist())


def any_column(rng: np.random.Generator, smooth: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(smooth)
    column = smooth + rng.normal(size=n) * rng.choice([0, 0.1, 1])
    shape = rng.integers(9)
    if shape == 0:
        column = np.round(column)
    elif shape == 1:
        column = np.full(n, rng.choice([0.0, 77.3, -1e9]))
    elif shape == 2:
        column = np.exp(rng.uniform(1, 6) * column)
    elif shape == 3:
        column = (column > 0) * 1.0
    if rng.random() < 0.4:
        share = rng.choice([0.01, 0.03, 0.1, 0.5])
        column[rng.random(n) < share] = rng.choice([0, 1e3, -1e6, 1e30, 1e300, -np.finfo(float).max])
    if rng.random() < 0.3:
        with np.errstate(over="ignore"):
            column = column * 10.0 ** rng.integers(-30, 30) + rng.choice([0, 0, 1e3, 1e9])
    if rng.random() < 0.1:
        column[rng.integers(n)] = rng.choice([np.nan, np.inf])
    return column


def any_table(rng: np.random.Generator) -> tuple[Space, NDArray[np.int64], NDArray[np.float64]]:
    space = Space([any_dimension(rng, f"d{k}") for k in range(rng.integers(1, 7))])
    codes = space.sample(int(rng.integers(10, 70)), rng)
    x = space.relax(codes)
    z = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    m = int(rng.integers(1, 4))
    return space, codes, np.stack([any_column(rng, z @ rng.normal(size=x.shape[1])) for _ in range(m)], axis=1)


def outcome(kind: str, seed: int) -> str:
    """Fit and predict finite values, or be refused with an error of this package; any other error is a failure."""
    rng = np.random.default_rng(seed)
    space, codes, values = any_table(rng)
    columns: list[Any] = [f"{rng.choice(['seg', 'seg-4x', 'video'])}/{k}" for k in range(values.shape[1])]
    if kind == "transfer":
        values = np.column_stack([values, values])
        values[rng.permutation(len(values))[: len(values) * 2 // 3], -1] = np.nan
        columns = [*columns, *(f"new/{k}" for k in range(len(columns)))]
    try:
        predictor = fit_predictor(codes, values, columns, space=space, kind=kind, settings=TINY.get(kind), seed=seed)
    except NcpError:
        return "refused"
    fresh = np.concatenate([codes, space.sample(20, rng)])
    predicted = predictor.predict(fresh)
    assert np.isfinite(predicted.mean).all()
    assert np.isfinite(predicted.std).all()
    assert (predicted.std >= 0).all()
    assert np.isfinite(predictor.location.numpy()).all()
    assert (np.isfinite(predictor.unit.numpy()) & (predictor.unit.numpy() > 0)).all()
    return "fitted"


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_finite_or_refused(kind: str) -> None:
    outcomes = [outcome(kind, seed) for seed in range(12)]
    assert set(outcomes) == {"fitted", "refused"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_of_many_tables_values_are_finite_or_refused(kind: str) -> None:
    for seed in range(100, 180):
        outcome(kind, seed)
