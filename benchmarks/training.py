"""What a training survives, and what the loop costs beside a bare one.

`training/resume`: trainings of every kind are killed (kill -9) at random moments and go on; they must end with the
weights, metrics and curve of an undisturbed one. `training/loaders`: the same with processes that read ahead.
`training/step-*`: the time of a whole step (data, augmentation, logging, saving) over that of a bare one.

python -m benchmarks.training
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import nn

import ncp
from benchmarks.lidar import RECIPE as LIDAR
from benchmarks.lidar_scenes import IMAGE, make_scenes
from benchmarks.measure import SHARED, available, record, use_threads
from ncp.cli.task import SMALL
from ncp.tasks.task import Task, task_from_dict
from ncp.training.loop import Job, fit
from ncp.training.run import Run
from ncp.training.stopping import Stop

TASKS = SHARED / "data" / "tasks"
TINY = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
"""The network that is killed."""
KILLS = 32
STEPS, BARE = 60, 5
"""Steps that are timed, and after how many as many bare ones follow."""

KILLED: dict[str, dict[str, Any]] = {
    "cifar10": {"kind": "classification", "recipe": {"epochs": 6, "image_size": 32, "ema": 0.99}},
    "camvid": {"kind": "segmentation", "recipe": {"epochs": 3, "image_size": [96, 128], "batch": 8}},
    "clips": {"kind": "video", "recipe": {"epochs": 3, "image_size": [32, 32], "frames": 4, "stride": 4, "jitter": 2}},
}
"""Trainings of about half a minute on one core, whose states are small."""
KINDS = len(KILLED) + 1
"""Those, and detection in scenes that are made."""
TIMED: dict[str, dict[str, Any]] = {
    "cifar10": {"kind": "classification", "recipe": {"image_size": 64, "store_size": 32}},
    "camvid": {"kind": "segmentation", "recipe": {"crop": [160, 192], "batch": 8}},
}

TRAIN = """
import sys
import ncp
from ncp.tasks.task import load_task
ncp.train(sys.argv[1], load_task(sys.argv[2]), folder=sys.argv[3], threads=1, save_every=1.0, loaders=int(sys.argv[4]))
"""


def task(name: str, settings: dict[str, Any]) -> Task:
    """A task on the data of this name."""
    return cast(Task, task_from_dict({"name": name, "data": {"path": str(TASKS / name)}, **settings}))


def lidar_task(folder: Path) -> Task:
    """A task on scenes that are made in a folder."""
    make_scenes(folder, train=24, val=6)
    recipe = {**LIDAR, "epochs": 12, "batch": 2}
    data = {"path": str(folder), "image_size": list(IMAGE)}
    return cast(Task, task_from_dict({"name": "lidar", "kind": "detection3d", "data": data, "recipe": recipe}))


def start(file: Path, folder: Path, loaders: int) -> "subprocess.Popen[bytes]":
    """Begin or go on with a training in a process of its own."""
    command = [sys.executable, "-c", TRAIN, TINY, str(file), str(folder), str(loaders)]
    return subprocess.Popen(command, start_new_session=True)  # noqa: S603


def undisturbed(file: Path, folder: Path, loaders: int) -> tuple[Run, float]:
    """A training that nothing disturbs, and how long it takes [s]."""
    begun = time.monotonic()
    if start(file, folder, loaders).wait():
        raise RuntimeError(f"the training in {folder} failed")
    [found] = folder.iterdir()
    return Run(found), time.monotonic() - begun


def killed(file: Path, folder: Path, kills: int, seconds: float, chance: random.Random) -> Run:
    """A training that is killed at random moments, and whose last attempt ends."""
    for _ in range(kills):
        running = start(file, folder, chance.choice((0, 0, 2)))
        try:
            running.wait(chance.uniform(0, seconds / 2))
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    return undisturbed(file, folder, 0)[0]


def same(first: Run, second: Run) -> bool:
    """Whether weights, metrics and curve are equal to the last bit."""
    weights, others = load_file(first.weights), load_file(second.weights)
    curves = [[{**line, "seconds": 0} for line in run.curve()] for run in (first, second)]
    return (
        weights.keys() == others.keys()
        and all(torch.equal(weights[name], others[name]) for name in weights)
        and first.metrics == second.metrics
        and curves[0] == curves[1]
    )


def measure_resume(folder: Path) -> None:
    """Kill trainings of every kind."""
    chance, wrong, resumed = random.Random(0), [], {}  # noqa: S311
    ahead = []
    found = [task(name, settings) for name, settings in KILLED.items()]
    for each in (*found, lidar_task(folder / "scenes")):
        name, file = each.name, folder / f"{each.name}.yaml"
        file.write_text(each.to_yaml())
        calm, seconds = undisturbed(file, folder / f"{name}-calm", 0)
        disturbed = killed(file, folder / f"{name}-killed", KILLS // KINDS, seconds, chance)
        resumed[name] = disturbed.result["resumes"]
        if not same(calm, disturbed):
            wrong.append(name)
        if same(calm, undisturbed(file, folder / f"{name}-ahead", 2)[0]):
            ahead.append(name)
        print(f"{name}: {seconds:.0f} s, resumed {resumed[name]} times, {'differs' if name in wrong else 'equal'}")
    record(
        "training/resume",
        claim="Trainings that are killed (kill -9) at random moments and end as undisturbed ones, bit by bit",
        target=f"all kinds, {KILLS} kills",
        value=KINDS - len(wrong),
        unit=f"of {KINDS} kinds",
        runs=KILLS,
        note=", ".join(f"{name} went on from a saved state {count} times" for name, count in resumed.items()),
        met=not wrong,
    )
    record(
        "training/loaders",
        claim="Kinds whose training with two processes that read ahead equals one without, bit by bit",
        target="all kinds",
        value=len(ahead),
        unit=f"of {KINDS} kinds",
        met=len(ahead) == KINDS,
    )


def bare_steps(job: Job) -> Iterator[None]:
    """Steps of a plain loop over batches that are in memory, ready for the network."""
    recipe, kind = job.task.recipe, job.task.kind
    net: nn.Module = kind.network(job.code, job.prepared.classes, recipe)
    net = net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    data = job.prepared.train
    ready = []
    for k in range(8):
        rows = range(k * recipe.batch, (k + 1) * recipe.batch)
        ready.append(kind.augmented(data.batch(rows), data, recipe, torch.Generator().manual_seed(k)))
    step = 0
    while True:
        batch = ready[step % len(ready)]
        loss = kind.loss(net(batch["input"]), batch, recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        yield


class Enough(Exception):  # noqa: N818
    """The steps are timed."""


def measure_step(name: str, folder: Path) -> None:
    """Time whole steps and bare steps in turns, within one training."""
    folder.mkdir()
    found = task(name, TIMED[name])
    prepared = found.prepare()
    job = Job(found, prepared, ncp.Code.parse(SMALL), 0, folder, torch.device("cpu"), save_every=20.0)
    bare = bare_steps(job)
    next(bare)
    whole_seconds: list[float] = []
    bare_seconds: list[float] = []
    clock = {"steps": 0, "begun": time.perf_counter()}

    def progress(_: float) -> None:
        clock["steps"] += 1
        if clock["steps"] % BARE:
            return
        whole_seconds.append((time.perf_counter() - clock["begun"]) / BARE)
        begun = time.perf_counter()
        for _ in range(BARE):
            next(bare)
        bare_seconds.append((time.perf_counter() - begun) / BARE)
        if clock["steps"] >= STEPS:
            raise Enough
        clock["begun"] = time.perf_counter()

    with suppress(Enough):
        fit(job, Stop(), progress)
    whole, plain = median(whole_seconds[1:]), median(bare_seconds[1:])
    ratio = sum(whole_seconds[1:]) / sum(bare_seconds[1:])
    record(
        f"training/step-{name}",
        claim=f"{name}: a whole training step over a bare one on batches in memory, on two cores",
        target="<= 1.10 times",
        value=whole / plain,
        unit="times",
        runs=len(whole_seconds) - 1,
        note=f"{whole:.3f} s beside {plain:.3f} s; means {ratio:.3f} times",
        met=whole / plain <= 1.10,
    )


def main() -> None:
    """Measure everything, or one of the two parts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training")
    parser.add_argument("--part", choices=("step", "resume"))
    part = parser.parse_args().part
    if not available(TASKS, "training/*"):
        return
    use_threads(2)
    with TemporaryDirectory() as temporary:
        for name in TIMED if part != "resume" else ():
            measure_step(name, Path(temporary) / f"step-{name}")
        if part != "step":
            measure_resume(Path(temporary))


if __name__ == "__main__":
    main()
