"""Propagation: it repeats the published run step by step, never exceeds a budget, and makes the best moves."""

import re
from copy import deepcopy
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncp import (
    MULTIRES,
    Budget,
    CodeError,
    ConfigError,
    DataError,
    InfeasibleError,
    Objective,
    Ordinal,
    Predictor,
    Space,
    Trajectory,
    fit_predictor,
    macs,
    params,
    propagate,
)
from ncp.cli.flags import flag
from ncp.optim.feasible import Feasible
from ncp.optim.propagation import STRATEGIES
from ncp.optim.strategies import Continuous
from ncp.predictors.features import Inputs
from ncp.predictors.mlp import Mlp
from ncp.predictors.scale import Scale
from tests.predictors.fitted import COLUMNS, QUICK, SPACES, fitted, rows
from tests.strategies import generators

SMALLEST = np.array([dim.values[0] for dim in MULTIRES.dimensions])
LARGEST = np.array([dim.values[-1] for dim in MULTIRES.dimensions])
COSTS = {"max_macs": macs, "max_params": params}
SEG = Objective({"seg": 1.0})


def published(run: Any) -> Predictor:
    """The predictor of a published run, with its weights under our names."""
    mean, std = run["output_mean"], run["output_std"]
    outputs = [str(column).partition("/")[2] or str(column) for column in run["columns"]]
    columns = [f"seg/{name}" for name in outputs[:3]]
    scale = Scale(torch.tensor(np.stack([mean[:3] - std[:3], mean[:3] + std[:3]], axis=1)), 1.0)
    inputs, core = Inputs(MULTIRES), Mlp(MULTIRES.width, len(columns), groups=[1, 2, 2])
    inputs.code_mean.copy_(torch.tensor(run["input_mean"]))
    inputs.code_std.copy_(torch.tensor(run["input_std"]))
    weights = {name.removeprefix("weight/"): torch.tensor(run[name]) for name in run if name.startswith("weight/")}
    state: dict[str, torch.Tensor] = {}
    norm = ("weight", "bias", "running_mean", "running_var")
    layers = {"shared.0": "fc.0", "shared.1": "fc.1", "shared.2": "fc.2", "heads.0": 0, "heads.1": 1, "out": 4}
    for ours, theirs in layers.items():
        for name in norm if ours in ("shared.0", "shared.2", "heads.1") else norm[:2]:
            if isinstance(theirs, str):
                state[f"{ours}.{name}"] = weights[f"{theirs}.{name}"]
            else:
                state[f"{ours}.{name}"] = torch.cat([weights[f"nets.{g}.{theirs}.{name}"] for g in range(3)])
    assert not core.load_state_dict(state, strict=False).unexpected_keys
    return Predictor(MULTIRES, columns, inputs, core, scale).eval()


def test_the_paper_strategy_repeats_the_published_run(shared: Path) -> None:
    file = shared / "parity" / "edit-seg.npz"
    if not file.is_file():
        pytest.skip(f"needs {file}")
    with np.load(file) as run:
        predictor = published(run)
        trajectory = propagate(predictor, SEG, run["start"], strategy="paper")
        assert trajectory.x.shape == (70, 1, 27)
        np.testing.assert_array_equal(trajectory.codes[:, 0], run["rounded"])
        np.testing.assert_allclose(trajectory.x[:, 0], run["continuous"], rtol=0, atol=1e-3)
        x = torch.as_tensor(trajectory.x[:, 0], dtype=torch.float32)
        outputs = predictor.core.outputs(predictor.inputs(x)).detach().numpy()
        predicted = outputs * run["output_std"] + run["output_mean"]
        unit = run["output_std"]
        np.testing.assert_allclose(predicted / unit, run["predicted"] / unit, rtol=0, atol=1e-3)
        np.testing.assert_allclose(predictor(x).detach().numpy(), predicted[:, :3], rtol=1e-5)


