"""The surrogate: derivatives of its loss, its posterior and its prior."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ncp import CELL201, ConfigError, Predictor
from ncp.predictors.features import CodeFeatures, Features
from ncp.predictors.likeliest import Posterior, covariances, negative_log_density
from ncp.predictors.scale import Scale
from ncp.searchers.surrogate import Surrogate
from ncp.spaces.arrays import Codes, Reals
from tests.predictors.fitted import SPACES

every_space = pytest.mark.parametrize("space", SPACES)


def data(space: str, n: int = 30) -> tuple[Codes, Reals]:
    """Different codes, and a smooth curve of them with deviation 1 and mean 0."""
    rng = np.random.default_rng(3)
    codes = np.unique(SPACES[space].sample(2 * n, rng), axis=0)
    codes = codes[rng.permutation(len(codes))[:n]]
    x = SPACES[space].relax(codes)
    low, high = SPACES[space].bounds
    y = ((x - low) / (high - low)) @ rng.normal(size=x.shape[1])
    return codes, (y - y.mean()) / y.std()


def learnt(space: str, n: int = 30) -> tuple[Surrogate, Predictor]:
    """A surrogate, and the predictor around it."""
    codes, targets = data(space, n)
    features = Features(SPACES[space])
    surrogate = Surrogate(features.meanings)
    scale = Scale(torch.tensor([[-1.0, 1.0]]), 1.0)
    predictor = Predictor(SPACES[space], ("score",), features, surrogate, scale).double()
    features.fit(predictor.relaxed(SPACES[space].sample(500, np.random.default_rng(0))))
    surrogate.learn(features(predictor.relaxed(codes)), targets)
    return surrogate, predictor


@pytest.mark.parametrize("shift", [0.0, -1.0, 1.5])
def test_the_gradient_of_the_loss(shift: float) -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(12, 4)), rng.normal(size=12)
    prior = np.append(np.full(4, -math.log(4)), math.log(0.05))
    precision = np.linalg.inv(np.eye(5) + 0.5)
    at = prior + shift * rng.normal(size=5)
    repeats = np.array([1.0, 3.0, 2.0] * 4)
    loss, gradient = negative_log_density(at, z, y, repeats, prior, precision)
    assert math.isfinite(loss)
    for j, step in enumerate(1e-5 * np.eye(5)):
        up, down = (negative_log_density(at + sign * step, z, y, repeats, prior, precision)[0] for sign in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("step", [-1e4, -800.0, 800.0, 1e4])
def test_a_step_that_is_too_long_is_taken_back(step: float) -> None:
    """The first step of the optimiser follows a gradient that can be large; the exponential of 800 overflows."""
    rng = np.random.default_rng(0)
    z, y, prior = rng.normal(size=(12, 4)), rng.normal(size=12), np.zeros(5)
    near, _ = negative_log_density(prior, z, y, np.ones(12), prior, np.eye(5))
    for far in (np.full(5, step), step * np.eye(5)[4], step * np.eye(5)[0]):
        loss, gradient = negative_log_density(far, z, y, np.ones(12), prior, np.eye(5))
        assert near < loss < math.inf
        assert np.isfinite(gradient).all()


def test_the_loss_is_the_posterior_by_definition() -> None:
    """But for a constant: a normal of unknown level and amplitude, both at their likeliest, times the prior."""
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(7, 2)), rng.normal(size=7)
    prior, precision = np.zeros(3), np.linalg.inv(np.diag([1.0, 4.0, 2.0]) + 0.3)
    at = np.array([-0.5, 0.3, -2.0])
    squares = np.array([[(np.exp(at[:2]) * (a - b) ** 2).sum() for a in z] for b in z])
    matern = (1 + np.sqrt(5 * squares) + 5 / 3 * squares) * np.exp(-np.sqrt(5 * squares))
    repeats = np.array([1, 1, 2, 1, 5, 1, 1])
    kernel = matern + np.exp(-2) * np.diag(1 / repeats)
    inverse = np.linalg.inv(kernel)
    level = inverse.sum(0) @ y / inverse.sum()
    amplitude = (y - level) @ inverse @ (y - level) / 7
    expected = 3.5 * np.log(amplitude) + 0.5 * np.log(np.linalg.det(kernel)) + 0.5 * at @ precision @ at
    assert negative_log_density(at, z, y, repeats, prior, precision)[0] == pytest.approx(expected)
    fit = Posterior(at, z, y, repeats)
    assert (fit.level, fit.amplitude) == (pytest.approx(level), pytest.approx(amplitude))
    np.testing.assert_allclose(fit.dual, inverse @ (y - level))


@every_space
def test_learning_goes_down_and_on_from_where_it_stopped(space: str) -> None:
    _, targets = data(space)
    surrogate, _ = learnt(space)
    z = surrogate.rows.numpy()
    losses = [
        negative_log_density(at, z, targets, np.ones(30), *surrogate.prior)[0]
        for at in (surrogate.prior.mean, surrogate.logarithms.copy())
    ]
    surrogate.learn(surrogate.rows, targets)
    losses.append(negative_log_density(surrogate.logarithms, z, targets, np.ones(30), *surrogate.prior)[0])
    assert losses[0] > losses[1] >= losses[2]


@every_space
def test_the_posterior_runs_about_through_what_it_learnt(space: str) -> None:
    codes, targets = data(space)
    _, predictor = learnt(space)
    with torch.no_grad():
        mean, std = predictor.latent_moments(predictor.relaxed(codes))
        far = predictor.latent_moments(predictor.relaxed(SPACES[space].sample(200, np.random.default_rng(9))))[1]
    assert mean.shape == std.shape == (len(codes), 1)
    assert np.abs(mean[:, 0].numpy() - targets).max() < 1
    assert np.corrcoef(mean[:, 0], targets)[0, 1] > 0.98
    assert 0 < std.mean() < far.mean()
    np.testing.assert_allclose(mean.numpy(), predictor.latent(predictor.relaxed(codes)).detach().numpy())


@every_space
def test_predictions_have_the_noise_that_was_learnt(space: str) -> None:
    """Of a new value: the posterior's variance plus the noise, by definition."""
    _, targets = data(space)
    surrogate, predictor = learnt(space)
    fit = Posterior(surrogate.logarithms, surrogate.rows.numpy(), targets, np.ones(30))
    others = SPACES[space].sample(20, np.random.default_rng(4))
    with torch.no_grad():
        across = covariances(predictor.inputs(predictor.relaxed(others)), surrogate.rows, surrogate.weights).numpy()
    explained = np.einsum("ij,jk,ik->i", across, np.linalg.inv(fit.covariance + fit.noise * np.eye(30)), across)
    std = predictor.predict(others).std
    np.testing.assert_allclose(std[:, 0], np.sqrt(fit.amplitude * (1 - explained + fit.noise)), rtol=1e-4)


