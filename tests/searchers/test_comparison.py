"""Comparisons: numbers against those by hand, with and without worker processes, and refused arguments."""

import json
import math
import re
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from ncp import (
    Comparison,
    ConfigError,
    DataError,
    InfeasibleError,
    MissingExtraError,
    Objective,
    Space,
    Table,
    compare,
    simulate,
)
from ncp.searchers.random import Random
from ncp.searchers.registry import SEARCHERS
from ncp.spaces.arrays import Codes, Reals

SPACE = Space.from_dict({"depth": [1, 2, 3, 4], "edge": ["none", "skip", "conv"], "width": [8, 16, 32]})
CODES = np.unique(SPACE.sample(500, np.random.default_rng(0)), axis=0)
VALUES = np.random.default_rng(1).normal(size=(len(CODES), 2)).round(3)
TABLE = Table(SPACE, CODES, VALUES, ["seg/mIoU", "video/top1"])
UP = Objective({"seg": 1.0})
OPTIONS: dict[str, Any] = {"objective": UP, "queries": 6, "seeds": 2, "workers": 1}


def made(best: dict[str, list[float]], optimum: float = 10.0) -> Comparison:
    """A comparison of one query, whose searchers took one second per run more than the one before."""
    runs = {name: np.array(scores)[:, None] for name, scores in best.items()}
    seconds = {name: np.full_like(scores, i + 1) for i, (name, scores) in enumerate(runs.items())}
    return Comparison({}, runs, seconds, optimum)


def p_by_counting(scores: list[float], others: list[float]) -> float:
    """The share of all splits of the scores in two groups that win at least as many duels."""

    def wins(one: Any, two: Any) -> int:
        return sum(a > b for a in one for b in two)

    both = [*scores, *others]
    least = wins(scores, others)
    dealt = list(combinations(range(len(both)), len(scores)))
    return sum(
        wins([both[i] for i in one], [both[i] for i in range(len(both)) if i not in one]) >= least for one in dealt
    ) / len(dealt)


def wilson(hits: int, n: int) -> tuple[float, float]:
    z, share = 1.959963984540054, hits / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


RUNS = {
    "random": [1.0, 2.0, 3.0, 4.0, 5.5],
    "local": [2.5, 3.5, 4.5, 6.5, 7.5],
    "bayesian": [6.0, 8.0, 9.0, 10.0, 7.0],
    "evolution": [0.5, 1.5, 3.2, 4.1, 10.0],
}


def test_the_numbers_of_a_standing() -> None:
    standings = made(RUNS).standings()
    assert [each.searcher for each in standings] == ["bayesian", "local", "evolution", "random"]
    for each, seconds in zip(standings, [3, 2, 4, 1], strict=True):
        scores = RUNS[each.searcher]
        assert (each.queries, each.runs, each.seconds) == (1, 5, seconds)
        assert each.best == pytest.approx(sum(scores) / 5)
        assert each.regret == pytest.approx(10 - sum(scores) / 5)
        assert min(scores) < each.low < each.best < each.high < max(scores)
        error = np.std(scores) / math.sqrt(5)
        assert (each.high - each.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.15)
        hits = scores.count(10.0)
        assert each.found == hits / 5
        assert (each.found_low, each.found_high) == pytest.approx(wilson(hits, 5), abs=1e-9)


def test_p_values() -> None:
    by_name = {each.searcher: each for each in made(RUNS).standings()}
    assert by_name["random"].over_random is None
    for name in ("local", "bayesian", "evolution"):
        assert by_name[name].over_random == pytest.approx(p_by_counting(RUNS[name], RUNS["random"]))
    assert (by_name["local"].baseline, by_name["local"].over_baseline) == (None, None)
    for name in ("random", "bayesian", "evolution"):
        assert by_name[name].baseline == "local"
        assert by_name[name].over_baseline == pytest.approx(p_by_counting(RUNS[name], RUNS["local"]))


