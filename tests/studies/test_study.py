"""A study: asks and tells are on disk at once, settings stay, and the same history proposes the same codes."""

import json
import os
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ncp
from ncp import Budget, CodeError, ConfigError, DataError, InfeasibleError, Objective, Space, Study, Table
from ncp.searchers.prior import as_prior

SPACE = Space.from_dict({"width": [8, 16, 24, 32], "depth": [1, 2, 3], "edge": ["none", "skip"]})
CODE = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"


def accuracy(code: object) -> float:
    """A function of the code whose best is 24,3,skip."""
    width, depth, edge = SPACE.code(code).tolist()  # type: ignore[arg-type]
    return float(60 - (width - 24) ** 2 / 16 + 4 * depth + edge)


def values(code: object) -> dict[str, float]:
    return {"mine/accuracy": accuracy(code), "mine/latency": float(SPACE.code(code)[0])}  # type: ignore[arg-type]


def begun(folder: Path, codes: int = 0, **settings: Any) -> Study:
    """A study in which some codes are told."""
    study = Study(folder, **{"objective": "mine", "space": SPACE, **settings})
    while len(study) < codes:
        code = study.ask()
        study.tell(code, values(code))
    return study


def history(folder: Path) -> list[str]:
    return [each["code"] for each in json.loads((folder / "search.json").read_text())["asks"]]


def test_a_study_finds_the_best_code(tmp_path: Path) -> None:
    study = begun(tmp_path, 12)
    [best] = study.best()
    assert best.code == "24,3,skip"  # of 24 codes
    assert best.score == best.values["mine/accuracy"].mean == 73
    assert best.values["mine/accuracy"].source == "trained"
    assert (best.macs, best.trainings) == (None, 1)
    assert [row.score for row in study.best(99)] == sorted((accuracy(c) for c in history(tmp_path)), reverse=True)
    assert "12 codes, 0 pending, the best is '24,3,skip' with 73.00" in repr(study)
    assert "<td>24,3,skip</td>" in study._repr_html_()


def test_every_code_is_asked_for_once_until_none_is_left(tmp_path: Path) -> None:
    study = begun(tmp_path)
    codes = [*study.ask(10), *study.ask(10)]
    study.tell(codes[3], None)
    codes += study.ask(10)
    assert len(set(codes)) == len(codes) == SPACE.size
    with pytest.raises(InfeasibleError, match=r"No code is left .* Codes with a result: 1; pending: 23"):
        study.ask()


def test_codes_that_were_never_told_are_handed_out_first(tmp_path: Path) -> None:
    study = begun(tmp_path, 2)
    codes = study.ask(3)
    assert study.pending == codes
    study.tell(codes[1], values(codes[1]))
    again = Study(tmp_path)
    assert again.pending == [codes[0], codes[2]]
    assert again.ask() == codes[0]
    both = again.ask(2)
    assert both[0] == codes[2]
    assert both[1] not in codes
    assert history(tmp_path)[2:5] == codes


def test_a_code_of_a_process_that_ended_is_handed_out_and_of_one_that_runs_is_not(tmp_path: Path) -> None:
    codes = begun(tmp_path).ask(3)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    document = json.loads((tmp_path / "search.json").read_text())
    for ask, process in zip(document["asks"], (os.getppid(), ended.pid, ended.pid), strict=True):
        ask["process"] = process
    document["asks"][2]["host"] = "another machine"
    (tmp_path / "search.json").write_text(json.dumps(document))
    study = Study(tmp_path)
    found = study.ask(2)
    assert found[0] == codes[1]
    assert found[1] not in codes
    assert study.resume() == [*codes, found[1]]


def test_two_objects_see_what_the_other_has_told(tmp_path: Path) -> None:
    one, other = begun(tmp_path), Study(tmp_path)
    code = one.ask()
    one.tell(code, values(code))
    assert (len(other), other.pending, other.best()[0].code) == (1, [], code)
    other.tell("8,1,none", values("8,1,none"))
    assert len(one) == 2


def ask_and_tell(folder: str) -> None:
    """What each of several processes does."""
    study = Study(folder)
    for _ in range(4):
        code = study.ask()
        study.tell(code, values(code))


