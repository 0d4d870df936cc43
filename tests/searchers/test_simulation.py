"""Simulated searches: which rows are evaluated, how they are scored, and which arguments are refused."""

import re
from typing import Any

import numpy as np
import pytest

from ncp import ConfigError, DataError, History, InfeasibleError, Objective, Space, Table, simulate
from ncp.searchers.scoring import score_rows
from ncp.searchers.searcher import Searcher
from ncp.searchers.simulation import simulate_scored
from ncp.spaces.arrays import Codes, Reals

SPACE = Space.from_dict({"c": [8, 16, 32, 64], "edge": ["none", "skip", "conv"]})
CODES = [[8, 0], [16, 2], [32, 1], [64, 0], [64, 2]]
TABLE = Table(SPACE, CODES, [[1, 20], [5, 10], [3, 60], [4, 30], [2, 80]], ["seg/mIoU", "mine/ms"])


class Scripted(Searcher):
    """Proposes the batches of a script, over and over."""

    name = "scripted"

    def __init__(self, script: list[list[list[int]]], *arguments: Any) -> None:
        super().__init__(*arguments)
        self.learned: list[tuple[list[Any], list[float]]] = []
        self.batches = iter(script * 100)

    def ask(self) -> Codes:
        return np.array(next(self.batches))

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:  # noqa: ARG002
        self.learned.append((codes.tolist(), scores.tolist()))


def simulated(
    *script: list[list[int]], table: Table = TABLE, wanted: Any = None, warm_start: Table | None = None, **options: Any
) -> tuple[History, list[tuple[list[Any], list[float]]]]:
    """The history of a searcher that follows a script, and the batches that it learned."""
    agents: list[Scripted] = []

    def made(*arguments: Any) -> Searcher:
        agents.append(Scripted(list(script), *arguments))
        return agents[0]

    scored = score_rows(table, wanted or Objective({"seg": 1.0}), warm_start)
    return simulate_scored(scored, "scripted", made, seed=0, **options), agents[0].learned


def test_repeated_rows_are_not_counted() -> None:
    history, learned = simulated([[8, 0]], [[8, 0], [64, 0]], [[32, 1]], queries=3)
    assert history.rows.tolist() == [0, 3, 2]
    assert history.scores.tolist() == [1, 4, 3]
    assert history.best.tolist() == [1, 4, 4]
    assert history.regret.tolist() == [4, 1, 1]
    assert history.meets.all()
    assert learned == [([[8, 0]], [1]), ([[8, 0], [64, 0]], [1, 4]), ([[32, 1]], [3])]


def test_a_code_that_is_not_in_the_table_is_replaced_by_the_nearest_unevaluated_row() -> None:
    history, learned = simulated([[32, 2]], [[32, 2]], [[8, 2]], queries=3)
    assert TABLE.nearest([32, 2], 3).tolist() == [1, 2, 4]
    assert history.rows.tolist() == [1, 2, 0]
    assert [codes for codes, _ in learned] == [[[16, 2]], [[32, 1]], [[8, 0]]]


def test_a_batch_ends_with_the_last_evaluation() -> None:
    history, learned = simulated([[8, 0], [64, 0], [32, 1]], queries=2)
    assert history.rows.tolist() == [0, 3]
    assert learned == [([[8, 0], [64, 0]], [1, 4])]


def test_a_searcher_that_repeats_itself_gets_random_rows() -> None:
    history, learned = simulated([[64, 2]], queries=100, patience=5)
    assert sorted(history.rows.tolist()) == [0, 1, 2, 3, 4]
    assert history.rows[0] == 4
    batches = [codes for codes, _ in learned]
    assert len(batches) == 1 + 4 * 6
    assert batches[:6] == [[[64, 2]]] * 6


def test_one_column_is_scored_in_its_own_units() -> None:
    values = TABLE.values
    down = Table(SPACE, CODES, values, TABLE.columns, minimised=["mine/ms"])
    for table, weights, expected in (
        (TABLE, {"seg": 7.0}, values[:, 0]),
        (TABLE, {"seg": -0.5}, -values[:, 0]),
        (down, {"mine": 2.0}, -values[:, 1]),
    ):
        scored = score_rows(table, Objective(weights))
        np.testing.assert_array_equal(scored.scores, expected)
        np.testing.assert_array_equal(scored.counted, expected)
        assert scored.optimum == expected.max()
    with pytest.raises(ConfigError) as caught:
        score_rows(down, Objective({"ms": -2.0}))
    assert caught.value.field == "objective"


def test_many_columns_are_scored_in_mean_z_scores() -> None:
    values = TABLE.values.copy()
    values[2, 0] = np.nan
    table = Table(SPACE, CODES, values, TABLE.columns, minimised=["mine/ms"])
    z = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    scored = score_rows(table, Objective({"mine": 3.0, "seg": 1.0}))
    assert scored.rows.tolist() == [0, 1, 3, 4]
    np.testing.assert_allclose(scored.scores, ((z[:, 0] - 3 * z[:, 1]) / 4)[scored.rows])


