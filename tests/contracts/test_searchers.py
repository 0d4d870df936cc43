"""The contract of all searchers, in every kind of space; Optuna's are tested where it is installed."""

from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pytest

from ncp import CELL201, MULTIRES, History, Objective, Space, Table
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.registry import SEARCHERS, Make
from ncp.searchers.scoring import score_rows
from ncp.searchers.searcher import Searcher
from ncp.searchers.simulation import simulate_scored
from ncp.spaces.arrays import Codes, Reals
from tests.predictors.fitted import MIXED

COLUMNS = ("seg/mIoU", "video/top1")
ROWS = {"cell201": 400, "mixed": 150, "multires": 60}
SPACES = {"cell201": CELL201, "mixed": MIXED, "multires": MULTIRES}
SMALL = Space.from_dict({"depth": [1, 2, 4], "edge": ["none", "skip", "conv"], "width": [8, 16]})
QUERIES = 14
UP = Objective({"seg": 1.0})

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="needs optuna: pip install 'ncp-nas[search]'")
MARKS = {"tpe": [needs_optuna], "nsga2": [needs_optuna], "gp": [needs_optuna, pytest.mark.slow]}
NAMES = [pytest.param(name, marks=MARKS.get(name, [])) for name in SEARCHERS]
every_searcher = pytest.mark.parametrize("name", NAMES)
every_space = pytest.mark.parametrize("space", SPACES)


class Spied(NamedTuple):
    """A simulation, and every batch that its searcher proposed and learned."""

    history: History
    pool: Codes | None
    proposed: list[Codes]
    learned: list[tuple[Codes, Reals]]


@cache
def table_of(space: str, n: int | None = None, minimised: tuple[str, ...] = ()) -> Table:
    """Random rows with smooth values and a little noise."""
    return smooth(SPACES[space], n or ROWS[space], minimised)


def smooth(space: Space, n: int, minimised: tuple[str, ...] = ()) -> Table:
    rng = np.random.default_rng(7)
    codes = np.unique(space.sample(4 * n, rng), axis=0)
    codes = codes[rng.permutation(len(codes))[:n]]
    x = space.relax(codes)
    z = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    values = z @ rng.normal(size=(z.shape[1], 2)) / np.sqrt(z.shape[1]) + 0.05 * rng.normal(size=(len(z), 2))
    return Table(space, codes, values * [3.0, 0.05] + [70.0, 0.6], COLUMNS, minimised=minimised)


def spy(
    name: str,
    table: Table,
    objective: Objective = UP,
    warm_start: Table | None = None,
    make: Make | None = None,
    **options: Any,
) -> Spied:
    """Simulate and record; with little patience, since Optuna's samplers repeat themselves slowly."""
    proposed: list[Codes] = []
    learned: list[tuple[Codes, Reals]] = []
    pools: list[Codes | None] = []

    def made(space: Space, rng: np.random.Generator, pool: Codes | None = None) -> Searcher:
        agent = (make or SEARCHERS[name])(space, rng, pool)
        ask, tell = agent.ask, agent.tell

        def record_ask() -> Codes:
            proposed.append(ask())
            return proposed[-1]

        def record_tell(codes: Codes, scores: Reals, values: Reals | None = None) -> None:
            learned.append((codes.copy(), scores.copy()))
            tell(codes, scores, values)

        agent.ask, agent.tell = record_ask, record_tell  # type: ignore[method-assign]
        pools.append(pool)
        return agent

    scored = score_rows(table, objective, warm_start)
    history = simulate_scored(scored, name, made, **{"queries": QUERIES, "seed": 0, "patience": 3} | options)
    return Spied(history, pools[0], proposed, learned)


@cache
def simulated(name: str, space: str) -> Spied:
    return spy(name, table_of(space))


@every_searcher
@every_space
def test_proposals_are_codes_of_the_space(name: str, space: str) -> None:
    spied = simulated(name, space)
    for codes in spied.proposed:
        assert codes.dtype == np.int64
        assert codes.ndim == 2
        assert len(codes) >= 1
        assert SPACES[space].contains(codes).all()