@pytest.mark.slow
@pytest.mark.alone
def test_processes_share_a_study(tmp_path: Path) -> None:
    begun(tmp_path)
    processes = [get_context("spawn").Process(target=ask_and_tell, args=(str(tmp_path),)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    study = Study(tmp_path)
    assert (len(study), study.pending) == (16, [])
    assert len(history(tmp_path)) == len(set(history(tmp_path))) == 16


@pytest.mark.parametrize("objective", ["mine", {"mine": 1, "latency": 1}])
def test_the_history_decides_the_next_code(tmp_path: Path, objective: Any) -> None:
    begun(tmp_path / "one", 7, objective=objective, minimised=["mine/latency"])
    for count in range(1, 8):  # opened again before each ask
        begun(tmp_path / "two", count, objective=objective, minimised=["mine/latency"])
    begun(tmp_path / "three", 7, objective=objective, minimised=["mine/latency"], seed=1)
    assert history(tmp_path / "one") == history(tmp_path / "two")
    assert history(tmp_path / "one") != history(tmp_path / "three")


def test_the_file_says_when_and_how_much_was_known(tmp_path: Path) -> None:
    study = begun(tmp_path, 3)
    study.ask(2)
    study.ask()
    asks = json.loads((tmp_path / "search.json").read_text())["asks"]
    assert [(each["known"], each["pending"]) for each in asks] == [(0, 0), (1, 0), (2, 0), (3, 0), (3, 0), (3, 2)]
    assert all(each["at"] for each in asks)


def test_repeats_are_averaged_and_failures_are_flagged(tmp_path: Path) -> None:
    study = begun(tmp_path, minimised=["mine/latency"])
    study.tell("8,1,none", {"mine/accuracy": 50.0, "mine/latency": 3})
    study.tell("8,1,none", {"mine/accuracy": np.float32(54), "mine/latency": 5})
    study.tell([16, 1, 0], None, "out of memory")
    study.tell("24,1,none", {"mine/accuracy": 51.0})
    table = study.table
    assert isinstance(table, Table)
    assert np.array_equal(table.values, [[52, 4], [np.nan, np.nan], [51, np.nan]], equal_nan=True)
    assert (table.flags.tolist(), table.minimised) == (["", "failed", ""], ("mine/latency",))
    assert set(table.origin) == {"trained"}
    assert (len(study), study.pending) == (3, [])
    [best] = study.best()
    assert (best.code, best.score, best.trainings) == ("8,1,none", 52, 2)
    assert best.values["mine/accuracy"].std == pytest.approx(np.std([50, 54], ddof=1) / 2**0.5)
    tells = json.loads((tmp_path / "search.json").read_text())["tells"]
    assert [each["reason"] for each in tells] == ["", "", "out of memory", ""]


def test_the_score_is_the_mean_of_z_scores(tmp_path: Path) -> None:
    study = begun(tmp_path, 6, objective={"accuracy": 3, "latency": 1}, minimised=["mine/latency"])
    told = study.table.values
    z = (told - told.mean(axis=0)) / told.std(axis=0)
    expected = 0.75 * z[:, 0] - 0.25 * z[:, 1]
    assert [row.score for row in study.best(9)] == pytest.approx(sorted(expected, reverse=True))


def test_the_best_meet_minimum_values(tmp_path: Path) -> None:
    objective = Objective({"mine": 1}, at_least={"latency": 16})
    study = begun(tmp_path, 20, objective=objective, minimised=["mine/latency"])
    assert {row.code.partition(",")[0] for row in study.best(99)} == {"8", "16"}
    assert study.best()[0].code == "16,3,skip"


def test_what_is_told_above_the_budget_is_known_but_not_best(tmp_path: Path) -> None:
    costs = ncp.macs([CODE, CODE.replace("8_8-1_1_1_8", "8_8-1_1_1_64")])
    budget = Budget(max_macs=float(costs[0]) * 1.01)
    study = Study(tmp_path, objective="a/b", budget=budget, prior=None)
    for code, value in ((CODE, 1.0), (CODE.replace("8_8-1_1_1_8", "8_8-1_1_1_64"), 2.0)):
        study.tell(code, {"a/b": value})
    [best] = study.best(5)
    assert (best.code, best.macs) == (CODE, int(costs[0]))
    assert Study(tmp_path).budget == budget


def test_codes_of_multires_are_asked_for_within_the_budget(tmp_path: Path) -> None:
    study = Study(tmp_path, objective="a/b", budget=Budget(max_macs=2e8, image_size=64), prior=None)
    codes = study.ask(3)
    assert all(isinstance(code, ncp.Code) for code in codes)
    assert ncp.macs(codes, image_size=64).max() <= 2e8
    for place, code in enumerate(codes):
        study.tell(code, {"a/b": float(place)})
    code = study.ask()
    assert ncp.macs(code, image_size=64) <= 2e8
    assert code not in codes


def test_all_trainings_may_fail(tmp_path: Path) -> None:
    study = begun(tmp_path)
    for code in study.ask(7):
        study.tell(code, None)
    assert study.best() == []
    assert study.ask() not in [each.code for each in study._record.tells]
    assert study.table.values.shape == (7, 0)
    assert study.evidence is None
    assert study.expected_improvement is None


def test_failed_codes_can_be_tried_again(tmp_path: Path) -> None:
    study = begun(tmp_path, 3)
    code = study.ask()
    study.tell(code, None)
    assert study.retry() == study.pending == [code]
    assert len(study) == 3
    assert study.ask() == code
    study.tell(code, values(code))
    assert study.table.flags.tolist() == [""] * 4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"objective": "mine/latency"}, "another objective. It was {'mine': 1.0} and is now {'mine/latency': 1.0}"),
        ({"objective": Objective({"mine": 1}, at_least={"mine": 3})}, "another objective"),
        ({"budget": Budget(max_params=3e6)}, "another budget. It was max_params None and is now max_params 3000000.0"),
        ({"seed": 7}, "another seed. It was 0 and is now 7"),
        ({"space": ncp.CELL201}, "another space. Leave space out to go on"),
        ({"prior": "nas-bench-mr"}, "another prior. It was None and is now 'nas-bench-mr'"),
        ({"minimised": ["mine/accuracy"]}, "another minimised"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    begun(tmp_path, 1)
    before = (tmp_path / "search.json").read_text()
    with pytest.raises(ConfigError) as refused:
        Study(tmp_path, **changed)
    assert message in str(refused.value)
    assert (tmp_path / "search.json").read_text() == before
    begun(tmp_path, 1, budget=Budget(), seed=0, prior=None)  # the same ones


def test_settings_that_are_left_out_are_those_of_the_file(tmp_path: Path) -> None:
    objective = Objective({"mine": 2}, at_least={"mine/latency": 30})
    begun(tmp_path, 2, objective=objective, seed=5, minimised=["mine/latency"])
    study = Study(tmp_path)
    assert (study.objective, study.space, study._record.seed) == (objective, SPACE, 5)
    assert study.table.minimised == ("mine/latency",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objective": None}, "There is no study in .* yet. A new one needs an objective"),
        ({"objective": Objective({"mine": 1}, uncertainty_penalty=1)}, "Leave out uncertainty_penalty"),
        ({"objective": 3}, "objective must be a task"),
        ({"space": "multires"}, "space"),
        ({"seed": -1}, "seed must be an integer"),
        ({"budget": 3}, "budget must be an ncp.Budget"),
        ({"budget": Budget(max_macs=1e9)}, "Budgets work only for NAS-Bench-MR networks"),
        ({"prior": "nas-bench-mr"}, "prior"),
        ({"prior": 7}, "prior must be"),
        ({"minimised": "mine"}, "minimised must be a list"),
        ({"minimised": [3]}, "minimised must be a list"),
    ],
)
def test_invalid_settings_are_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Study(tmp_path / "study", **{"objective": "mine", "space": SPACE, **given})
    assert not (tmp_path / "study").exists()