def test_p_values_of_few_searchers() -> None:
    (alone,) = made({"bayesian": RUNS["bayesian"]}).standings()
    assert (alone.over_random, alone.over_baseline, alone.baseline) == (None, None, None)
    (yardstick,) = made({"random": RUNS["random"]}).standings()
    assert (yardstick.over_random, yardstick.over_baseline, yardstick.baseline) == (None, None, None)
    first, second = made({name: RUNS[name] for name in ("local", "bayesian")}).standings()
    assert (first.searcher, first.over_random, first.baseline) == ("bayesian", None, "local")
    assert (second.searcher, second.over_random, second.baseline) == ("local", None, None)


def test_searchers_that_always_find_the_best() -> None:
    result = made({"random": [10.0] * 4, "local": [10.0] * 4})
    for each in result.standings():
        assert (each.best, each.low, each.high, each.regret, each.found) == (10, 10, 10, 0, 1)
        assert each.found_low < each.found_high == pytest.approx(1)
    assert result.standings()[1].over_random == pytest.approx(1) or result.standings()[0].over_baseline is None
    json.dumps(result.to_dict(), allow_nan=False)


def test_standings_after_fewer_queries(tmp_path: Path) -> None:
    best: dict[str, Reals] = {"random": np.array([[1.0, 2, 3], [2, 2, 9]]), "local": np.array([[0.0, 5, 5], [0, 6, 8]])}
    seconds = {name: np.array([[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]]) for name in best}
    result = Comparison({"queries": 3}, best, seconds, 9.0)
    assert [(each.searcher, each.best) for each in result.standings(1)] == [("random", 1.5), ("local", 0.0)]
    assert [(each.searcher, each.best) for each in result.standings(2)] == [("local", 5.5), ("random", 2.0)]
    assert result.standings(2)[0].seconds == pytest.approx(0.3)
    assert result.standings() == result.standings(3)
    for wrong in (0, 4, -1):
        with pytest.raises(ConfigError, match=f"queries must be an integer, from 1 to 3. Got {wrong}."):
            result.standings(wrong)
    result.to_json(tmp_path / "deep" / "compare.json")
    read = json.loads((tmp_path / "deep" / "compare.json").read_text())
    assert read == json.loads(json.dumps(result.to_dict()))
    assert (read["format"], read["optimum"], read["provenance"]) == (2, 9.0, {"queries": 3})
    assert read["best"]["local"] == best["local"].tolist()
    assert [each["searcher"] for each in read["standings"]] == [each.searcher for each in result.standings()]
    again = Comparison.from_json(tmp_path / "deep" / "compare.json")
    assert (again.to_dict(), repr(again)) == (result.to_dict(), repr(result))
    assert repr(result) == "Comparison(2 searchers, the best is local with 6.5 of 9 after 3 evaluations)"


@pytest.mark.parametrize("change", [{"best": 3}, {"best": {"random": "x"}}, {"optimum": None}, {"format": 1}])
def test_a_damaged_comparison_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "compare.json"
    path.write_text(json.dumps(made({"random": [1.0, 2.0]}).to_dict() | change))
    with pytest.raises(DataError, match="compare"):
        Comparison.from_json(path)


def test_statistics_without_a_warning_where_all_is_equal() -> None:
    for runs in (2, 3, 40):
        for each in made({"random": [7.0] * runs, "local": [7.0] * runs, "bayesian": [7.0] * runs}, 7.0).standings():
            assert (each.best, each.low, each.high, each.regret, each.found) == (7, 7, 7, 0, 1)
            assert each.over_random in (None, 1.0)
            assert each.over_baseline in (None, 1.0)


def flat(values: Any) -> Table:
    return Table(SPACE, CODES, values, TABLE.columns)