@st.composite
def objectives(draw: st.DrawFn, uncertainty_penalty: float) -> Objective:
    weight = st.floats(-3, 3).filter(lambda w: abs(w) > 1e-3)
    weights = draw(st.dictionaries(st.sampled_from(COLUMNS), weight, min_size=1))
    return Objective(weights, uncertainty_penalty=uncertainty_penalty)


@st.composite
def budgets(draw: st.DrawFn, least: NDArray[np.int64]) -> Budget:
    """Bounds from the smallest cost to the largest, on one cost or both, some for larger images."""
    size = draw(st.sampled_from([128, 128, (64, 224)]))
    bounds = {}
    for name in draw(st.sampled_from([["max_macs"], ["max_params"], ["max_macs", "max_params"]])):
        low, high = (
            int(macs(codes, size).max() if name == "max_macs" else params(codes).max()) for codes in (least, LARGEST)
        )
        bounds[name] = low * (high / low) ** draw(st.floats(0, 1))
        bounds[name] = max(float(low), bounds[name])
    return Budget(**bounds, image_size=size)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", [pytest.param("ensemble", marks=pytest.mark.slow), "mlp"])
@settings(max_examples=10)
@given(data=st.data(), rng=generators, starts=st.integers(1, 4))
def test_no_code_is_above_the_budget(
    strategy: Any, kind: str, data: st.DataObject, rng: np.random.Generator, starts: int
) -> None:
    wanted = data.draw(objectives(data.draw(st.sampled_from([0.0] if strategy == "paper" else [0.0, 0.5]))))
    predictor, start = fitted(kind), MULTIRES.sample(starts, rng)
    frozen = rng.random(27) < data.draw(st.sampled_from([0.0, 0.2, 0.8, 1.0]))
    budget = data.draw(budgets(np.where(frozen, start, SMALLEST)))
    names = np.array(MULTIRES.names)[frozen]
    steps = data.draw(st.sampled_from([1, 2, 12]))
    trajectory = propagate(predictor, wanted, start, budget=budget, strategy=strategy, steps=steps, freeze=names)
    codes = trajectory.codes.reshape(-1, 27)
    best = trajectory.best(7)
    assert MULTIRES.contains(codes).all()
    assert 1 <= len(best) <= 7
    for some in (codes, best):
        assert budget.max_macs is None or (macs(some, budget.image_size) <= budget.max_macs).all()
        assert budget.max_params is None or (params(some) <= budget.max_params).all()
    np.testing.assert_array_equal(
        trajectory.codes[..., frozen], np.broadcast_to(start[:, frozen], (*trajectory.codes.shape[:2], frozen.sum()))
    )
    assert set(map(tuple, best.tolist())) <= set(map(tuple, codes.tolist()))
    np.testing.assert_allclose(
        trajectory.values.reshape(len(codes), -1), predictor.predict(codes).mean, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_budget_of_the_smallest_cost_leaves_the_smallest_code(strategy: Any) -> None:
    budget = Budget(max_macs=int(macs(SMALLEST)[0]), max_params=int(params(SMALLEST)[0]))
    trajectory = propagate(fitted("ensemble"), SEG, LARGEST, budget=budget, strategy=strategy, steps=5)
    assert (trajectory.codes == SMALLEST).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_impossible_budget_is_refused_with_the_smallest_cost(strategy: Any) -> None:
    predictor = fitted("ensemble")
    with pytest.raises(InfeasibleError) as refused:
        propagate(predictor, SEG, LARGEST, budget=Budget(max_macs=5e6), strategy=strategy)
    assert (
        str(refused.value) == "max_macs = 5000000 is below the cost of every code. Raise max_macs to at least 10850000."
    )
    with pytest.raises(
        InfeasibleError, match=r"^max_params = 10000 is below the cost of every code\. Raise max_params to at"
    ):
        propagate(predictor, SEG, LARGEST, budget=Budget(max_params=1e4), strategy=strategy)


@pytest.mark.slow
@settings(max_examples=15)
@given(codes=generators.map(lambda rng: MULTIRES.sample(3, rng)), kept=st.sets(st.sampled_from(MULTIRES.names)))
@pytest.mark.parametrize(("bound", "name", "size"), [("max_macs", "gmacs", 1e9), ("max_params", "mparams", 1e6)])
def test_with_frozen_dimensions_the_message_gives_their_smallest_cost(
    bound: str, name: str, size: float, codes: NDArray[np.int64], kept: set[str]
) -> None:
    frozen = np.isin(MULTIRES.names, list(kept))
    least = int(COSTS[bound](np.where(frozen, codes, SMALLEST)).max())
    with pytest.raises(InfeasibleError) as refused:
        propagate(fitted("ensemble"), SEG, codes, budget=Budget(**{bound: least - 1}), freeze=kept, steps=1)
    found = re.search(rf"Raise --max-{name} to at least ([\d.]+)(, or freeze less)?\.$", refused.value.worded(flag))
    assert found
    assert bool(found[2]) == bool(kept)
    advised = Budget(**{bound: float(found[1]) * size})
    assert least <= float(found[1]) * size <= 1.001 * least
    assert propagate(fitted("ensemble"), SEG, codes, budget=advised, freeze=kept, steps=1).codes.shape == (1, 3, 27)


def test_a_negative_weight_of_a_minimised_column_is_refused() -> None:
    predictor = deepcopy(fitted("gp", "mixed"))
    predictor.unit[2] *= -1
    with pytest.raises(ConfigError, match=r"^Small values of video/top1 are better"):
        propagate(predictor, {"video": -1.0}, rows("mixed")[0][:1], steps=2)  # type: ignore[arg-type]


def test_a_budget_in_a_space_without_costs_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^Budgets work only for NAS-Bench-MR networks"):
        propagate(fitted("gp", "cell201"), SEG, [[0] * 6], budget=Budget(max_macs=1e9))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"strategy": "greedy"}, ConfigError, "strategy must be one of continuous, winner-takes-all, paper. Got 'gree"),
        ({"strategy": ["paper"]}, ConfigError, "strategy must be one of continuous, winner-takes-all, paper. Got ['pa"),
        ({"steps": 0}, ConfigError, "steps must be an integer, 1 or more. Got 0."),
        ({"steps": 2.0}, ConfigError, "steps must be an integer, 1 or more. Got 2.0."),
        ({"steps": True}, ConfigError, "steps must be an integer, 1 or more. Got True."),
        ({"freeze": ["edge0-9"]}, CodeError, "freeze must name dimensions of the space, such as edge0-"),
        ({"freeze": 3}, ConfigError, "freeze must be a list of names of dimensions. Got 3."),
        ({"start": np.zeros((0, 6))}, CodeError, "start must hold at least one code."),
        ({"start": [[0, 0, 0, 0, 0, 5]]}, CodeError, "for edge2-3. Got 5"),
        ({"objective": Objective({"segg": 1.0})}, ConfigError, "Did you mean 'seg'?"),
    ],
)
def test_wrong_arguments_are_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    asked: dict[str, Any] = {"objective": SEG, "start": [[0] * 6], **change}
    with pytest.raises(error, match=re.escape(message)):
        propagate(fitted("gp", "cell201"), asked.pop("objective"), asked.pop("start"), **asked)


