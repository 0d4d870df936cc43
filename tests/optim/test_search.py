"""Search with the shipped predictor and judge, with a table, and with a given predictor."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ncp
from ncp import MULTIRES, Budget, ConfigError, InfeasibleError, Objective, Result, Table
from ncp.network.profile import processor
from ncp.optim.feasible import Feasible
from ncp.optim.judge import fit_searcher_and_judge, halves, verify
from ncp.optim.local_search import search_locally
from ncp.optim.problem import Problem
from ncp.optim.result_rows import LATENCY
from ncp.predictors.quality import quality
from ncp.report.formats import save
from ncp.report.pictures import search_picture
from ncp.report.trace import Trace
from ncp.tables.cache import import_folder
from tests.latencies import CONDITIONS, computed, latency_model, milliseconds
from tests.predictors.fitted import COLUMNS, MIXED, fitted, rows
from tests.predictors.fitted import QUICK as QUICK_FITS

WANTED = Objective({"seg": 1, "cls-50-1000": 1, "video": 1})
BUDGET = Budget(max_macs=4e9)
QUICK: dict[str, Any] = {"starts": 6, "steps": 4, "top": 4}


@pytest.fixture(scope="module")
def found() -> Result:
    return ncp.search(WANTED, budget=BUDGET, starts=32)


@pytest.fixture(scope="module")
def table(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The published codes with the values of one task."""
    part = tmp_path_factory.mktemp("seg")
    (part / "seg").mkdir()
    for file in ("search_list.txt", "seg/trainval.pkl"):
        (part / file).symlink_to(shared / "data" / "nas-bench-mr" / file)
    import_folder(part, part)
    return ncp.load_table("nas-bench-mr", root=part)


@pytest.fixture(scope="module")
def whole_table(imported: Path) -> Table:
    return ncp.load_table("nas-bench-mr", imported)


def vectors(result: Result) -> np.ndarray:
    return np.array([row.vector for row in result.rows])


def test_up_to_ten_codes_within_the_budget(found: Result) -> None:
    codes = vectors(found)
    assert 1 < len(np.unique(codes, axis=0)) == len(codes) <= 10
    assert MULTIRES.contains(codes).all()
    np.testing.assert_array_equal(ncp.macs(codes), [row.macs for row in found.rows])
    np.testing.assert_array_equal(ncp.params(codes), [row.params for row in found.rows])
    assert ncp.macs(codes).max() <= 4e9
    assert [ncp.Code.parse(row.code).vector for row in found.rows] == [row.vector for row in found.rows]


def test_the_best_predicted_score_comes_first_and_every_row_is_checked(found: Result) -> None:
    predicted_scores = np.array([row.predicted_score for row in found.rows])
    assert (np.diff(predicted_scores) <= 1e-4).all()
    verified_scores = np.array([row.verified_score for row in found.rows], dtype=float)
    assert np.isfinite(verified_scores).all()
    assert found.gap == pytest.approx((predicted_scores - verified_scores).mean())
    assert predicted_scores[0] > 1.3  # few codes are this good: standard deviations of the mean of three tasks
    assert verified_scores[0] > 1.2


def test_every_number_names_its_source(found: Result) -> None:
    columns = ["seg/mIoU", "cls-50-1000/top1", "video/top1"]
    for row in found.rows:
        assert list(row.predicted) == list(row.verified) == columns
        assert {value.source for value in row.predicted.values()} == {"predictor"}
        assert {value.source for value in row.verified.values()} == {"judge"}
        assert all(value.std > 0 for value in [*row.predicted.values(), *row.verified.values()])


def test_predicted_and_verified_scores_are_the_predictors_and_the_judges(found: Result) -> None:
    searcher, judge = ncp.load_predictor("nas-bench-mr"), ncp.load_judge()
    assert searcher.kind != judge.kind
    codes, where = vectors(found), WANTED.resolve(searcher.columns)
    assert judge.columns == searcher.columns
    for predictor, values, name in ((searcher, "predicted", "predicted_score"), (judge, "verified", "verified_score")):
        mean = predictor.predict(codes).mean
        shown = np.array([[value.mean for value in getattr(row, values).values()] for row in found.rows])
        np.testing.assert_allclose(shown, mean[:, where], rtol=1e-5)
        score = WANTED.score(mean, None, searcher.columns, searcher.location.numpy(), searcher.unit.numpy())
        np.testing.assert_allclose(score, [getattr(row, name) for row in found.rows], rtol=1e-4)


