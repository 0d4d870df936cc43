"""Trainings on points of a lidar: a stopped one goes on bit by bit, and one on real frames learns."""

import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import ncp
from ncp.tasks.task import Task, task_from_dict
from tests.tasks.tiny import streets
from tests.training.pictures import CODE


def lidar_task(folder: Path, **recipe: object) -> Task:
    keys = streets(folder) | {"batch": 1, "epochs": 3, "evaluate_every": 3, "added": 3} | recipe
    return task_from_dict({"name": "lidar", "kind": "detection3d", "data": {"path": str(folder)}, "recipe": keys})


@pytest.mark.slow
def test_a_stopped_training_goes_on_bit_by_bit(tmp_path: Path) -> None:
    task = lidar_task(tmp_path / "scenes")
    undisturbed = ncp.train(CODE, task, folder=tmp_path / "a", threads=1)

    def stop(share: float) -> None:
        if round(share * 9) == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ncp.train(CODE, task, folder=tmp_path / "b", threads=1, save_every=0, progress=stop)
    resumed = ncp.train(CODE, task, folder=tmp_path / "b", loaders=1)
    assert resumed.result["resumes"] == 1
    weights, others = load_file(undisturbed.weights), load_file(resumed.weights)
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert undisturbed.metrics == resumed.metrics
    assert undisturbed.curve()[-1]["loss"] == resumed.curve()[-1]["loss"]


@pytest.mark.slow
def test_the_real_frames_are_trained_on(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "tasks" / "kitti"
    if not folder.is_dir():
        pytest.skip("needs data/tasks/kitti")
    recipe = {"epochs": 2, "batch": 2, "evaluate_every": 1, "added": 1}
    task = task_from_dict({"name": "kitti", "kind": "detection3d", "data": {"path": str(folder)}, "recipe": recipe})
    run = ncp.train(CODE, task, folder=tmp_path, threads=1)
    assert run.status == "done"
    first, last = (line["loss"] for line in run.curve())
    assert last < first
    assert run.metrics["moderate"] == 0
    assert run.metrics["easy"] is None  # no car counts as easy
