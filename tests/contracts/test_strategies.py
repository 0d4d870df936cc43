"""The contract of every strategy of propagation, with every kind of predictor, in every kind of space."""

from typing import Any

import numpy as np
import pytest

from ncp import Budget, Objective, propagate
from ncp.optim.propagation import STRATEGIES
from tests.predictors.fitted import PAIRS, SPACES, fitted

WANTED = Objective({"seg/mIoU": 1.0, "video": -0.5})
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
every = pytest.mark.parametrize(("kind", "space"), PAIRS)


@every_strategy
@every
def test_it_records_its_path(strategy: Any, kind: str, space: str) -> None:
    predictor, where = fitted(kind, space), SPACES[space]
    start = where.sample(4, np.random.default_rng(1))
    run = propagate(predictor, WANTED, start, strategy=strategy, steps=10)
    steps = len(run.x)
    assert steps == 10 or (strategy == "winner-takes-all" and steps < 10)
    assert run.x.shape == (steps, 4, where.width)
    assert run.codes.shape == (steps, 4, len(where))
    assert run.values.shape == (steps, 4, 3)
    assert run.scores.shape == (steps, 4)
    assert (run.space, run.columns) == (where, predictor.columns)
    assert len(run.endings) == 4
    assert run.budget_active.tolist() == [0] * 4
    np.testing.assert_array_equal(run.codes[0], start)
    np.testing.assert_allclose(run.x[0], where.relax(start), rtol=1e-5, atol=1e-5)
    assert where.contains(run.codes.reshape(-1, len(where))).all()
    low, high = where.bounds
    assert (run.x >= low - 1e-3).all()
    assert (run.x <= high + 1e-3).all()
    location, unit = predictor.location.numpy(), predictor.unit.numpy()
    scores = WANTED.score(run.values, None, run.columns, location, unit)
    np.testing.assert_allclose(scores, run.scores, atol=1e-4)
    if strategy != "paper":
        assert run.scores[-1].mean() > run.scores[0].mean()


@pytest.mark.slow
@every_strategy
@every
def test_many_starts_move_as_each_does_alone(strategy: Any, kind: str, space: str) -> None:
    predictor = fitted(kind, space)
    start = SPACES[space].sample(3, np.random.default_rng(2))
    budget = Budget(max_macs=3e9) if space == "multires" else None
    together = propagate(predictor, WANTED, start, strategy=strategy, steps=5, budget=budget)
    for i in range(2):
        alone = propagate(predictor, WANTED, start[i], strategy=strategy, steps=5, budget=budget)
        steps = len(alone.x)
        if strategy == "winner-takes-all":
            np.testing.assert_array_equal(alone.codes[:, 0], together.codes[:steps, i])
            assert (together.codes[steps:, i] == alone.codes[-1, 0]).all()
        else:
            low, high = SPACES[space].bounds
            np.testing.assert_allclose(alone.x[:, 0] / (high - low), together.x[:, i] / (high - low), rtol=0, atol=2e-2)


@every_strategy
@every
def test_one_step_is_the_start(strategy: Any, kind: str, space: str) -> None:
    start = SPACES[space].sample(5, np.random.default_rng(3))
    run = propagate(fitted(kind, space), WANTED, start, strategy=strategy, steps=1)
    np.testing.assert_array_equal(run.codes, start[None])
    np.testing.assert_allclose(run.values[0], fitted(kind, space).predict(start).mean, rtol=1e-5, atol=1e-6)


@every_strategy
@pytest.mark.parametrize("space", SPACES)
def test_frozen_dimensions_stay(strategy: Any, space: str) -> None:
    where, rng = SPACES[space], np.random.default_rng(4)
    start = where.sample(3, rng)
    for frozen in ([where.names[0]], where.names[1::2], where.names):
        kept = np.isin(where.names, frozen)
        run = propagate(fitted("ensemble", space), WANTED, start, strategy=strategy, steps=8, freeze=frozen)
        assert (run.codes[..., kept] == start[:, kept]).all()
    one = propagate(fitted("ensemble", space), WANTED, start, strategy=strategy, steps=8, freeze=where.names[0])
    assert (one.codes[..., 0] == start[:, 0]).all()


@every_strategy
@pytest.mark.parametrize("space", SPACES)
def test_two_runs_are_equal(strategy: Any, space: str) -> None:
    start = SPACES[space].sample(3, np.random.default_rng(5))
    runs = [propagate(fitted("gp", space), WANTED, start, strategy=strategy, steps=8) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].x, runs[1].x)
    np.testing.assert_array_equal(runs[0].codes, runs[1].codes)


@pytest.mark.parametrize("strategy", ["continuous", "winner-takes-all"])
@pytest.mark.parametrize(
    "space",
    [pytest.param(name, marks=() if name == "mixed" else pytest.mark.slow) for name in SPACES if name != "two"],
)
def test_the_last_code_is_among_the_best_of_the_space(strategy: Any, space: str) -> None:
    """Better by the predictor than 99 of 100 codes drawn at random."""
    predictor, where = fitted("gp", space), SPACES[space]
    start = where.sample(8, np.random.default_rng(6))
    run = propagate(predictor, WANTED, start, strategy=strategy)
    drawn = propagate(predictor, WANTED, where.sample(1000, np.random.default_rng(7)), steps=1).scores[0]
    assert run.scores[-1].mean() > run.scores[0].mean() + 0.3
    assert run.scores.max() >= np.quantile(drawn, 0.99)
    assert np.median(run.scores[-1]) >= np.quantile(drawn, 0.9)


@pytest.mark.parametrize("strategy", ["continuous", "winner-takes-all"])
def test_opposite_weights_lead_opposite_ways(strategy: Any) -> None:
    start = SPACES["multires"].sample(6, np.random.default_rng(8))
    up, down = (
        propagate(fitted("ensemble"), Objective({"seg": sign}), start, strategy=strategy, steps=20) for sign in (1, -1)
    )
    assert (up.values[-1, :, 0] > down.values[-1, :, 0]).all()
