"""Replays on a table: what is paid for, what a score is, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest

from ncp import ConfigError, DataError, Objective, Space, Table, simulate
from ncp.searchers import replay
from ncp.searchers.base import Searcher, mutated
from ncp.searchers.replay import SEARCHERS, _steps, scores_of
from ncp.space import Codes, Reals
from tests.predictors.fitted import SPACES

SPACE = Space.from_dict({"c": [8, 16, 32, 64], "edge": ["none", "skip", "conv"]})
CODES = [[8, 0], [16, 2], [32, 1], [64, 0], [64, 2]]
TABLE = Table(SPACE, CODES, [[1, 20], [5, 10], [3, 60], [4, 30], [2, 80]], ["seg/mIoU", "mine/ms"])


class Scripted(Searcher):
    """Asks for batches as they were written down, over and over."""

    name = "scripted"
    script: list[list[list[int]]]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.told: list[tuple[list[Any], list[float]]] = []
        self.batches = iter(self.script * 100)
        agents.append(self)

    def ask(self) -> Codes:
        return np.array(next(self.batches))

    def tell(self, codes: Codes, scores: Reals) -> None:
        self.told.append((codes.tolist(), scores.tolist()))


agents: list[Scripted] = []


def scripted(monkeypatch: pytest.MonkeyPatch, *script: list[list[int]]) -> None:
    monkeypatch.setitem(SEARCHERS, "scripted", type("Script", (Scripted,), {"script": list(script)}))


def replayed(table: Table = TABLE, weights: Any = None, **options: Any) -> replay.History:
    return simulate(table, "scripted", objective=Objective(weights or {"seg": 1.0}), **options)


def test_what_was_paid_for_is_told_again_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [[8, 0]], [[8, 0], [64, 0]], [[32, 1]])
    history = replayed(queries=3)
    assert history.rows.tolist() == [0, 3, 2]
    assert history.scores.tolist() == [1, 4, 3]
    assert history.best.tolist() == [1, 4, 4]
    assert history.regret.tolist() == [4, 1, 1]
    assert agents[-1].told == [([[8, 0]], [1]), ([[8, 0], [64, 0]], [1, 4]), ([[32, 1]], [3])]


def test_what_the_table_does_not_hold_stands_for_the_nearest_row_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [[32, 2]], [[32, 2]], [[8, 2]])
    history = replayed(queries=3)
    assert TABLE.nearest([32, 2], 3).tolist() == [1, 2, 4]
    assert history.rows.tolist() == [1, 2, 0]
    assert [codes for codes, _ in agents[-1].told] == [[[16, 2]], [[32, 1]], [[8, 0]]]


def test_a_batch_ends_where_the_queries_do(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [[8, 0], [64, 0], [32, 1]])
    history = replayed(queries=2)
    assert history.rows.tolist() == [0, 3]
    assert agents[-1].told == [([[8, 0], [64, 0]], [1, 4])]


def test_a_searcher_that_repeats_itself_gets_random_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PATIENCE", 5)
    scripted(monkeypatch, [[64, 2]])
    history = replayed(queries=100)
    assert sorted(history.rows.tolist()) == [0, 1, 2, 3, 4]
    assert history.rows[0] == 4
    asked = [codes for codes, _ in agents[-1].told]
    assert len(asked) == 1 + 4 * 6
    assert asked[:6] == [[[64, 2]]] * 6


@pytest.mark.parametrize("space", SPACES)
def test_steps_count_as_the_tables_nearest_rows_do(space: str) -> None:
    where, rng = SPACES[space], np.random.default_rng(0)
    codes = np.unique(where.sample(200, rng), axis=0)
    table = Table(where, codes, np.zeros((len(codes), 0)), [])
    for code in where.sample(10, rng):
        away = np.abs(_steps(where, codes) - _steps(where, code[None])).sum(1)
        np.testing.assert_array_equal(np.argsort(away, kind="stable")[:20], table.nearest(code, 20))
        np.testing.assert_array_equal(away, away.round())


@pytest.mark.parametrize("space", SPACES)
def test_a_mutation_is_another_value_in_one_dimension(space: str) -> None:
    where, rng = SPACES[space], np.random.default_rng(1)
    for code in where.sample(50, rng):
        before = code.copy()
        child = mutated(where, code, rng)
        assert (child != code).sum() == 1
        assert where.contains(child[None]).all()
        np.testing.assert_array_equal(code, before)


def test_one_column_is_scored_in_its_own_units() -> None:
    values = TABLE.values
    down = Table(SPACE, CODES, values, TABLE.columns, minimised=["mine/ms"])
    for table, weights, expected in (
        (TABLE, {"seg": 7.0}, values[:, 0]),
        (TABLE, {"seg": -0.5}, -values[:, 0]),
        (down, {"mine": 2.0}, -values[:, 1]),
        (down, {"ms": -2.0}, values[:, 1]),
    ):
        np.testing.assert_array_equal(scores_of(table, Objective(weights)), expected)


def test_many_columns_are_scored_in_mean_z_scores() -> None:
    values = TABLE.values.copy()
    values[4, 0] = np.nan
    table = Table(SPACE, CODES, values, TABLE.columns, minimised=["mine/ms"])
    z = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    found = scores_of(table, Objective({"mine": 3.0, "seg": 1.0}))
    np.testing.assert_allclose(found, (z[:, 0] - 3 * z[:, 1]) / 4)
    assert np.isnan(found[4])


def test_a_warm_start_is_told_in_the_units_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for and what is told before must be of one measure, else the first is compared with the other."""
    scripted(monkeypatch, [[8, 0]])
    table = Table(SPACE, CODES, TABLE.values, TABLE.columns)
    warm = Table(SPACE, [CODES[0], CODES[1]], TABLE.values[:2], TABLE.columns)
    replayed(table, {"seg": 1.0, "mine": 1.0}, queries=1, warm_start=warm)
    (_, known), (_, paid) = agents[-1].told
    assert known[0] == pytest.approx(paid[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"searcher": "rnadom"},
            "Expected one of random, local, evolution, evolution-10, tpe, nsga2, gp, propagation as the searcher. "
            "Got 'rnadom'.",
        ),
        ({"queries": 0}, "Expected at least one query. Got 0."),
        ({"queries": True}, "Expected at least one query. Got True."),
        ({"queries": 2.5}, "Expected at least one query. Got 2.5."),
        ({"objective": Objective({"sge": 1.0})}, "objective has no task or column 'sge'. Did you mean 'seg'?"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        simulate(TABLE, **({"searcher": "random", "objective": Objective({"seg": 1.0})} | options))


def test_a_table_without_values() -> None:
    nothing = Table(SPACE, CODES, np.full((5, 2), np.nan), TABLE.columns)
    for table in (nothing, TABLE.select(rows=[])):
        with pytest.raises(DataError, match=re.escape("Expected rows with values of seg. Got none.")):
            simulate(table, "random", objective=Objective({"seg": 1.0}))


def test_a_table_without_values_in_one_of_two_columns() -> None:
    values = TABLE.values.copy()
    values[:, 1] = np.nan
    half = Table(SPACE, CODES, values, TABLE.columns)
    with pytest.raises(DataError, match=re.escape("Expected rows with values of seg, mine. Got none.")):
        simulate(half, "random", objective=Objective({"seg": 1.0, "mine": 1.0}))


def test_a_warm_start_of_another_space() -> None:
    other = Table(Space.from_dict({"c": [8, 16], "edge": ["none", "skip"]}), [[8, 0]], [[1.0]], ["seg/mIoU"])
    with pytest.raises(DataError, match=re.escape("Expected a warm start of the table's own space. Got another")):
        simulate(TABLE, "random", objective=Objective({"seg": 1.0}), warm_start=other)


def test_a_warm_start_without_the_column() -> None:
    with pytest.raises(ConfigError, match="has no task or column"):
        simulate(TABLE, "random", objective=Objective({"seg": 1.0}), warm_start=TABLE.select("mine"))


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
    with pytest.raises(ConfigError, match=re.escape("no task or column ''. There are accuracy, seg")):
        Objective({"": 1.0}).resolve(["accuracy", "seg/mIoU"])
