"""What is known of other tasks: normal scores of predictions, none of which has seen the row that it predicts."""

from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ncp import (
    CELL201,
    MULTIRES,
    ConfigError,
    DataError,
    Predictor,
    Table,
    compare,
    load_predictor,
    load_table,
    simulate,
)
from ncp.optim.objective import as_objective
from ncp.predictors.gp import GpSettings
from ncp.searchers.prior import BEYOND, KNOTS, LIMIT, SCORES, Prior, as_prior, fit_prior
from ncp.searchers.scoring import score_rows
from ncp.searchers.simulation import prior_of_rows
from tests.predictors.fitted import GP, SPACES

MIXED = SPACES["mixed"]
COLUMNS = ("good/score", "good/again", "slow/ms", "new/score")


@cache
def table() -> Table:
    """Columns of one smooth curve: as it is, with noise, turned round; and a new task that follows the first one."""
    rng = np.random.default_rng(3)
    codes = np.unique(MIXED.sample(200, rng), axis=0)
    x = MIXED.relax(codes)
    low, high = MIXED.bounds
    curve = ((x - low) / (high - low)) @ rng.normal(size=x.shape[1])
    noise = rng.normal(size=(len(codes), 3)) * [0.05, 0.05, 0.2]
    values = np.stack([curve, curve + noise[:, 0], 50 - 9 * (curve + noise[:, 1]), curve + noise[:, 2]], axis=1)
    return Table(MIXED, codes, values, COLUMNS, minimised=["slow/ms"])


@cache
def prior() -> Prior:
    return fit_prior(table(), COLUMNS[:3], "a table", settings=GP)


def test_values_are_normal_scores_that_rise_with_what_is_better() -> None:
    found = prior().of(table().codes).numpy()
    for place, column in enumerate(COLUMNS[:3]):
        better = table().values[:, place] * (-1 if column == "slow/ms" else 1)
        assert np.corrcoef(found[:, place], better)[0, 1] > 0.9
    np.testing.assert_allclose(found.std(axis=0), np.sqrt([3 / 2 / 2, 3 / 2 / 2, 3 / 2]), rtol=0.1)
    np.testing.assert_allclose(np.median(found, axis=0), 0, atol=0.1)


def test_a_row_is_predicted_by_a_model_that_has_not_seen_it() -> None:
    codes = table().codes
    few = codes[:40]
    values = prior().of(few).numpy()
    for code, expected in zip(few, values, strict=True):
        fold = prior().fold[code.tobytes()]
        assert not prior().predictors[fold].has_seen(code[None]).any()
        others = [place for place in range(len(prior().predictors)) if place != fold]
        assert all(prior().predictors[place].has_seen(code[None]).all() for place in others)
        x = torch.as_tensor(MIXED.relax(code[None]), dtype=torch.float32)
        latent = prior().predictors[fold].latent(x).double()
        np.testing.assert_allclose(prior()._scaled(latent)[0], expected, rtol=1e-3, atol=1e-3)
    assert not prior().has_seen(codes)
    assert np.abs(values - prior()(torch.as_tensor(MIXED.relax(few))).detach().numpy()).max() > 1e-3


def test_other_codes_are_predicted_by_all_models_and_gradients_flow() -> None:
    known = {code.tobytes() for code in table().codes}
    others = np.array([code for code in MIXED.sample(2000, np.random.default_rng(9)) if code.tobytes() not in known])
    assert len(others) > 10
    x = torch.as_tensor(MIXED.relax(others)).requires_grad_()
    values = prior()(x)
    np.testing.assert_allclose(prior().of(others), values.detach(), rtol=1e-3, atol=1e-3)
    for column in values.T:
        (gradient,) = torch.autograd.grad(column.sum(), x, retain_graph=True)
        assert torch.isfinite(gradient).all()
        assert (gradient != 0).any(dim=1).all()


