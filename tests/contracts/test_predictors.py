"""Laws of every kind of predictor, in every kind of space."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from ncp import CodeError, ConfigError, DataError, Predictor, fit_predictor, load_predictor
from tests.predictors.fitted import COLUMNS, COMPLETE, PAIRS, QUICK, SPACES, fitted, rows

every = pytest.mark.parametrize(("kind", "space"), PAIRS)
IN_THE_FAST_SUITE = (("default", "cell201"), ("exact", "multires"))
ON_DEVICES = [p if p.values in IN_THE_FAST_SUITE else pytest.param(*p.values, marks=pytest.mark.slow) for p in PAIRS]
every_kind = pytest.mark.parametrize("kind", COMPLETE)


def quick(
    kind: str, codes: Any, values: Any, columns: Any = COLUMNS, space: str = "mixed", **options: Any
) -> Predictor:
    """A predictor of this kind with the settings of tests."""
    settings = QUICK.get(kind)
    return fit_predictor(codes, values, columns, space=SPACES[space], kind=kind, settings=settings, **options)


def interior(space: str, n: int, seed: int = 0) -> torch.Tensor:
    """Points of the relaxed space away from its edges, in double precision."""
    low, high = SPACES[space].bounds
    rng = np.random.default_rng(seed)
    return torch.as_tensor(low + (high - low) * rng.uniform(0.2, 0.8, size=(n, len(low))))


@pytest.mark.slow
@every
def test_values_come_in_raw_units(kind: str, space: str) -> None:
    codes, values = rows(space)
    predicted = fitted(kind, space).predict(codes)
    assert predicted.mean.shape == predicted.std.shape == values.shape
    assert predicted.mean.dtype == predicted.std.dtype == np.float64
    assert np.isfinite(predicted.mean).all()
    assert np.isfinite(predicted.std).all()
    assert (predicted.std > 0).all()
    assert (predicted.std < 2 * values.std(axis=0)).all()
    known = 2 if kind == "transfer" else 3  # most rows of a new column are not training rows
    error = np.abs(predicted.mean - values).mean(axis=0)
    assert (error[:known] < 0.5 * values.std(axis=0)[:known]).all()
    taus = [kendalltau(a, b).statistic for a, b in zip(predicted.mean.T, values.T, strict=True)]
    assert min(taus[:known]) > 0.7
    assert min(taus) > 0.4


@every
def test_one_code_or_many(kind: str, space: str) -> None:
    predictor, (codes, _) = fitted(kind, space), rows(space)
    many = predictor.predict(codes[:7])
    for form in (codes[3], codes[3].tolist(), codes[3:4]):
        one = predictor.predict(form)
        assert one.mean.shape == (1, 3)
        np.testing.assert_allclose(one.mean[0], many.mean[3], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(one.std[0], many.std[3], rtol=1e-2)
    empty = predictor.predict(codes[:0])
    assert empty.mean.shape == (0, 3)
    with pytest.raises(CodeError):
        predictor.predict([[10**6] * codes.shape[1]])


@every
def test_calling_gives_what_predict_gives(kind: str, space: str) -> None:
    predictor, (codes, _) = fitted(kind, space), rows(space)
    x, unit = predictor.relaxed(codes[:9]), predictor.unit.numpy()
    predicted = predictor.predict(codes[:9]).mean
    assert (np.abs(predictor(x).numpy() - predicted) / unit).max() < 2e-4  # single precision, sums in another order
    mean, std = predictor.moments(x)
    assert (np.abs(mean.numpy() - predicted) / unit).max() < 2e-4
    assert (std >= 0).all()


@every
def test_gradients_agree_with_finite_differences(kind: str, space: str, double: Any) -> None:
    predictor = double(kind, space)
    x = interior(space, 4).requires_grad_()
    unit = predictor.unit
    (gradient,) = torch.autograd.grad((predictor(x) / unit).sum(), x)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0
    span = torch.as_tensor(np.diff(SPACES[space].bounds, axis=0)[0])
    steps = torch.diag(1e-5 * span)
    with torch.no_grad():
        up, down = (predictor((x[:, None] + sign * steps).flatten(0, 1)) / unit for sign in (1, -1))
    differences = (up - down).sum(dim=1).reshape(x.shape) / (2e-5 * span)
    # the scale is piecewise linear: a step across a knot may differ
    close = torch.isclose(differences * span, gradient * span, rtol=1e-3, atol=1e-4)
    assert (close.sum(dim=0) >= 3).all()


@every
def test_a_gradient_step_raises_the_value(kind: str, space: str) -> None:
    predictor = fitted(kind, space)
    x = interior(space, 16, seed=1).float().requires_grad_()
    span = torch.as_tensor(np.diff(SPACES[space].bounds, axis=0)[0], dtype=torch.float32)
    (gradient,) = torch.autograd.grad(predictor(x)[:, 0].sum(), x)
    direction = gradient * span
    moved = x + 0.02 * span * direction / direction.norm(dim=1, keepdim=True)
    assert (predictor(moved)[:, 0] > predictor(x)[:, 0]).float().mean() > 0.9


@pytest.fixture
def double(tmp_path: Path) -> Any:
    """A copy of a fitted predictor in double precision."""

    def copy(kind: str, space: str) -> Predictor:
        fitted(kind, space).save(tmp_path / "copy.safetensors")
        return load_predictor(tmp_path / "copy.safetensors").double()

    return copy


@every
def test_single_precision_is_close_to_double(kind: str, space: str, double: Any) -> None:
    codes, values = rows(space)
    single, precise = fitted(kind, space).predict(codes), double(kind, space).predict(codes)
    unit = values.std(axis=0)
    assert (np.abs(single.mean - precise.mean) / unit).max() < 5e-3
    assert (np.abs(single.std - precise.std) / unit).max() < 2e-2


@pytest.mark.parametrize(("kind", "space"), ON_DEVICES)
def test_it_computes_on_the_device_of_its_tensors(kind: str, space: str) -> None:
    """On the device `meta`, which knows shapes only, an operation that mixes devices fails as on a GPU."""
    predictor = deepcopy(fitted(kind, space))
    for module in predictor.modules():
        assert not any(isinstance(value, torch.Tensor) for value in vars(module).values())
    predictor = predictor.to("meta")
    x = predictor.relaxed(rows(space)[0][:5])
    assert x.device.type == "meta"
    for model in (predictor, predictor.subset_output([2])):
        for found in (model(x), *model.moments(x)):
            assert (found.device.type, found.shape) == ("meta", (5, 3))
    predictor.requires_grad_()
    predictor(x.requires_grad_()).sum().backward()
    assert x.grad is not None
    assert x.grad.device.type == "meta"


@every
def test_a_saved_predictor_is_the_same_to_the_last_bit(kind: str, space: str, tmp_path: Path) -> None:
    predictor, (codes, _) = fitted(kind, space), rows(space)
    predictor.save(tmp_path / "deep" / "p.safetensors")
    again = load_predictor(tmp_path / "deep" / "p.safetensors")
    assert type(again.core) is type(predictor.core)
    assert (again.columns, again.space, again.kind) == (COLUMNS, SPACES[space], kind)
    first, second = predictor.predict(codes), again.predict(codes)
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.std, second.std)
    assert torch.equal(predictor.location, again.location)
    assert torch.equal(predictor.unit, again.unit)
    assert again.has_seen(codes).all()
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert not again.training
    again.save(tmp_path / "again.safetensors")
    one, two = (tmp_path / name for name in ("deep/p.safetensors", "again.safetensors"))
    assert one.read_bytes() == two.read_bytes()


@every
@pytest.mark.parametrize("wanted", [[0], [2], [1, 2]])
def test_a_subset_of_outputs_has_the_values_of_the_whole(kind: str, space: str, wanted: list[int]) -> None:
    predictor, (codes, _) = fitted(kind, space), rows(space)
    x = predictor.relaxed(codes[:20])
    few = predictor.subset_output(wanted)
    assert (few.columns, few.space) == (predictor.columns, predictor.space)
    for whole, part in zip(predictor.latent_moments(x), few.latent_moments(x), strict=True):
        assert torch.equal(part[:, wanted], whole[:, wanted])
    assert torch.equal(few(x)[:, wanted], predictor(x)[:, wanted])


@every
def test_it_knows_the_rows_it_has_seen(kind: str, space: str) -> None:
    predictor, (codes, _) = fitted(kind, space), rows(space)
    others = SPACES[space].sample(1000, np.random.default_rng(99))
    known = set(map(tuple, codes.tolist()))
    assert predictor.has_seen(codes).all()
    assert predictor.has_seen(others).tolist() == [tuple(code) in known for code in others.tolist()]


@every_kind
def test_the_same_seed_gives_the_same_predictor(kind: str) -> None:
    codes, values = rows("mixed", 20)
    runs = []
    for seed in (3, 3, 4):
        torch.rand(3)  # the global generator must not matter
        state = torch.get_rng_state()
        predictor = quick(kind, codes, values, seed=seed)
        runs.append(predictor.predict(codes).mean)
        assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any() == (kind != "exact")  # nothing is random in exact processes


@every_kind
def test_a_fitted_predictor_needs_no_gradients_and_reports_progress(kind: str) -> None:
    codes, values = rows("mixed", 40)
    shares: list[float] = []
    predictor = quick(kind, codes, values, progress=shares.append)
    assert not any(parameter.requires_grad for parameter in predictor.parameters())
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


@every_kind
@pytest.mark.parametrize("constant", [77.3, -1e9])
def test_a_constant_column_is_predicted(kind: str, constant: float) -> None:
    codes, values = rows("mixed", 40)
    values = values.copy()
    values[:, 1] = constant
    predictor = quick(kind, codes, values)
    predicted = predictor.predict(codes)
    np.testing.assert_allclose(predicted.mean[:, 1], constant, rtol=1e-2, atol=0.1)
    assert np.isfinite(predicted.mean).all()
    assert np.isfinite(predicted.std).all()
    assert predictor.unit[1] > 1e-3
    assert kendalltau(predicted.mean[:, 0], values[:, 0]).statistic > 0.5


@every_kind
def test_large_values_that_differ_little_are_ranked(kind: str) -> None:
    codes, values = rows("mixed", 100)
    shifted = values[:, :1] + 1e4
    predicted = quick(kind, codes, shifted, ["s/a"]).predict(codes)
    assert kendalltau(predicted.mean[:, 0], values[:, 0]).statistic > 0.7


@pytest.mark.parametrize(("kind", "space"), [pair for pair in PAIRS if pair.values[0] in COMPLETE])
def test_ten_rows_are_enough(kind: str, space: str) -> None:
    codes, values = rows(space, 10)
    predictor = quick(kind, codes, values[:, :1], COLUMNS[:1], space)
    predicted = predictor.predict(rows(space)[0])
    assert np.isfinite(predicted.mean).all()
    assert np.isfinite(predicted.std).all()


@every_kind
def test_nine_rows_are_not(kind: str) -> None:
    codes, values = rows("mixed")
    with pytest.raises(DataError, match=r"Expected at least 10 rows to fit a predictor on\. Got 9\."):
        fit_predictor(codes[:9], values[:9], COLUMNS, space=SPACES["mixed"], kind=kind)


@every_kind
@pytest.mark.parametrize(
    ("hole", "problem"), [(np.nan, "has no value"), *((hole, "is infinite") for hole in (np.inf, -np.inf))]
)
def test_missing_and_infinite_values_are_refused_with_their_row(kind: str, hole: float, problem: str) -> None:
    codes, values = rows("mixed", 40)
    values = values.copy()
    values[17, 2] = hole
    with pytest.raises(DataError, match=rf"Row 17 of video/top1 {problem}\."):
        fit_predictor(codes, values, COLUMNS, space=SPACES["mixed"], kind=kind)


@pytest.mark.parametrize("shape", [(39, 3), (40, 2), (40, 4), (40,), (3, 40)])
def test_values_must_fit_codes_and_columns(shape: tuple[int, ...]) -> None:
    codes, _ = rows("mixed", 40)
    with pytest.raises(
        DataError, match=re.escape(f"Expected values of shape (40, 3): a row per code, a column per name. Got {shape}.")
    ):
        fit_predictor(codes, np.zeros(shape), COLUMNS, space=SPACES["mixed"])


def test_codes_must_lie_in_the_space() -> None:
    codes, values = rows("mixed", 40)
    with pytest.raises(CodeError, match=r"Expected 27 integers per code\. Got 5\."):
        fit_predictor(codes, values, COLUMNS)
    outside = codes.copy()
    outside[5, 2] = 9
    with pytest.raises(CodeError, match="Got 9 in row 5"):
        fit_predictor(outside, values, COLUMNS, space=SPACES["mixed"])


@pytest.mark.parametrize("kind", ["forest", ["gp"], None])
def test_an_unknown_kind_is_refused(kind: Any) -> None:
    codes, values = rows("mixed", 40)
    with pytest.raises(ConfigError, match=r"^kind must be one of default, mlp, ensemble, gp, exact, transfer\. Got "):
        fit_predictor(codes, values, COLUMNS, space=SPACES["mixed"], kind=kind)


@pytest.mark.slow
@every_kind
def test_failed_runs_do_not_spoil_the_ranking(kind: str) -> None:
    codes, values = rows("mixed")
    failed = values.copy()
    failed[np.random.default_rng(0).permutation(len(codes))[: round(0.03 * len(codes))], 0] = 0.0
    spoilt = fit_predictor(codes, failed, COLUMNS, space=SPACES["mixed"], kind=kind)
    fresh = np.unique(SPACES["mixed"].sample(500, np.random.default_rng(5)), axis=0)
    clean, after = fitted(kind, "mixed").predict(fresh).mean[:, 0], spoilt.predict(fresh).mean[:, 0]
    assert kendalltau(clean, after).statistic > 0.8
