"""Front search: no code is dominated, above the budget or below a minimum; every start has its weights and bound."""

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ncp
from ncp import MULTIRES, Budget, ConfigError, InfeasibleError, Objective, Ordinal, Space, Table
from ncp.optim import front_search
from ncp.optim.front import Front
from ncp.optim.front_search import Refinement, pareto_search, weights_and_bounds
from ncp.optim.multi_objective import MultiObjectiveProblem
from ncp.optim.scalarisations import REFERENCE, Directions
from ncp.optim.strategies import Continuous
from ncp.pareto import hypervolume, non_dominated
from tests.predictors.fitted import COLUMNS, MIXED, fitted, rows

TASKS = ["seg/mIoU", "video/top1"]
EACH = [Objective({task: 1.0}) for task in TASKS]
BUDGET = Budget(max_macs=2e9)
SMALLEST = np.array([dim.values[0] for dim in MULTIRES.dimensions])
FEW = Refinement(rounds=2, tried=800, crossed=300, directions=120)
QUICK: dict[str, Any] = {"starts": 16, "steps": 8, "size": 60, "refinement": FEW}


@pytest.fixture(scope="module")
def found() -> Front:
    return pareto_search(TASKS, predictor=fitted("ensemble"), judge=fitted("gp"), budget=BUDGET, **QUICK)


def vectors(result: Front) -> np.ndarray[Any, Any]:
    return np.array([row.vector for row in result.rows])


def points(result: Front) -> np.ndarray[Any, Any]:
    """Predicted values and negative cost of the rows, all maximised."""
    values = [[value.mean for value in row.predicted.values()] for row in result.rows]
    return np.column_stack([values, [-(row.macs or 0) for row in result.rows]])


def test_no_code_is_dominated_or_above_the_budget(found: Front) -> None:
    codes = vectors(found)
    assert 30 < len(codes) <= 60
    assert MULTIRES.contains(codes).all()
    np.testing.assert_array_equal(ncp.macs(codes), [row.macs for row in found.rows])
    assert ncp.macs(codes).max() <= 2e9
    assert (np.diff(ncp.macs(codes)) > 0).all()  # cheapest first
    assert non_dominated(points(found)).all()


@pytest.mark.parametrize("objectives", [["video"], ["video", "seg/mAcc"], ["video/top1"], ["seg/mAcc"]])
def test_a_front_may_leave_the_first_column_out(objectives: list[str]) -> None:
    result = pareto_search(objectives, predictor=fitted("ensemble"), judge=fitted("gp"), budget=BUDGET, **QUICK)
    assert len(result.rows) > 10
    assert np.isfinite(result.hypervolume)
    json.dumps(result.to_dict(), allow_nan=False)


def test_the_front_dominates_more_than_random_codes_and_reaches_single_optima(found: Front) -> None:
    random = MULTIRES.sample(2000, np.random.default_rng(5))
    random = random[ncp.macs(random) <= 2e9]
    problem = MultiObjectiveProblem.of(fitted("ensemble"), EACH, BUDGET, True, {})
    reference = [REFERENCE] * 2 + [0.0]
    assert found.hypervolume == pytest.approx(hypervolume(problem.points(vectors(found))[0], reference), rel=1e-5)
    assert found.hypervolume > 1.3 * hypervolume(problem.points(random)[0], reference)
    for task, column in enumerate(TASKS):
        alone = ncp.propagate(
            fitted("ensemble"),
            Objective({column: 1.0}),
            MULTIRES.sample(4, np.random.default_rng(0)),
            budget=BUDGET,
            steps=8,
        )
        assert found.predicted_scores[:, task].max() > 0.85 * alone.scores.max()