def test_the_json_file_has_everything(found: Result, tmp_path: Path) -> None:
    found.to_json(tmp_path / "out" / "result.json")
    read = json.loads((tmp_path / "out" / "result.json").read_text())
    assert read == json.loads(json.dumps(found.to_dict()))
    assert read["provenance"]["weights"] == {"seg": 1.0, "cls-50-1000": 1.0, "video": 1.0}
    assert (read["provenance"]["max_macs"], read["provenance"]["starts"], read["provenance"]["seed"]) == (4e9, 32, 0)
    assert (read["gap"], read["seconds"]) == (found.gap, found.seconds)
    assert [tuple(row["vector"]) for row in read["rows"]] == [row.vector for row in found.rows]
    assert Result.from_json(tmp_path / "out" / "result.json") == found


def test_the_same_seed_gives_the_same_result() -> None:
    options = {"predictor": fitted("gp", "mixed"), **QUICK}
    first, second, third = (ncp.search(Objective({"seg": 1.0}), seed=seed, **options) for seed in (0, 0, 1))
    assert first.rows == second.rows
    np.testing.assert_array_equal(first.trajectory.x, second.trajectory.x)
    assert (first.trajectory.codes[0] != third.trajectory.codes[0]).any()


@pytest.mark.slow
def test_a_bound_on_latency_gives_predicted_and_measured_latencies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ncp.network.latency.measure", computed)
    model, origin = latency_model(), MULTIRES.snap([dim.values[0] for dim in MULTIRES.dimensions])
    budget = Budget(max_macs=4e9, max_latency_ms=5.0, latency=model)
    options: dict[str, Any] = {"origin": origin[0], "freeze": MULTIRES.names[12:], **QUICK}
    result = ncp.search(WANTED, budget=budget, **options)
    codes = vectors(result)
    assert (model(codes) <= 5).all()
    columns = ["seg/mIoU", "cls-50-1000/top1", "video/top1", LATENCY]
    for row, predicted, measured in zip(result.rows, model(codes), milliseconds(codes), strict=True):
        assert list(row.predicted) == list(row.verified) == columns
        predicted_score, found = row.predicted[LATENCY], row.verified[LATENCY]
        assert (predicted_score.source, found.source) == ("predictor", "measured")
        assert (predicted_score.mean, found.mean) == (pytest.approx(predicted), pytest.approx(measured))
        assert predicted_score.std == pytest.approx(predicted * model.error.rms)
        assert found.std == pytest.approx(0.05 * measured / 1.2816)
        assert {row.verified[column].source for column in columns[:3]} == {"judge"}
    result.to_json(tmp_path / "result.json")
    save(search_picture(Trace.of(result)), tmp_path / "search.svg")
    read = json.loads((tmp_path / "result.json").read_text())
    assert read["provenance"]["max_latency_ms"] == 5.0
    conditions = {"task": "classification", "classes": 50, "image_size": [64, 64], "batch": 1, "device": "cpu"}
    assert read["provenance"]["latency_of"] == conditions | {"threads": 1, "runtime": "torch", "precision": "float32"}
    assert read["rows"][0]["verified"][LATENCY] == vars(result.rows[0].verified[LATENCY])
    assert (tmp_path / "search.svg").stat().st_size > 1000
    unbounded = ncp.search(WANTED, budget=Budget(latency=model), **options)
    assert (unbounded.provenance["max_latency_ms"], unbounded.provenance["latency_of"]) == (None, None)
    assert all(LATENCY not in row.predicted | row.verified for row in unbounded.rows)
    assert model(vectors(unbounded)).max() > 5  # the bound has changed what is found


def test_without_a_judge_latencies_are_still_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncp.network.latency.measure", computed)
    origin = MULTIRES.sample(1, np.random.default_rng(0))[0]
    bound = 1.5 * latency_model()(origin).item()
    result = ncp.search(
        Objective({"seg": 1.0}),
        predictor=fitted("ensemble"),
        budget=Budget(max_latency_ms=bound, latency=latency_model()),
        origin=origin,
        freeze=MULTIRES.names[4:],
        **QUICK,
    )
    for row in result.rows:
        assert row.verified_score is None
        assert list(row.verified) == [LATENCY]


