"""Processes that read batches ahead: their errors, and signals that a terminal sends to all processes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import ncp
from ncp.errors import DataError
from ncp.tasks.task import task_from_dict
from ncp.training.batches import Order, training_batches
from ncp.training.state import STATES
from tests.training.pictures import CODE, picture_task, write_pictures

COMMAND = "import sys; sys.argv = ['ncp', *sys.argv[1:]]; from ncp.cli import main; main()"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path / "cache"))


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("ends", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_state_is_saved_though_loaders_get_the_signal_too(
    tmp_path: Path, ends: signal.Signals, status: int
) -> None:
    task = tmp_path / "colours.yaml"
    task.write_text(picture_task(write_pictures(tmp_path / "data"), epochs=4000).to_yaml())
    options = ["--task", str(task), "--out", str(tmp_path / "runs"), "--threads", "1", "--loaders", "2"]
    command = [sys.executable, "-c", COMMAND, "train", CODE, *options]
    started = subprocess.Popen(command, start_new_session=True)  # noqa: S603
    until = time.monotonic() + 120
    while time.monotonic() < until and not any(path.stat().st_size for path in tmp_path.glob("runs/*/curve.jsonl")):
        time.sleep(0.05)
    os.killpg(started.pid, ends)
    assert started.wait(60) == status
    [folder] = (tmp_path / "runs").iterdir()
    assert (folder / STATES[0]).exists()


@pytest.mark.parametrize("loaders", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_file_that_is_damaged_while_training_is_named(tmp_path: Path, loaders: int) -> None:
    folder = write_pictures(tmp_path / "data", train=2, val=1)
    task = task_from_dict({"name": "a", "kind": "classification", "data": {"path": str(folder), "cache": False}})
    data = task.prepare().train
    path = folder / "train" / "red" / "1.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError) as refused:
        list(training_batches(data, Order(len(data), 6, 0, 0, 1), loaders))
    assert str(refused.value).startswith(f"{path} is not a picture, or it is damaged")
    assert "Traceback" not in str(refused.value)
    assert multiprocessing.active_children() == []  # although the error still refers to the loop


@pytest.mark.slow
@pytest.mark.alone
def test_no_loader_is_left_when_a_training_is_stopped(tmp_path: Path) -> None:
    """A process that is left, and does not listen to signals, would keep the program from ending."""

    def stop(_: float) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    task = picture_task(write_pictures(tmp_path / "data"), epochs=40)
    with pytest.raises(KeyboardInterrupt) as stopped:
        ncp.train(CODE, task, folder=tmp_path / "runs", loaders=2, threads=1, progress=stop)
    assert multiprocessing.active_children() == []
    assert stopped.value.__traceback__ is not None


def test_the_global_generator_is_left_alone(tmp_path: Path) -> None:
    data = picture_task(write_pictures(tmp_path / "data", train=2, val=1)).prepare().train
    before = torch.get_rng_state()
    assert sum(len(batch["label"]) for batch in training_batches(data, Order(len(data), 2, 0, 0, 3), 0)) == 6
    assert torch.equal(before, torch.get_rng_state())
