"""Trainings on a GPU: every kind in both precisions, a stopped one goes on, several share a device, memory runs out."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import ncp
from ncp.tasks.task import task_from_dict
from tests.tasks.tiny import MAKERS
from tests.training.pictures import CODE, picture_task, write_pictures

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_every_kind_trains_and_its_weights_work_on_a_processor(tmp_path: Path, kind: str, precision: str) -> None:
    recipe: dict[str, Any] = {**MAKERS[kind](tmp_path / "data"), "epochs": None, "steps": 3, "precision": precision}
    task = task_from_dict({"name": "tiny", "kind": kind, "data": {"path": str(tmp_path / "data")}, "recipe": recipe})
    run = ncp.train(CODE, task, folder=tmp_path / "runs")
    assert (run.status, run.result["device"]) == ("done", "cuda")
    assert run.result["device_name"] == torch.cuda.get_device_name()
    assert run.result["peak_memory"] > 0
    assert all(0 <= value <= 100 for value in run.metrics.values())
    if kind == "classification":
        net = ncp.MultiResolutionNet.from_file(run.weights)
        assert {weight.device.type for weight in net.parameters()} == {"cpu"}
        assert net.eval()(torch.zeros(1, 3, 32, 32)).isfinite().all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_learns_also_after_a_stop(pictures: Path, tmp_path: Path, precision: str) -> None:
    task = picture_task(pictures, epochs=12, precision=precision)
    straight = ncp.train(CODE, task, folder=tmp_path / "straight")

    def stop(share: float) -> None:
        if round(share * 48) == 20:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ncp.train(CODE, task, folder=tmp_path / "stopped", progress=stop)
    stopped = ncp.train(CODE, task, folder=tmp_path / "stopped")
    assert (stopped.result["resumes"], stopped.result["steps"]) == (1, 48)
    assert min(straight.metrics["top1"], stopped.metrics["top1"]) > 80
    losses = [[line["loss"] for line in run.curve()] for run in (straight, stopped)]
    assert losses[0][0] == pytest.approx(losses[1][0], rel=0.02)  # the same batches, up to the order of sums
    assert len(losses[0]) == len(losses[1])


def test_a_state_of_a_processor_goes_on_on_a_gpu(pictures: Path, tmp_path: Path) -> None:
    task = picture_task(pictures, epochs=12)

    def stop(share: float) -> None:
        if round(share * 48) == 20:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ncp.train(CODE, task, folder=tmp_path, device="cpu", progress=stop)
    run = ncp.train(CODE, task, folder=tmp_path)
    assert (run.result["device"], run.result["resumes"]) == ("cuda", 1)
    assert run.metrics["top1"] > 80


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(
    ("device", "devices"), [("cuda", {"cuda:0"}), ("cuda:0", {"cuda:0"}), ("cuda:0,cpu", {"cuda:0", "cpu"})]
)
def test_workers_share_devices(pictures: Path, tmp_path: Path, device: str, devices: set[str]) -> None:
    task = picture_task(pictures)
    table = ncp.build([CODE], task, folder=tmp_path, seeds=4, workers=2, threads=1, device=device)
    assert table.columns[0] == "colours/top1"
    assert {ncp.Run(folder).result["device"] for folder in (tmp_path / "runs").iterdir()} == devices


def test_a_full_gpu_is_a_failed_run_with_its_reason(pictures: Path, tmp_path: Path) -> None:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-4)
    try:
        run = ncp.train(CODE, picture_task(pictures, batch=36, image_size=512, steps=2), folder=tmp_path)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert (run.status, run.reason) == ("failed", "out of memory")
    assert run.result["details"].startswith("batch 36, image size 512")