def test_steps_may_be_an_integer_of_numpy() -> None:
    run = propagate(fitted("gp", "cell201"), SEG, [0] * 6, steps=np.int64(2))  # type: ignore[arg-type]
    assert len(run.x) == 2


@pytest.mark.parametrize(
    ("part", "given"),
    [("uncertainty_penalty", {"uncertainty_penalty": 0.5}), ("at_least", {"at_least": {"seg": 70.0}})],
)
def test_the_paper_strategy_refuses_an_objective_that_it_would_ignore(part: str, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"The strategy paper .* Leave out {part}") as refused:
        propagate(fitted("gp"), Objective({"seg": 1.0}, **given), SMALLEST, strategy="paper")
    assert refused.value.field == "strategy"


@pytest.mark.parametrize("kind", ["mlp", "ensemble"])
def test_every_strategy_lowers_a_minimised_column(kind: str) -> None:
    codes, values = rows("multires")
    latency = values[:, :1]  # linear in the standardised code, and noise
    predictor = fit_predictor(codes, latency, ["t/latency"], kind=kind, settings=QUICK[kind], minimised=["t/latency"])
    start = MULTIRES.sample(8, np.random.default_rng(0))
    for strategy in STRATEGIES:
        run = propagate(predictor, Objective({"t/latency": 1.0}), start, strategy=strategy, steps=15)  # type: ignore[arg-type]
        assert run.values[-1].mean() < run.values[0].mean() - latency.std(), strategy
        assert run.scores[-1].mean() > run.scores[0].mean() + 1, strategy


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("steps", [1, 3])
def test_damaged_weights_are_refused(strategy: Any, steps: int) -> None:
    predictor = deepcopy(fitted("ensemble"))
    predictor.core.biases[0].data.fill_(float("nan"))  # type: ignore[union-attr,operator]
    with pytest.raises(DataError, match="weights are damaged"):
        propagate(predictor, SEG, [SMALLEST, LARGEST], strategy=strategy, steps=steps)


