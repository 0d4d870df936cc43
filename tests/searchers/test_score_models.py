"""Models of scores that are sums of columns: targets, combinations, and moments."""

import numpy as np
import pytest
import torch

from ncp.predictors.meaning import Meaning
from ncp.searchers.averaged import Averaged
from ncp.searchers.encoding import Points
from ncp.searchers.improvement import normal_scores
from ncp.searchers.score_models import AveragedModel, LikeliestModel, combinations, targets_of
from tests.searchers.test_averaged import REPEATS, TARGETS, WEIGHTS, N, drawn


def test_the_likeliest_model_fits_ranks_of_a_single_column_while_labels_are_few() -> None:
    scores = np.random.default_rng(0).exponential(size=60)
    few = targets_of(scores[:49], scores[:49, None], averaged=False)
    np.testing.assert_allclose(few.values[:, 0], normal_scores(scores[:49]))
    many = targets_of(scores, None, averaged=False)
    assert float(many.values.mean()) == pytest.approx(0, abs=1e-12)
    assert float(many.values.std(correction=0)) == pytest.approx(1)


def test_an_averaged_model_keeps_the_values_of_a_single_column() -> None:
    scores = np.random.default_rng(0).exponential(size=20)
    scores[3] = -1e6
    values = targets_of(scores, None, averaged=True).values[:, 0].numpy()
    kept = np.arange(20) != 3
    slope, level = np.polyfit(scores[kept], values[kept], 1)
    np.testing.assert_allclose(values[kept], slope * scores[kept] + level, atol=1e-12)
    assert values[3] == values.min() > -4
    assert (values.mean(), values.std()) == (pytest.approx(0), pytest.approx(1))


def test_sums_of_targets_have_the_distances_of_the_scores_above_the_median() -> None:
    rng = np.random.default_rng(1)
    columns = rng.normal(size=(21, 3)) * [1, 5, 0.2]
    targets = targets_of(columns.sum(axis=1), columns, averaged=False)
    parts = (targets.values * targets.scale).numpy()
    for column, part in zip(columns.T, parts.T, strict=True):
        above = column >= np.median(column)
        np.testing.assert_allclose(np.diff(np.sort(part[above])), np.diff(np.sort(column[above])), atol=1e-9)
        assert np.ptp(part) < np.ptp(column)


def test_a_constant_column_changes_nothing() -> None:
    columns = np.stack([np.arange(5.0), np.full(5, 3.0)], axis=1)
    targets = targets_of(columns.sum(axis=1), columns, averaged=False)
    assert torch.isfinite(targets.values).all()
    assert (targets.values[:, 1] == 0).all()


def test_processes_stand_for_columns_by_their_weights() -> None:
    weights = torch.tensor([[0.5, 0.125], [0.25, 0.0], [0.25, 0.875]], dtype=torch.float64)
    chosen = combinations(weights.log(), 16)
    assert torch.bincount(chosen[:, 0], minlength=3).tolist() == [8, 4, 4]
    assert torch.bincount(chosen[:, 1], minlength=3).tolist() == [2, 0, 14]


def test_the_moments_of_a_sum() -> None:
    scale = torch.tensor([2.0, 0.5], dtype=torch.float64)
    averaged, points = Averaged(WEIGHTS, drawn(N, 1), TARGETS, REPEATS), drawn(5, 2)
    model = AveragedModel(averaged, scale)
    mean, std = model.moments(points)
    each, deviation = averaged.moments(points)
    for s, (a, b) in enumerate(model.chosen.tolist()):
        torch.testing.assert_close(mean[s], 2 * each[a, :, 0] + 0.5 * each[b, :, 1])
        variance = (2 * deviation[a, :, 0]) ** 2 + (0.5 * deviation[b, :, 1]) ** 2
        torch.testing.assert_close(std[s] ** 2, variance)
    assert float(model.log_weights.exp().sum()) == pytest.approx(1)


def test_fantasies_of_learned_models_make_a_place_certain() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(30, 4))
    points = Points(torch.as_tensor(features), torch.zeros(30, 0))
    columns = np.stack([np.sin(features[:, 0]), features[:, 1] ** 2], axis=1)
    model = LikeliestModel([Meaning("dimension", name) for name in "abcd"])
    model.learn(points, targets_of(columns.sum(axis=1), columns, averaged=False), np.ones(30))
    pending = Points(torch.as_tensor(rng.normal(size=(3, 4))), torch.zeros(3, 0))
    more = model.with_fantasies(pending)
    torch.testing.assert_close(more.moments(pending)[0], model.moments(pending)[0], rtol=0, atol=0.2)
    assert (more.moments(pending)[1] < model.moments(pending)[1]).all()
    assert len(model.surrogates[0].rows) == 30