@pytest.mark.parametrize(("minimised", "bound"), [((), 30.0), (("mine/ms",), 30.0)])
def test_a_row_that_misses_a_minimum_value_is_never_the_best(minimised: tuple[str, ...], bound: float) -> None:
    """It scores ten standard deviations less per standard deviation below; for a minimised column, above."""
    table = Table(SPACE, CODES, TABLE.values, TABLE.columns, minimised=minimised)
    seg, ms = TABLE.values.T
    short = np.maximum(ms - bound if minimised else bound - ms, 0) / ms.std()
    history, learned = simulated(
        *[[code] for code in CODES], table=table, wanted=Objective({"seg": 1.0}, at_least={"ms": bound}), queries=5
    )
    np.testing.assert_allclose(history.scores, seg - 10 * seg.std() * short)
    np.testing.assert_array_equal(np.concatenate([scores for _, scores in learned]), history.scores)
    np.testing.assert_array_equal(history.meets, short == 0)
    assert history.optimum == (5 if minimised else 4)
    best, least = -np.inf, seg[short == 0].min()
    for row in range(5):
        best = max(best, seg[row]) if short[row] == 0 else best
        assert history.best[row] == best if best > -np.inf else history.best[row] < least


def test_a_row_that_barely_misses_a_minimum_value_counts_less_than_all_that_meet_it() -> None:
    values = [[9.0, 50.0 - 1e-14 * 500], [1.0, 50.0], [9.0, 10.0]]
    table = Table(SPACE, CODES[:3], values, TABLE.columns)
    for weights in ({"seg": 1.0}, {"seg": 1.0, "mine": 1e-3}):
        scored = score_rows(table, Objective(weights, at_least={"mine": 50.0}))
        assert scored.meets.tolist() == [False, True, False]
        assert scored.scores.argmax() == 0
        assert scored.counted.argmax() == 1
        assert (scored.counted < scored.optimum).tolist() == [True, False, True]
    history = simulate(table, "random", objective=Objective({"seg": 1.0}, at_least={"mine": 50.0}), queries=3)
    assert (history.regret >= 0).all()
    assert history.regret[-1] == 0


def test_minimum_values_with_several_columns_and_missing_values() -> None:
    values = TABLE.values.copy()
    values[1, 1] = np.nan  # unknown whether this row meets the minimum value
    table = Table(SPACE, CODES, values, TABLE.columns)
    wanted = Objective({"seg": 2.0, "mine": 1.0}, at_least={"seg": 2.5})
    scored = score_rows(table, wanted)
    location, unit = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    expected = wanted.score(values, None, table.columns, location, unit)
    assert scored.rows.tolist() == [0, 2, 3, 4]
    np.testing.assert_allclose(scored.scores, expected[scored.rows])
    assert scored.optimum == pytest.approx(max(expected[2], expected[3]))
    assert score_rows(table, Objective({"seg": 1.0}, at_least={"mine": 0})).rows.tolist() == [0, 2, 3, 4]
    assert len(score_rows(table, Objective({"seg": 1.0})).rows) == 5


def test_minimum_values_that_no_row_meets() -> None:
    table = Table(SPACE, CODES, TABLE.values, TABLE.columns, minimised=["mine/ms"])
    wanted = Objective({"seg": 1.0}, at_least={"seg": 3, "mine": 5})
    message = "No row of the table meets at_least: seg/mIoU at least 3, mine/ms at most 5. Ask for less."
    with pytest.raises(InfeasibleError, match=re.escape(message)) as caught:
        simulate(table, "random", objective=wanted)
    assert caught.value.field == "at_least"


def test_an_uncertainty_penalty_is_refused() -> None:
    with pytest.raises(ConfigError, match="values of a table are measured, not predicted") as caught:
        simulate(TABLE, "random", objective=Objective({"seg": 1.0}, uncertainty_penalty=1.0))
    assert (caught.value.field, caught.value.given) == ("uncertainty_penalty", 1.0)


def test_a_warm_start_is_scored_on_the_scale_of_the_table() -> None:
    """Otherwise the searcher would compare scores of two scales."""
    warm = Table(SPACE, [CODES[0], CODES[1]], TABLE.values[:2], TABLE.columns)
    wanted = Objective({"seg": 1.0, "mine": 1.0}, at_least={"seg": 3.0})
    history, learned = simulated([[8, 0]], wanted=wanted, queries=1, warm_start=warm)
    (_, warmed), (_, evaluated) = learned
    assert warmed[0] == pytest.approx(evaluated[0]) == pytest.approx(history.scores[0])


def test_an_objective_in_all_its_forms() -> None:
    one = simulate(TABLE, "random", objective=Objective({"seg/mIoU": 1.0}), queries=3)
    for objective in ("seg", "seg/mIoU", ["seg"], {"seg": 2}):
        np.testing.assert_array_equal(simulate(TABLE, "random", objective=objective, queries=3).scores, one.scores)
    both = simulate(TABLE, "random", objective=Objective({"seg": 1.0, "mine": 1.0}), queries=np.int64(3))
    history = simulate(TABLE, "random", objective=["seg", "mine"], queries=3, seed=np.int64(0))
    np.testing.assert_array_equal(history.scores, both.scores)
    assert type(history.seed) is int


