"""The Bayesian searcher: expected improvement, and the targets that its surrogate is fitted to."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from ncp import CELL201
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.encoding import Points
from ncp.searchers.improvement import Improvement, distances, log_improvement, normal_scores
from ncp.searchers.surrogate import Surrogate
from ncp.spaces.arrays import Reals
from tests.searchers.test_surrogate import data, learnt


@pytest.mark.parametrize("std", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("z", [-8.0, -5.5, -4.9, -3.0, -1.0, 0.0, 0.5, 2.0, 6.0])
def test_the_logarithm_of_the_expected_improvement(z: float, std: float) -> None:
    def gained(t: float) -> float:
        return (z + t) * math.exp(-t * t / 2) / math.sqrt(2 * math.pi)

    expected = std * quad(gained, -z, max(-z, 0) + 12, epsabs=0, epsrel=1e-9)[0]
    found = log_improvement(torch.tensor(z * std, dtype=torch.float64), torch.tensor(std, dtype=torch.float64))
    assert found.item() == pytest.approx(math.log(expected), abs=1e-6 if z > -5 else 0.01)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_improvement_rises_with_gain_and_is_finite_everywhere(dtype: torch.dtype) -> None:
    gain = torch.linspace(-40, 40, 8001, dtype=dtype, requires_grad=True)
    std = torch.ones(8001, dtype=dtype, requires_grad=True)
    found = log_improvement(gain, std)
    assert torch.isfinite(found).all()
    by_gain, by_std = torch.autograd.grad(found.sum(), (gain, std))
    for slope in (by_gain, by_std):
        assert torch.isfinite(slope).all()
        assert (slope >= (-1e-9 if dtype == torch.float64 else -1e-3)).all()
    assert (by_gain > 0).all()
    if dtype == torch.float64:
        assert (found.diff() > 0).all()
        wider = log_improvement(gain, 1.1 * std)
        assert (wider >= found - 0.02)[gain < -1].all()


def test_a_code_that_is_likely_better_has_a_higher_expected_improvement() -> None:
    surrogate, predictor = learnt("mixed")
    codes, targets = data("mixed")

    class Model:
        log_weights = torch.zeros(1)

        def moments(self, points: Points) -> tuple[torch.Tensor, torch.Tensor]:
            mean, std = surrogate.moments(points.features)
            return mean.T, std.T

    points = Points(predictor.inputs(predictor.relaxed(codes)), torch.zeros(len(codes), 0))
    high, low = (Improvement(Model(), torch.tensor([best]))(points).numpy() for best in (targets.max(), targets.min()))
    assert np.isfinite(high).all()
    assert np.corrcoef(predictor.predict(codes).mean[:, 0], high)[0, 1] > 0.5
    assert (low > high).all()


def test_the_improvement_is_averaged_over_models() -> None:
    class Two:
        log_weights = torch.tensor([0.25, 0.75]).log()

        def moments(self, points: Points) -> tuple[torch.Tensor, torch.Tensor]:
            mean = torch.stack([points.known[:, 0], points.known[:, 1]])
            return mean, torch.full_like(mean, 0.5)

    known = torch.tensor([[0.2, -1.0], [1.5, 0.3], [-2.0, -0.4]])
    found = Improvement(Two(), torch.tensor([0.1, 0.4]))(Points(known, known)).exp()
    std = torch.tensor(0.5)
    each = [log_improvement(known[:, k] - best, std).exp() for k, best in enumerate((0.1, 0.4))]
    torch.testing.assert_close(found, 0.25 * each[0] + 0.75 * each[1])


def test_normal_scores_depend_on_ranks_alone() -> None:
    scores = normal_scores(np.array([3.0, 100.0, -5.0]))
    np.testing.assert_allclose(scores, [0, 0.967421566, -0.967421566], atol=1e-9)
    np.testing.assert_allclose(normal_scores(np.array([1.0, 1.0, 2.0])), [-0.430727, -0.430727, 0.967422], atol=1e-6)


def test_distances_from_the_median() -> None:
    unit = 1.482602218505602  # a normal's deviation in median absolute deviations
    targets = distances(np.array([-99.0, 4.0, 0.0, 1.0, 2.0]))
    np.testing.assert_allclose(targets, [-np.log1p(100 / unit), 3 / unit, -np.log1p(1 / unit), 0, 1 / unit])
    np.testing.assert_allclose(distances(np.array([5.0, 5.0, 5.0, 9.0])), [0, 0, 0, 4])
    np.testing.assert_array_equal(distances(np.full(3, 7.0)), 0)


def test_with_fewer_than_fifty_scores_it_proposes_one_code_and_fits_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = Bayesian(CELL201, np.random.default_rng(0))
    fitted: list[Reals] = []
    learn = Surrogate.learn

    def noted(surrogate: Surrogate, z: torch.Tensor, targets: Reals, *rest: Any) -> None:
        fitted.append(targets)
        learn(surrogate, z, targets, *rest)

    monkeypatch.setattr(Surrogate, "learn", noted)
    codes = CELL201.sample(80, np.random.default_rng(1))
    codes = np.unique(codes, axis=0)[:54]
    scores = np.random.default_rng(2).exponential(size=54)
    for start, end, proposed, measure in ((0, 49, 1, normal_scores), (49, 50, 4, distances), (50, 54, 4, distances)):
        searcher.tell(codes[start:end], scores[start:end])
        found = searcher.ask()
        assert len(np.unique(found, axis=0)) == len(found) == proposed
        expected = measure(scores[:end])
        if measure is distances:
            expected = (expected - expected.mean()) / expected.std()
        np.testing.assert_allclose(fitted[-1], expected)
