"""A search ranks no code first that its table measured to be worse than the baseline, and names the baseline."""

import json
from typing import Any

import numpy as np
import pytest

import ncp
from ncp import Objective, Table
from ncp.optim.feasible import Feasible
from ncp.optim.measured_rows import MeasuredRows
from ncp.optim.problem import Problem
from ncp.spaces.dimensions import Categorical
from ncp.spaces.space import Space
from tests.predictors.fitted import COLUMNS, MIXED, fitted, rows

CELLS = Space([Categorical(f"edge{k}", ["a", "b", "c", "d"]) for k in range(4)])
QUICK: dict[str, Any] = {"starts": 8, "steps": 8, "top": 5}


@pytest.fixture(scope="module")
def whole() -> Table:
    """A noisy function of all 256 cells; no predictor fitted on half of them is right about the others."""
    codes = np.stack(np.meshgrid(*[np.arange(4)] * 4, indexing="ij"), -1).reshape(-1, 4)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 4, 2))[np.arange(4), codes].sum(1) + 2.0 * rng.normal(size=(256, 2))
    return Table(CELLS, codes, values, ["a/x", "b/y"])


def z(table: Table, weights: list[float]) -> np.ndarray[Any, Any]:
    scores = (table.values - table.values.mean(axis=0)) / table.values.std(axis=0)
    return scores @ np.array(weights) / np.abs(weights).sum()


@pytest.mark.parametrize("weights", [{"a": 1.0}, {"a": 1.0, "b": 2.0}, {"a": -1.0}])
def test_the_best_row_of_a_complete_table_comes_first(whole: Table, weights: dict[str, float]) -> None:
    result = ncp.search(weights, table=whole, **QUICK)
    wanted = z(whole, [weights.get("a", 0.0), weights.get("b", 0.0)])
    best = int(wanted.argmax())
    assert result.best.vector == tuple(whole.codes[best].tolist())
    measured = [wanted[whole.row(row.vector)] for row in result.rows]
    assert measured == sorted(measured, reverse=True)
    assert result.baseline is not None
    assert result.baseline.vector == result.best.vector
    assert result.baseline.score == pytest.approx(wanted[best], rel=1e-4)
    assert result.baseline.rows == 256


def test_the_baseline_has_values_of_table_and_judge(whole: Table) -> None:
    few = whole.select(rows=np.random.default_rng(1).permutation(256)[:60])
    result = ncp.search(["a", "b"], table=few, **QUICK)
    base = result.baseline
    assert base is not None
    row = few.row(base.vector)
    assert [(c, v.mean, v.source) for c, v in base.measured.items()] == [
        (c, few.values[row, j], "table") for j, c in enumerate(few.columns)
    ]
    assert {v.source for v in base.judged.values()} == {"judge"}
    assert base.judged_score is not None
    assert base.judged_score < base.score  # its measurement was lucky
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["baseline"]["code"] == base.code == CELLS.text(base.vector)
    assert document["baseline"]["measured"]["a/x"]["source"] == "table"
    assert document["provenance"]["predictor_source"] in ("fitted and kept", "kept")


def known_of(objective: Objective, values: Any, **more: Any) -> tuple[MeasuredRows, Problem]:
    codes = rows("mixed")[0][: len(values)]
    problem = Problem.of(fitted("gp", "mixed"), objective)
    return MeasuredRows.of(problem, Table(MIXED, codes, values, COLUMNS), **more), problem


def test_measurements_are_weighed_by_their_noise_and_keep_their_order() -> None:
    codes = rows("mixed")[0][:40]
    predicted = fitted("gp", "mixed").predict(codes)
    values = predicted.mean.copy()
    values[7, 0] += 30 * predicted.std[7, 0]  # type: ignore[index]
    known, problem = known_of(Objective({"seg": 1.0}), values)
    assert (np.diff(known.measured) <= 0).all()
    assert (np.diff(known.weighed) <= 0).all()
    assert known.codes[0].tolist() == codes[7].tolist()
    claimed = problem.values_and_scores(known.codes[:1])[1][0]
    assert claimed < known.weighed[0] < known.measured[0]  # an outlier is partly believed
    np.testing.assert_array_equal(known.rank(known.codes, np.full(40, 99.0)), known.weighed)
    fresh = MIXED.sample(9, np.random.default_rng(9))
    fresh = fresh[~known.include(fresh)]
    scores = problem.values_and_scores(fresh)[1]
    error = fitted("gp", "mixed").moments(fitted("gp", "mixed").relaxed(fresh))[1][:, 0].numpy()
    unit = float(fitted("gp", "mixed").unit[0])
    np.testing.assert_allclose(known.rank(fresh, scores), scores - error / unit, rtol=1e-4)


