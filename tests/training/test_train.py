"""One training: it learns, its folder says everything, and a stopped one ends as an undisturbed one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import ncp
from ncp.tasks.kinds import KINDS
from ncp.tasks.presets import PRESETS
from ncp.training.loop import precision
from ncp.training.state import STATES
from tests.training.pictures import CODE, picture_task, write_pictures


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def test_it_learns_and_writes_what_it_did(pictures: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    run = ncp.train(CODE, picture_task(pictures, epochs=12), folder=tmp_path, threads=1, progress=shares.append)
    assert run.status == "done"
    assert run.metrics["top1"] > 80
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert [line["epoch"] for line in run.curve()] == list(range(1, 13))
    assert run.curve()[-1]["metrics"] == run.metrics
    assert run.about["code"] == CODE
    assert run.about["task"]["recipe"]["optimiser"]["momentum"] == 0.9  # a default
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "curve.jsonl",
        "done.json",
        "lock",
        "run.json",
        "weights.safetensors",
    ]


def test_a_processor_computes_in_float32_unless_bfloat16_is_asked_for() -> None:
    x, processor = torch.ones(2, 2), torch.device("cpu")
    defaults = [kind.recipe().precision for kind in KINDS.values()]
    presets = [str(recipe.get("precision", "auto")) for _, recipe in PRESETS.values()]
    for name in {*defaults, *presets, "auto", "float32"}:
        with precision(name, processor):
            assert (x @ x).dtype == torch.float32
    with precision("bfloat16", processor):
        assert (x @ x).dtype == torch.bfloat16


def test_a_run_that_is_done_is_not_trained_again(pictures: Path, tmp_path: Path) -> None:
    task = picture_task(pictures, epochs=1)
    run = ncp.train(CODE, task, folder=tmp_path, threads=1)
    before = (run.folder / "done.json").read_bytes()
    assert ncp.train(CODE, task, folder=tmp_path).folder == run.folder
    assert (run.folder / "done.json").read_bytes() == before


def test_every_part_of_the_identity_counts(pictures: Path, tmp_path: Path) -> None:
    task = picture_task(pictures)
    others = [picture_task(pictures, epochs=4), picture_task(pictures, name="other")]
    more = write_pictures(tmp_path / "more", train=13)
    ids = {
        ncp.training.run.run_id(each.identity(each.prepare()), CODE, seed)
        for each in (task, *others, picture_task(more))
        for seed in (0, 1)
    }
    assert len(ids) == 8
    copied = write_pictures(tmp_path / "copied")  # the same files in another place
    assert picture_task(copied).identity(picture_task(copied).prepare()) == task.identity(task.prepare())


@pytest.mark.slow
def test_a_damaged_state_is_replaced_by_the_previous_one(pictures: Path, tmp_path: Path) -> None:
    task = picture_task(pictures, epochs=4)
    undisturbed = ncp.train(CODE, task, folder=tmp_path / "a", threads=1)
    stopped = _stopped_after(task, tmp_path / "b", steps=9)
    states = [stopped.folder / name for name in STATES]
    assert all(path.exists() for path in states)
    half = states[0].read_bytes()
    states[0].write_bytes(half[: len(half) // 2])
    resumed = ncp.train(CODE, task, folder=tmp_path / "b")
    assert "state.pt is damaged" in (resumed.folder / "log.txt").read_text()
    _assert_equal(undisturbed, resumed)


def test_a_state_of_another_version_is_refused_and_kept(pictures: Path, tmp_path: Path) -> None:
    task = picture_task(pictures, epochs=2)
    stopped = _stopped_after(task, tmp_path, steps=3)
    state = torch.load(stopped.folder / STATES[0], weights_only=True)
    renamed = {"loss_mean" if name == "loss_sum" else name: value for name, value in state.items()}
    for other in (renamed, {**state, "net": {"weight": torch.ones(1)}}):
        torch.save(other, stopped.folder / STATES[0])
        before = (stopped.folder / STATES[0]).read_bytes()
        with pytest.raises(ncp.DataError, match="was saved by another version of ncp"):
            ncp.train(CODE, task, folder=tmp_path)
        assert (stopped.folder / STATES[0]).read_bytes() == before
        assert stopped.status == "started"


def test_a_signal_is_answered_at_once_even_in_an_evaluation(pictures: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def evaluated(curve: list[dict[str, object]]) -> None:
        if len(curve) == 1:
            os.kill(os.getpid(), signal.SIGINT)
            said.append("the evaluation has not ended")

    task = picture_task(pictures, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        ncp.train(CODE, task, folder=tmp_path, threads=1, evaluated=evaluated, stopping=lambda: said.append("stopping"))
    assert said == ["stopping", "the evaluation has not ended"]
    [folder] = tmp_path.iterdir()
    assert (folder / STATES[0]).exists()


@pytest.mark.slow
def test_both_states_damaged_begins_anew(pictures: Path, tmp_path: Path) -> None:
    task = picture_task(pictures, epochs=3)
    undisturbed = ncp.train(CODE, task, folder=tmp_path / "a", threads=1)
    stopped = _stopped_after(task, tmp_path / "b", steps=5)
    for name in STATES:
        (stopped.folder / name).write_bytes(b"PK")
    _assert_equal(undisturbed, ncp.train(CODE, task, folder=tmp_path / "b"))


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        pytest.param({"ema": 0.9, "optimiser": {"name": "adamw", "lr": 0.003}}, marks=pytest.mark.slow),
        pytest.param(
            {"schedule": "one-cycle", "precision": "bfloat16", "steps": 13, "optimiser": {"clip": 1.0}},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_stopped_training_goes_on_bit_by_bit(pictures: Path, tmp_path: Path, recipe: dict[str, object]) -> None:
    task = picture_task(pictures, **recipe)
    undisturbed = ncp.train(CODE, task, folder=tmp_path / "a", threads=1)
    _stopped_after(task, tmp_path / "b", steps=3)
    _stopped_after(task, tmp_path / "b", steps=7)
    resumed = ncp.train(CODE, task, folder=tmp_path / "b")
    assert resumed.result["resumes"] == 2
    _assert_equal(undisturbed, resumed)


@pytest.mark.slow
def test_loader_processes_change_nothing(pictures: Path, tmp_path: Path) -> None:
    task = picture_task(pictures, epochs=1)
    runs = [ncp.train(CODE, task, folder=tmp_path / f"{n}", threads=1, loaders=n) for n in (0, 2)]
    _assert_equal(*runs)


def test_a_loss_that_is_not_finite_fails_the_run(pictures: Path, tmp_path: Path) -> None:
    task = picture_task(pictures, optimiser={"lr": 1e30})
    run = ncp.train(CODE, task, folder=tmp_path, threads=1)
    assert run.status == "failed"
    assert run.reason == "diverged"
    assert "step" in run.result["details"]
    assert ncp.train(CODE, task, folder=tmp_path).reason == "diverged"  # not tried again
    with pytest.raises(ncp.DataError, match="it is failed"):
        _ = run.metrics


def test_two_processes_do_not_train_one_run(pictures: Path, tmp_path: Path) -> None:
    task = picture_task(pictures, epochs=1)
    stopped = _stopped_after(task, tmp_path, steps=1)
    with stopped.locked(), pytest.raises(ncp.ConfigError, match="Another process is training"):
        ncp.train(CODE, task, folder=tmp_path)


def test_a_folder_that_cannot_be_written_is_named(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ncp.DataError, match=r"Cannot write to .*file/[0-9a-f]{16}: Not a directory"):
        ncp.train(CODE, picture_task(pictures, epochs=1), folder=tmp_path / "file")


def test_arguments_are_checked_before_the_data_is_read(tmp_path: Path) -> None:
    task = picture_task(tmp_path / "nowhere")
    for arguments in ({"device": "meta"}, {"device": "gpu"}, {"threads": 0}, {"loaders": -1}):
        with pytest.raises(ncp.ConfigError, match=next(iter(arguments))):
            ncp.train(CODE, task, **arguments)  # type: ignore[arg-type]


def test_a_training_starts_from_pretrained_weights(pictures: Path, tmp_path: Path) -> None:
    """All but the classifier, which has other classes, comes from the file. A tiny rate changes it hardly."""
    first = ncp.train(CODE, picture_task(pictures, epochs=2), folder=tmp_path / "runs", threads=1)
    fewer = write_pictures(tmp_path / "fewer", train=4, val=2)
    for split in ("train", "val"):
        shutil.rmtree(fewer / split / "red")
    tiny = {"epochs": 1, "optimiser": {"lr": 1e-9, "momentum": 0.0}, "pretrained": str(first.weights)}
    second = ncp.train(CODE, picture_task(fewer, **tiny), folder=tmp_path / "runs", threads=1)
    weights, others = load_file(first.weights), load_file(second.weights)
    trained = [name for name, weight in weights.items() if weight.ndim > 1 and not name.startswith("classifier.")]
    assert len(trained) > 20
    assert all(torch.allclose(weights[name], others[name], atol=1e-6) for name in trained)
    assert others["classifier.weight"].shape[0] == 2


def test_pretrained_weights_that_are_damaged_or_of_another_code_are_refused(pictures: Path, tmp_path: Path) -> None:
    first = ncp.train(CODE, picture_task(pictures, epochs=1), folder=tmp_path / "runs", threads=1)
    wider = "16_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
    task = picture_task(pictures, pretrained=str(first.weights))
    with pytest.raises(ncp.DataError, match=r"[0-9]+ of [0-9]+ weights of the backbone do not fit"):
        ncp.train(wider, task, folder=tmp_path / "runs", threads=1)
    whole = first.weights.read_bytes()
    first.weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ncp.DataError, match="is damaged: its content differs from what was saved"):
        ncp.train(CODE, picture_task(pictures, pretrained=str(first.weights)), folder=tmp_path / "runs", threads=1)


@pytest.mark.slow
def test_a_run_without_memory_keeps_its_state(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = picture_task(pictures)
    stopped = _stopped_after(task, tmp_path, steps=5)

    def fails(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("ncp.training.loop._step", fails)
    run = ncp.train(CODE, task, folder=tmp_path)
    assert (run.status, run.reason) == ("failed", "out of memory")
    assert run.result["details"].startswith("batch 8, image size 32")
    monkeypatch.undo()
    stopped.forget()
    assert ncp.train(CODE, task, folder=tmp_path).result["resumes"] == 1


COMMAND = "import sys; sys.argv = ['ncp', *sys.argv[1:]]; from ncp.cli import main; main()"


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("ends", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_command_that_is_ended_goes_on(pictures: Path, tmp_path: Path, ends: signal.Signals, status: int) -> None:
    """Ctrl-C and SIGTERM save the state; after kill -9 the training begins where it was saved before."""
    task = tmp_path / "colours.yaml"
    task.write_text(picture_task(pictures, epochs=40).to_yaml())
    command = [sys.executable, "-c", COMMAND, "train", CODE, "--task", str(task), "--threads", "1", "--out"]
    started = subprocess.Popen([*command, str(tmp_path / "b")], stderr=subprocess.PIPE, text=True)  # noqa: S603
    until = time.monotonic() + 60
    while time.monotonic() < until and not list((tmp_path / "b").glob("*/curve.jsonl")):
        time.sleep(0.05)
    time.sleep(0.5)
    started.send_signal(ends)
    said = started.communicate(timeout=30)[1]
    assert started.returncode == status
    assert ("Stopping after this step or evaluation" in said) == (ends != signal.SIGKILL)
    [folder] = (tmp_path / "b").iterdir()
    assert (folder / STATES[0]).exists() == (ends != signal.SIGKILL)
    for out in ("a", "b"):
        subprocess.run([*command, str(tmp_path / out)], check=True, env=os.environ)  # noqa: S603
    _assert_equal(*(ncp.Run(tmp_path / out / folder.name) for out in ("a", "b")))


def _stopped_after(task: ncp.Task, folder: Path, steps: int) -> ncp.Run:
    """A run that saves its state after each step and is stopped after some, as by Ctrl-C."""
    total = task.recipe.steps or task.recipe.epochs * 4

    def progress(share: float) -> None:
        if round(share * total) == steps:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ncp.train(CODE, task, folder=folder, threads=1, save_every=0, progress=progress)
    [found] = folder.iterdir()
    return ncp.Run(found)


def _assert_equal(first: ncp.Run, second: ncp.Run) -> None:
    """The same weights, metrics and curve, to the last bit."""
    assert first.id == second.id
    weights, others = load_file(first.weights), load_file(second.weights)
    assert weights.keys() == others.keys()
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert first.metrics == second.metrics
    assert _without_times(first) == _without_times(second)
    assert np.isfinite([line["loss"] for line in first.curve()]).all()


def _without_times(run: ncp.Run) -> list[dict[str, object]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in run.curve()]
