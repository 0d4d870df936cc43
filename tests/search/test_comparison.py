"""Comparisons: their numbers against those by hand, in processes and without, and what a folder is good for."""

import json
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ncp import Comparison, ConfigError, DataError, Objective, Space, Table, compare, simulate
from ncp.searchers import comparison
from ncp.space import Reals

SPACE = Space.from_dict({"depth": [1, 2, 3, 4], "edge": ["none", "skip", "conv"], "width": [8, 16, 32]})
CODES = np.unique(SPACE.sample(500, np.random.default_rng(0)), axis=0)
VALUES = np.random.default_rng(1).normal(size=(len(CODES), 2)).round(3)
TABLE = Table(SPACE, CODES, VALUES, ["seg/mIoU", "video/top1"])
UP = Objective({"seg": 1.0})
ASKED: dict[str, Any] = {"objective": UP, "queries": 6, "seeds": 2}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Replays in this process, on one thread; returns those that were run."""
    ran: list[tuple[str, int]] = []
    replay = comparison._replay

    def replayed(name: str, seed: int) -> dict[str, Any]:
        ran.append((name, seed))
        return replay(name, seed)

    def pool(mp_context: Any, **options: Any) -> ThreadPoolExecutor:
        assert mp_context.get_start_method() == "spawn"
        return ThreadPoolExecutor(**options | {"max_workers": 1})

    monkeypatch.setattr(comparison, "ProcessPoolExecutor", pool)
    monkeypatch.setattr(comparison, "_replay", replayed)
    return ran


@pytest.fixture(autouse=True, scope="module")
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def made(best: dict[str, list[float]], optimum: float = 10.0) -> Comparison:
    """A comparison of one query, whose searchers took one second per run more than the one before."""
    runs = {name: np.array(scores)[:, None] for name, scores in best.items()}
    seconds = {name: np.full_like(scores, i + 1) for i, (name, scores) in enumerate(runs.items())}
    return Comparison({}, runs, seconds, optimum)


def p_by_counting(scores: list[float], others: list[float]) -> float:
    """How many of all ways to deal the scores out win as many duels."""

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
    "propagation": [6.0, 8.0, 9.0, 10.0, 7.0],
    "evolution": [0.5, 1.5, 3.2, 4.1, 10.0],
}


def test_the_numbers_of_a_standing() -> None:
    standings = made(RUNS).standings()
    assert [each.searcher for each in standings] == ["propagation", "local", "evolution", "random"]
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


def test_p_values_and_where_there_are_none() -> None:
    by_name = {each.searcher: each for each in made(RUNS).standings()}
    assert by_name["random"].over_random is None
    for name in ("local", "propagation", "evolution"):
        assert by_name[name].over_random == pytest.approx(p_by_counting(RUNS[name], RUNS["random"]))
    assert (by_name["local"].baseline, by_name["local"].over_baseline) == (None, None)
    for name in ("random", "propagation", "evolution"):
        assert by_name[name].baseline == "local"
        assert by_name[name].over_baseline == pytest.approx(p_by_counting(RUNS[name], RUNS["local"]))


def test_p_values_of_few_searchers() -> None:
    (alone,) = made({"propagation": RUNS["propagation"]}).standings()
    assert (alone.over_random, alone.over_baseline, alone.baseline) == (None, None, None)
    (yardstick,) = made({"random": RUNS["random"]}).standings()
    assert (yardstick.over_random, yardstick.over_baseline, yardstick.baseline) == (None, None, None)
    first, second = made({name: RUNS[name] for name in ("local", "propagation")}).standings()
    assert (first.searcher, first.over_random, first.baseline) == ("propagation", None, "local")
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
        with pytest.raises(ConfigError, match=re.escape(f"Expected from 1 to 3 queries. Got {wrong}.")):
            result.standings(wrong)
    result.to_json(tmp_path / "deep" / "compare.json")
    read = json.loads((tmp_path / "deep" / "compare.json").read_text())
    assert read == json.loads(json.dumps(result.to_dict()))
    assert (read["format"], read["optimum"], read["asked"]) == (1, 9.0, {"queries": 3})
    assert read["best"]["local"] == best["local"].tolist()
    assert [each["searcher"] for each in read["standings"]] == [each.searcher for each in result.standings()]


@pytest.mark.slow
def test_replays_in_another_process_are_those_of_this_one(tmp_path: Path) -> None:
    shares: list[float] = []
    result = compare(TABLE, ["local", "random"], **ASKED, folder=tmp_path, workers=1, progress=shares.append)
    assert list(result.best) == list(result.seconds) == ["local", "random"]
    for name in result.best:
        assert result.best[name].shape == result.seconds[name].shape == (2, 6)
        for seed in range(2):
            history = simulate(TABLE, name, objective=UP, queries=6, seed=seed)
            np.testing.assert_array_equal(result.best[name][seed], history.best)
            kept = json.loads((tmp_path / f"{name}-{seed}.json").read_text())
            assert kept["replay"]["rows"] == history.rows.tolist()
            assert kept["replay"]["best"] == history.best.tolist()
        assert (result.seconds[name] > 0).all()
    assert result.optimum == TABLE.values[:, 0].max()
    assert (result.asked["searchers"], result.asked["seeds"], result.asked["queries"]) == (["local", "random"], 2, 6)
    assert result.asked["rows"] == len(TABLE)
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert len(list(tmp_path.iterdir())) == 4


def change(path: Path) -> None:
    held = json.loads(path.read_text())
    held["replay"]["best"] = [7.0] * len(held["replay"]["best"])
    path.write_text(json.dumps(held))


def test_what_a_folder_holds_is_not_replayed_again(here: list[Any], tmp_path: Path) -> None:
    compare(TABLE, ["random", "local"], **ASKED, folder=tmp_path)
    assert here == [("random", 0), ("random", 1), ("local", 0), ("local", 1)]
    change(tmp_path / "local-1.json")
    here.clear()
    again = compare(TABLE, ["random", "local"], **ASKED, folder=str(tmp_path))
    assert here == []
    assert again.best["local"][1].tolist() == [7.0] * 6
    more = compare(TABLE, ["local", "evolution"], **ASKED | {"seeds": 3}, folder=tmp_path)
    assert here == [("local", 2), ("evolution", 0), ("evolution", 1), ("evolution", 2)]
    assert more.best["local"][1].tolist() == [7.0] * 6
    here.clear()
    compare(TABLE, ["random", "local"], **ASKED)
    assert len(here) == 4


@pytest.mark.parametrize(
    "other",
    [
        {"queries": 5},
        {"objective": Objective({"seg": -1.0})},
        {"objective": Objective({"video": 1.0})},
        {"warm_start": TABLE.select(rows=np.arange(5))},
        {"table": TABLE.select(rows=np.arange(20))},
        {"table": Table(SPACE, CODES, VALUES, TABLE.columns, minimised=["seg/mIoU"])},
    ],
)
def test_another_question_is_not_answered_from_the_folder(
    here: list[Any], tmp_path: Path, other: dict[str, Any]
) -> None:
    compare(**{"table": TABLE, "searchers": ["random"]} | ASKED, folder=tmp_path)
    change(tmp_path / "random-1.json")
    here.clear()
    result = compare(**{"table": TABLE, "searchers": ["random"]} | ASKED | other, folder=tmp_path)
    assert here == [("random", 0), ("random", 1)]
    assert (result.best["random"][1] != 7).all()


def test_the_same_rows_of_another_space_are_another_question(here: list[Any], tmp_path: Path) -> None:
    compare(TABLE, ["local"], **ASKED, folder=tmp_path)
    here.clear()
    wider = Space.from_dict({"depth": [1, 2, 3, 4], "edge": ["none", "skip", "conv"], "width": [8, 12, 16, 24, 32]})
    compare(Table(wider, CODES, VALUES, TABLE.columns), ["local"], **ASKED, folder=tmp_path)
    assert len(here) == 2


@pytest.mark.parametrize("content", [b"", b"\xff{", b"[1, 2]", b"7", b'{"asked": 1}', b'{"replay": {}, "ask'])
def test_a_damaged_file_is_replayed_again(here: list[Any], tmp_path: Path, content: bytes) -> None:
    first = compare(TABLE, ["random"], **ASKED, folder=tmp_path)
    whole = json.loads((tmp_path / "random-0.json").read_text())
    (tmp_path / "random-0.json").write_bytes(content)
    here.clear()
    again = compare(TABLE, ["random"], **ASKED, folder=tmp_path)
    assert here == [("random", 0)]
    np.testing.assert_array_equal(first.best["random"], again.best["random"])
    mended = json.loads((tmp_path / "random-0.json").read_text())
    assert (mended["asked"], mended["replay"]["rows"]) == (whole["asked"], whole["replay"]["rows"])


def test_a_replay_without_its_numbers_is_run_again(here: list[Any], tmp_path: Path) -> None:
    compare(TABLE, ["random"], **ASKED, folder=tmp_path)
    held = json.loads((tmp_path / "random-0.json").read_text())
    (tmp_path / "random-0.json").write_text(json.dumps(held | {"replay": {}}))
    here.clear()
    compare(TABLE, ["random"], **ASKED, folder=tmp_path)
    assert here == [("random", 0)]


def test_what_was_finished_before_a_stop_is_kept(here: list[Any], tmp_path: Path) -> None:
    def stop(share: float) -> None:
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(TABLE, ["random", "local"], **ASKED, folder=tmp_path, progress=stop)
    kept = {path.name for path in tmp_path.iterdir()}
    assert len(kept) == 2
    here.clear()
    compare(TABLE, ["random", "local"], **ASKED, folder=tmp_path)
    assert {f"{name}-{seed}.json" for name, seed in here} | kept == {path.name for path in tmp_path.iterdir()}
    assert len(here) == 2


def test_an_error_in_a_replay_comes_through_and_keeps_the_others(
    here: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed = comparison._replay

    def fails(name: str, seed: int) -> Any:
        if (name, seed) == ("local", 0):
            raise DataError("Expected better. Got this.")
        return replayed(name, seed)

    monkeypatch.setattr(comparison, "_replay", fails)
    with pytest.raises(DataError, match=re.escape("Expected better. Got this.")):
        compare(TABLE, ["random", "local"], **ASKED, folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"random-0.json", "random-1.json", "local-1.json"}
    assert here[:2] == [("random", 0), ("random", 1)]


def test_fewer_rows_than_queries(here: list[Any]) -> None:
    result = compare(TABLE.select(rows=[4, 2, 7]), ["random", "local"], **ASKED | {"queries": 50})
    assert result.best["local"].shape == (2, 3)
    assert all(each.found == 1 and each.queries == 3 for each in result.standings())
    assert len(here) == 4


def test_a_warm_start_is_handed_on(here: list[Any]) -> None:
    warm = TABLE.select(rows=np.arange(10))
    result = compare(TABLE, ["local"], **ASKED, warm_start=warm)
    for seed in range(2):
        history = simulate(TABLE, "local", objective=UP, queries=6, seed=seed, warm_start=warm)
        np.testing.assert_array_equal(result.best["local"][seed], history.best)
    assert len(here) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"searchers": ["random", "greedy"]},
            "Expected searchers of random, local, evolution, evolution-10, tpe, nsga2, gp, propagation, each once. "
            "Got 'greedy'.",
        ),
        ({"searchers": ["random", "local", "random"]}, "each once. Got ['random', 'local', 'random']."),
        ({"searchers": []}, "each once. Got []."),
        ({"seeds": 1}, "Expected at least two seeds and one query. Got 1 and 6."),
        ({"queries": 0}, "Expected at least two seeds and one query. Got 2 and 0."),
        ({"objective": Objective({"sge": 1.0})}, "objective has no task or column 'sge'. Did you mean 'seg'?"),
        ({"workers": 0}, "Expected at least one"),
        ({"workers": -1}, "Expected at least one"),
    ],
)
def test_wrong_input(here: list[Any], tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        compare(**{"table": TABLE, "searchers": ["random"], "folder": tmp_path / "none"} | ASKED | wrong)
    assert here == []
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written_to(here: list[Any], tmp_path: Path) -> None:  # noqa: ARG001
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Cannot write "):
        compare(TABLE, ["random"], **ASKED, folder=tmp_path / "file")