def test_normal_scores_go_on_beyond_the_quantiles() -> None:
    knots = prior().knots
    assert (knots.diff(dim=1) > 0).all()
    width = knots[:, -1] - knots[:, -2]
    beyond = torch.stack([knots[:, 0] - width, knots[:, 0], knots[:, KNOTS // 2], knots[:, -1], knots[:, -1] + width])
    scores = (prior()._scaled(beyond) / prior().scale).numpy()
    assert (np.diff(scores, axis=0) > 0).all()
    np.testing.assert_allclose(scores[2], 0, atol=1e-12)
    np.testing.assert_allclose(scores[3], -scores[1])


def test_computed_values_are_used_again() -> None:
    codes = table().codes[:50]
    tabulated = prior().tabulated(codes)
    assert torch.equal(tabulated.of(codes[10:20]), prior().of(codes)[10:20])
    others = MIXED.sample(5, np.random.default_rng(11))
    torch.testing.assert_close(tabulated.of(others), prior().of(others))


def test_tasks_that_agree_are_in_one_group() -> None:
    assert load_prior().groups().shape == (19,)
    by_task = dict(zip([name.partition("/")[0] for name in load_prior().columns], load_prior().groups(), strict=True))
    assert by_task["seg"] == by_task["seg-4x"] == by_task["cls-50-1000"] == by_task["3ddet"]
    assert by_task["video"] == by_task["video-p"] == by_task["cls-50-100"] == by_task["cls-10-1000"] != by_task["seg"]
    assert prior().groups().tolist() == [0, 0, 1]


@cache
def load_prior() -> Prior:
    found = as_prior("nas-bench-mr", MULTIRES)
    assert found is not None
    return found


def test_what_an_argument_names(tmp_path: Path) -> None:
    assert as_prior(None, MULTIRES) is None
    assert load_prior().source == "nas-bench-mr"
    assert as_prior(load_prior(), MULTIRES) is load_prior()
    path = tmp_path / "mine.safetensors"
    load_predictor("nas-bench-mr").save(path)
    found = as_prior(path, MULTIRES, without=["seg", "video"])
    assert found is not None
    assert not {"seg/mIoU", "video/top1"} & set(found.columns)
    assert "seg-4x/mIoU" in found.columns


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        (7, {}, ConfigError, "prior must be a table, a predictor, or the name of one. Got 7"),
        ("nas-bench-mr", {"space": CELL201}, ConfigError, "The prior has another search space"),
        ("nowhere", {}, DataError, "nowhere"),
        ("nas-bench-mr", {"without": "every"}, ConfigError, "knows only the task of the objective"),
    ],
)
def test_priors_that_are_refused(given: Any, options: dict[str, Any], error: type, message: str) -> None:
    space, without = options.get("space", MULTIRES), options.get("without", ())
    if without == "every":
        without = {name.partition("/")[0] for name in load_prior().columns}
    with pytest.raises(error, match=message):
        as_prior(given, space, without)


def test_a_table_with_too_few_rows() -> None:
    with pytest.raises(DataError, match=r"12 rows of the prior have a value of good/score\. At least 20 are needed"):
        fit_prior(table().select(rows=np.arange(12)), ["good/score"], "few")


def test_a_simulation_leaves_the_task_of_the_objective_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def noted(given: Table, columns: list[str], *rest: Any) -> Prior:
        asked.append(columns)
        return fit_prior(given, columns, *rest, settings=GpSettings(steps=1, inducing=20))

    monkeypatch.setattr("ncp.searchers.prior.fit_prior", noted)
    history = simulate(table(), objective="good/again", queries=4, prior=table())
    assert asked == [["slow/ms", "new/score"]]
    assert history.listed == 4


def test_a_good_prior_finds_the_best_rows_at_once() -> None:
    with_prior, without = (
        np.mean([simulate(table(), objective="new", queries=6, seed=seed, prior=given).regret[-1] for seed in range(6)])
        for given in (prior(), None)
    )
    assert with_prior < 0.5 * without


def test_a_predictor_that_saw_the_table_is_refused() -> None:
    seen: Predictor = prior().predictors[0]
    with pytest.raises(ConfigError, match="fitted on rows of this table"):
        simulate(table(), objective="new", queries=3, prior=seen)


def test_only_the_searcher_that_uses_a_prior_takes_one() -> None:
    with pytest.raises(ConfigError, match="Only the searcher bayesian uses prior"):
        simulate(table(), "random", objective="new", queries=3, prior=prior())


def test_a_comparison_names_its_prior(tmp_path: Path) -> None:
    options: Any = {"objective": "new", "queries": 4, "seeds": 2, "workers": 1, "folder": tmp_path}
    found = compare(table(), ["random", "bayesian"], prior=prior(), **options)
    assert found.provenance["prior"]["source"] == "a table"
    assert found.provenance["prior"]["columns"] == list(COLUMNS[:3])
    plain = compare(table(), ["random", "bayesian"], **options)
    assert "prior" not in plain.provenance
    assert np.array_equal(plain.best["random"], found.best["random"])
    assert not np.array_equal(plain.best["bayesian"], found.best["bayesian"])
    assert len(list(tmp_path.iterdir())) == 2


def test_the_name_of_a_table_on_its_own_rows_gives_predictions_out_of_fold(
    imported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped predictor has seen the rows, so others are fitted."""
    monkeypatch.setenv("NCP_CACHE", str(imported))
    published = load_table("nas-bench-mr")
    few = published.select(rows=np.arange(200))
    monkeypatch.setattr("ncp.searchers.simulation.load_table", lambda _: few)
    quick = GpSettings(steps=1, inducing=20)
    monkeypatch.setattr("ncp.searchers.simulation.fit_prior", partial(fit_prior, settings=quick))
    objective = as_objective("seg-4x")
    scored = score_rows(few, objective)
    found = prior_of_rows("nas-bench-mr", few, scored, objective)
    assert found is not None
    assert found.source == "nas-bench-mr"
    assert not found.has_seen(scored.codes)
    assert "seg/mIoU" in found.columns
    assert not any(column.startswith("seg-4x/") for column in found.columns)
    assert found.of(scored.codes).shape == (200, len(found.columns))


def test_codes_far_worse_than_typical_ones_are_hardly_differ() -> None:
    """Their predictions would else be so extreme that a search tries them only to see what they do."""
    step = prior().knots[:, -1] - prior().knots[:, -2]
    far = torch.stack([prior().knots[:, 0] - 1e3 * step, prior().knots[:, 0] - 2e3 * step])
    scores = prior()._scaled(far) / prior().scale
    assert (scores < -LIMIT).all()
    assert (scores[1] < scores[0]).all()
    slope = (scores[0] - scores[1]) * (prior().knots[:, 1] - prior().knots[:, 0]) / (far[0] - far[1])
    torch.testing.assert_close(slope, torch.full_like(slope, BEYOND * float(SCORES[1] - SCORES[0])))