def test_columns_without_a_weight_must_be_finite_too() -> None:
    predictor = deepcopy(fitted("mlp"))
    predictor.core.out.bias.data[2] = float("inf")  # type: ignore[union-attr]
    with pytest.raises(DataError, match="weights are damaged"):
        propagate(predictor, SEG, SMALLEST, steps=2)


def test_tensors_are_on_the_device_of_the_start() -> None:
    space, start = SPACES["mixed"], SPACES["mixed"].sample(3, np.random.default_rng(0))
    relaxed = torch.tensor(space.relax(start))
    with torch.device("meta"):  # tensors that are made without a device cannot be mixed with the others
        x = Continuous().ascend(lambda x: x.sum(dim=1), Feasible.of(space), relaxed, steps=4).x
    assert x.shape == (4, 3, space.width)
    assert (x[-1, :, [0, 4, 7]] > x[0, :, [0, 4, 7]]).any(axis=1).all()  # ordinal coordinates rise


class Tiny:
    """A space in which every code and every move can be tried."""

    space = Space([Ordinal("a", range(5)), Ordinal("b", range(8, 33, 8)), Ordinal("c", [1, 3, 4])])
    codes = np.array(list(product(range(5), range(8, 33, 8), [1, 3, 4])))

    @staticmethod
    def predictor(seed: int) -> Predictor:
        values = np.random.default_rng(seed).normal(size=(len(Tiny.codes), 2))
        return fit_predictor(Tiny.codes, values, ["s/a", "t/b"], space=Tiny.space, kind="gp", seed=seed)

    @staticmethod
    def scores(predictor: Predictor, objective: Objective, codes: Any) -> NDArray[np.float64]:
        x = predictor.relaxed(codes)
        mean, std = predictor.moments(x)
        score: torch.Tensor = objective.score(mean, std, predictor.columns, predictor.location, predictor.unit)
        return score.double().numpy()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("uncertainty_penalty", [0.0, 0.7])
def test_winner_takes_all_makes_the_best_move_until_none_gains(seed: int, uncertainty_penalty: float) -> None:
    predictor = Tiny.predictor(seed)
    objective = Objective({"s": 1.0, "t/b": -0.5}, uncertainty_penalty=uncertainty_penalty)
    run = propagate(predictor, objective, Tiny.codes, strategy="winner-takes-all")
    score = dict(zip(map(tuple, Tiny.codes.tolist()), Tiny.scores(predictor, objective, Tiny.codes), strict=True))
    for start in range(len(Tiny.codes)):
        path = run.codes[:, start]
        for before, after in pairwise(path):
            near = [tuple(code) for code in Tiny.space.neighbours(before).tolist()]
            gains = [score[code] - score[tuple(before.tolist())] for code in near]
            if (before == after).all():
                assert max(gains) < 1e-5
            else:
                assert tuple(after.tolist()) in near
                taken = score[tuple(after.tolist())] - score[tuple(before.tolist())]
                assert taken > 0
                assert taken == pytest.approx(max(gains), abs=1e-5)


