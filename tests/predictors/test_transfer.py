"""A new column from few labels: better than its labels alone, and refused where there is nothing to go by."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from ncp import DataError, fit_predictor
from ncp.predictors.gp import GpSettings
from ncp.predictors.transfer import _loss
from tests.predictors.fitted import COLUMNS, SPACES, rows

QUICK = GpSettings(steps=20)


def test_known_columns_help_a_new_one() -> None:
    """Six columns are mixtures of two hidden curves; of the last one twenty rows are labelled."""
    space, rng = SPACES["forty"], np.random.default_rng(3)
    codes = space.sample(500, rng)
    x = space.relax(codes)
    hidden = np.tanh((x - x.mean(axis=0)) / x.std(axis=0) @ rng.normal(size=(x.shape[1], 2)) / 6)
    values = hidden @ rng.normal(size=(2, 6)) + 0.05 * rng.normal(size=(500, 6))
    train, test = slice(0, 400), slice(400, 500)
    values[20:400, -1] = np.nan
    names = [*"abcde", "new"]
    told = fit_predictor(codes[train], values[train], names, space=space, kind="transfer", settings=QUICK)
    alone = fit_predictor(codes[:20], values[:20, -1:], ["new"], space=space, kind="gp", settings=QUICK)
    with_known, without = (
        kendalltau(each.predict(codes[test]).mean[:, -1], values[test, -1]).statistic for each in (told, alone)
    )
    assert with_known > 0.65
    assert with_known > without + 0.2
    predicted = told.predict(codes[test])
    assert predicted.std is not None
    off = np.abs(predicted.mean[:, -1] - values[test, -1]) / predicted.std[:, -1]
    assert (off < 2).mean() > 0.8


def test_new_columns_may_stand_anywhere_and_have_labels_of_their_own() -> None:
    codes, values = rows("mixed")
    four = np.column_stack([values, values.sum(axis=1)])[:, [2, 0, 1, 3]]
    four[:200, 0] = np.nan
    four[60:, 3] = np.nan
    names = ["late", *COLUMNS[:2], "early"]
    predictor = fit_predictor(codes, four, names, space=SPACES["mixed"], kind="transfer", settings=QUICK)
    found = predictor.predict(codes).mean
    whole = np.column_stack([values, values.sum(axis=1)])[:, [2, 0, 1, 3]]
    assert min(kendalltau(a, b).statistic for a, b in zip(found.T, whole.T, strict=True)) > 0.6
    assert predictor.location.numpy()[0] == pytest.approx(np.nanmean(four[:, 0]), rel=1e-5)


def test_what_it_cannot_go_by_is_refused() -> None:
    codes, values = rows("mixed")
    few, apart = values.copy(), values.copy()
    few[9:, 2] = np.nan
    apart[110:, 0] = np.nan
    apart[:100, 1] = np.nan
    apart[6:100, 2] = np.nan
    apart[105:, 2] = np.nan
    for given, message in (
        (values, "Expected a new column, one with values in fewer than half as many rows as another. Got none"),
        (few, "Expected at least 10 rows with a value of video/top1. Got 9"),
        (apart[:210], "Expected at least 10 rows with values of all known columns and none of the new"),
    ):
        with pytest.raises(DataError, match=message):
            fit_predictor(codes[: len(given)], given, COLUMNS, space=SPACES["mixed"], kind="transfer")


def test_the_gradient_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(3, 9, 12))
    parts, y = half @ half.transpose(0, 2, 1) / 12, rng.normal(size=9)
    at, prior = rng.normal(size=4), np.zeros(4)
    _, gradient = _loss(at, parts, y, prior)
    for j, step in enumerate(1e-5 * np.eye(4)):
        up, down = (_loss(at + sign * step, parts, y, prior)[0] for sign in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-6)
