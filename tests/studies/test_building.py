"""A study: every training once, a table of all, and a clear message for whatever is wrong."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import ncp
from ncp import ConfigError, DataError, NcpError, Space, Table
from ncp.studies.building import build, rebuild
from ncp.studies.overview import overview
from ncp.studies.scheduler import DEATHS, Events
from ncp.studies.study_folder import read_study
from ncp.studies.trainings import TrainingRow
from ncp.studies.worker import Ended, Work
from ncp.tasks.task import task_from_dict
from ncp.training.run import Run
from tests.studies.inline import BAD, CODES, TEXTS, InlinePool, accuracy, equal, pool, task, train_quickly, trainings

__all__ = ["pool"]


def test_the_table_has_the_means_of_all_seeds(pool: InlinePool, tmp_path: Path) -> None:
    shares: list[float] = []
    table = build(CODES, [task(), task("other")], folder=tmp_path, seeds=3, progress=shares.append)
    assert table.columns == ("mine/accuracy", "mine/latency", "other/accuracy", "other/latency")
    assert table.minimised == ("mine/latency", "other/latency")
    assert np.array_equal(table.codes, CODES)
    for text, values, flags in zip(TEXTS, table.values, table.flags, strict=True):
        if text == BAD:
            assert np.isnan(values).all()
            assert flags == "mine-failed,other-failed"
        else:
            mean = np.mean([accuracy(text, seed) for seed in range(3)])
            assert values.tolist() == [mean, 2.0, mean, 2.0]
            assert flags == ""
    assert set(table.origin) == {"trained"}
    assert len(pool.trained) == len(set(pool.trained)) == 6 * 2 * 3
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert equal(Table.from_parquet(tmp_path / "table.parquet"), table)
    assert equal(ncp.load_table(str(tmp_path / "table.parquet")), table)


@pytest.mark.usefixtures("pool")
def test_the_trainings_have_a_row_each(tmp_path: Path) -> None:
    build(CODES[:3], task(), folder=tmp_path, seeds=2)
    rows = trainings(tmp_path)
    assert [(row["code"], row["seed"]) for row in rows] == [(text, seed) for seed in range(2) for text in TEXTS[:3]]
    for row in rows:
        assert (row["status"], row["task"]) == ("failed" if row["code"] == BAD else "done", "mine")
        assert row["reason"] == ("The function raised ValueError: too wide" if row["code"] == BAD else "")
        assert row["accuracy"] == (None if row["code"] == BAD else accuracy(str(row["code"]), int(str(row["seed"]))))
        assert json.loads(str(row["versions"]))["ncp-nas"] == ncp.__version__
        assert len(str(row["data_hash"])) == 64
        assert Run(tmp_path / "runs" / str(row["run"])).status == row["status"]


def test_nothing_is_trained_twice(pool: InlinePool, tmp_path: Path) -> None:
    first = build(CODES[:2], task(), folder=tmp_path)
    again = build([TEXTS[1], TEXTS[0], TEXTS[0]], task(), folder=tmp_path)
    assert len(pool.trained) == 2
    assert equal(first, again)
    more = build(CODES[:4], [task(), task("other")], folder=tmp_path, seeds=2)
    assert len(pool.trained) == len(set(pool.trained)) == 4 * 2 * 2
    assert np.array_equal(more.codes, CODES[:4])
    assert all(path.read_text() == "once\n" for path in tmp_path.rglob("trained.txt"))


def test_a_study_that_was_lost_finds_its_runs(pool: InlinePool, tmp_path: Path) -> None:
    first = build(CODES, task(), folder=tmp_path)
    for name in ("study.json", "trainings.parquet", "table.parquet"):
        (tmp_path / name).unlink()
    assert equal(build(CODES, task(), folder=tmp_path), first)
    assert len(pool.trained) == 6


@pytest.mark.usefixtures("pool")
def test_rebuild_writes_the_same_tables(tmp_path: Path) -> None:
    build(CODES, task(), folder=tmp_path, seeds=2)
    files = [tmp_path / name for name in ("trainings.parquet", "table.parquet")]
    before = [pq.read_table(file) for file in files]
    for file in files:
        file.unlink()
    rebuild(tmp_path)
    assert [pq.read_table(file) for file in files] == before


@pytest.mark.usefixtures("pool")
def test_the_noise_is_the_pooled_std_between_seeds(tmp_path: Path) -> None:
    build(CODES[:2], task(), folder=tmp_path, seeds=4)
    build(CODES[3:4], task(), folder=tmp_path, seeds=1)
    noise = overview(tmp_path).noise
    assert noise["mine/accuracy"].std == pytest.approx(np.std([0, 0.5, 1, 1.5], ddof=1))
    assert (noise["mine/accuracy"].codes, noise["mine/accuracy"].trainings) == (2, 8)
    assert noise["mine/latency"].std == 0
    for name, key in (("trainings", b"ncp-trainings"), ("table", b"ncp")):
        about = json.loads(pq.read_schema(tmp_path / f"{name}.parquet").metadata[key])
        found = about["noise"] if name == "trainings" else about["remarks"]["noise"]
        assert found["mine/accuracy"]["std"] == noise["mine/accuracy"].std


def test_failures_are_kept_until_they_are_retried(pool: InlinePool, tmp_path: Path) -> None:
    build(CODES[:3], task(), folder=tmp_path)
    build(CODES[:3], task(), folder=tmp_path)
    assert len(pool.trained) == 3
    build(CODES[:2], task(), folder=tmp_path, retry_failed=True)
    assert (len(pool.trained), len(overview(tmp_path).failed)) == (3, 1)  # the failed one was not asked for
    build(CODES[:3], task(), folder=tmp_path, retry_failed=True)
    assert len(pool.trained) == 4
    assert pool.trained[2] == pool.trained[3]


@pytest.mark.usefixtures("pool")
def test_another_recipe_cannot_share_a_column(tmp_path: Path) -> None:
    build(CODES[:1], task(), folder=tmp_path)
    other = task_from_dict({"name": "mine", "kind": "command", "command": "train {code}"})
    with pytest.raises(ConfigError, match=r"has a task mine that differs: recipe.command was None and is now 'train"):
        build(CODES[:1], other, folder=tmp_path)


def test_changed_data_stops_the_study(pool: InlinePool, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("one")
    keys = {"name": "mine", "kind": "command", "command": "sh -c 'echo 1 {code}'", "data": {"files": ["data.txt"]}}
    made = task_from_dict(keys, tmp_path)

    def change(_: Work) -> Ended | None:
        (tmp_path / "data.txt").write_text("two")
        return None

    pool.before = change
    with pytest.raises(NcpError, match="data or the command of the task mine has changed since the study began"):
        build(CODES[:1], made, folder=tmp_path / "study")
    with pytest.raises(ConfigError, match="the files of its data have changed"):
        build(CODES[:1], made, folder=tmp_path / "study")


def test_a_worker_that_dies_is_replaced_three_times(pool: InlinePool, tmp_path: Path) -> None:
    said: list[str] = []
    pool.before = lambda work: Ended(work.run, "died", "exit status -9") if work.code == TEXTS[0] else None
    table = build(CODES[:2], task(), folder=tmp_path, events=Events(said=said.append))
    assert len(pool.trained) == DEATHS + 2
    assert len(said) == DEATHS
    assert table.flags.tolist() == ["mine-failed", ""]
    [failed] = overview(tmp_path).failed
    assert failed.reason == "killed: its worker died 4 times, exit status -9"


def test_a_run_that_another_process_trains_is_tried_later(
    pool: InlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ncp.studies.scheduler.PAUSE", 0.01)
    pool.before = lambda work: Ended(work.run, "locked", "") if len(pool.trained) < 3 else None
    assert build(CODES[:1], task(), folder=tmp_path).values[0, 0] == accuracy(TEXTS[0], 0)
    assert len(pool.trained) == 3


def test_a_stopped_study_keeps_what_is_done(pool: InlinePool, tmp_path: Path) -> None:
    def interrupt(_: Work) -> Ended | None:
        if len(pool.trained) == 4:
            raise KeyboardInterrupt
        return None

    pool.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        build(CODES, task(), folder=tmp_path)
    assert len(trainings(tmp_path)) == 3
    assert not (tmp_path / "lease.json").exists()
    assert overview(tmp_path).waiting == 3
    pool.before = lambda _: None
    build(CODES, task(), folder=tmp_path)
    assert len(set(pool.trained)) == 6
    assert overview(tmp_path).waiting == 0


def test_a_full_disk_stops_the_study_and_loses_nothing(
    pool: InlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def full(file: int) -> None:
        if len(pool.trained) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NcpError, match=r"Cannot write .*: No space left on device"):
        build(CODES, task(), folder=tmp_path)
    monkeypatch.setattr(os, "fsync", real)
    assert overview(tmp_path).done == 2
    build(CODES, task(), folder=tmp_path)
    assert overview(tmp_path).done == 5


def test_a_result_that_was_cut_is_reported_and_trained_on_request(pool: InlinePool, tmp_path: Path) -> None:
    build(CODES[:2], task(), folder=tmp_path)
    done = tmp_path / "runs" / pool.trained[0] / "done.json"
    done.write_bytes(done.read_bytes()[: done.stat().st_size // 2])
    [failed] = overview(tmp_path).failed
    assert failed.reason.startswith("The result is damaged: Cannot read")
    assert "--retry-failed" in failed.reason
    table = build(CODES[:2], task(), folder=tmp_path)
    assert table.flags.tolist() == ["mine-failed", ""]
    table = build(CODES[:2], task(), folder=tmp_path, retry_failed=True)
    assert table.flags.tolist() == ["", ""]
    assert pool.trained[2:] == pool.trained[:1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 2}', r"study.json has format 2, but this version of ncp reads format 1. Update ncp"),
        ('{"format": 1}', r"study.json is damaged: 'tasks'. Remove it and run ncp build again"),
        ('{"format": 1, "tasks"', "Cannot read .*study.json"),
        ("[]", "study.json is damaged"),
    ],
)
@pytest.mark.usefixtures("pool")
def test_a_study_that_cannot_be_read_is_refused(tmp_path: Path, content: str, message: str) -> None:
    build(CODES[:1], task(), folder=tmp_path)
    (tmp_path / "study.json").write_text(content)
    for function in (read_study, overview, rebuild):
        with pytest.raises(DataError, match=message):
            function(tmp_path)
    with pytest.raises(DataError, match=message):
        build(CODES[:1], task(), folder=tmp_path)
    assert (tmp_path / "study.json").read_text() == content


@pytest.mark.usefixtures("pool")
def test_commands_train_codes_of_any_space(tmp_path: Path) -> None:
    space = Space.from_dict({"width": [8, 16], "edge": ["none", "skip"]})
    table = build(space.codes([[8, 0], [16, 1]]), task(), folder=tmp_path, space=space)
    assert table.values[:, 0].tolist() == [len("8,none"), len("16,skip")]
    assert Table.from_parquet(tmp_path / "table.parquet").space == space
    with pytest.raises(ConfigError, match="has codes of another search space"):
        build(CODES[:1], task(), folder=tmp_path)


@pytest.mark.usefixtures("pool")
def test_columns_that_no_task_declares_are_those_found(tmp_path: Path) -> None:
    table = build(CODES[:1], ncp.function_task("mine", train_quickly), folder=tmp_path)
    assert table.columns == ("mine/accuracy", "mine/latency")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codes": []}, "codes must be one code or more"),
        ({"tasks": []}, "tasks must be one task or more"),
        ({"tasks": [task(), task()]}, "Two tasks have the name mine"),
        ({"tasks": 3}, "tasks must be a list of tasks"),
        ({"tasks": "absent.yaml"}, "Cannot read the task file absent.yaml"),
        ({"seeds": 0}, "seeds must be an integer, 1 or more"),
    ],
)
@pytest.mark.usefixtures("pool")
def test_invalid_arguments_are_refused(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    given = {"codes": CODES[:1], "tasks": task(), **arguments}
    with pytest.raises(ConfigError, match=message):
        build(**given, folder=tmp_path / "study")  # type: ignore[arg-type]
    assert not (tmp_path / "study" / "study.json").exists()


@pytest.mark.usefixtures("pool")
def test_events_tell_of_every_training(tmp_path: Path) -> None:
    ended: list[TrainingRow] = []
    build(CODES[:3], task(), folder=tmp_path, events=Events(ended=ended.append))
    assert [row.asked.code for row in ended] == TEXTS[:3]


@pytest.mark.usefixtures("pool")
def test_an_unexpected_error_fails_its_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("device-side assert")

    monkeypatch.setattr("ncp.training.command_run._train", broken)
    assert build(CODES[:1], task(), folder=tmp_path).flags.tolist() == ["mine-failed"]
    [failed] = overview(tmp_path).failed
    assert failed.reason == "RuntimeError: device-side assert"
    assert "Traceback" in (tmp_path / "runs" / failed.asked.run / "log.txt").read_text()
