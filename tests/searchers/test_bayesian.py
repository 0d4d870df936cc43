"""The Bayesian searcher: expected improvement, and the targets that its surrogate is fitted to."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from ncp import CELL201, MULTIRES, Budget, InfeasibleError, macs
from ncp.optim.sampling import sample_codes
from ncp.searchers.averaged import Averaged, block_weights
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.encoding import Points
from ncp.searchers.improvement import Improvement, distances, log_improvement, log_use, normal_scores
from ncp.searchers.prior import Prior, as_prior
from ncp.searchers.score_models import AVERAGED, AveragedModel, LikeliestModel, targets_of
from ncp.searchers.surrogate import Surrogate
from ncp.spaces.arrays import Codes, Reals
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
        noise_std = torch.zeros(1)

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
        noise_std = torch.tensor([0.5, 1.2])

        def moments(self, points: Points) -> tuple[torch.Tensor, torch.Tensor]:
            mean = torch.stack([points.known[:, 0], points.known[:, 1]])
            return mean, torch.full_like(mean, 0.5)

    known = torch.tensor([[0.2, -1.0], [1.5, 0.3], [-2.0, -0.4]])
    improvement, points = Improvement(Two(), torch.tensor([0.1, 0.4])), Points(known, known)
    std = torch.tensor(0.5)
    each = [log_improvement(known[:, k] - best, std).exp() for k, best in enumerate((0.1, 0.4))]
    torch.testing.assert_close(improvement.expected(points), 0.25 * each[0] + 0.75 * each[1])
    use = 1 - 0.5 / 0.5**0.5, 1 - 1.2 / 1.3
    torch.testing.assert_close(improvement(points).exp(), 0.25 * each[0] * use[0] + 0.75 * each[1] * use[1])


def test_a_label_is_of_less_use_where_the_score_is_known_better_than_a_label_tells() -> None:
    std = torch.tensor([0.01, 0.1, 1.0, 10.0], dtype=torch.float64, requires_grad=True)
    found = log_use(std, torch.tensor(0.8, dtype=torch.float64))
    torch.testing.assert_close(found, (1 - 0.8 / (std.square() + 0.64).sqrt()).log())
    assert (found.diff() > 0).all()
    torch.testing.assert_close(log_use(std, torch.tensor(0.0, dtype=torch.float64)), torch.zeros_like(std))
    (slope,) = torch.autograd.grad(found.sum(), std)
    assert torch.isfinite(slope).all()


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


def test_it_fits_ranks_of_fewer_than_fifty_scores_and_proposes_four_codes_from_a_hundred_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searcher = Bayesian(CELL201, np.random.default_rng(0))
    fitted: list[Reals] = []
    learn = Surrogate.learn

    def noted(surrogate: Surrogate, z: torch.Tensor, targets: Reals, *rest: Any) -> None:
        fitted.append(targets)
        learn(surrogate, z, targets, *rest)

    monkeypatch.setattr(Surrogate, "learn", noted)
    codes = CELL201.sample(150, np.random.default_rng(1))
    codes = np.unique(codes, axis=0)[:104]
    scores = np.random.default_rng(2).exponential(size=104)
    ends = (49, 1, normal_scores), (50, 1, distances), (99, 1, distances), (100, 4, distances), (104, 4, distances)
    start = 0
    for end, proposed, measure in ends:
        searcher.tell(codes[start:end], scores[start:end])
        found, start = searcher.ask(), end
        assert len(np.unique(found, axis=0)) == len(found) == proposed
        expected = measure(scores[:end])
        if measure is distances:
            expected = (expected - expected.mean()) / expected.std()
        np.testing.assert_allclose(fitted[-1], expected)


@cache
def shipped() -> Prior:
    prior = as_prior("nas-bench-mr", MULTIRES)
    assert prior is not None
    return prior


@pytest.mark.slow
def test_in_a_space_too_large_to_list_proposals_are_within_the_budget_and_new() -> None:
    budget = Budget(max_macs=3e8)

    known, pending = np.split(sample_codes(MULTIRES, 5, budget, seed=3), [4])

    def proposed() -> Codes:
        searcher = Bayesian(MULTIRES, np.random.default_rng(1), prior=shipped(), budget=budget)
        searcher.tell(known, np.array([1.0, np.nan, 3.0, 2.0]))
        codes = searcher.ask(2, pending)
        assert (searcher.listed, searcher.propagated) == (0, 2)
        assert searcher.improvement() is not None
        return codes

    codes = proposed()
    assert len(np.unique(np.concatenate([codes, known, pending]), axis=0)) == 7
    assert (macs(codes) <= 3e8).all()
    assert MULTIRES.contains(codes).all()
    np.testing.assert_array_equal(codes, proposed())


@pytest.mark.parametrize("with_prior", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_improvements_are_augmented_unless_a_prior_ranks_a_list(
    listed: bool, with_prior: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ncp.searchers.bayesian.TYPICAL", 50)
    monkeypatch.setattr("ncp.searchers.bayesian.STEPS", 3)
    seen: list[bool] = []
    on = Improvement.on

    def spied(model: Any, evaluated: Points, *, augmented: bool) -> Improvement:
        seen.append(augmented)
        return on(model, evaluated, augmented=augmented)

    monkeypatch.setattr(Improvement, "on", spied)
    codes = sample_codes(MULTIRES, 40, Budget(max_macs=1e9))
    prior = shipped() if with_prior else None
    searcher = Bayesian(MULTIRES, np.random.default_rng(0), codes if listed else None, prior=prior)
    searcher.tell(codes[:6], np.arange(6.0))
    searcher.ask(1)
    assert seen == [not (listed and with_prior)]


@pytest.mark.parametrize("with_prior", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_several_codes_are_proposed_at_once_only_from_a_list_without_a_prior(
    listed: bool, with_prior: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TYPICAL": 50, "STEPS": 3, "SINGLY": 6}.items():
        monkeypatch.setattr(f"ncp.searchers.bayesian.{name}", value)
    codes = sample_codes(MULTIRES, 40, Budget(max_macs=1e9))
    prior = shipped() if with_prior else None
    searcher = Bayesian(MULTIRES, np.random.default_rng(0), codes if listed else None, prior=prior)
    searcher.tell(codes[:6], np.arange(6.0))
    assert len(searcher.ask()) == (4 if listed and not with_prior else 1)


@pytest.mark.parametrize("averaged", [False, True])
def test_a_model_learns_the_noise_of_a_sum_of_columns(averaged: bool) -> None:
    rng = np.random.default_rng(0)
    searcher = Bayesian(CELL201, rng)
    codes = np.unique(CELL201.sample(80, rng), axis=0)
    points = searcher.encoding.of(codes)
    signal = (codes[:, :2] == 3) + 0.5 * (codes[:, 2:4] == 1)
    drawn = rng.normal(size=(len(codes), 2))

    def learned(noise: float) -> float:
        columns = signal + noise * drawn
        targets = targets_of(columns.sum(axis=1), columns, averaged=averaged)
        if averaged:
            weights = block_weights(searcher.likeliest.meanings)
            repeats = torch.ones(len(codes), dtype=torch.float64)
            model: AveragedModel | LikeliestModel = AveragedModel(
                Averaged(weights, points, targets.values, repeats), targets.scale
            )
        else:
            model = LikeliestModel(searcher.likeliest.meanings)
            model.learn(points, targets, np.ones(len(codes)))
        return float((model.noise_std * model.log_weights.exp()).sum())

    little, more, much = map(learned, (0.05, 0.3, 1.0))
    assert little < more < much / 2
    assert 0.4 < much < 2  # labels have 1.4; distances below the median are compressed


def test_the_first_codes_are_good_on_known_tasks() -> None:
    first = Bayesian(MULTIRES, np.random.default_rng(1), prior=shipped(), budget=Budget(max_macs=1e9)).ask(1)
    others = sample_codes(MULTIRES, 300, Budget(max_macs=1e9))
    means = shipped().of(np.concatenate([first, others])).mean(dim=1)
    assert (means[0] > means[1:]).all()


def test_trainings_that_all_fail_do_not_end_the_search() -> None:
    searcher = Bayesian(CELL201, np.random.default_rng(0))
    for _ in range(8):
        code = searcher.ask(1)
        searcher.tell(code, np.array([np.nan]))
    assert len(np.unique(searcher.told.codes, axis=0)) == 8
    assert searcher.evidence() is None


def test_a_budget_that_no_code_meets() -> None:
    with pytest.raises(InfeasibleError, match="max_macs"):
        Bayesian(MULTIRES, np.random.default_rng(0), budget=Budget(max_macs=1.0))


def test_evidence_says_whether_the_prior_helps() -> None:
    codes = sample_codes(MULTIRES, 16, seed=4)
    searcher = Bayesian(MULTIRES, np.random.default_rng(0), prior=shipped())
    assert searcher.evidence() is None
    known = shipped().of(codes)[:, 0].numpy()
    searcher.tell(codes, known, known[:, None])
    evidence = searcher.evidence()
    assert evidence is not None
    assert evidence.labels == 16
    assert evidence.tau > 0.8
    assert evidence.tau > evidence.tau_without_prior
    assert evidence.prior_weight > 0.9
    assert max(evidence.resemblance, key=lambda name: evidence.resemblance[name]) == "seg/mIoU"
    assert evidence.resemblance["seg/mIoU"] == pytest.approx(1)


def test_repeats_are_fitted_with_less_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    repeats: list[Reals] = []
    learn = Surrogate.learn

    def noted(surrogate: Surrogate, z: torch.Tensor, targets: Reals, counts: Reals, *rest: Any) -> None:
        repeats.append(counts)
        learn(surrogate, z, targets, counts, *rest)

    monkeypatch.setattr(Surrogate, "learn", noted)
    searcher = Bayesian(CELL201, np.random.default_rng(0))
    codes = np.unique(CELL201.sample(AVERAGED + 5, np.random.default_rng(1)), axis=0)
    searcher.tell(codes, np.arange(len(codes)) / 10)
    searcher.tell(codes[:1], np.array([0.7]))
    searcher.ask()
    np.testing.assert_array_equal(repeats[-1], [2] + [1] * (len(codes) - 1))


def test_hyperparameters_are_averaged_while_labels_are_few() -> None:
    searcher = Bayesian(CELL201, np.random.default_rng(0))
    codes = np.unique(CELL201.sample(AVERAGED + 5, np.random.default_rng(1)), axis=0)
    for begin, end, model in ((0, AVERAGED - 1, AveragedModel), (AVERAGED - 1, AVERAGED, LikeliestModel)):
        searcher.tell(codes[begin:end], np.arange(begin, end) / 10)
        labels = searcher.told.labels()
        assert labels is not None
        improvement = searcher._improvement(labels, np.empty((0, 6), dtype=np.int64))
        assert isinstance(improvement.model, model)
        weights = improvement.model.log_weights.exp()
        assert float(weights.sum()) == pytest.approx(1)
        assert (len(weights) > 1) == (model is AveragedModel)