def single_steps(run: Trajectory) -> NDArray[np.int64]:
    """Grid steps between records, `(steps - 1, starts, d)`."""
    values = [np.asarray(dim.values) for dim in run.space.dimensions]
    grid = np.stack([np.searchsorted(v, run.codes[..., j]) for j, v in enumerate(values)], axis=-1)
    return np.abs(np.diff(grid, axis=0))


@pytest.mark.parametrize("budget", [None, Budget(max_macs=2e9), Budget(max_params=3e6, max_macs=3e9)])
@pytest.mark.parametrize("kind", ["ensemble", "gp"])
def test_winner_takes_all_moves_one_step_of_one_dimension_and_never_loses(kind: str, budget: Budget | None) -> None:
    start = MULTIRES.sample(6, np.random.default_rng(3))
    objective = Objective({"seg": 1.0, "video": -1.0}, uncertainty_penalty=0.3)
    run = propagate(fitted(kind), objective, start, strategy="winner-takes-all", steps=25, budget=budget)
    assert single_steps(run).sum(axis=2).max() == 1
    assert np.diff(run.scores, axis=0).min() > -1e-6
    moved = single_steps(run).any(axis=2)
    assert (np.diff(run.scores, axis=0)[moved] > 0).all()
    assert not (moved[1:] & ~moved[:-1]).any()  # a start that has stopped does not move again


def test_if_the_budget_forbids_a_gain_moves_are_compared_by_gain_per_cost() -> None:
    predictor, budget = fitted("ensemble"), Budget(max_macs=3e9)
    starts = propagate(predictor, SEG, MULTIRES.sample(40, np.random.default_rng(5)), budget=budget, steps=1).best(20)
    run = propagate(predictor, SEG, starts, strategy="winner-takes-all", steps=2, budget=budget)
    bound = 0
    for before, after in zip(run.codes[0], run.codes[1], strict=True):
        near = MULTIRES.neighbours(before)
        values = predictor.predict(np.concatenate([before[None], near])).mean[:, 0]
        gain, taken, allowed = values[1:] - values[0], macs(near) - macs(before), budget.allows(near)
        binds = (gain[~allowed] > 1e-4).any()
        if (gain[allowed] < 1e-4).all() or not binds:
            continue
        bound += 1
        free = allowed & (gain > 0) & (taken <= 0)
        merit = np.where(allowed & (gain > 0), gain, -np.inf) / (1 if free.any() else np.maximum(taken, 1))
        merit[~free] = -np.inf if free.any() else merit[~free]
        chosen = int(np.flatnonzero((near == after).all(axis=1))[0])
        assert merit[chosen] == pytest.approx(merit.max(), rel=1e-2)
    assert bound > 3


def test_best_gives_each_code_once_best_first() -> None:
    run = propagate(fitted("gp"), SEG, MULTIRES.sample(5, np.random.default_rng(0)), steps=20)
    best = run.best(10_000)
    assert len(np.unique(best, axis=0)) == len(best)
    assert len(best) == len(np.unique(run.codes.reshape(-1, 27), axis=0))
    scores = {
        tuple(code): score for code, score in zip(run.codes.reshape(-1, 27).tolist(), run.scores.ravel(), strict=True)
    }
    order = [scores[tuple(code)] for code in best.tolist()]
    assert order == sorted(order, reverse=True)
    np.testing.assert_array_equal(run.best(3), best[:3])
    for k in (0, -1, "a", 1.5):
        with pytest.raises(ConfigError, match="k must be an integer, 1 or more") as refused:
            run.best(k)  # type: ignore[arg-type]
        assert refused.value.field == "k"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_progress_rises(strategy: Any) -> None:
    shares: list[float] = []
    propagate(fitted("ensemble"), SEG, LARGEST, strategy=strategy, steps=6, progress=shares.append)
    assert shares
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= 1