def test_rows_measured_to_be_worse_than_a_minimum_are_not_returned() -> None:
    values = rows("mixed")[1][:40]
    least = float(np.median(values[:, 0]))
    known, _ = known_of(Objective({"video": 1.0}, at_least={"seg": least}), values)
    assert len(known.codes) == (values[:, 0] >= least).sum()
    worse = rows("mixed")[0][:40][values[:, 0] < least]
    assert known.worse_than_minimum(worse).all()
    assert not known.worse_than_minimum(known.codes).any()


def test_rows_keep_the_budget_frozen_dimensions_and_the_number_of_changes() -> None:
    codes, values = rows("mixed")
    frozen = np.array([True, False, False, False, False])
    problem = Problem(fitted("gp", "mixed"), Objective({"seg": 1.0}), Feasible(MIXED, ncp.Budget(), frozen))
    known = MeasuredRows.of(problem, Table(MIXED, codes, values, COLUMNS), codes[0], 2)
    expected = ((codes != codes[0]).sum(axis=1) <= 2) & (codes[:, 0] == codes[0, 0])
    assert {tuple(code) for code in known.codes.tolist()} == {tuple(code) for code in codes[expected].tolist()}
    networks, scores = rows("multires")
    budget = ncp.Budget(max_macs=int(np.median(ncp.macs(networks))))
    bounded = Problem.of(fitted("gp"), Objective({"seg": 1.0}), budget)
    within = MeasuredRows.of(bounded, Table(ncp.MULTIRES, networks, scores, COLUMNS))
    assert len(within.codes) == budget.allows(networks).sum()


def test_the_front_of_a_complete_table_is_the_tables_own(whole: Table) -> None:
    result = ncp.pareto_search(["a", "b"], table=whole, starts=8, steps=6, size=40)
    assert result.baseline is not None
    assert result.baseline.rows == 256
    assert {value.source for row in result.rows for value in row.verified.values()} == {"table"}
    assert result.verified_hypervolume == pytest.approx(result.hypervolume, rel=0.7)
    assert result.verified_hypervolume <= result.baseline.hypervolume * (1 + 1e-9)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["baseline"]["size"] == result.baseline.size


@pytest.mark.parametrize("find", [ncp.search, lambda objective, **options: ncp.pareto_search([objective], **options)])
def test_minimum_values_that_are_predicted_but_measured_to_be_missed_are_refused(find: Any, whole: Table) -> None:
    rows = np.arange(0, 256, 2)
    values = whole.values[rows] + 20
    hopeful = ncp.fit_predictor(whole.codes[rows], values, whole.columns, space=CELLS, kind="gp")
    options = {"predictor": hopeful, "table": whole, "starts": 4, "steps": 4}
    minimum = {"a": float(whole.values[:, 0].max()) + 5}
    objective = Objective({"a": 1.0}, at_least=minimum) if find is ncp.search else "a"
    more = {} if find is ncp.search else {"at_least": minimum}
    with pytest.raises(ncp.InfeasibleError, match=r"predicted to have a/x of at least .*: all that were"):
        find(objective, **options, **more)


def test_minimum_values_are_checked_in_incomplete_rows() -> None:
    codes, values = rows("mixed")
    values = values[:40].copy()
    values[::2, 2] = np.nan  # not measured
    least = float(np.median(values[:, 0]))
    known, _ = known_of(Objective({"video": 1.0}, at_least={"seg": least}), values)
    np.testing.assert_array_equal(known.worse_than_minimum(codes[:40]), values[:, 0] < least)
    assert len(known.codes) == ((values[:, 0] >= least) & ~np.isnan(values[:, 2])).sum()


def test_a_front_keeps_the_order_of_measured_rows(whole: Table) -> None:
    result = ncp.pareto_search(["a"], table=whole, starts=4, steps=4, size=9)
    best = whole.codes[int(whole.values[:, 0].argmax())]
    assert [row.vector for row in result.rows] == [tuple(best.tolist())]


def test_a_front_can_consist_of_measured_rows_only(whole: Table) -> None:
    half = whole.select(rows=slice(0, 256, 2))
    modest = ncp.fit_predictor(half.codes, half.values - 50, half.columns, space=CELLS, kind="gp")
    least = float(np.sort(whole.values[:, 0])[-3])
    options: dict[str, Any] = {"predictor": modest, "table": whole, "starts": 4, "steps": 4}
    front = ncp.pareto_search(["a", "b"], at_least={"a": least}, **options)
    found = ncp.search(Objective({"b": 1.0}, at_least={"a": least}), **options)
    for row in (*front.rows, *found.rows):
        assert row.verified["a/x"].mean >= least
        assert row.verified["a/x"].source == "table"


@pytest.mark.slow
def test_a_table_without_rows_changes_nothing(whole: Table) -> None:
    empty = whole.select(rows=slice(0, 0))
    assert np.isnan(empty.lookup(whole.codes[:3])).all()
    predictor = ncp.fit_predictor(whole.codes, whole.values, whole.columns, space=CELLS, kind="gp")
    result = ncp.search("a", predictor=predictor, table=empty, **QUICK)
    assert result.baseline is None
    assert len(result.rows) == 5