@pytest.mark.parametrize(
    ("table", "objective", "best"),
    [
        (flat(np.full((len(CODES), 2), 3.5)), "seg", 3.5),
        (flat(np.full((len(CODES), 2), 3.5)), ["seg", "video"], 0.0),
        (flat(np.zeros((len(CODES), 2))), {"seg": -2}, 0.0),
        (TABLE.select(rows=[3]), "seg", VALUES[3, 0]),
        (TABLE.select(rows=[3]), ["seg", "video"], 0.0),
        (flat(np.where(np.arange(len(CODES))[:, None] == 4, VALUES, np.nan)), "video", VALUES[4, 1]),
        (flat(VALUES * [1, np.nan]), "seg", VALUES[:, 0].max()),
    ],
)
def test_odd_tables(table: Table, objective: Any, best: float) -> None:
    result = compare(table, ["random", "evolution", "bayesian"], objective=objective, queries=8, seeds=2, workers=1)
    assert result.optimum == pytest.approx(best)
    for each in result.standings():
        assert math.isfinite(each.low)
        assert each.low <= each.best <= each.high <= result.optimum
        assert each.over_random is None or 0 < each.over_random <= 1
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.slow
@pytest.mark.alone
def test_worker_processes_give_the_same_simulations(tmp_path: Path) -> None:
    shares: list[float] = []
    wanted = Objective({"seg": 1.0, "video": 2.0}, at_least={"seg": 0.0})
    options = OPTIONS | {"objective": wanted}
    result = compare(TABLE, ["local", "bayesian"], **options | {"workers": 2}, folder=tmp_path, progress=shares.append)
    assert list(result.best) == list(result.seconds) == ["local", "bayesian"]
    here = compare(TABLE, ["local", "bayesian"], **options)
    for name in result.best:
        assert result.best[name].shape == result.seconds[name].shape == (2, 6)
        np.testing.assert_array_equal(result.best[name], here.best[name])
        np.testing.assert_array_equal(result.listed[name], here.listed[name])
        assert (result.seconds[name] > 0).all()
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert len(list(tmp_path.rglob("*.json"))) == 4