def test_only_returned_codes_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[Any] = []

    def counted(code: Any, conditions: Any, seconds: float) -> Any:
        timed.append(str(code))
        return computed(code, conditions, seconds)

    monkeypatch.setattr("ncp.network.latency.measure", counted)
    origin = MULTIRES.sample(1, np.random.default_rng(0))[0]
    budget = Budget(max_latency_ms=1.5 * latency_model()(origin).item(), latency=latency_model())
    options: dict[str, Any] = {"predictor": fitted("ensemble"), "budget": budget, "origin": origin, **QUICK}
    result = ncp.search("seg", freeze=MULTIRES.names[4:], **options)
    assert set(timed) == {row.code for row in result.rows}


def test_a_latency_model_of_another_machine_is_refused_before_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = latency_model()
    there = ncp.LatencyModel(CONDITIONS, "Abacus 3000", model.codes, model.milliseconds)
    message = f"The latency model is for Abacus 3000, but this machine has {processor('cpu')}. Calibrate here"
    monkeypatch.setattr("ncp.optim.search.predictor_and_judge", None)
    with pytest.raises(ConfigError, match=re.escape(message)):
        ncp.search(WANTED, budget=Budget(max_latency_ms=5.0, latency=there), **QUICK)


def test_local_search_is_never_worse_and_keeps_what_is_frozen() -> None:
    predictor, rng = fitted("ensemble"), np.random.default_rng(0)
    frozen = rng.random(27) < 0.4
    codes = MULTIRES.sample(40, rng)
    codes[:, frozen] = codes[0, frozen]
    budget = Budget(max_macs=int(np.median(ncp.macs(codes))))
    problem = Problem(predictor, Objective({"seg": 1.0}), Feasible(MULTIRES, budget, frozen))
    better = search_locally(problem.scores, problem.feasible, codes, rounds=4)
    assert budget.allows(better).all()
    assert MULTIRES.contains(better).all()
    assert (better[:, frozen] == codes[0, frozen]).all()
    scores = problem.values_and_scores(better)[1]
    assert (np.diff(scores) <= 1e-5).all()
    assert scores[0] >= problem.values_and_scores(codes[budget.allows(codes)])[1].max() - 1e-5
    first = better[0]
    near = MULTIRES.neighbours(first)
    near = near[budget.allows(near) & (near[:, frozen] == first[frozen]).all(axis=1)]
    one_round = search_locally(problem.scores, problem.feasible, first[None], rounds=20)
    assert problem.values_and_scores(one_round)[1][0] >= problem.values_and_scores(near)[1].max() - 1e-5