@every_searcher
@every_space
def test_every_row_is_evaluated_once(name: str, space: str) -> None:
    table, history = table_of(space), simulated(name, space).history
    assert (history.searcher, history.seed) == (name, 0)
    assert len(history.rows) == len(np.unique(history.rows)) == QUERIES
    np.testing.assert_array_equal(history.codes, table.codes[history.rows])
    np.testing.assert_array_equal(history.scores, table.values[history.rows, 0])
    assert history.optimum == table.values[:, 0].max()
    np.testing.assert_array_equal(history.best, [history.scores[: i + 1].max() for i in range(QUERIES)])
    np.testing.assert_array_equal(history.regret, history.optimum - history.best)
    assert (np.diff(history.best) >= 0).all()
    assert (history.regret >= 0).all()
    assert len(history.seconds) == QUERIES
    assert (np.diff(history.seconds) >= 0).all()
    assert history.seconds[0] > 0


@every_searcher
@every_space
def test_a_searcher_learns_the_scores_of_evaluated_rows_only(name: str, space: str) -> None:
    table, spied = table_of(space), simulated(name, space)
    assert spied.pool is not None
    np.testing.assert_array_equal(spied.pool, table.codes)
    value = {code.tobytes(): score for code, score in zip(table.codes, table.values[:, 0], strict=True)}
    learned = set()
    for codes, scores in spied.learned:
        assert [value[code.tobytes()] for code in codes] == scores.tolist()
        learned |= {code.tobytes() for code in codes}
    assert learned == {code.tobytes() for code in spied.history.codes}


@every_searcher
def test_the_same_seed_gives_the_same_history(name: str) -> None:
    first, second = simulated(name, "mixed").history, spy(name, table_of("mixed")).history
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.scores, second.scores)
    other = spy(name, table_of("mixed"), seed=1).history
    assert other.seed == 1
    assert (first.rows != other.rows).any()


@every_searcher
def test_it_ends_when_all_rows_are_evaluated(name: str) -> None:
    whole = smooth(SMALL, SMALL.size)
    assert len(whole) == SMALL.size == 18
    for table in (whole, whole.select(rows=np.arange(11))):
        spied = spy(name, table, queries=1000)
        assert (spied.pool is None) == (len(table) == SMALL.size)
        assert sorted(spied.history.rows.tolist()) == list(range(len(table)))
        assert spied.history.regret[-1] == 0


@every_searcher
def test_rows_without_a_value_are_not_evaluated(name: str) -> None:
    table = smooth(SMALL, SMALL.size)
    values = table.values.copy()
    values[::3, 0] = values[1, 1] = np.nan
    holed = Table(SMALL, table.codes, values, COLUMNS)
    spied = spy(name, holed, queries=1000)
    assert sorted(spied.history.rows.tolist()) == [row for row in range(18) if row % 3]
    both = spy(name, holed, Objective({"seg": 1.0, "video": 1.0}), queries=1000)
    assert sorted(both.history.rows.tolist()) == [row for row in range(18) if row % 3 and row != 1]
    for history, learned in ((spied.history, spied.learned), (both.history, both.learned)):
        assert np.isfinite(history.scores).all()
        assert all(np.isfinite(scores).all() for _, scores in learned)


@every_searcher
@pytest.mark.parametrize(("minimised", "weight"), [((COLUMNS[0],), 1.0), ((), -1.0), ((), -3.0)])
def test_small_values_are_searched_downwards(name: str, minimised: tuple[str, ...], weight: float) -> None:
    """The search is the same as upwards on the negated values."""
    table = table_of("mixed")
    down = Table(MIXED, table.codes, -table.values, COLUMNS, minimised=minimised)
    history = spy(name, down, Objective({"seg": weight})).history
    same = simulated(name, "mixed").history
    np.testing.assert_array_equal(history.rows, same.rows)
    np.testing.assert_array_equal(history.scores, -down.values[history.rows, 0])
    assert history.optimum == -down.values[:, 0].min()


@every_searcher
def test_a_constant_column_breaks_nothing(name: str) -> None:
    table = smooth(SMALL, SMALL.size)
    for constant in (0.0, 0.1):
        values = table.values.copy()
        values[:, 0] = constant
        flat = Table(SMALL, table.codes, values, COLUMNS)
        history = spy(name, flat, queries=1000).history
        assert sorted(history.rows.tolist()) == list(range(18))
        assert (history.scores == constant).all()
        assert (history.regret == 0).all()
    both = spy(name, flat, Objective({"seg": 1.0, "video": 1.0}), queries=10).history
    assert np.isfinite(both.scores).all()
    np.testing.assert_array_equal(np.argsort(both.scores), np.argsort(flat.values[both.rows, 1]))


