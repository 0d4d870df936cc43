"""`tune`: few trainings, none lost or repeated, and stopped when it is enough."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ncp
from benchmarks.tune_killed import killed_tuning
from ncp import ConfigError, Space, Study, Table
from ncp.extras import has_extra
from ncp.studies import tuning_source
from ncp.studies.overview import Overview
from ncp.studies.scheduler import Events
from ncp.studies.study_folder import Asked
from ncp.studies.training_times import TrainingTimes
from ncp.studies.trainings import TrainingRow
from ncp.studies.tuning import tune
from ncp.studies.tuning_source import FAILURES
from ncp.studies.worker import Ended, Work
from tests.studies.inline import InlinePool, pool
from tests.training.pictures import picture_task, write_pictures

__all__ = ["pool"]

SPACE = Space.from_dict({"width": [8, 16, 24, 32], "depth": [1, 2, 3], "edge": ["none", "skip"]})

SMALL = Space.from_dict({"width": [8, 16], "edge": ["none", "skip"]})


def reached(code: str, seed: int = 0) -> dict[str, float]:
    """The best code is 24,3,skip."""
    width, depth, edge = SPACE.code(code).tolist()
    return {"accuracy": 60 - (width - 24) ** 2 / 16 + 4 * depth + edge + 0.1 * seed, "latency": float(width)}


def train(code: str, seed: int, folder: Path) -> dict[str, float]:
    """A function of the user, whose codes of depth 2 fail if they skip."""
    with (folder / "trained.txt").open("a") as file:
        file.write("once\n")
    if code.endswith("2,skip"):
        raise ValueError("too deep")
    return reached(code, seed)


def fail(code: str, seed: int, folder: Path) -> dict[str, float]:  # noqa: ARG001
    """A function that cannot work."""
    raise OSError("no data")


def once(code: str, seed: int, folder: Path) -> dict[str, float]:
    """A function that works for the first code of a study only."""
    if len(list(folder.parent.iterdir())) > 1:
        raise OSError("no data")
    return {"accuracy": reached(code, seed)["accuracy"]}


def other(code: str, seed: int, folder: Path) -> dict[str, float]:  # noqa: ARG001
    """A second task, which declares no metrics."""
    return {"top1": -reached(code, seed)["accuracy"]}


def count(code: str, seed: int, folder: Path) -> dict[str, float]:  # noqa: ARG001
    """A task for codes of any space."""
    return {"length": len(code)}


def task(name: str = "mine") -> ncp.CommandTask:
    return ncp.function_task(name, train, ["accuracy", "latency:min"])


def started(folder: Path) -> list[int]:
    """How often each run was started."""
    return [len(path.read_text().splitlines()) for path in folder.glob("runs/*/trained.txt")]


@pytest.mark.usefixtures("pool")
def test_the_best_code_is_found_and_written(tmp_path: Path) -> None:
    shares: list[float] = []
    found = tune(task(), folder=tmp_path, space=SPACE, trainings=14, progress=shares.append)
    assert (found.stopped, len(found.study)) == ("trainings", 14)
    assert found.winner == found.best[0]
    every = [reached(code)["accuracy"] for code in _told(found.study) if not code.endswith("2,skip")]
    assert found.best[0].score == max(every) == reached(found.best[0].code)["accuracy"] >= 72
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert (found.finalists, found.remarks) == (None, ())
    assert found.folder == tmp_path / "winner"
    winner = json.loads((tmp_path / "winner" / "winner.json").read_text())
    run = tmp_path / winner["files"]["mine"]["run"]
    assert json.loads((run / "run.json").read_text())["code"] == winner["code"] == found.best[0].code
    table = ncp.load_table(str(tmp_path / "table.parquet"))
    assert {table.space.text(code) for code in table.codes} == set(_told(found.study))
    assert repr(found) == f"Tuned(14 codes, the winner is '{winner['code']}', stopped by trainings)"
    assert winner["code"] in found._repr_html_()


def _told(study: Study) -> list[str]:
    return [study.space.text(code) for code in study.table.codes]


def test_a_code_is_told_when_all_its_trainings_have_ended(pool: InlinePool, tmp_path: Path) -> None:
    found = tune([task(), ncp.function_task("b", other)], folder=tmp_path, space=SPACE, trainings=10, seeds=2)
    assert len(pool.trained) == len(set(pool.trained)) == 10 * 2 * 2
    table = found.study.table
    assert table.columns == ("mine/accuracy", "mine/latency", "b/top1")
    assert table.minimised == ("mine/latency",)
    for text, values, flag in zip(_told(found.study), table.values, table.flags, strict=True):
        if text.endswith("2,skip"):
            assert flag == "failed"
            assert np.isnan(values).all()
        else:
            mean = np.mean([reached(text, seed)["accuracy"] for seed in range(2)])
            assert values == pytest.approx([mean, reached(text)["latency"], -mean])
    assert found.study.objective == ncp.Objective({"mine": 1, "b": 1})
    tells = json.loads((tmp_path / "search.json").read_text())["tells"]
    assert len(tells) == 20
    assert {each["reason"] for each in tells} <= {"", "mine: The function raised ValueError: too deep"}


def test_a_stopped_search_goes_on_as_if_it_had_not_stopped(pool: InlinePool, tmp_path: Path) -> None:
    undisturbed = tune(task(), folder=tmp_path / "whole", space=SPACE, trainings=9)
    whole, pool.trained[:] = list(pool.trained), []
    for stop in (2, 5):

        def interrupt(_: Work, stop: int = stop) -> Ended | None:
            if len(pool.trained) == stop:
                raise KeyboardInterrupt
            return None

        pool.before = interrupt
        with pytest.raises(KeyboardInterrupt):
            tune(task(), folder=tmp_path / "cut", space=SPACE, trainings=9)
        pool.trained.pop()  # it did not begin
    pool.before = lambda _: None
    found = tune(task(), folder=tmp_path / "cut", trainings=9)
    assert pool.trained == whole
    assert set(started(tmp_path / "cut")) == {1}
    assert found.best == undisturbed.best
    assert tune(task(), folder=tmp_path / "cut", trainings=11).stopped == "trainings"
    assert pool.trained[:9] == whole
    assert len(set(pool.trained)) == 11


def test_trainings_that_ended_without_being_told_are_told(pool: InlinePool, tmp_path: Path) -> None:
    """As if the process had been killed between the two writes, and had lost its own file."""
    tune(task(), folder=tmp_path, space=SPACE, trainings=6)
    document = json.loads((tmp_path / "search.json").read_text())
    lost = {**document, "tells": document["tells"][:4]}
    (tmp_path / "search.json").write_text(json.dumps(lost))
    (tmp_path / "study.json").unlink()
    found = tune(task(), folder=tmp_path, trainings=6)
    assert len(pool.trained) == 6
    assert len(found.study) == 6
    assert [{**each, "at": ""} for each in json.loads((tmp_path / "search.json").read_text())["tells"]] == [
        {**each, "at": ""} for each in document["tells"]
    ]


def test_failed_codes_are_trained_again_on_request(pool: InlinePool, tmp_path: Path) -> None:
    found = tune(task(), folder=tmp_path, space=SMALL, trainings=9)  # the function cannot read such codes
    assert (found.stopped, len(found.study), found.best) == ("exhausted", 4, ())
    assert (found.winner, found.folder) == (None, None)
    assert repr(found) == "Tuned(4 codes, none succeeded, stopped by exhausted)"
    again = tune(task(), folder=tmp_path, retry_failed=True)
    assert len(pool.trained) == 8
    assert len(set(pool.trained)) == 4
    assert (len(again.study), again.study.pending) == (4, [])


def test_the_first_codes_that_all_fail_stop_the_search(pool: InlinePool, tmp_path: Path) -> None:
    broken = ncp.function_task("mine", fail, ["accuracy", "latency:min"])
    found = tune(broken, folder=tmp_path, space=SPACE, trainings=20)
    assert (found.stopped, len(found.study), len(pool.trained)) == ("failures", FAILURES, FAILURES)
    assert found.remarks == (f"{FAILURES} failed: mine: The function raised OSError: no data",)


@pytest.mark.usefixtures("pool")
def test_codes_that_fail_after_a_success_do_not_stop_the_search(tmp_path: Path) -> None:
    found = tune(ncp.function_task("mine", once, ["accuracy"]), folder=tmp_path, space=SPACE, trainings=9)
    assert (found.stopped, len(found.study)) == ("trainings", 9)
    assert (found.study.table.flags == "failed").sum() == 8 > FAILURES


def test_other_tasks_than_before_are_refused(pool: InlinePool, tmp_path: Path) -> None:
    tune(task(), folder=tmp_path, space=SPACE, trainings=2)
    for tasks in ([task(), task("more")], task("more")):
        with pytest.raises(ConfigError, match=r"has trained its codes on mine\. Give the same tasks|names 'mine'"):
            tune(tasks, folder=tmp_path, trainings=3)
    assert len(pool.trained) == 2


def test_what_build_has_trained_is_used(pool: InlinePool, tmp_path: Path) -> None:
    counts = ncp.function_task("mine", count)
    ncp.build(["8,none", "8,skip", "16,none", "16,skip"], counts, folder=tmp_path, space=SMALL)
    found = tune(counts, folder=tmp_path, space=SMALL, trainings=3)
    assert (len(found.study), len(pool.trained)) == (3, 4)
    assert {row.score for row in found.best} <= {6, 7}


@pytest.mark.usefixtures("pool")
def test_it_stops_when_another_training_improves_little(tmp_path: Path) -> None:
    found = tune(task(), folder=tmp_path, space=SPACE, trainings=24, until_improvement=2.0)
    known = len(found.study)
    assert found.stopped == "improvement"
    assert 3 < known < 20
    assert found.study.expected_improvement < 2.0  # type: ignore[operator]
    assert tune(task(), folder=tmp_path, trainings=known + 1, until_improvement=0.0).stopped == "trainings"


def test_no_training_begins_that_would_end_too_late(
    pool: InlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(tuning_source.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(TrainingTimes, "seconds", lambda *_: 1000.0 if pool.trained else None)

    def work(_: Work) -> Ended | None:
        clock[0] += 1000
        return None

    pool.before = work
    found = tune(task(), folder=tmp_path, space=SPACE, trainings=24, hours=1.0)
    assert (found.stopped, len(found.study)) == ("hours", 3)  # a fourth would end after 4000 s
    assert len(found.study.pending) == 1
    assert tune(task(), folder=tmp_path, trainings=5).stopped == "trainings"
    assert len(pool.trained) == 5
    none = tune(task(), folder=tmp_path / "none", space=SPACE, hours=1e-9)
    assert (none.stopped, none.best, len(none.study)) == ("hours", (), 0)


def test_the_time_of_a_training_follows_its_cost() -> None:
    codes = ncp.MULTIRES.sample(30, np.random.default_rng(0))
    cost = ncp.macs(codes, image_size=64)
    times = TrainingTimes(ncp.MULTIRES, ncp.Budget(image_size=64))
    texts = [ncp.MULTIRES.text(code) for code in codes]
    assert times.seconds(codes[0], "a") is None
    rows = [
        TrainingRow(Asked("", text, task, 0), "done", "", {}, {"seconds": seconds})
        for text, macs in zip(texts[:20], cost[:20], strict=True)
        for task, seconds in (("a", 3e-6 * macs**0.8), ("b", 7.0))
    ]
    times.add(rows[:2])
    assert times.seconds(codes[5], "a") == pytest.approx(3e-6 * cost[0] ** 0.8)
    times.add(rows[2:])
    for code, macs in zip(codes[20:], cost[20:], strict=True):
        assert times.seconds(code, "a") == pytest.approx(3e-6 * macs**0.8, rel=1e-6)
        assert times.seconds(code, "b") == pytest.approx(7)


@pytest.mark.usefixtures("pool")
def test_finalists_are_trained_with_more_seeds(tmp_path: Path) -> None:
    found = tune(task(), folder=tmp_path, space=SPACE, trainings=12, finalists=2, final_seeds=3)
    assert isinstance(found.finalists, Table)
    assert [found.finalists.space.text(code) for code in found.finalists.codes] == [row.code for row in found.best[:2]]
    assert found.winner
    mean = reached(found.winner.code)["accuracy"] + 0.1
    assert found.winner.values["mine/accuracy"].mean == found.winner.score == pytest.approx(mean)
    assert found.winner.trainings == 3
    winner = json.loads((tmp_path / "winner" / "winner.json").read_text())
    assert winner["files"]["mine"]["run"].startswith("final/runs/")


@pytest.mark.usefixtures("pool")
def test_events_show_the_best_so_far(tmp_path: Path) -> None:
    said: list[str] = []
    seen: list[Overview] = []
    tune(
        task(),
        folder=tmp_path,
        space=SPACE,
        trainings=8,
        events=Events(looked=lambda overview: seen.append(overview()), said=said.append),
    )
    best = [float(line.split()[4].rstrip(",")) for line in said if line.startswith("Best so far: mine/accuracy")]
    assert best == sorted(best)
    assert len(best) > 1
    assert seen[-1].tuning
    assert (seen[-1].tuning.told, seen[-1].tuning.planned) == (8, 8)
    assert seen[-1].tuning.best == Study(tmp_path).best()[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trainings": 0}, "trainings must be an integer, 1 or more"),
        ({"hours": 0}, "hours must be a finite number above 0"),
        ({"until_improvement": -1}, "until_improvement must be a finite number at least 0"),
        ({"finalists": -1}, "finalists must be an integer, 0 or more"),
        ({"final_epochs": 0}, "final_epochs must be a finite number above 0"),
        ({"final_epochs": 4}, "final_epochs must be 1 with the task mine, because it is a command"),
        ({"final_seeds": 0}, "final_seeds must be an integer"),
        ({"objective": "roads"}, "objective names 'roads', which is neither a task nor a column of one"),
        ({"objective": "mine/top1"}, "objective names 'mine/top1'"),
        ({"prior": "nas-bench-mr"}, "prior"),
        ({"tasks": []}, "tasks must be one task or more"),
    ],
)
@pytest.mark.usefixtures("pool")
def test_invalid_arguments_are_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    arguments = {"tasks": task(), "space": SPACE, **given}
    with pytest.raises(ConfigError, match=message):
        tune(**arguments, folder=tmp_path / "study")
    assert not list(tmp_path.glob("study/runs/*"))


@pytest.mark.slow
@pytest.mark.usefixtures("pool")
def test_a_network_is_tuned_exported_and_its_finalists_are_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path / "cache"))
    colours = picture_task(write_pictures(tmp_path / "pictures"), epochs=1)
    wanted: dict[str, Any] = {"budget": ncp.Budget(max_macs=6e6, image_size=32), "prior": None, "trainings": 1}
    wanted |= {"folder": tmp_path / "study", "finalists": 1, "final_epochs": 2}
    found = tune(colours, **wanted)
    assert found.winner
    assert found.winner.macs
    assert found.winner.macs <= 6e6
    [run] = (tmp_path / "study" / "final" / "runs").iterdir()
    assert json.loads((run / "run.json").read_text())["task"]["recipe"]["epochs"] == 2
    weights = tmp_path / "study" / "winner" / f"{colours.name}.safetensors"
    assert weights.read_bytes() == (run / "weights.safetensors").read_bytes()
    assert str(ncp.load_network(weights).code) == found.winner.code
    written = {path.name for path in weights.parent.iterdir()}
    assert written == {"winner.json", weights.name} | ({f"{colours.name}.onnx"} if has_extra("export") else set())
    assert bool(found.remarks) != has_extra("export")
    before = {path: path.stat().st_mtime_ns for path in weights.parent.iterdir() if path.suffix != ".json"}
    tune(colours, **wanted)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    weights.unlink()
    tune(colours, **wanted)
    assert weights.exists()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="kills processes")
def test_a_search_that_is_killed_loses_and_repeats_nothing(tmp_path: Path) -> None:
    hit, wrong = killed_tuning(tmp_path, kills=4, trainings=8, seconds=0.2)
    assert wrong == []
    assert hit > 2