def test_frozen_dimensions_keep_the_origins_values() -> None:
    origin = MULTIRES.sample(1, np.random.default_rng(3))[0]
    freeze = ("i1", "i2", *(name for name in MULTIRES.names if name.startswith("b")))
    kept = np.isin(MULTIRES.names, freeze)
    assert kept.sum() == 6
    result = ncp.search(WANTED, budget=Budget(max_macs=6e9), freeze=freeze, origin=origin, **QUICK)
    assert (vectors(result)[:, kept] == origin[kept]).all()
    assert (result.trajectory.codes[..., kept] == origin[kept]).all()
    assert result.provenance["freeze"] == list(freeze)
    assert result.provenance["origin"] == str(ncp.Code(origin.tolist()))
    assert ncp.macs(vectors(result)).max() <= 6e9


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"freeze": ["i1"]}, ConfigError, "freeze keeps the values of origin: give a code there."),
        (
            {"origin": MULTIRES.sample(2, np.random.default_rng(0))},
            ConfigError,
            "origin must be one code. Got 2 codes.",
        ),
        ({"freeze": "b1"}, ConfigError, "freeze keeps the values of origin: give a code there."),
        ({"freeze": "b9"}, ncp.CodeError, "freeze must name dimensions of the space, such as"),
        (
            {"freeze": "b1", "origin": MULTIRES.sample(1, np.random.default_rng(0)), "budget": Budget(max_macs=1e6)},
            InfeasibleError,
            "max_macs = 1000000 is below the cost of every code with b1 frozen. Raise .*, or freeze less",
        ),
        ({"starts": 0}, ConfigError, "starts must be an integer, 1 or more. Got 0."),
        ({"top": 0}, ConfigError, "top must be an integer, 1 or more. Got 0."),
        ({"budget": Budget(max_macs=1e6)}, InfeasibleError, "max_macs = 1000000 is below the cost of every code"),
        ({"strategy": "luck"}, ConfigError, "Got 'luck'"),
    ],
)
def test_wrong_arguments_are_refused_before_a_fit(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    monkeypatch.setattr("ncp.optim.search.predictor_and_judge", None)
    with pytest.raises(error, match=message):
        ncp.search(WANTED, **options)


def test_an_uncertainty_penalty_lowers_scores() -> None:
    options: dict[str, Any] = {"predictor": fitted("gp", "mixed"), **QUICK}
    careful = ncp.search(Objective({"seg": 1.0}, uncertainty_penalty=2.0), **options)
    scores = [row.score for row in careful.rows]
    assert scores == sorted(scores, reverse=True)
    assert all(row.score < row.predicted_score for row in careful.rows)
    plain = ncp.search(Objective({"seg": 1.0}), **options)
    assert all(row.score == pytest.approx(row.predicted_score, abs=1e-4) for row in plain.rows)


def test_no_code_is_predicted_below_a_minimum_value() -> None:
    options: dict[str, Any] = {"predictor": fitted("ensemble", "mixed"), **QUICK}
    free = ncp.search(Objective({"seg": 1.0}), **options)
    minimum = np.mean([row.predicted["seg/mIoU"].mean for row in free.rows])
    low = fitted("ensemble", "mixed").predict(vectors(ncp.search(Objective({"video": 1.0}), **options))).mean[:, 0]
    assert (low < minimum).any()
    bounded = ncp.search(Objective({"video": 1.0}, at_least={"seg": float(minimum)}), **options)
    assert bounded.rows
    assert min(row.predicted["seg/mIoU"].mean for row in bounded.rows) >= minimum
    assert bounded.provenance["at_least"] == {"seg": minimum}
    assert bounded.provenance["columns"] == ["video/top1", "seg/mIoU"]
    assert all(row.predicted_score == pytest.approx(row.score, abs=1e-4) for row in bounded.rows)
    with pytest.raises(InfeasibleError, match=r"seg/mIoU of at least 1000: the closest that was found has seg/mIoU"):
        ncp.search(Objective({"video": 1.0}, at_least={"seg": 1e3}), **options)


@pytest.mark.slow
def test_codes_near_an_origin_keep_minimum_values() -> None:
    codes = MULTIRES.sample(1, np.random.default_rng(3))
    options: dict[str, Any] = {"predictor": fitted("ensemble"), **QUICK, "origin": codes[0], "max_changes": 3}
    free = ncp.search(Objective({"video": 1.0}), **options)
    values = fitted("ensemble").predict(vectors(free)).mean[:, 0]
    minimum = float(np.median(values))
    assert (values < minimum).any()
    bounded = ncp.search(Objective({"video": 1.0}, at_least={"seg": minimum}), **options)
    assert all(row.predicted["seg/mIoU"].mean >= minimum for row in bounded.rows)
    assert ((vectors(bounded) != codes).sum(axis=1) <= 3).all()


def test_an_unknown_task_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'video'\?"):
        ncp.search(Objective({"vidio": 1.0}))


def test_without_a_judge_codes_are_not_checked() -> None:
    result = ncp.search(Objective({"seg": 1.0, "video": -1.0}), predictor=fitted("ensemble"), budget=BUDGET, **QUICK)
    assert len(result.rows) == 4
    assert result.gap is None
    for row in result.rows:
        assert row.verified_score is None
        assert row.verified == {}
        assert set(row.predicted) == {"seg/mIoU", "video/top1"}
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["rows"][0]["verified_score"] is None


@pytest.mark.slow
def test_a_given_predictor_is_checked_on_rows_that_it_has_not_seen() -> None:
    codes, values = rows("mixed", 400)
    table = Table(MIXED, codes, values, COLUMNS)
    quick: dict[str, Any] = {"space": MIXED, "kind": "ensemble", "settings": QUICK_FITS["ensemble"]}
    predictor = ncp.fit_predictor(codes[:150], values[:150], COLUMNS, **quick)
    result = ncp.search(Objective({"seg": 1.0}), predictor=predictor, table=table, **QUICK)
    tabulated = [row for row in result.rows if table.row(row.vector) is not None]
    for row in result.rows:
        source = "table" if row in tabulated else "judge"
        assert {value.source for value in row.verified.values()} == {source}
        assert row.verified_score is not None
    everything = ncp.fit_predictor(codes, values, COLUMNS, **quick)
    unjudged = ncp.search(Objective({"seg": 1.0}), predictor=everything, table=table, **QUICK)
    assert all((row.verified_score is None) == (table.row(row.vector) is None) for row in unjudged.rows)


def test_a_tiny_space() -> None:
    space = ncp.Space([ncp.Ordinal("a", [1, 2, 3]), ncp.Categorical("b", ["x", "y"])])
    codes = np.repeat([[a, b] for a in (1, 2, 3) for b in (0, 1)], 4, axis=0)
    predictor = ncp.fit_predictor(codes, codes[:, :1] + codes[:, 1:] * 0.3, ["t/a"], space=space, kind="gp")
    result = ncp.search(Objective({"t": 1.0}), predictor=predictor, starts=20, steps=5)
    assert 1 <= len(result.rows) <= 6
    assert result.rows[0].vector == (3, 1)


def test_shipped_predictor_and_judge_share_no_row_and_saw_sampled_rows_only(table: Table) -> None:
    searcher, judge = ncp.load_predictor("nas-bench-mr"), ncp.load_judge()
    mine, other = searcher.has_seen(table.codes), judge.has_seen(table.codes)
    assert not (mine & other).any()
    assert (~table.sampled).sum() == 11
    assert not mine[~table.sampled].any()
    assert not other[~table.sampled].any()
    np.testing.assert_array_equal(mine | other, table.sampled)
    first, second = halves(table, 0)
    np.testing.assert_array_equal(np.flatnonzero(mine), np.sort(first))
    np.testing.assert_array_equal(np.flatnonzero(other), np.sort(second))
    assert set(table.columns) <= set(searcher.columns)


@pytest.mark.slow
def test_the_shipped_pair_is_used_for_its_own_table_only(table: Table) -> None:
    options: dict[str, Any] = {"objective": Objective({"seg": 1.0}), "starts": 2, "steps": 2, "top": 1}
    shipped = ncp.search(**options, table=table)
    assert shipped.trajectory.columns == ncp.load_predictor("nas-bench-mr").columns
    codes = MULTIRES.sample(300, np.random.default_rng(5))
    mine = Table(MULTIRES, codes, ncp.macs(codes)[:, None] / 1e9, ["seg/mIoU"])
    own = ncp.search(**options, table=mine)
    assert own.trajectory.columns == ("seg/mIoU",)
    assert own.provenance["judge"] == "ensemble"


def test_codes_in_the_table_have_its_values(table: Table) -> None:
    columns = ["seg/aAcc", "seg/mIoU"]
    fresh = MULTIRES.sample(2, np.random.default_rng(0))
    codes = np.concatenate([table.codes[[5, 2500]], fresh])
    result = verify(codes, columns, ncp.load_judge(), table)
    assert result.source.tolist() == [["table"] * 2] * 2 + [["judge"] * 2] * 2
    np.testing.assert_array_equal(result.mean[:2], table.select(columns=columns).values[[5, 2500]])
    origin = table.codes[int(np.argmax(table.select(columns="seg/mIoU").values[:, 0]))]
    stay = ncp.search(Objective({"seg": 1}), table=table, origin=origin, freeze=MULTIRES.names, **QUICK)
    assert [row.vector for row in stay.rows] == [tuple(origin.tolist())]
    (value,) = stay.rows[0].verified.values()
    assert (value.source, value.std) == ("table", 0.0)
    assert value.mean == table.query(origin)["seg/mIoU"]


def test_the_shipped_predictors_rank_unseen_rows(table: Table) -> None:
    searcher, judge = ncp.load_predictor("nas-bench-mr"), ncp.load_judge()
    first, second = halves(table, 0)
    for predictor, rows_unseen in ((searcher, second), (judge, first)):
        assert predictor.columns[:3] == table.columns
        measured = quality(predictor.predict(table.codes[rows_unseen]), table.values[rows_unseen], table.columns)
        assert measured["seg/mIoU"].tau > 0.75
        assert all(0.6 < q.within_one < 0.85 for q in measured.values())


@pytest.mark.slow
def test_the_shipped_predictors_can_be_made_again(whole_table: Table) -> None:
    table = whole_table
    made = fit_searcher_and_judge(table, seed=0)
    for again, shipped in zip(made, (ncp.load_predictor("nas-bench-mr"), ncp.load_judge()), strict=True):
        assert (again.kind, again.columns) == (shipped.kind, shipped.columns)
        assert torch.equal(again.seen, shipped.seen)
        one, two = again.predict(table.codes).mean, shipped.predict(table.codes).mean
        assert all(np.corrcoef(a, b)[0, 1] > 0.99 for a, b in zip(one.T, two.T, strict=True))
