"""The Gaussian process: the textbook's posterior, its variances, and inducing codes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from ncp import MULTIRES, fit_predictor, load_predictor
from ncp.predictors.gp import GaussianProcess, GpSettings, Kernel, new_children
from tests.predictors.fitted import COLUMNS, MIXED, SPACES, fitted, rows
from tests.strategies import generators


def test_the_kernel_by_hand() -> None:
    kernel = Kernel(2).double().requires_grad_(False)
    kernel.log_lengthscale.copy_(torch.tensor([0.0, np.log(2.0)]))
    kernel.log_linear_variance.fill_(np.log(0.1))
    a, b = torch.tensor([[1.0, 2.0]]).double(), torch.tensor([[3.0, -2.0]]).double()
    assert kernel(a, b).item() == pytest.approx((1 + (4 + 4) / 4) ** -2 + 0.1 * (3 - 4) / 2)
    assert kernel(a, a).item() == pytest.approx(kernel.variance(a).item()) == pytest.approx(1 + 0.1 * 5 / 2)


@given(generators)
def test_covariances_are_positive(rng: np.random.Generator) -> None:
    kernel = Kernel(4).double().requires_grad_(False)
    a = torch.as_tensor(rng.normal(size=(20, 4)) * 3)
    covariance = kernel(a, a)
    assert torch.allclose(covariance, covariance.T)
    assert torch.linalg.eigvalsh(covariance).min() > -1e-9
    assert torch.allclose(covariance.diagonal(), kernel.variance(a))


@settings(max_examples=20)
@given(generators)
def test_children_take_their_values_from_the_rows(rng: np.random.Generator) -> None:
    codes = MULTIRES.sample(30, rng)
    children = new_children(codes, 200, rng)
    assert children.shape == (200, 27)
    assert MULTIRES.contains(children).all()
    assert all(set(child) <= set(row) for child, row in zip(children.T.tolist(), codes.T.tolist(), strict=True))
    for child in children[:20]:  # two rows are enough to make it
        differs = codes != child
        assert any((differs[i] & differs).sum(axis=1).min() == 0 for i in range(len(codes)))


@pytest.mark.parametrize("space", SPACES)
@settings(max_examples=10)
@given(rng=generators)
def test_variances_are_positive_everywhere(space: str, rng: np.random.Generator) -> None:
    predictor = fitted("gp", space)
    low, high = SPACES[space].bounds
    x = torch.as_tensor(rng.uniform(low, high, size=(30, len(low))), dtype=torch.float32)
    latent, std = predictor.latent_moments(x)
    assert torch.isfinite(latent).all()
    assert (std > 0).all()


def test_it_knows_least_far_from_the_rows() -> None:
    predictor, (codes, _) = fitted("gp"), rows("multires")
    corners = torch.as_tensor(MULTIRES.bounds, dtype=torch.float32)
    known = predictor.latent_moments(predictor.relaxed(codes))[1].median(dim=0).values
    assert (predictor.latent_moments(corners)[1] > 1.5 * known).all()


def test_with_all_rows_inducing_it_is_the_textbooks_process() -> None:
    """One column, the learned kernel and noise: the posterior by the usual formula, on training rows as inducing."""
    codes, values = rows("mixed", 60)
    predictor = fit_predictor(codes, values[:, :1], COLUMNS[:1], space=MIXED, kind="gp")
    model = predictor.double().core
    assert isinstance(model, GaussianProcess)
    u, x = model.inducing_features, predictor.inputs(predictor.relaxed(codes))
    fresh = predictor.inputs(predictor.relaxed(MIXED.sample(40, np.random.default_rng(3))))
    signal, noise = model.prior_variance[0], model.noise_std[0].square()
    inverse = torch.linalg.inv(model.kernel(u, u) + 1e-4 * torch.eye(len(u)))

    def spanned(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        covariance: torch.Tensor = signal * model.kernel(a, u) @ inverse @ model.kernel(u, b)
        return covariance

    gain = spanned(fresh, x) @ torch.linalg.inv(spanned(x, x) + noise * torch.eye(len(x)))
    targets = predictor.scale.float().to_latent(values[:, :1]).double()[:, 0] - model.constant[0]
    mean = gain @ targets + model.constant[0]
    variance = (spanned(fresh, fresh) - gain @ spanned(x, fresh)).diagonal()
    left = (model.kernel.variance(fresh) - spanned(fresh, fresh).diagonal() / signal).clamp_min(0) * signal
    found, std = model.moments(fresh)
    np.testing.assert_allclose(found[:, 0].numpy(), mean.numpy(), atol=2e-3)
    np.testing.assert_allclose(std[:, 0].square().numpy(), (variance + left).numpy(), atol=2e-3)


@pytest.mark.slow
def test_fewer_inducing_codes_than_rows_still_rank() -> None:
    codes, values = rows("mixed")
    few = fit_predictor(codes, values, COLUMNS, space=MIXED, kind="gp", settings=GpSettings(inducing=40))
    assert few.core.config == {"inducing": 40}
    full = fitted("gp", "mixed").predict(codes).mean
    assert np.corrcoef(few.predict(codes).mean[:, 0], full[:, 0])[0, 1] > 0.95


@pytest.mark.slow
def test_noise_is_about_what_was_put_in(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes = np.unique(MIXED.sample(900, rng), axis=0)[:600]
    x = MIXED.relax(codes)
    clean = (x - x.mean(axis=0)) / x.std(axis=0) @ rng.normal(size=(x.shape[1], 2))
    values = clean / clean.std(axis=0) + rng.normal(size=clean.shape) * [0.2, 0.5]
    predictor = fit_predictor(codes[::2], values[::2], ["a/a", "b/b"], space=MIXED, kind="gp")
    predictor.save(tmp_path / "p.safetensors")
    predicted = load_predictor(tmp_path / "p.safetensors").predict(codes[1::2])
    np.testing.assert_allclose(predicted.std.mean(axis=0), [0.2, 0.5], rtol=0.4)
    error = np.abs(predicted.mean - values[1::2])
    within = (error <= predicted.std).mean(axis=0)
    assert (within > 0.55).all()
    assert (within < 0.85).all()
