"""A new column from few labels: better than from its labels alone, and refused if there is too little to learn from."""

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from ncp import DataError, fit_predictor
from ncp.predictors.blend import families
from ncp.predictors.gp import GpSettings
from ncp.predictors.transfer import Labels, _loss, _residuals, _tasks
from tests.predictors.fitted import COLUMNS, SPACES, rows

QUICK = GpSettings(steps=20)


@pytest.mark.slow
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
    transferred = fit_predictor(codes[train], values[train], names, space=space, kind="transfer", settings=QUICK)
    alone = fit_predictor(codes[:20], values[:20, -1:], ["new"], space=space, kind="gp", settings=QUICK)
    with_known, without = (
        kendalltau(each.predict(codes[test]).mean[:, -1], values[test, -1]).statistic for each in (transferred, alone)
    )
    assert with_known > 0.65
    assert with_known > without + 0.2
    predicted = transferred.predict(codes[test])
    off = np.abs(predicted.mean[:, -1] - values[test, -1]) / predicted.std[:, -1]
    assert (off < 2).mean() > 0.8


def test_new_columns_may_be_anywhere_and_have_labels_on_different_rows() -> None:
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


@pytest.mark.parametrize("sign", [1, -1])
def test_metrics_of_one_task_help_each_other(sign: int) -> None:
    """Forty trainings, two metrics of one curve, each with noise of its own; one of them may count errors."""
    rng, errors = np.random.default_rng(5), []
    for _ in range(20):
        x = rng.normal(size=(240, 5))
        kernel = np.exp(-((x[:, None] - x) ** 2).sum(axis=2) / 8)
        curve = np.linalg.cholesky(kernel + 1e-9 * np.eye(240)) @ rng.normal(size=240)
        y = torch.as_tensor((curve[:40, None] + 0.5 * rng.normal(size=(40, 2))) * [1, sign])
        kernels = torch.as_tensor(kernel).expand(4, -1, -1)
        means = []
        for latents in (y, y[:, :1]):
            labels = Labels(40, latents.shape[1], 3, 5).double()
            labels.condition(kernels[:, :40, :40], latents)
            means.append(labels.covariances(kernels[:, 40:, :40])[0] @ labels.weights + labels.constants[0])
        errors.append([float((mean - torch.as_tensor(curve[40:])).square().mean()) for mean in means])
    both, one = np.mean(errors, axis=0)
    assert both < 0.95 * one


def test_only_columns_of_one_task_on_the_same_rows_are_joined() -> None:
    present = np.ones((4, 5), dtype=bool)
    present[0, 3] = False
    columns = ["old", "new/a", "new/b", "new/c", "newer"]
    assert _tasks(columns, [1, 2, 3, 4], present) == [[1, 2], [3], [4]]


def test_residuals_are_what_other_families_do_not_predict() -> None:
    rng = np.random.default_rng(2)
    known = torch.as_tensor(rng.normal(size=(3000, 3)))
    own = torch.as_tensor(rng.normal(size=(3000, 3)))
    targets = 2 * known[:, [1, 2, 0]] + own + 5
    left = _residuals(known, targets, families(["seg/a", "cls/a", "cls-10/a"]))
    np.testing.assert_allclose(left.std(dim=0), 1)
    assert np.corrcoef(left[:, 0], own[:, 0])[0, 1] > 0.99  # regressed on the other family
    assert abs(np.corrcoef(left[:, 1], known[:, 2])[0, 1]) > 0.8  # not regressed on its own family
    assert np.corrcoef(left[:, 2], own[:, 2])[0, 1] > 0.99
    one = _residuals(known, targets, families(["a", "a-1", "a-2"]))
    np.testing.assert_allclose(one, (targets - targets.mean(dim=0)) / targets.std(dim=0))


def test_too_few_rows_or_no_new_column_are_refused() -> None:
    codes, values = rows("mixed")
    few, apart = values.copy(), values.copy()
    few[9:, 2] = np.nan
    apart[110:, 0] = np.nan
    apart[:100, 1] = np.nan
    apart[6:100, 2] = np.nan
    apart[105:, 2] = np.nan
    for given, message in (
        (values, "No column is new: each has values in at least half as many rows"),
        (few, "video/top1 has values in 9 rows, and needs at least 10"),
        (apart[:210], "rows have values of all known columns and of no new one"),
    ):
        with pytest.raises(DataError, match=message):
            fit_predictor(codes[: len(given)], given, COLUMNS, space=SPACES["mixed"], kind="transfer")


def test_the_gradient_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(3, 9, 12))
    kernels, y = half @ half.transpose(0, 2, 1) / 12, rng.normal(size=9)
    at, prior = rng.normal(size=4), np.zeros(4)
    _, gradient = _loss(at, kernels, y, prior)
    for j, step in enumerate(1e-5 * np.eye(4)):
        up, down = (_loss(at + sign * step, kernels, y, prior)[0] for sign in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-6)
