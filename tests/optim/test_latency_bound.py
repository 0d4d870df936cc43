"""No code that is found is above a bound on latency."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncp
from ncp import MULTIRES, Budget, InfeasibleError, Objective, macs
from ncp.optim.feasible import Feasible
from ncp.optim.propagation import STRATEGIES
from tests.latencies import computed, latency_model
from tests.predictors.fitted import fitted
from tests.strategies import generators

SMALLEST = np.array([[dim.values[0] for dim in MULTIRES.dimensions]])
SEG = Objective({"seg": 1.0})
SOME = MULTIRES.sample(200, np.random.default_rng(3))


def least(frozen: Any = False, codes: Any = SOME[:1]) -> float:
    """The latency below which no code is, by the model."""
    feasible = Feasible(MULTIRES, Budget(), np.broadcast_to(frozen, 27))
    return float(latency_model()(feasible.smallest(codes)).max())


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=4)
@given(rng=generators, share=st.floats(0, 1), starts=st.integers(1, 3), also=st.booleans(), kept=st.floats(0, 1))
def test_no_propagated_code_is_above_the_bound(
    strategy: Any, rng: np.random.Generator, share: float, starts: int, also: bool, kept: float
) -> None:
    model, start, frozen = latency_model(), MULTIRES.sample(starts, rng), rng.random(27) < kept
    low = least(frozen, start) * (1 + 1e-9)
    bound = low * (100 / low) ** share if low < 100 else low
    floor = np.where(frozen, start, SMALLEST)
    bounds = {"max_macs": float(2 * macs(floor, 64).max())} if also else {}
    budget = Budget(max_latency_ms=bound, latency=model, **bounds)
    names = np.array(MULTIRES.names)[frozen]
    trajectory = ncp.propagate(fitted("ensemble"), SEG, start, budget=budget, strategy=strategy, steps=4, freeze=names)
    codes = trajectory.codes.reshape(-1, 27)
    for some in (codes, trajectory.best(5)):
        assert (model(some) <= bound).all()
        assert not also or (macs(some, 64) <= bounds["max_macs"]).all()
    assert (trajectory.codes[..., frozen] == start[:, frozen]).all()


@settings(max_examples=4)
@given(rng=generators, share=st.floats(0, 1), uncertainty_penalty=st.sampled_from([0.0, 1.0]))
def test_no_found_code_is_above_the_bound(rng: np.random.Generator, share: float, uncertainty_penalty: float) -> None:
    free = rng.choice(27, size=8, replace=False)
    frozen = ~np.isin(np.arange(27), free)
    origin = np.where(rng.random(27) < 0.5, MULTIRES.sample(1, rng), SMALLEST)
    low = least(frozen, origin) * (1 + 1e-9)
    bound = low * 3**share
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ncp.network.latency.measure", computed)
        result = ncp.search(
            Objective({"seg": 1.0}, uncertainty_penalty=uncertainty_penalty),
            predictor=fitted("ensemble"),
            budget=Budget(max_latency_ms=bound, latency=latency_model()),
            starts=3,
            steps=3,
            top=5,
            origin=origin,
            freeze=np.array(MULTIRES.names)[frozen].tolist(),
        )
    assert (latency_model()(np.array([row.vector for row in result.rows])) <= bound).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_bound_that_binds_is_nearly_used_up(strategy: Any) -> None:
    bound, model = 6.0, latency_model()
    start = SOME[model(SOME) > 20][:4]
    budget = Budget(max_latency_ms=bound, latency=model)
    trajectory = ncp.propagate(fitted("ensemble"), SEG, start, budget=budget, strategy=strategy, steps=6)
    assert 0.7 * bound < model(trajectory.best(1)).item() <= bound


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_impossible_latency_is_refused_with_advice_that_is_enough(strategy: Any) -> None:
    model = latency_model()
    asked: dict[str, Any] = {"strategy": strategy, "steps": 2}
    with pytest.raises(InfeasibleError) as refused:
        ncp.propagate(fitted("ensemble"), SEG, SOME[:2], budget=Budget(max_latency_ms=0.01, latency=model), **asked)
    told = re.fullmatch(
        r"max_latency_ms = 0\.01 is below the cost of every code\. Raise max_latency_ms to at least (.+)",
        str(refused.value),
    )
    assert told
    assert float(told[1].rstrip(".")) == pytest.approx(least(), rel=1e-3)
    enough = Budget(max_latency_ms=float(told[1].rstrip(".")), latency=model)
    assert enough.allows(ncp.propagate(fitted("ensemble"), SEG, SOME[:2], budget=enough, **asked).best(9)).all()
