"""Rows to fit a predictor on: failed runs have little influence, and unsuitable rows are refused."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kendalltau

from ncp import ConfigError, DataError, Ordinal, Predictor, Space, fit_predictor
from ncp.predictors.blend import BlendSettings
from ncp.predictors.ensemble import EnsembleSettings
from ncp.predictors.fitting import KINDS
from ncp.predictors.gp import GpSettings
from ncp.predictors.mlp import MlpSettings

SPACE = Space.from_dict(
    {"width": [8, 16, 32, 64], "depth": [1, 2, 4], "kernel": [3, 5, 7], "op": ["a", "b", "c"], "act": ["a", "b", "c"]}
)
CODES = np.stack(np.meshgrid(*[dim.values for dim in SPACE.dimensions], indexing="ij"), axis=-1).reshape(-1, 5)
RNG = np.random.default_rng(0)
CURVE = CODES[:, 0] / 16 + CODES[:, 1] + 0.3 * CODES[:, 2] + 2 * (CODES[:, 3] == 1)
VALUES = CURVE + 0.2 * RNG.normal(size=len(CODES))
SETTINGS = {
    "default": BlendSettings(members=3, epochs=15, gp=GpSettings(steps=6, inducing=60)),
    "ensemble": EnsembleSettings(members=4, epochs=25),
    "gp": GpSettings(steps=6, inducing=60),
    "mlp": MlpSettings(epochs=20, batch=32),
    "transfer": GpSettings(steps=6, inducing=60),
}


def fitted(kind: str, values: NDArray[np.float64]) -> Predictor:
    """A predictor of one column; for `transfer`, of a known column and a new one with 80 of the values."""
    if kind != "transfer":
        return fit_predictor(CODES, values, ["acc"], space=SPACE, kind=kind, settings=SETTINGS.get(kind))
    labels = np.where(RNG.permutation(len(values)) < 80, values, np.nan)
    both = np.column_stack([VALUES, labels])
    return fit_predictor(CODES, both, ["known", "acc"], space=SPACE, kind=kind, settings=SETTINGS.get(kind))


def with_failed(count: int, value: float, values: NDArray[np.float64] = VALUES) -> NDArray[np.float64]:
    failed = values.copy()
    failed[np.random.default_rng(1).permutation(len(values))[:count]] = value
    return failed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "value"), [(1, 1e6), (10, -1e6)])
def test_failed_runs_have_little_influence(kind: str, count: int, value: float) -> None:
    predictor = fitted(kind, with_failed(count, value))
    predicted = predictor.predict(CODES)
    assert kendalltau(predicted.mean[:, -1], CURVE).statistic > 0.8
    assert np.median(np.abs(predicted.mean[:, -1] - CURVE)) < 0.5
    assert np.median(predicted.std[:, -1]) < VALUES.std()
    assert predictor.location[-1] == pytest.approx(VALUES.mean(), abs=0.5)
    assert predictor.unit[-1] == pytest.approx(VALUES.std(), rel=0.2)


@pytest.mark.parametrize("value", [np.finfo(float).max, -np.finfo(float).max])
def test_a_failed_run_may_be_the_largest_float(value: float) -> None:
    predictor = fitted("gp", with_failed(1, value))
    assert kendalltau(predictor.predict(CODES).mean[:, 0], CURVE).statistic > 0.8


def test_one_of_ten_runs_may_have_failed() -> None:
    rows = RNG.permutation(len(CODES))[:10]
    values = with_failed(1, 1e6, VALUES[rows])
    predictor = fit_predictor(CODES[rows], values, ["acc"], space=SPACE, kind="gp")
    assert predictor.unit.item() < 3 * VALUES.std()
    assert predictor.predict(CODES).mean.max() < 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y + 1e9, r"acc has values that differ by at most 9\.98 and are as large as 1000000012: .* Subtract"),
        (lambda y: -y - 1e12, "Subtract a constant"),
        (lambda y: y * 1e200, r"acc has values as large as 1\.\d+e\+201: .* larger unit"),
        (lambda y: y * 1e-200, "Use a smaller unit"),
        (lambda y: np.where(y > 6, np.finfo(float).max, y), r"as large as 1\.8e\+308"),
    ],
)
def test_values_out_of_the_range_of_single_precision_are_refused(change: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_predictor(CODES, change(VALUES), ["acc"], space=SPACE)


@pytest.mark.parametrize(("factor", "shift"), [(1e-25, 0.0), (1e25, 0.0), (1.0, 1e5)])
def test_values_in_the_range_of_single_precision_are_learned(factor: float, shift: float) -> None:
    predicted = fitted("gp", VALUES * factor + shift).predict(CODES)
    assert np.median(np.abs(predicted.mean[:, 0] - CURVE * factor - shift)) < 0.5 * factor
    assert ((predicted.std > 0) & (predicted.std < 3 * VALUES.std() * factor)).all()


def test_one_column_may_come_as_a_vector_and_codes_more_than_once() -> None:
    twice = np.concatenate([CODES[:40], CODES[:40]])
    values = np.concatenate([VALUES[:40], VALUES[:40] + 1])
    one, other = (
        fit_predictor(twice, given, ["acc"], space=SPACE, kind="gp", settings=SETTINGS["gp"]).predict(CODES[:40]).mean
        for given in (values, values[:, None])
    )
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one.mean(), VALUES[:40].mean() + 0.5, atol=0.3)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a/x", "a/x"], "Expected different column names. Got 'a/x' twice"),
        ("ab", r"Expected a list of column names. Got the text 'ab'. Write \['ab'\]"),
        (["a", ""], "Expected texts as column names"),
        (["a", 3], "Expected texts as column names"),
        (None, "Expected a list of column names. Got None"),
        ([], "There are no columns to fit"),
        (["a"], r"Expected values of shape \(324, 1\)"),
    ],
)
def test_bad_column_names_are_refused(columns: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_predictor(CODES, np.column_stack([VALUES, VALUES]), columns, space=SPACE)


@pytest.mark.parametrize("values", [[["1", "x"]] * 324, [[1.0], [1.0, 2.0]] * 162, "values", None, [[1j, 2]] * 324])
def test_values_that_are_not_numbers_are_refused(values: Any) -> None:
    with pytest.raises(DataError, match=r"Expected (a number in every row and column of the values|values of shape)"):
        fit_predictor(CODES, values, ["a", "b"], space=SPACE)


@pytest.mark.parametrize("seed", [None, -1, 0.5, True])
def test_bad_seeds_are_refused(seed: Any) -> None:
    with pytest.raises(ConfigError, match="seed must be an integer, from 0"):
        fit_predictor(CODES, VALUES, ["acc"], space=SPACE, seed=seed)


@pytest.mark.parametrize("values", [[1 << 24, (1 << 24) + 1, (1 << 24) + 2], [0, 1 << 30, (1 << 30) + 1]])
def test_values_of_a_space_that_single_precision_cannot_tell_apart_are_refused(values: list[int]) -> None:
    space = Space([Ordinal("size", values), Ordinal("n", range(10))])
    codes = space.sample(50, np.random.default_rng(0))
    with pytest.raises(ConfigError, match=f"The values of size, from {values[0]} to {values[-1]}, are too close"):
        fit_predictor(codes, codes[:, 1], ["acc"], space=space)


def test_large_values_that_single_precision_can_tell_apart_are_learned() -> None:
    space = Space([Ordinal("size", range(1_000_000, 1_000_501, 100)), Ordinal("n", range(0, 200_000, 3))])
    codes = space.sample(100, np.random.default_rng(0))
    values = (codes[:, 0] - 1e6) / 100 + codes[:, 1] / 1e5
    predictor = fit_predictor(codes, values, ["acc"], space=space, kind="gp", settings=SETTINGS["gp"])
    assert kendalltau(predictor.predict(codes).mean[:, 0], values).statistic > 0.9