def threads() -> list[int]:
    return [torch.get_num_threads(), *(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")]


class Counting(Random):
    """Records the number of threads."""

    seen: list[int]

    def ask(self) -> Codes:
        type(self).seen = threads()
        return super().ask()


def test_a_simulation_computes_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(2)
    before = threads()
    monkeypatch.setitem(SEARCHERS, "random", Counting)
    simulate(TABLE, "random", objective=UP, queries=1)
    assert set(Counting.seen) == {1}
    assert threads() == before
    torch.set_num_threads(1)


def test_a_comparison_and_its_provenance(tmp_path: Path) -> None:
    wanted = Objective({"seg": 1.0}, at_least={"video": -1.0})
    result = compare(TABLE, ["local", "bayesian"], **OPTIONS | {"objective": wanted, "queries": 8}, folder=tmp_path)
    for name in result.best:
        for seed in range(2):
            history = simulate(TABLE, name, objective=wanted, queries=8, seed=seed)
            np.testing.assert_array_equal(result.best[name][seed], history.best)
            (path,) = tmp_path.rglob(f"{name}-{seed}.json")
            found = json.loads(path.read_text())["simulation"]
            assert (found["rows"], found["best"]) == (history.rows.tolist(), history.best.tolist())
    assert result.optimum == VALUES[VALUES[:, 1] >= -1, 0].max()
    assert {name: counts.tolist() for name, counts in result.listed.items()} == {"local": [0, 0], "bayesian": [3, 3]}
    assert all(not counts.any() for counts in result.propagated.values())
    assert (result.provenance["searchers"], result.provenance["seeds"], result.provenance["queries"]) == (
        ["local", "bayesian"],
        2,
        8,
    )
    assert (result.provenance["rows"], result.provenance["weights"]) == (len(TABLE), {"seg": 1.0})
    assert result.provenance["at_least"] == {"video": -1.0}
    document = result.to_dict()
    assert (document["listed"], document["propagated"]["local"]) == ({"local": [0, 0], "bayesian": [3, 3]}, [0, 0])
    assert result.damaged == ()


def test_fewer_rows_than_queries() -> None:
    result = compare(TABLE.select(rows=[4, 2, 7]), ["random", "local"], **OPTIONS | {"queries": 50})
    assert result.best["local"].shape == (2, 3)
    assert all(each.found == 1 and each.queries == 3 for each in result.standings())


def test_a_warm_start_reaches_the_searchers() -> None:
    warm = TABLE.select(rows=np.arange(10))
    result = compare(TABLE, ["local"], **OPTIONS, warm_start=warm)
    for seed in range(2):
        history = simulate(TABLE, "local", objective=UP, queries=6, seed=seed, warm_start=warm)
        np.testing.assert_array_equal(result.best["local"][seed], history.best)


def test_one_searcher_by_its_name_and_numbers_of_numpy() -> None:
    numbers = {"queries": np.int64(6), "seeds": np.int32(2), "workers": np.int8(1)}
    result = compare(TABLE, "random", **OPTIONS | numbers)
    np.testing.assert_array_equal(result.best["random"], compare(TABLE, ["random"], **OPTIONS).best["random"])
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("wrong", "message", "field"),
    [
        ({"searchers": ["random", "greedy"]}, "There is no searcher 'greedy'. Choose from random, local,", "searchers"),
        ({"searchers": "propagation"}, "no searcher 'propagation'. Did you mean bayesian?", "searchers"),
        (
            {"searchers": ["random", "local", "random"]},
            "searchers must name each searcher once. random comes twice.",
            "searchers",
        ),
        ({"searchers": []}, "searchers names no searcher. Choose from", "searchers"),
        ({"searchers": [["random"]]}, "There is no searcher ['random'].", "searchers"),
        ({"seeds": 1}, "seeds must be an integer, 2 or more. Got 1.", "seeds"),
        ({"seeds": True}, "seeds must be an integer, 2 or more. Got True.", "seeds"),
        ({"queries": 0}, "queries must be an integer, 1 or more. Got 0.", "queries"),
        ({"queries": 6.0}, "queries must be an integer, 1 or more. Got 6.", "queries"),
        ({"workers": 0}, "workers must be an integer, 1 or more. Got 0.", "workers"),
        ({"workers": -1}, "workers must be an integer, 1 or more. Got -1.", "workers"),
        ({"workers": 1.5}, "workers must be an integer, 1 or more. Got 1.5.", "workers"),
        (
            {"objective": Objective({"seg": 1.0}, uncertainty_penalty=0.5)},
            "measured, not predicted. Leave out uncertainty_penalty.",
            "uncertainty_penalty",
        ),
    ],
)
def test_wrong_input(tmp_path: Path, wrong: dict[str, Any], message: str, field: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        compare(**{"table": TABLE, "searchers": ["random"], "folder": tmp_path / "none"} | OPTIONS | wrong)
    assert caught.value.field == field
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"objective": Objective({"sge": 1.0})}, ConfigError),
        ({"objective": Objective({"seg": 1.0}, at_least={"sge": 1.0})}, ConfigError),
        ({"objective": Objective({"seg": 1.0}, at_least={"seg": 99.0})}, InfeasibleError),
        ({"table": flat(np.full((len(CODES), 2), np.nan))}, DataError),
    ],
)
def test_an_objective_that_does_not_fit_the_table_is_refused_at_once(
    tmp_path: Path, wrong: dict[str, Any], error: type[Exception]
) -> None:
    options = {"table": TABLE, "searchers": ["random"], "folder": tmp_path / "none"} | OPTIONS | {"workers": 2} | wrong
    with pytest.raises(error):
        compare(**options)
    assert not (tmp_path / "none").exists()


def test_a_searcher_of_optuna_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    message = re.escape("The searcher tpe needs optuna. Install the extra: pip install 'ncp-nas[search]'.")
    with pytest.raises(MissingExtraError, match=message):
        compare(TABLE, ["random", "tpe"], **OPTIONS, folder=tmp_path / "none")
    with pytest.raises(MissingExtraError, match=message):
        simulate(TABLE, "tpe", objective=UP)
    assert not (tmp_path / "none").exists()