def test_a_budget_that_no_code_meets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleError, match="max_macs = 1000 is below the cost of every code"):
        Study(tmp_path, objective="mine", budget=Budget(max_macs=1000))


@pytest.mark.parametrize(
    ("told", "error", "message"),
    [
        ({"mine/accuracy": float("nan"), "mine/latency": 1.0}, DataError, "finite number as mine/accuracy. Got nan"),
        ({"mine/accuracy": "70", "mine/latency": 1.0}, DataError, "finite number as mine/accuracy. Got '70'"),
        ({"mine/accuracy": True}, DataError, "finite number as mine/accuracy. Got True"),
        ({"mine/acuracy": 1.0}, DataError, "no column 'mine/acuracy'. Did you mean 'mine/accuracy'"),
        ({"mine/latency": 1.0}, DataError, "The objective needs a value of mine/accuracy. Got mine/latency"),
        ({}, DataError, "Expected values by column"),
        (71.2, DataError, "Expected values by column.* Got 71.2"),
    ],
)
def test_values_that_cannot_be_used_are_refused(tmp_path: Path, told: Any, error: type, message: str) -> None:
    study = begun(tmp_path, 1)
    before = (tmp_path / "search.json").read_text()
    with pytest.raises(error, match=message):
        study.tell("8,1,none", told)
    assert (tmp_path / "search.json").read_text() == before


