"""Scales rise, invert, and survive ties, constants and failed runs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ncp.predictors.scale import LIMIT, Scale, centres_and_deviations, deviations, ordinary
from ncp.tables.published import read_published
from tests.strategies import generators

scales = st.sampled_from([Scale.from_moments, Scale.from_quantiles])


@st.composite
def columns(draw: st.DrawFn) -> np.ndarray:
    """Values `(n, m)` of many units: smooth, tied, constant, with failed runs."""
    rng = draw(generators)
    n, m = draw(st.integers(10, 200)), draw(st.integers(1, 4))
    values = rng.normal(size=(n, m)) * 10.0 ** rng.integers(-3, 4, size=m) + rng.normal(size=m)
    for j in range(m):
        shape = draw(st.sampled_from(["smooth", "tied", "constant", "failed", "two"]))
        if shape == "tied":
            values[:, j] = np.round(values[:, j] / values[:, j].std())
        elif shape == "constant":
            values[:, j] = draw(st.sampled_from([0.0, 0.1, 77.3, -1e6, 1e9]))
        elif shape == "failed":
            values[rng.random(n) < 0.03, j] = 0.0
        elif shape == "two":
            values[:, j] = rng.random(n) < 0.1
    return values


@given(scales, columns())
def test_knots_rise_and_latents_are_finite(make: type[Scale], values: np.ndarray) -> None:
    scale = make(values)
    assert (scale.knots.diff(dim=1) > 0).all()
    latents = scale.to_latent(values)
    assert torch.isfinite(latents).all()
    assert latents.abs().max() <= LIMIT


@given(scales, columns())
def test_larger_values_have_larger_latents(make: type[Scale], values: np.ndarray) -> None:
    scale = make(values)
    latents = scale.to_latent(values).numpy()
    for column, latent in zip(values.T, latents.T, strict=True):
        assert (np.diff(latent[np.argsort(column)]) >= 0).all()
        same = column == column[0]
        assert (latent[same] == latent[0]).all()


@given(scales, columns(), generators)
def test_latents_and_values_are_inverse(make: type[Scale], values: np.ndarray, rng: np.random.Generator) -> None:
    scale = make(values)
    latents = torch.as_tensor(rng.uniform(-LIMIT, LIMIT, size=(20, values.shape[1])), dtype=torch.float32)
    # the rounding of raw values to float32, in latents
    rounding = (scale.knots.abs().amax(dim=1) + 10 * scale.step * scale.knots.diff(dim=1).amax(dim=1)) * 2e-7
    slope = scale.knots.diff(dim=1).amin(dim=1) / scale.step
    back = scale.to_latent(scale(latents).double().numpy())
    assert ((back - latents).abs() <= 1e-4 + 2 * rounding / slope).all()


@given(scales, columns())
def test_a_curve_rises_and_deviations_are_not_negative(make: type[Scale], values: np.ndarray) -> None:
    scale = make(values)
    grid = torch.linspace(-5, 5, 101)[:, None].expand(-1, values.shape[1])
    raw = scale(grid)
    assert (raw.diff(dim=0) >= 0).all()
    deviation = scale.std(grid, torch.full_like(grid, 0.5))
    assert (deviation >= 0).all()


def test_a_line_by_hand() -> None:
    scale = Scale.from_moments(np.array([[1.0], [3.0]]))
    assert scale.knots.tolist() == [[1.0, 3.0]]
    np.testing.assert_allclose(scale(torch.tensor([[-2.0], [0.0], [0.5], [3.0]])).numpy(), [[0], [2], [2.5], [5]])
    np.testing.assert_allclose(scale.to_latent(np.array([[2.5], [100.0]])).numpy(), [[0.5], [LIMIT]])
    assert scale.to_latent(np.array([[100.0]]), limit=np.inf).item() == 98.0
    assert scale.std(torch.tensor([[0.3]]), torch.tensor([[2.0]])).item() == pytest.approx(2.0)


def test_latents_of_skewed_values_are_about_normal_and_failed_runs_have_little_influence() -> None:
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(size=(3000, 1)))
    latents = Scale.from_quantiles(values).to_latent(values)
    assert abs(latents.mean().item()) < 0.05
    assert latents.std().item() == pytest.approx(1.0, abs=0.05)
    failed = values + 70
    failed[:30] = 0.0
    again = Scale.from_quantiles(failed).to_latent(failed)
    assert (again[30:] - latents[30:]).abs().median() < 0.05
    assert (again[:30] < -2).all()


def test_gradients_of_a_curve() -> None:
    scale = Scale.from_quantiles(np.exp(np.random.default_rng(1).normal(size=(500, 2)))).double()
    latents = torch.tensor([[-3.0, 0.1], [0.3, 2.9]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(scale, (latents,))


def test_nan_stays_nan() -> None:
    scale = Scale.from_quantiles(np.random.default_rng(1).normal(size=(50, 2)))
    raw = scale(torch.tensor([[float("nan"), 0.0]]))
    assert raw.isnan().tolist() == [[True, False]]


@pytest.mark.parametrize("constant", [0.0, 0.1, 77.3, 1e9, -1e12])
def test_a_constant_column_has_a_unit_to_divide_by(constant: float) -> None:
    unit = deviations(np.full((300, 1), constant))
    assert (unit >= 1).all()
    assert np.float32(constant) + np.float32(unit[0]) != np.float32(constant)
    np.testing.assert_array_equal(deviations(np.array([[1.0], [3.0]])), [1.0])


@pytest.mark.parametrize("failed", [1e3, -1e6, 1e30, -1.79e308])
@pytest.mark.parametrize(("rows", "count"), [(10, 1), (30, 1), (324, 10), (324, 1)])
def test_failed_runs_hardly_change_mean_and_deviation(failed: float, rows: int, count: int) -> None:
    values = np.random.default_rng(0).normal(size=(rows, 1)) + 5
    spoilt = values.copy()
    spoilt[:count] = failed
    cut = ordinary(spoilt)
    np.testing.assert_array_equal(cut[count:], values[count:])
    assert set(cut[:count, 0]) == {values[count:].max() if failed > 0 else values[count:].min()}
    centre, deviation = centres_and_deviations(spoilt)
    assert centre[0] == pytest.approx(5, abs=0.8)
    assert deviation[0] == pytest.approx(1, rel=0.4)


@given(columns())
def test_cutting_failed_runs_keeps_order_and_cuts_nothing_more_the_second_time(values: np.ndarray) -> None:
    cut = ordinary(values)
    for column, before in zip(cut.T, values.T, strict=True):
        assert (np.diff(column[np.argsort(before)]) >= 0).all()
        assert (column != before).sum() <= max(1, len(column) // 20)
    np.testing.assert_array_equal(ordinary(cut), cut)


@pytest.mark.parametrize(
    "column", [[0.0] * 97 + [1.0] * 3, [5.0] * 100, np.arange(100.0), np.exp(np.linspace(-6, 6, 100)), [np.nan] * 10]
)
def test_without_a_failed_run_nothing_is_cut(column: list[float]) -> None:
    values = np.array(column)[:, None]
    np.testing.assert_array_equal(ordinary(values), values)


def test_ranks_survive_many_failed_runs_in_a_small_table() -> None:
    values = np.append(np.arange(1.0, 9.0), [1e6, 1e6])[:, None]  # too many to count as failed
    latents = Scale.from_quantiles(values).to_latent(values).numpy()
    assert (np.diff(latents[:8, 0]) > 0.1).all()


@pytest.mark.slow
def test_no_published_value_counts_as_failed(shared: Path) -> None:
    for table in read_published(shared / "data" / "nas-bench-mr").tables.values():
        np.testing.assert_array_equal(ordinary(table.values), table.values)
        means, stds = centres_and_deviations(table.values)
        np.testing.assert_allclose(means, np.nanmean(table.values, axis=0), rtol=1e-12)
        np.testing.assert_allclose(stds, np.nanstd(table.values, axis=0), rtol=1e-12)
