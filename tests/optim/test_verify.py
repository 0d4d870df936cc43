"""Codes are checked by table or judge, and judges are fitted on rows that the search's predictor has not seen."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ncp import ConfigError, DataError, Objective, Table, fit_predictor, search
from ncp.optim.judge import JUDGE_ROWS, fit_searcher_and_judge, halves, judge_for, verify
from ncp.predictors.gp import GpSettings
from tests.predictors.fitted import COLUMNS, MIXED, QUICK, fitted, rows


@pytest.fixture(scope="module")
def table() -> Table:
    """500 rows; 7 of them were not sampled at random."""
    codes, values = rows("mixed", 500)
    origin = np.full(len(codes), "sampled")
    origin[[3, 50, 51, 200]], origin[[7, 8, 499]] = "anchor", "searched"
    return Table(MIXED, codes, values, COLUMNS, origin)


def with_holes(table: Table, holes: NDArray[np.int64], column: int) -> Table:
    values = table.values.copy()
    values[holes, column] = np.nan
    return Table(table.space, table.codes, values, table.columns, table.origin)


def test_codes_in_the_table_have_its_values_and_others_the_judges(table: Table) -> None:
    fresh = np.array([code for code in MIXED.sample(50, np.random.default_rng(5)) if table.row(code) is None][:3])
    codes = np.concatenate([table.codes[[10, 3]], fresh])
    columns, judge = ("video/top1", "seg/mIoU"), fitted("gp", "mixed")
    found = verify(codes, columns, judge, table)
    assert found.columns == columns
    assert found.source.tolist() == [["table"] * 2] * 2 + [["judge"] * 2] * 3
    np.testing.assert_array_equal(found.mean[:2], table.values[[10, 3]][:, [2, 0]])
    assert (found.std[:2] == 0).all()
    expected = judge.predict(fresh)
    np.testing.assert_allclose(found.mean[2:], expected.mean[:, [2, 0]], rtol=1e-5)
    np.testing.assert_allclose(found.std[2:], expected.std[:, [2, 0]], rtol=1e-3)


def test_missing_values_of_a_row_come_from_the_judge(table: Table) -> None:
    holed = with_holes(table, np.array([10]), 1)
    codes = holed.codes[[10, 11]]
    judge = fitted("gp", "mixed")
    found = verify(codes, ["seg/mIoU", "seg/mAcc"], judge, holed)
    assert found.source.tolist() == [["table", "judge"], ["table", "table"]]
    np.testing.assert_array_equal(found.mean[:, 0], holed.values[[10, 11], 0])
    assert found.mean[0, 1] == pytest.approx(judge.predict(codes[0]).mean[0, 1], rel=1e-5)
    assert verify(codes, ["seg/mAcc"], None, holed).source.tolist() == [["none"], ["table"]]


def test_without_a_judge_there_is_no_value(table: Table) -> None:
    fresh = np.array([code for code in MIXED.sample(50, np.random.default_rng(5)) if table.row(code) is None][:2])
    found = verify(fresh, ["seg/mIoU"], None, table)
    assert found.source.tolist() == [["none"], ["none"]]
    assert np.isnan(found.mean).all()


def test_a_judge_without_a_column_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^judge has no column det/AP\. It has seg/mIoU, seg/mAcc, video/top1\.$"):
        verify(MIXED.sample(2, np.random.default_rng(0)), ["seg/mIoU", "det/AP"], fitted("gp", "mixed"))


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_halves_are_disjoint_and_complete(table: Table, seed: int) -> None:
    first, second = halves(table, seed)
    assert abs(len(first) - len(second)) <= 1
    assert sorted([*first, *second]) == np.flatnonzero(table.sampled).tolist()
    again = halves(table, seed)
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])
    assert sorted(first) != sorted(halves(table, seed + 1)[0])


@pytest.mark.slow
def test_searcher_and_judge_share_no_row_and_no_family(table: Table) -> None:
    shares: list[float] = []
    searcher, judge = fit_searcher_and_judge(table, seed=3, progress=shares.append)
    first, second = halves(table, 3)
    assert searcher.kind != judge.kind
    np.testing.assert_array_equal(np.flatnonzero(searcher.has_seen(table.codes)), np.sort(first))
    np.testing.assert_array_equal(np.flatnonzero(judge.has_seen(table.codes)), np.sort(second))
    for predictor in (searcher, judge):
        assert predictor.columns == table.columns
        np.testing.assert_allclose(predictor.location.numpy(), table.values[table.sampled].mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(predictor.unit.numpy(), table.values[table.sampled].std(axis=0), rtol=1e-5)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "other"), [("gp", "ensemble"), ("ensemble", "gp")])
def test_a_judge_is_fitted_on_rows_that_the_predictor_has_not_seen(table: Table, kind: str, other: str) -> None:
    mine = np.flatnonzero(table.sampled)[:200]
    columns = ["video/top1", "seg/mIoU"]
    values = table.values[mine][:, [2, 0]]
    predictor = fit_predictor(table.codes[mine], values, columns, space=MIXED, kind=kind)
    judge = judge_for(predictor, table, predictor.columns)
    assert judge is not None
    assert (judge.kind, judge.columns) == (other, tuple(columns))
    expected = table.sampled & ~predictor.has_seen(table.codes)
    np.testing.assert_array_equal(judge.has_seen(table.codes), expected)


@pytest.mark.slow
def test_a_judge_is_fitted_without_incomplete_rows(table: Table) -> None:
    mine = np.flatnonzero(table.sampled)[:200]
    predictor = fit_predictor(table.codes[mine], table.values[mine][:, :1], COLUMNS[:1], space=MIXED, kind="ensemble")
    holes = np.flatnonzero(table.sampled)[200:230]
    judge = judge_for(predictor, with_holes(table, holes, 0), predictor.columns)
    assert judge is not None
    assert not judge.has_seen(table.codes[holes]).any()
    elsewhere = judge_for(predictor, with_holes(table, holes, 2), predictor.columns)
    assert elsewhere is not None
    assert elsewhere.has_seen(table.codes[holes]).all()


@pytest.mark.slow
def test_incomplete_rows_are_in_neither_half(table: Table) -> None:
    holes = np.flatnonzero(table.sampled)[:40]
    searcher, judge = fit_searcher_and_judge(with_holes(table, holes, 1))
    for predictor in (searcher, judge):
        assert not predictor.has_seen(table.codes[holes]).any()
    assert len(searcher.seen) + len(judge.seen) == table.sampled.sum() - 40


def test_too_few_unseen_rows_give_no_judge(table: Table) -> None:
    mine = np.flatnonzero(table.sampled)[: table.sampled.sum() - JUDGE_ROWS + 1]
    values, settings = table.values[mine], QUICK["ensemble"]
    seen_much = fit_predictor(table.codes[mine], values, COLUMNS, space=MIXED, kind="ensemble", settings=settings)
    assert judge_for(seen_much, table, COLUMNS) is None


@pytest.mark.slow
def test_a_search_on_a_users_own_table(table: Table) -> None:
    found = search(Objective({"seg": 1.0, "video": -1.0}), table=table, starts=16, steps=20, top=6, seed=3)
    assert len({row.vector for row in found.rows}) == len(found.rows) == 6
    sources = {value.source for row in found.rows for value in row.verified.values()}
    assert sources <= {"table", "judge"}
    for row in found.rows:
        tabulated = table.row(row.vector)
        assert {value.source for value in row.verified.values()} == {"judge" if tabulated is None else "table"}
        assert row.verified_score is not None
        assert (row.macs, row.params) == (None, None)
        assert row.code == table.space.text(row.vector)
        if tabulated is not None:
            assert [v.mean for v in row.verified.values()] == table.values[tabulated][[0, 2]].tolist()
    wanted = Objective({"seg": 1.0, "video": -1.0}).score(
        table.values, None, COLUMNS, table.values.mean(axis=0), table.values.std(axis=0)
    )
    verified_scores = [row.verified_score for row in found.rows if row.verified_score is not None]
    assert verified_scores[0] > np.quantile(wanted, 0.95)


def test_minimised_columns_are_searched_downwards(table: Table) -> None:
    """Predictions stay in raw units; only the sign of z-scores differs."""
    values, gp = table.values[:80], GpSettings(steps=5)
    predictor = fit_predictor(
        table.codes[:80], values, COLUMNS, space=MIXED, kind="gp", settings=gp, minimised=["video/top1"]
    )
    assert predictor.minimised == ("video/top1",)
    np.testing.assert_allclose(predictor.unit.numpy(), values.std(axis=0) * [1, 1, -1], rtol=1e-5)
    plain = fit_predictor(table.codes[:80], values, COLUMNS, space=MIXED, kind="gp", settings=gp)
    assert plain.minimised == ()
    np.testing.assert_array_equal(plain.predict(table.codes).mean, predictor.predict(table.codes).mean)
    wanted, options = Objective({"seg": 1.0, "video": 2.0}), {"starts": 4, "steps": 8, "top": 2}
    found = search(wanted, predictor=predictor, judge=predictor, **options)
    against = search(Objective({"seg": 1.0, "video": -2.0}), predictor=plain, judge=plain, **options)
    assert [row.vector for row in found.rows] == [row.vector for row in against.rows]
    assert [row.verified_score for row in found.rows] == pytest.approx(
        [row.verified_score for row in against.rows], rel=1e-4
    )
    assert found.rows[0].verified["video/top1"].mean < values[:, 2].mean() < values[:, 2].max()
    table = table.select(rows=slice(290))
    minimised = Table(MIXED, table.codes, table.values, COLUMNS, minimised=["video/top1"])
    judge = judge_for(predictor, minimised, COLUMNS)
    assert judge is not None
    assert judge.minimised == ("video/top1",)
    for one, other, alone in ((predictor, table, "predictor"), (plain, minimised, "table")):
        with pytest.raises(ConfigError, match=f"^Small values of video/top1 are better in the {alone} only"):
            search(wanted, predictor=one, table=other, **options)


def test_searcher_and_judge_minimise_the_columns_of_their_table(table: Table) -> None:
    few = Table(MIXED, table.codes[:60], table.values[:60], COLUMNS, minimised=["seg/mAcc"]).select(
        ["video", "seg/mAcc"]
    )
    for predictor in fit_searcher_and_judge(few):
        assert predictor.minimised == ("seg/mAcc",)
        np.testing.assert_allclose(predictor.unit.numpy(), few.values.std(axis=0) * [1, -1], rtol=1e-5)


@pytest.mark.parametrize("minimised", ["seg/mIoU", ["seg"]])
def test_minimised_columns_must_be_columns(table: Table, minimised: Any) -> None:
    message = (
        r"^(minimised must be a list of names of columns|Expected minimised columns among seg/mIoU, .*)\. Got 'seg"
    )
    with pytest.raises((ConfigError, DataError), match=message):
        fit_predictor(table.codes, table.values, COLUMNS, space=MIXED, minimised=minimised)