def test_it_computes_on_the_device_of_its_tensors() -> None:
    """Shapes alone, on the device `meta`, where an operation that mixes devices fails as on a GPU."""
    surrogate, predictor = learnt("mixed")
    for module in predictor.modules():
        assert not any(isinstance(value, torch.Tensor) for value in vars(module).values())
    predictor = predictor.to("meta")
    x = predictor.relaxed(data("mixed")[0])
    assert [moment.device.type for moment in predictor.latent_moments(x)] == ["meta", "meta"]
    assert surrogate.weights.device.type == "meta"


def test_a_surrogate_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kind surrogate cannot be saved"):
        learnt("mixed")[1].save(tmp_path / "surrogate.safetensors")
    assert not list(tmp_path.iterdir())


@every_space
def test_gradients_flow_through_mean_and_std(space: str) -> None:
    _, predictor = learnt(space, 15)
    low, high = (torch.as_tensor(bound) for bound in SPACES[space].bounds)
    shares = torch.as_tensor(np.random.default_rng(5).uniform(0.2, 0.8, size=(3, SPACES[space].width)))
    x = (low + shares * (high - low)).requires_grad_()
    for part in range(2):
        (gradient,) = torch.autograd.grad(predictor.latent_moments(x)[part].sum(), x)
        assert torch.isfinite(gradient).all()
        assert (gradient != 0).any(dim=1).all()
        way = torch.as_tensor(np.random.default_rng(6).normal(size=x.shape)) * (high - low)
        with torch.no_grad():
            up, down = (predictor.latent_moments(x + sign * 1e-5 * way)[part][:, 0] for sign in (1, -1))
        torch.testing.assert_close((gradient * way).sum(1), (up - down) / 2e-5, rtol=1e-4, atol=1e-6)


def test_weights_of_a_dimension_and_of_a_choice_are_alike_a_priori() -> None:
    meanings = CodeFeatures(CELL201).meanings
    surrogate = Surrogate(meanings)
    names = [(meaning.block, meaning.dimension, meaning.choice) for meaning in meanings]
    covariance = np.linalg.inv(surrogate.prior.precision)

    def between(a: int, b: int) -> float:
        return float(covariance[a, b] / math.sqrt(covariance[a, a] * covariance[b, b]))

    skip, conv = (names.index(("dimension", names[0][1], op)) for op in ("skip_connect", "nor_conv_3x3"))
    elsewhere = names.index(("dimension", names[5][1], "skip_connect"))
    apart = names.index(("dimension", names[5][1], "nor_conv_3x3"))
    assert 1 > between(skip, conv) > between(skip, elsewhere) > between(skip, apart) > 0
    assert covariance[-1, :-1] == pytest.approx(0)
    blocks = np.array([block for block, _, _ in names])
    for block in ("dimension", "count"):
        assert np.exp(surrogate.prior.mean[:-1][blocks == block]).sum() == pytest.approx(1 / 3)