def test_scores_are_those_of_the_predictor_and_of_the_judge(found: Front) -> None:
    assert found.objectives == tuple(TASKS)
    for predictor, shown, name in (
        (fitted("ensemble"), found.predicted_scores, "predicted_score"),
        (fitted("gp"), found.verified_scores, "verified_score"),
    ):
        mean = predictor.predict(vectors(found)).mean[:, [0, 2]]
        unit, location = fitted("ensemble").unit.numpy()[[0, 2]], fitted("ensemble").location.numpy()[[0, 2]]
        np.testing.assert_allclose(shown, (mean - location) / unit, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose([getattr(row, name) for row in found.rows], shown.mean(axis=1), rtol=1e-9)
    assert found.gap == pytest.approx(
        dict(zip(TASKS, (found.predicted_scores - found.verified_scores).mean(axis=0), strict=True))
    )
    assert found.verified_hypervolume is not None
    assert {value.source for row in found.rows for value in row.verified.values()} == {"judge"}


def test_the_json_file_holds_everything(found: Front, tmp_path: Path) -> None:
    found.to_json(tmp_path / "out" / "pareto.json")
    read = json.loads((tmp_path / "out" / "pareto.json").read_text())
    assert read == json.loads(json.dumps(found.to_dict()))
    assert [tuple(row["vector"]) for row in read["rows"]] == [row.vector for row in found.rows]
    assert (read["provenance"]["max_macs"], read["provenance"]["cost"], read["provenance"]["reference"]) == (
        2e9,
        True,
        REFERENCE,
    )
    assert read["provenance"]["columns"] == TASKS
    for row, predicted_scores in zip(read["rows"], found.predicted_scores.tolist(), strict=True):
        assert row["predicted_scores"] == row["scores"] == dict(zip(TASKS, predicted_scores, strict=True))
        assert list(row["verified_scores"]) == TASKS


def test_the_seed_decides() -> None:
    asked: dict[str, Any] = {"predictor": fitted("ensemble"), "budget": BUDGET, **QUICK, "steps": 3}
    first, second, third = (pareto_search(TASKS, seed=seed, **asked) for seed in (0, 0, 1))
    assert first.rows == second.rows
    assert first.rows != third.rows
    assert first.gap is None  # without a judge
    assert first.verified_hypervolume is None
    assert all(row.verified_score is None and row.verified == {} for row in first.rows)


@pytest.mark.parametrize("uncertainty_penalty", [0.0, 1.0])
def test_every_code_meets_the_minimum_values(found: Front, uncertainty_penalty: float) -> None:
    least = {"seg": float(np.quantile(points(found)[:, 0], 0.7)), "seg/mAcc": 0.5}
    wanted = [Objective({task: 1.0}, uncertainty_penalty=uncertainty_penalty) for task in TASKS]
    held = pareto_search(wanted, predictor=fitted("ensemble"), budget=BUDGET, at_least=least, **QUICK)
    assert len(held.rows) > 5
    assert list(held.rows[0].predicted) == ["seg/mIoU", "video/top1", "seg/mAcc"]
    for row in held.rows:
        assert row.predicted["seg/mIoU"].mean >= least["seg"]
        assert row.predicted["seg/mAcc"].mean >= 0.5
    if uncertainty_penalty:
        assert (held.scores < held.predicted_scores).all()
    cost = [-(row.macs or 0) for row in held.rows]
    assert non_dominated(np.column_stack([held.scores, cost])).all()


def test_starts_reach_a_minimum_value_of_a_column_without_weight(found: Front) -> None:
    least = {"seg": float(points(found)[:, 0].max()) - 1.5}  # half a deviation: far above what is drawn
    problem = MultiObjectiveProblem.of(fitted("ensemble"), [Objective({"video": 1.0})], BUDGET, True, least)
    climbed = front_search._propagated(problem, 16, 8, np.random.default_rng(0), lambda _: None)
    assert (problem.points(climbed)[1] == 0).any()


def test_only_the_front_of_the_codes_that_meet_the_minimums_is_returned() -> None:
    predictor, judge = fitted("ensemble"), fitted("gp")
    problem = MultiObjectiveProblem.of(predictor, [Objective({t: 1.0}) for t in TASKS], BUDGET, True, {"seg": 70})
    codes = MULTIRES.sample(300, np.random.default_rng(0))
    codes = codes[BUDGET.allows(codes)]
    shown = front_search._front(problem, codes, front_search._Checks(judge, None, None), np.ones((300, 3)), 300, {})
    values = predictor.predict(codes).mean[:, [0, 2]]
    kept = values[:, 0] >= 70
    kept[kept] = non_dominated(np.column_stack([values, -ncp.macs(codes)])[kept])
    assert 0 < kept.sum() < len(codes) / 2
    assert {row.vector for row in shown.rows} == set(map(tuple, codes[kept].tolist()))
    verified_scores = np.column_stack([shown.verified_scores, np.log10(2e9 / ncp.macs(vectors(shown)))])
    assert shown.verified_hypervolume == pytest.approx(hypervolume(verified_scores, [REFERENCE] * 2 + [0.0]))


def test_refinement_improves_a_single_code_and_keeps_the_minimums() -> None:
    problem = MultiObjectiveProblem.of(fitted("ensemble"), EACH, BUDGET, True, {"seg": 70})
    codes = MULTIRES.sample(200, np.random.default_rng(0))
    _, short = problem.points(codes)
    start = codes[BUDGET.allows(codes) & (short == 0)][:1]
    rng = np.random.default_rng(0)
    better = front_search._refined(problem, start, np.abs(rng.normal(size=(120, 3))), FEW, rng, lambda _: None)
    after, short = problem.points(better)
    assert len(better) > 10
    assert not short.any()
    reference = [-9.0, -9.0, 0.0]
    assert hypervolume(after, reference) > 1.2 * hypervolume(problem.points(start)[0], reference)


@pytest.mark.slow
def test_minimums_that_no_code_meets_are_refused_with_the_closest_values() -> None:
    asked: dict[str, Any] = {
        "predictor": fitted("ensemble"),
        "budget": Budget(max_macs=1e9),
        **QUICK,
        "starts": 4,
        "steps": 4,
    }
    with pytest.raises(InfeasibleError) as refused:
        pareto_search(TASKS, at_least={"seg": 1e3}, **asked)
    told = re.fullmatch(
        r"No code within the budget is measured or predicted to have seg/mIoU of at least 1000: the closest that was "
        r"found has seg/mIoU ([\d.]+)\. Ask for less, or raise the budget\.",
        str(refused.value),
    )
    assert told
    reached = pareto_search(TASKS, at_least={"seg": float(told[1])}, **asked)
    assert min(row.predicted["seg/mIoU"].mean for row in reached.rows) >= float(told[1])
    with pytest.raises(
        InfeasibleError, match=r"seg/mIoU of at least 0 and video/top1 of at least 5: .* video/top1 -0\."
    ):
        pareto_search(TASKS, at_least={"seg": 0, "video": 5}, **asked)


def test_every_start_has_its_own_weights_and_bound() -> None:
    predictor, rng = fitted("ensemble"), np.random.default_rng(0)
    objectives = [Objective({task: 1.0}) for task in TASKS]
    problem = MultiObjectiveProblem.of(predictor, objectives, Budget(max_macs=4e9, max_params=5e6), True, {})
    least = int(ncp.macs(SMALLEST)[0])
    weights, bounds = weights_and_bounds(problem, 16, rng)
    bound = bounds["max_macs"]
    np.testing.assert_array_equal(weights[:2], np.eye(2))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    assert weights.min() >= 0
    assert isinstance(bound, np.ndarray)
    assert bound[:2].tolist() == [4e9, 4e9]
    shares = np.sort(np.log(bound / least) / np.log(4e9 / least))[:14]
    assert (np.abs(shares - np.linspace(0, 1, 16)[:14]) <= 2.1 / 15).all()  # two of them belong to the first starts
    assert bounds["max_params"] == 5e6
    start = predictor.relaxed(np.repeat(MULTIRES.sample(1, rng), 16, axis=0))
    bound[2:8] = bound[8:14] = np.logspace(7.5, 9.5, 6)
    weights[2:8], weights[8:14] = np.eye(2)[0], np.eye(2)[1]
    tensors = {"max_macs": start.new_tensor(bound), "max_params": 5e6}

    def score(x: torch.Tensor) -> torch.Tensor:
        return (x.new_tensor(weights) * problem.scores(x)[0]).sum(1)

    x = Continuous().ascend(score, problem.feasible, start, 16, bounds=tensors).x
    cost = np.array([ncp.macs(torch.as_tensor(step)).numpy() for step in x])
    assert (cost <= bound * (1 + 1e-4)).all()
    assert all(ncp.params(torch.as_tensor(step)).max() <= 5e6 * (1 + 1e-4) for step in x)
    assert (cost[-1, 2:14] >= 0.6 * bound[2:14]).sum() > 6  # the bound is used, each its own
    scores = problem.scores(torch.as_tensor(x[-1], dtype=torch.float32))[0]
    assert (scores[2:8, 0] > scores[8:14, 0]).all()
    assert (scores[2:8, 1] < scores[8:14, 1]).all()


def test_in_a_small_space_the_front_is_exact() -> None:
    space = Space([Ordinal("a", range(5)), Ordinal("b", range(8, 33, 8)), Ordinal("c", [1, 3, 4])])
    codes = np.array(list(product(range(5), range(8, 33, 8), [1, 3, 4])))
    values = np.random.default_rng(1).normal(size=(len(codes), 3))
    predictor = ncp.fit_predictor(codes, values, ["s/a", "t/b", "u/c"], space=space, kind="gp")
    wanted: list[str | Objective] = [
        "s",
        Objective({"t": -1.0}),
        Objective({"s": 1.0, "u": 2.0}, uncertainty_penalty=0.5),
    ]
    result = pareto_search(wanted, predictor=predictor, **QUICK)
    assert result.objectives == ("s/a", "-t/b", "1 s/a + 2 u/c")
    problem = MultiObjectiveProblem.of(predictor, [Objective({"s": 1.0}), *wanted[1:]], Budget(), True, {})  # type: ignore[list-item]
    all_points = problem.points(codes)[0]
    assert all_points.shape == (60, 3)
    best = set(map(tuple, codes[non_dominated(all_points)].tolist()))
    assert {row.vector for row in result.rows} == best
    assert result.provenance["cost"] is False
    assert all(row.macs is None for row in result.rows)
    predicted_scores = [row.score for row in result.rows]
    assert predicted_scores == sorted(predicted_scores, reverse=True)


def test_a_space_without_cost_has_a_front_of_tasks_alone() -> None:
    result = pareto_search(TASKS, predictor=fitted("gp", "mixed"), **QUICK)
    assert non_dominated(points(result)[:, :2]).all()
    best = fitted("gp", "mixed").predict(rows("mixed")[0]).mean[:, [0, 2]].max(axis=0)
    assert (points(result)[:, :2].max(axis=0) >= best - 1e-3).all()


def test_a_budget_needs_a_space_with_costs() -> None:
    with pytest.raises(ConfigError, match="Budgets work only for NAS-Bench-MR networks"):
        pareto_search(TASKS, predictor=fitted("gp", "mixed"), budget=BUDGET)


def test_one_objective_without_cost_has_one_best_code() -> None:
    result = pareto_search(["seg"], predictor=fitted("ensemble"), budget=BUDGET, cost=False, **QUICK)
    assert len(result.rows) == 1
    assert result.provenance["cost"] is False
    assert (result.rows[0].macs or 0) <= 2e9


def test_a_budget_of_the_smallest_cost_leaves_the_smallest_code() -> None:
    budget = Budget(max_macs=int(ncp.macs(SMALLEST)[0]))
    few = {"starts": 3, "steps": 2, "size": 5}
    result = pareto_search(TASKS, predictor=fitted("ensemble"), budget=budget, **QUICK | few)
    assert [row.vector for row in result.rows] == [tuple(SMALLEST.tolist())]
    assert (result.hypervolume, result.objectives) == (0.0, tuple(TASKS))


def test_the_best_code_of_each_objective_is_kept(found: Front) -> None:
    three = pareto_search(TASKS, predictor=fitted("ensemble"), budget=BUDGET, **QUICK | {"size": 3})
    assert len(three.rows) == 3
    np.testing.assert_allclose(three.predicted_scores.max(axis=0), found.predicted_scores.max(axis=0), atol=1e-3)


def test_measured_codes_have_values_of_the_table() -> None:
    asked: dict[str, Any] = {"predictor": fitted("gp", "mixed"), "judge": fitted("gp", "mixed"), **QUICK}
    first = pareto_search(TASKS, **asked)
    codes = vectors(first)[::2]
    values = fitted("gp", "mixed").predict(codes).mean  # equal to the predictions, so that no score changes
    result = pareto_search(TASKS, table=Table(MIXED, codes, values, COLUMNS), **asked)
    assert [row.predicted for row in result.rows] == [row.predicted for row in first.rows]
    for place, row in enumerate(result.rows):
        assert {value.source for value in row.verified.values()} == {"judge" if place % 2 else "table"}
        assert place % 2 or row.verified["seg/mIoU"].mean == values[place // 2, 0]
    assert result.baseline is not None
    assert (result.baseline.rows, result.baseline.size) == (len(codes), len(codes))
    assert first.baseline is None


def test_chosen_points_dominate_more_than_random_ones() -> None:
    rng = np.random.default_rng(0)
    sphere = np.abs(rng.normal(size=(300, 3)))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    ways = Directions.towards(sphere, np.abs(rng.normal(size=(500, 3))))
    inside = np.concatenate([0.9 * sphere, sphere])
    winners = ways.winners(inside)
    assert winners.min() >= 300
    chosen = ways.chosen(sphere, 20)
    assert len(set(chosen.tolist())) == 20
    volume = hypervolume(sphere[chosen], [0] * 3)
    drawn = [hypervolume(sphere[rng.permutation(300)[:20]], [0] * 3) for _ in range(20)]
    assert volume > max(drawn)
    for axis in range(3):
        assert sphere[chosen, axis].max() == sphere[:, axis].max()
    assert len(ways.chosen(sphere[:4], 9)) == 4


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"objectives": "seg"}, ConfigError, "objectives must be a list of tasks, columns or objectives, such as"),
        ({"objectives": []}, ConfigError, "objectives must be a list of tasks"),
        ({"objectives": [1]}, ConfigError, "Got 1."),
        (
            {"objectives": ["sge"]},
            ConfigError,
            "objective has no task or column 'sge'. Did you mean 'seg'?",
        ),
        ({"at_least": {"vidio": 1}}, ConfigError, "at_least has no task or column 'vidio'. Did you mean 'video'?"),
        ({"at_least": {"seg": float("nan")}}, ConfigError, "at_least must give every column a finite number. Got"),
        ({"at_least": {"seg": 1, "seg/mIoU": 2}}, ConfigError, "at_least must name every column once. Got ['seg',"),
        (
            {"objectives": [Objective({"seg": 1.0}, at_least={"seg": 1})]},
            ConfigError,
            "Minimum values hold for the whole front",
        ),
        (
            {"objectives": ["seg", "video", "seg/mIoU"]},
            ConfigError,
            "objectives must differ. Got seg/mIoU twice.",
        ),
        (
            {"at_least": "seg=76"},
            ConfigError,
            "at_least must give minimum values by column, such as {'seg/mIoU': 76}. Got 'seg=76'.",
        ),
        ({"starts": 0}, ConfigError, "starts must be an integer, 1 or more. Got 0."),
        ({"steps": 0}, ConfigError, "steps must be an integer, 1 or more. Got 0."),
        ({"size": 0}, ConfigError, "size must be an integer, 1 or more. Got 0."),
        (
            {"budget": Budget(max_macs=1e6)},
            InfeasibleError,
            "max_macs = 1000000 is below the cost of every code. Raise max_macs to at least 10850000.",
        ),
    ],
)
def test_wrong_arguments_are_refused(asked: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        pareto_search(**{"objectives": TASKS, "predictor": fitted("ensemble")} | asked)