def test_the_first_values_must_fit_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="objective has no task or column 'mine'"):
        begun(tmp_path / "a").tell("8,1,none", {"other/accuracy": 1.0})
    with pytest.raises(DataError, match=r"Expected minimised columns among mine/accuracy. Got 'mine/latency'"):
        begun(tmp_path / "b", minimised=["mine/latency"]).tell("8,1,none", {"mine/accuracy": 1.0})
    with pytest.raises(ConfigError, match="Small values of mine/accuracy are better, so its weight"):
        begun(tmp_path / "c", objective={"mine": -1}, minimised=["mine/accuracy"]).tell("8,1,none", values("8,1,none"))


def test_a_code_outside_the_space_is_refused(tmp_path: Path) -> None:
    study = begun(tmp_path)
    for code in ("9,1,none", [8, 1], "x"):
        with pytest.raises(CodeError):
            study.tell(code, None)


@pytest.mark.slow
def test_a_predictor_is_a_prior_that_is_passed_again(tmp_path: Path) -> None:
    codes = np.unique(SPACE.sample(400, np.random.default_rng(0)), axis=0)
    known, other = (
        ncp.fit_predictor(codes, [[sign * accuracy(code)] for code in codes], ["known/a"], space=SPACE, kind="gp")
        for sign in (1, -1)
    )
    begun(tmp_path / "study", 1, prior=known)
    study = Study(tmp_path / "study")
    assert len(study) == 1
    with pytest.raises(ConfigError, match=r"uses a predictor as its prior, which is not there as it was\. Pass it"):
        study.ask()
    for another in (other, as_prior(other, SPACE), as_prior(known, SPACE), None):
        with pytest.raises(ConfigError, match="another prior"):
            Study(tmp_path / "study", prior=another)
    assert Study(tmp_path / "study", prior=known).ask()
    known.save(tmp_path / "known.safetensors")
    begun(tmp_path / "file", 1, prior=tmp_path / "known.safetensors")
    assert Study(tmp_path / "file").ask()  # it is read again
    other.save(tmp_path / "known.safetensors")
    with pytest.raises(ConfigError, match="uses a file as its prior, which is not there as it was"):
        Study(tmp_path / "file").ask(9)


@pytest.mark.slow
@pytest.mark.parametrize("prior", [None, "nas-bench-mr"])
def test_the_history_decides_the_next_code_of_a_large_space(tmp_path: Path, prior: str | None) -> None:
    """With two codes in training at a time, and opened again before each call."""
    settings: dict[str, Any] = {"objective": ["a", "b"], "prior": prior, "budget": Budget(max_macs=1e9)}
    for name in ("one", "two"):
        study = Study(tmp_path / name, **settings)
        waiting = study.ask(2)
        for place in range(7):
            code = waiting.pop(0)
            if name == "two":
                study = Study(tmp_path / name)
                assert study.resume() == [code, *waiting]
            wide = float(sum(code.vector))  # type: ignore[union-attr]
            study.tell(code, {"a/x": wide, "b/y": wide * (place % 3)} if place != 4 else None)
            waiting.append(study.ask())
    assert len(set(history(tmp_path / "one"))) == 9
    assert history(tmp_path / "one") == history(tmp_path / "two")


@pytest.mark.slow
def test_the_shipped_prior_helps_and_shows_that_it_does(tmp_path: Path) -> None:
    """What is wanted is what the prior knows."""
    predictor = ncp.load_predictor("nas-bench-mr")
    found = {}
    for name in ("nas-bench-mr", None):
        study = Study(tmp_path / str(name), objective="mine", prior=name, budget=Budget(max_macs=2e9))
        while len(study) < 8:
            code = study.ask()
            study.tell(code, {"mine/x": float(predictor.predict(code).mean[0, predictor.columns.index("seg/mIoU")])})
        found[name] = study.best()[0].score
        if name:
            assert study.evidence
            assert study.evidence.prior_weight > 0.5
            assert max(study.evidence.resemblance, key=study.evidence.resemblance.__getitem__) == "seg/mIoU"
    assert found["nas-bench-mr"] > found[None]
