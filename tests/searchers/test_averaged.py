"""Gaussian processes that are averaged over hyperparameters, against their definition."""

import numpy as np
import pytest
import torch

from ncp.searchers.averaged import Averaged, grid
from ncp.searchers.encoding import Points
from ncp.spaces.arrays import Reals

N, FEATURES, KNOWN, COLUMNS = 9, 4, 3, 2
WEIGHTS = torch.tensor([0.3, 0.1, 0.5, 0.2], dtype=torch.float64)


def drawn(n: int, seed: int, known: int = KNOWN) -> Points:
    rng = np.random.default_rng(seed)
    return Points(torch.as_tensor(rng.normal(size=(n, FEATURES))), torch.as_tensor(rng.normal(size=(n, known))))


TARGETS = torch.as_tensor(np.random.default_rng(5).normal(size=(N, COLUMNS)))
REPEATS = torch.tensor([1.0, 1, 3, 1, 2, 1, 1, 5, 1], dtype=torch.float64)


def covariance(a: Points, b: Points, k: int) -> Reals:
    """By definition, element by element."""
    each = grid(a.known.shape[1] > 0)
    linear, length, weight = (float(values[k]) for values in (each.linear, each.lengthscale, each.weight))
    p = max(a.known.shape[1], 1)
    found = np.empty((len(a.features), len(b.features)))
    for i, j in np.ndindex(*found.shape):
        near = float((WEIGHTS * (a.features[i] - b.features[j]) ** 2).sum())
        far = float(((a.known[i] - b.known[j]) ** 2).sum()) / p
        r = np.sqrt(5 * (near + weight * far)) / length
        found[i, j] = linear * float(a.known[i] @ b.known[j]) / p + (1 - linear) * (1 + r + r * r / 3) * np.exp(-r)
    return found


@pytest.mark.parametrize("known", [KNOWN, 0])
def test_the_posterior_of_every_process_is_that_of_its_definition(known: int) -> None:
    points, others = drawn(N, 1, known), drawn(6, 2, known)
    averaged = Averaged(WEIGHTS, points, TARGETS, REPEATS)
    mean, std = averaged.moments(others)
    count = len(averaged.grid.noise)
    assert mean.shape == std.shape == (count, 6, COLUMNS)
    assert averaged.uses_prior.any() == (known > 0)
    likelihood = np.empty((count, COLUMNS))
    for k in range(count):
        inverse = np.linalg.inv(covariance(points, points, k) + np.diag(float(averaged.grid.noise[k]) / REPEATS))
        cross = covariance(others, points, k)
        own = np.diag(covariance(others, others, k))
        for j, y in enumerate(TARGETS.T.numpy()):
            level = inverse.sum(0) @ y / inverse.sum()
            fit = (y - level) @ inverse @ (y - level)
            amplitude = (fit + 2) / (N + 2)
            np.testing.assert_allclose(mean[k, :, j], level + cross @ inverse @ (y - level), atol=1e-9)
            variance = own - np.einsum("ij,jk,ik->i", cross, inverse, cross)
            np.testing.assert_allclose(std[k, :, j] ** 2, amplitude * variance, rtol=1e-6)
            half_log_determinant = np.log(np.linalg.det(inverse)) / 2
            likelihood[k, j] = -N / 2 * np.log(amplitude) + half_log_determinant - fit / (2 * amplitude)
            likelihood[k, j] += float(averaged.grid.log_weight[k])
    weights = np.exp(likelihood - likelihood.max(0))
    np.testing.assert_allclose(averaged.log_evidence.exp(), weights / weights.sum(0), rtol=1e-6)


def test_left_out_predictions_are_those_of_the_other_labels() -> None:
    points = drawn(N, 1)
    averaged = Averaged(WEIGHTS, points, TARGETS, REPEATS)
    mean, std = averaged.left_out
    for k in (0, 7, len(mean) - 1):
        whole = covariance(points, points, k) + np.diag(float(averaged.grid.noise[k]) / REPEATS)
        for i in range(N):
            rest = np.delete(np.arange(N), i)
            inverse = np.linalg.inv(whole[np.ix_(rest, rest)])
            for j in range(COLUMNS):
                level = float(averaged.level[k, j])
                expected = level + whole[i, rest] @ inverse @ (TARGETS[rest, j].numpy() - level)
                variance = whole[i, i] - whole[i, rest] @ inverse @ whole[i, rest]
                assert float(mean[k, i, j]) == pytest.approx(expected)
                assert float(std[k, i, j]) ** 2 == pytest.approx(float(averaged.amplitude[k, j]) * variance)


def test_fantasies_make_a_place_certain_and_keep_the_evidence() -> None:
    points, pending = drawn(N, 1), drawn(2, 3)
    averaged = Averaged(WEIGHTS, points, TARGETS, REPEATS)
    more = averaged.with_fantasies(pending)
    assert torch.equal(more.log_evidence, averaged.log_evidence)
    assert (more.moments(pending)[1] < averaged.moments(pending)[1]).all()
    expected = torch.einsum("km,knm->nm", averaged.log_evidence.exp(), averaged.moments(pending)[0])
    torch.testing.assert_close(more.targets[N:], expected)


def test_labels_that_follow_the_prior_weigh_the_processes_that_use_it() -> None:
    points, once = drawn(60, 4), torch.ones(60, dtype=torch.float64)
    follows = Averaged(WEIGHTS, points, points.known[:, :1], once)
    ignores = Averaged(WEIGHTS, points, torch.sin(points.features[:, 2:3]), once)
    weight = [float(each.log_evidence[each.uses_prior].exp().sum()) for each in (follows, ignores)]
    assert weight[0] > 0.99
    assert weight[1] < 0.5


def test_gradients_flow_to_points() -> None:
    averaged = Averaged(WEIGHTS, drawn(N, 1), TARGETS, REPEATS)
    points = Points(*(each.requires_grad_() for each in drawn(4, 6)))
    for moment in averaged.moments(points):
        for gradient in torch.autograd.grad(moment.sum(), points, retain_graph=True):
            assert torch.isfinite(gradient).all()
            assert (gradient != 0).all()
