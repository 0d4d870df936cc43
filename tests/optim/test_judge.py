"""Which predictor and judge a search uses: given ones first; a fitted pair is kept in the cache."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ncp
from ncp import CELL201, MULTIRES, ConfigError, DataError, Objective, Table
from ncp.optim import judge as judges
from ncp.optim.judge import Pair, is_shipped, predictor_and_judge
from ncp.optim.pair_cache import CACHED_PAIRS, digests_of
from tests.predictors.fitted import COLUMNS, MIXED, fitted, rows

SEG = [Objective({"seg": 1.0})]
SMALL = MIXED


@pytest.fixture(scope="module")
def table() -> Table:
    """60 rows, which are fitted fast."""
    codes, values = rows("mixed", 60)
    return Table(SMALL, codes, values, COLUMNS)


def pair(table: Table | None, wanted: Any = SEG, predictor: Any = None, judge: Any = None, seed: int = 0) -> Pair:
    return predictor_and_judge(predictor, judge, table, wanted, seed)


def with_column(table: Table, name: str, values: Any) -> Table:
    columns = (*table.columns, name)
    both = np.column_stack([table.values, values])
    return Table(table.space, table.codes, both, columns, table.origin, table.flags)


def test_the_shipped_pair_is_the_default() -> None:
    found = pair(None)
    assert (found.source, found.predictor.shipped) == ("shipped", "nas-bench-mr")
    assert found.judge is not None
    assert found.judge.kind != found.predictor.kind


@pytest.mark.parametrize("form", [str, ncp.load_predictor])
def test_a_shipped_predictor_comes_with_its_judge(form: Any) -> None:
    found = pair(None, predictor=form("nas-bench-mr"))
    assert found.source == "given"
    assert found.judge is not None
    np.testing.assert_array_equal(found.judge.seen.numpy(), ncp.load_judge().seen.numpy())


@pytest.fixture(scope="module")
def whole(imported: Path) -> Table:
    return ncp.load_table("nas-bench-mr", imported)


def test_the_published_table_is_recognised_by_its_values(whole: Table) -> None:
    assert is_shipped(whole, ["seg/mIoU", "3ddet/moderate"])
    assert pair(whole).source == "shipped"
    shuffled = whole.select(rows=np.random.default_rng(0).permutation(len(whole)))
    assert is_shipped(shuffled.select("seg"), ["seg/mIoU"])
    assert is_shipped(with_column(whole, "mine/ms", np.arange(len(whole))), ["seg/mIoU"])
    assert not is_shipped(whole, ["seg/other"])
    assert not is_shipped(whole.select(rows=slice(2000)), ["seg/mIoU"])
    one = whole.values.copy()
    one[17, 0] += 1e-9
    assert not is_shipped(Table(MULTIRES, whole.codes, one, whole.columns, whole.origin), ["seg/mIoU"])


def test_other_values_for_published_codes_and_columns_are_used(whole: Table) -> None:
    few = whole.select("seg/mIoU", rows=np.flatnonzero(whole.sampled)[:80])
    mine = Table(MULTIRES, few.codes, 100 - few.values, few.columns)
    found = pair(mine)
    assert found.slow
    assert np.corrcoef(found.predictor.predict(few.codes).mean[:, 0], mine.values[:, 0])[0, 1] > 0.5


def test_columns_outside_the_objective_change_nothing(table: Table) -> None:
    sparse = with_column(table, "rare/ms", np.where(np.arange(60) < 3, 1.0, np.nan))
    alone, beside = pair(table), pair(sparse)
    assert beside.predictor.columns == ("seg/mIoU",)
    np.testing.assert_array_equal(alone.predictor.seen.numpy(), beside.predictor.seen.numpy())
    with pytest.raises(
        DataError, match=r"^Too few rows to fit a predictor and a judge on: 3 sampled rows have a value"
    ):
        pair(sparse, [Objective({"rare": 1.0})])


def test_a_tasks_name_means_its_first_column_in_the_table(table: Table) -> None:
    wanted = [Objective({"seg/mAcc": 1.0}, at_least={"seg": 60.0})]
    found = pair(table, wanted)
    assert found.predictor.columns == ("seg/mIoU", "seg/mAcc")
    assert wanted[0].minimums(found.predictor.columns) == {0: 60.0}
    assert pair(table, [Objective({"seg/mAcc": 1.0, "seg": 1.0})]).predictor.columns == ("seg/mIoU", "seg/mAcc")


@pytest.mark.slow
def test_a_fitted_pair_is_cached(table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path))
    first, second = pair(table), pair(table)
    assert (first.source, second.source) == ("fitted and kept", "kept")
    codes = SMALL.sample(9, np.random.default_rng(0))
    for one, other in zip(first[:2], second[:2], strict=True):
        np.testing.assert_array_equal(one.predict(codes).mean, other.predict(codes).mean)
    assert pair(table.select(rows=np.arange(60)[::-1])).source == "fitted and kept"  # halves go by the order of rows
    least = Table(SMALL, table.codes, table.values, COLUMNS, minimised=["seg/mIoU"])
    for other in (
        pair(table, seed=1),
        pair(table.select(rows=slice(50))),
        pair(least),
        pair(table, [Objective({"video": 1})]),
    ):
        assert other.source == "fitted and kept"
    for file in (tmp_path / "predictors").iterdir():
        file.write_bytes(file.read_bytes()[:1000])
    assert pair(table).source == "fitted and kept"  # damaged files are fitted again
    assert pair(table).source == "kept"


@pytest.mark.slow
def test_the_oldest_cached_pairs_are_deleted(table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path))
    monkeypatch.setattr(judges, "fit_searcher_and_judge", lambda *_: (fitted("gp", "mixed"), fitted("gp", "mixed")))
    for seed in range(CACHED_PAIRS + 3):
        pair(table, seed=seed)
    assert len(list((tmp_path / "predictors").iterdir())) == 2 * CACHED_PAIRS
    assert pair(table, seed=CACHED_PAIRS + 2).source == "kept"


def test_without_a_cache_folder_pairs_are_fitted_every_time(
    table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NCP_CACHE", str(tmp_path / "file"))
    assert [pair(table).source, pair(table).source] == ["fitted", "fitted"]


def test_with_a_judge_only_a_predictor_is_fitted(table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path))
    both, judge = pair(table, seed=5), fitted("ensemble", "mixed")
    shutil.rmtree(tmp_path / "predictors")
    monkeypatch.setattr(judges, "fit_searcher_and_judge", None)
    for source in ("fitted and kept", "kept"):
        alone = pair(table, judge=judge, seed=5)
        assert (alone.source, alone.judge) == (source, judge)
        codes = SMALL.sample(9, np.random.default_rng(0))
        np.testing.assert_array_equal(alone.predictor.predict(codes).mean, both.predictor.predict(codes).mean)
    (file,) = (tmp_path / "predictors").iterdir()
    assert file.name.endswith(".search.safetensors")


def test_a_judge_that_does_not_fit_the_table_is_refused_before_a_fit(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "fit_predictor", None)
    for judge, message in ((ncp.load_judge(), "different search spaces"), (fitted("gp", "mixed"), "no column det/AP")):
        wanted = [Objective({"det/AP": 1.0})]
        with pytest.raises(ConfigError, match=message):
            pair(with_column(table, "det/AP", np.arange(60)), wanted, judge=judge)


CELLS = Table(CELL201, [[0] * 6], [[1.0]], ["seg/mIoU"])


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"predictor": 3}, "predictor", r"^predictor must be a predictor, from ncp\.fit_predictor"),
        ({"judge": {"weights": [1] * 1000}}, "judge", r"^judge must be a predictor, .{0,300}$"),
        ({"table": "nas-bench-mr"}, "table", r"^table must be an ncp\.Table, from ncp\.load_table"),
        ({"predictor": "own", "table": CELLS}, "table", r"^The predictor and table have different search spaces"),
        ({"predictor": "own", "judge": "nas-bench-mr"}, "judge", r"^The predictor and judge have different search spa"),
        (
            {"predictor": "own", "table": "less"},
            "table",
            r"^table has no column seg/mIoU, which the objective names\. It",
        ),
        ({"wanted": [Objective({"sge": 1})]}, "objective", r"^objective has no task or column 'sge'"),
        ({"wanted": [Objective({"seg": 1}, at_least={"x": 1})]}, "at_least", r"^at_least has no task or column 'x'"),
        (
            {"table": "least", "wanted": [Objective({"video": -1})]},
            "objective",
            r"^Small values of video/top1 are better",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(table: Table, options: dict[str, Any], field: str, message: str) -> None:
    named = {
        "own": fitted("gp", "mixed"),
        "less": table.select("video"),
        "least": Table(SMALL, table.codes, table.values, COLUMNS, minimised=["video/top1"]),
    }
    options = {key: named.get(value, value) if isinstance(value, str) else value for key, value in options.items()}
    with pytest.raises(ConfigError, match=message) as caught:
        pair(**{"table": None} | options)
    assert caught.value.field == field


def test_digests_do_not_depend_on_order_and_tell_columns_apart(table: Table) -> None:
    digests = digests_of(table, COLUMNS)
    assert len(set(digests.values())) == 3
    assert digests_of(table.select(rows=np.arange(60)[::-1]), COLUMNS) == digests
