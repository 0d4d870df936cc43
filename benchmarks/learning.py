"""What a small network learns from pictures, masks and clips, by the task files of `examples/tasks`.

The trainings are a study in `out/learning`, so a second call goes on where the first one stopped.

python -m benchmarks.learning                          all tasks, three seeds each
python -m benchmarks.learning --only clips --seeds 1   one task, one seed; nothing is recorded
"""

import argparse
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import ncp
from benchmarks.measure import ROOT, SHARED, available, record
from ncp.cli.task import SMALL
from ncp.network.loading import load_network
from ncp.studies.building import build
from ncp.studies.study_folder import read_study
from ncp.tasks.kind import Batch, Dataset
from ncp.tasks.task import Task, load_task
from ncp.training.loop import evaluate_on
from ncp.training.run import Run

TASKS = SHARED / "data" / "tasks"
STUDY = ROOT / "out" / "learning"
TARGETS: dict[str, tuple[str, float, str]] = {
    "cifar10": ("top1", 60.0, "a plain loop reaches 47 % after 8 epochs at 32 pixels"),
    "camvid": ("mIoU", 48.0, "a plain loop reaches 45.1 % after 25 epochs"),
    "clips": ("top1", 75.0, "a plain loop reaches 56 % after 15 epochs"),
}
"""The metric of each task, its target [%], and what it is compared with."""
MINUTES = 10.0
"""The longest training on CIFAR-10 on two cores [min]."""
SHUFFLED = 55.0
"""Clips whose frames are in random order must score less [%]."""
SEEDS = 3


class ShuffledFrames:
    """Clips whose frames are in random order.

    Args:
        dataset: the clips.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.classes = dataset.classes

    def __len__(self) -> int:
        return len(self.dataset)

    def batch(self, rows: Any) -> Batch:
        """The clips of some rows; each clip has an order of its own."""
        batch = self.dataset.batch(rows)
        orders = [self._order(int(row), batch["clip"].shape[1]) for row in np.asarray(rows)]
        clips = [clip[torch.from_numpy(order)] for clip, order in zip(batch["clip"], orders, strict=True)]
        return {**batch, "clip": torch.stack(clips)}

    @staticmethod
    def _order(row: int, frames: int) -> NDArray[np.int64]:
        return np.random.default_rng(row).permutation(frames)


def task(name: str) -> Task:
    """The task of an example, on the data of this name."""
    found = load_task(ROOT / "examples" / "tasks" / f"{name}.yaml", [f"data.path={TASKS / name}"])
    assert isinstance(found, Task)  # noqa: S101
    return found


def measure_task(name: str, runs: list[Run]) -> None:
    """Record the mean over seeds."""
    metric, target, beside = TARGETS[name]
    values = [run.metrics[metric] for run in runs]
    about = task(name).recipe
    record(
        f"learning/{name}",
        claim=f"{metric} of a small network on {name}, after {about.epochs} epochs",
        target=f">= {target:g} %",
        value=mean(values),
        unit="%",
        runs=len(values),
        note=f"std between seeds {stdev(values):.1f}; {beside}",
        met=mean(values) >= target,
    )


def measure_shuffled(runs: list[Run]) -> None:
    """Evaluate the networks of clips on frames in random order."""
    found = task("clips")
    data = ShuffledFrames(found.prepare().val)
    values = [evaluate_on(found, data, load_network(run.weights), torch.device("cpu"))["top1"] for run in runs]
    record(
        "learning/clips-shuffled",
        claim="top1 of the same networks on clips whose frames are in random order",
        target=f"<= {SHUFFLED:g} %",
        value=mean(values),
        unit="%",
        runs=len(values),
        note="opposite motions look alike then",
        met=mean(values) <= SHUFFLED,
    )


def measure_time() -> None:
    """Train once more on CIFAR-10, on both cores."""
    run = ncp.train(SMALL, task("cifar10"), seed=SEEDS, folder=STUDY / "two-cores", threads=2)
    minutes = run.result["seconds"] / 60
    record(
        "learning/cifar10-time",
        claim="A training on CIFAR-10 by examples/tasks/cifar10.yaml, on two cores",
        target=f"<= {MINUTES:g} minutes",
        value=minutes,
        unit="minutes",
        note=f"top1 {run.metrics['top1']:.1f} %",
        met=minutes <= MINUTES,
    )


def main() -> None:
    """Train what is missing, and record every task whose seeds are done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning")
    parser.add_argument("--only", default=",".join(TARGETS), help="tasks, separated by commas")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if not available(TASKS, "learning/*"):
        return
    for name in options.only.split(","):
        build([SMALL], task(name), folder=STUDY, seeds=options.seeds, workers=options.workers, threads=1)
        runs = [run for asked, run in read_study(STUDY).runs() if asked.task == name and run.status == "done"]
        print(name, [run.metrics for run in runs])
        if len(runs) < SEEDS:
            continue
        measure_task(name, runs)
        if name == "clips":
            measure_shuffled(runs)
        if name == "cifar10":
            measure_time()


if __name__ == "__main__":
    main()