@pytest.mark.parametrize(
    ("options", "message", "field"),
    [
        ({"searcher": "rnadom"}, "There is no searcher 'rnadom'. Did you mean random? Choose from random,", "searcher"),
        ({"searcher": "propagation"}, "no searcher 'propagation'. Did you mean bayesian?", "searcher"),
        ({"searcher": "TPE"}, "no searcher 'TPE'. Did you mean tpe?", "searcher"),
        ({"searcher": 7}, "There is no searcher 7. Choose from random,", "searcher"),
        ({"searcher": ["random"]}, "There is no searcher ['random']. ", "searcher"),
        ({"queries": 0}, "queries must be an integer, 1 or more. Got 0.", "queries"),
        ({"queries": True}, "queries must be an integer, 1 or more. Got True.", "queries"),
        ({"queries": 2.5}, "queries must be an integer, 1 or more. Got 2.5.", "queries"),
        ({"seed": -1}, "seed must be an integer, from 0 to 4294967295. Got -1.", "seed"),
        ({"seed": None}, "seed must be an integer, from 0 to 4294967295. Got None.", "seed"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str, field: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        simulate(TABLE, **({"searcher": "random", "objective": Objective({"seg": 1.0})} | options))
    assert caught.value.field == field


@pytest.mark.parametrize("objective", [Objective({"sge": 1.0}), Objective({"seg": 1.0}, at_least={"sge": 1.0})])
def test_an_unknown_column(objective: Objective) -> None:
    with pytest.raises(ConfigError, match=r"'sge'.*Did you mean 'seg'"):
        simulate(TABLE, "random", objective=objective)


def test_a_table_without_values() -> None:
    nothing = Table(SPACE, CODES, np.full((5, 2), np.nan), TABLE.columns)
    for table in (nothing, TABLE.select(rows=[])):
        with pytest.raises(DataError, match=re.escape("in all columns of the objective: seg/mIoU.")):
            simulate(table, "random", objective=Objective({"seg": 1.0}))


def test_values_that_are_too_large_to_compute_with() -> None:
    values = TABLE.values.copy()
    values[2, 0] = -1e200
    table = Table(SPACE, CODES, values, TABLE.columns)
    for wanted in ("seg", ["seg", "mine"], Objective({"mine": 1.0}, at_least={"seg": 0.0})):
        with pytest.raises(DataError, match=re.escape("seg/mIoU has the value -1e+200, which is too large")):
            simulate(table, "random", objective=wanted)
    assert simulate(table, "random", objective="mine", queries=5).optimum == 80


def test_a_table_without_values_in_one_of_two_columns() -> None:
    values = TABLE.values.copy()
    values[:, 1] = np.nan
    half = Table(SPACE, CODES, values, TABLE.columns)
    with pytest.raises(DataError, match=re.escape("in all columns of the objective: seg/mIoU, mine/ms.")):
        simulate(half, "random", objective=Objective({"seg": 1.0, "mine": 1.0}))


def test_a_warm_start_of_another_space() -> None:
    other = Table(Space.from_dict({"c": [8, 16], "edge": ["none", "skip"]}), [[8, 0]], [[1.0]], ["seg/mIoU"])
    with pytest.raises(DataError, match="The warm start has another search space than the table"):
        simulate(TABLE, "random", objective=Objective({"seg": 1.0}), warm_start=other)


def test_a_warm_start_without_the_column() -> None:
    """Another column of the same task is not the column."""
    for other in ("mine/ms", "seg/mAcc"):
        warm = Table(SPACE, CODES, TABLE.values[:, :1], [other])
        with pytest.raises(DataError, match=f"The warm start has no column seg/mIoU. It has {other}."):
            simulate(TABLE, "random", objective=Objective({"seg": 1.0}), warm_start=warm)


def test_the_metric_of_one_column_names_it() -> None:
    columns = ["seg/mIoU", "seg/mAcc", "video/top1", "cls/top1", "cost"]
    assert Objective({"mAcc": 1.0, "mIoU": 1.0, "cost": 1.0}).resolve(columns) == [1, 0, 4]
    assert Objective({"top1": 1.0}).resolve(columns[:3]) == [2]
    with pytest.raises(ConfigError, match="no task or column 'top1'"):
        Objective({"top1": 1.0}).resolve(columns)
    with pytest.raises(ConfigError, match="every column once"):
        Objective({"mIoU": 1.0, "seg": 1.0}).resolve(columns)


def test_a_tasks_name_comes_before_a_metrics() -> None:
    columns = ["cost/latency", "latency/cpu"]
    assert Objective({"latency": 1.0}).resolve(columns) == [1]
    assert Objective({"latency": 1.0}).resolve(columns[::-1]) == [0]


def test_a_column_without_a_metric_has_no_second_name() -> None:
    with pytest.raises(ConfigError, match=re.escape("no task or column ''. There are accuracy, seg/mIoU.")):
        Objective({"": 1.0}).resolve(["accuracy", "seg/mIoU"])