@every_searcher
def test_most_rows_have_the_same_score(name: str) -> None:
    """As in tables with many networks that failed to train; the first few rows may all be equal."""
    table = table_of("mixed")
    values = table.values.copy()
    values[5:, 0] = 10.0
    plateau = Table(MIXED, table.codes, values, COLUMNS)
    for seed in range(4):
        assert len(spy(name, plateau, seed=seed).history.rows) == QUERIES


@every_searcher
@pytest.mark.parametrize("minimised", [(), (COLUMNS[1],)])
def test_rows_that_miss_a_minimum_value_score_less(name: str, minimised: tuple[str, ...]) -> None:
    table = table_of("mixed", None, minimised)
    bound = float(np.median(table.values[:, 1]))
    wanted = Objective({"seg": 1.0}, at_least={"video": bound})
    spied = spy(name, table, wanted)
    seg, video = table.values[spied.history.rows].T
    meets = video <= bound if minimised else video >= bound
    np.testing.assert_array_equal(spied.history.meets, meets)
    np.testing.assert_array_equal(spied.history.scores[meets], seg[meets])
    assert (spied.history.scores[~meets] < seg[~meets]).all()
    every = table.values[:, 1] <= bound if minimised else table.values[:, 1] >= bound
    assert spied.history.optimum == table.values[every, 0].max()
    assert (spied.history.regret >= 0).all()
    assert (np.diff(spied.history.best) >= 0).all()


def test_how_many_proposals_were_listed_and_how_many_propagated() -> None:
    table = table_of("cell201")
    listing = spy("bayesian", table).history
    assert (listing.listed, listing.propagated) == (QUERIES - 5, 0)
    few = {"make": lambda *arguments: Bayesian(*arguments, list_up_to=100)}
    propagating = spy("bayesian", table, queries=8, **few).history
    assert propagating.listed == 0
    assert propagating.propagated >= 3
    for name in ("random", "local", "evolution"):
        history = simulated(name, "cell201").history
        assert (history.listed, history.propagated) == (0, 0)


@every_searcher
def test_a_warm_start_is_learned_and_not_counted(name: str) -> None:
    table = table_of("mixed")
    warm, rest = table.select(rows=np.arange(30)), table.select(rows=np.arange(30, 150))
    spied = spy(name, rest, warm_start=warm)
    codes, scores = spied.learned[0]
    np.testing.assert_array_equal(codes, warm.codes)
    np.testing.assert_array_equal(scores, warm.values[:, 0])
    assert len(spied.history.rows) == QUERIES
    assert spied.history.optimum == rest.values[:, 0].max()
    np.testing.assert_array_equal(spied.history.codes, rest.codes[spied.history.rows])
    evaluated = {code.tobytes() for code in spied.history.codes}
    for codes, _ in spied.learned[1:]:
        assert {code.tobytes() for code in codes} <= evaluated


@every_searcher
def test_a_warm_start_without_values_changes_nothing(name: str) -> None:
    table = table_of("mixed")
    values = np.full((len(table), 2), np.nan)
    history = spy(name, table, queries=3, warm_start=Table(MIXED, table.codes, values, COLUMNS)).history
    assert len(history.rows) == 3


def regrets(name: str, table: Table, queries: int) -> list[float]:
    return [spy(name, table, queries=queries, seed=seed).history.regret[-1] for seed in range(6)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["local", "evolution-10", "bayesian"])
def test_it_beats_random(name: str) -> None:
    table = table_of("mixed", 1500)
    assert np.mean(regrets(name, table, 40)) < np.mean(regrets("random", table, 40))


def score_of(codes: Codes) -> Reals:
    """Best at seven tenths of every dimension's range."""
    low, high = MULTIRES.bounds
    shares = (codes - low) / (high - low)
    result: Reals = -np.square(shares - 0.7).sum(axis=1)
    return result


@pytest.mark.slow
def test_bayesian_propagates_in_a_space_that_it_cannot_list() -> None:
    assert MULTIRES.size > 1e20
    agent = SEARCHERS["bayesian"](MULTIRES, np.random.default_rng(0))
    known: dict[bytes, float] = {}
    while len(known) < 60:
        codes = agent.ask()
        assert MULTIRES.contains(codes).all()
        scores = score_of(codes)
        assert not {code.tobytes() for code in codes} & set(known)
        known |= {code.tobytes(): score for code, score in zip(codes, scores.tolist(), strict=True)}
        agent.tell(codes, scores)
    assert (agent.listed, agent.propagated) == (0, len(known) - 5)
    drawn = [score_of(MULTIRES.sample(60, np.random.default_rng(seed))).max() for seed in range(20)]
    assert max(known.values()) > max(drawn)
