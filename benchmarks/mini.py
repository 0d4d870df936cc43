"""Train the networks of the table `mini` that ships with the package, and go on where the last call stopped.

Its codes are spread over the whole space, and over costs from 4 to 60 MMACs at 64 x 64 pixels. Each is trained on three
tasks, and six of them with three seeds. `benchmarks/mini.parquet` has every training; it is written while they run.

python -m benchmarks.mini
"""

import argparse
import math
import shutil
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ncp
from benchmarks.kept import restore
from benchmarks.measure import ROOT, SHARED, available
from ncp.io.files import whole_file
from ncp.studies.building import build
from ncp.studies.scheduler import Events
from ncp.studies.study_folder import TABLE, TRAININGS
from ncp.studies.trainings import TrainingRow
from ncp.tasks.command import CommandTask
from ncp.tasks.task import Task, task_from_dict

TASKS = SHARED / "data" / "tasks"
KEPT = Path(__file__).with_name("mini.parquet")
"""Every training that has ended."""
SHIPPED = ROOT / "src" / "ncp" / "assets" / "mini.parquet"
STUDY = ROOT / "out" / "mini"
CODES, REPEATED, SEEDS = 48, 6, 3
CHEAPEST, DEAREST = 4e6, 60e6
"""The costs of the codes [MACs], at 64 x 64 pixels with 10 classes."""

RECIPES: dict[str, dict[str, Any]] = {
    "cifar10": {
        "kind": "classification",
        "recipe": {"epochs": 12, "batch": 128, "image_size": 32, "optimiser": {"lr": 0.1}, "evaluate_every": 4},
    },
    "camvid": {
        "kind": "segmentation",
        "recipe": {"epochs": 20, "batch": 16, "image_size": [96, 128], "evaluate_every": 5},
    },
    "clips": {
        "kind": "video",
        "recipe": {
            "epochs": 20,
            "batch": 8,
            "image_size": 64,
            "frames": 4,
            "stride": 6,
            "jitter": 0,
            "shift": 4,
            "optimiser": {"lr": 0.003},
            "evaluate_every": 4,
        },
    },
}
"""One recipe per task, of one to three minutes on one core."""


def codes() -> NDArray[np.int64]:
    """The codes `(48, 27)`: one in each of as many intervals of equal ratio between the bounds of the cost.

    Every dimension is drawn by itself, as a power of a uniform number; one exponent per code sets its cost.
    """
    chance, space = np.random.default_rng(20), ncp.MULTIRES
    edges = np.geomspace(CHEAPEST, DEAREST, CODES + 1)
    return np.array([_code(chance, space, low, high) for low, high in pairwise(edges)])


def _code(chance: np.random.Generator, space: ncp.Space, low: float, high: float) -> NDArray[np.int64]:
    """A code that costs between two bounds."""
    values = [np.asarray(dimension.values) for dimension in space.dimensions]
    while True:
        goal, drawn = math.exp(chance.uniform(math.log(low), math.log(high))), chance.random(len(values))
        weak, strong = 0.05, 60.0
        for _ in range(60):
            exponent = math.sqrt(weak * strong)
            places = [round((len(each) - 1) * u**exponent) for each, u in zip(values, drawn, strict=True)]
            code = np.array([each[place] for each, place in zip(values, places, strict=True)])
            cost = int(ncp.macs(code, 64, 10)[0])
            weak, strong = (exponent, strong) if cost > goal else (weak, exponent)
        if low <= cost < high:
            return code


def tasks() -> list[Task | CommandTask]:
    """The three tasks."""
    return [
        task_from_dict({"name": name, "data": {"path": str(TASKS / name)}, **settings})
        for name, settings in RECIPES.items()
    ]


def keep() -> None:
    """Keep the table of trainings as last written, and ship the codes that are trained on all tasks.

    Nothing is kept while the table has fewer trainings than are kept already, as in a new folder.
    """
    import pyarrow.parquet as pq

    known = [pq.read_metadata(path).num_rows if path.exists() else 0 for path in (STUDY / TRAININGS, KEPT)]
    if known[0] <= known[1]:
        return
    with whole_file(KEPT) as temporary:
        shutil.copyfile(STUDY / TRAININGS, temporary)
    table = ncp.Table.from_parquet(STUDY / TABLE)
    table.select(rows=np.flatnonzero(~np.isnan(table.values).any(axis=1))).to_parquet(SHIPPED)


def main() -> None:
    """Train what is missing: all codes with one seed, then six of them with three."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mini")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this time")
    options = parser.parse_args()
    if not available(TASKS, "mini"):
        return
    print(f"{restore(KEPT, tasks(), STUDY)} trainings are known from {KEPT.name}")
    until = time.monotonic() + 60 * options.minutes

    def look(_: object) -> None:
        """End the build when the time is up. It saves the states of running trainings."""
        if time.monotonic() > until:
            raise SystemExit

    def note(row: TrainingRow) -> None:
        print(f"{row.status}: {row.asked.task}, seed {row.asked.seed}, {row.asked.code}", flush=True)
        keep()

    every = codes()
    spread = every[np.linspace(0, CODES - 1, REPEATED).round().astype(int)]
    ordered = every[np.random.default_rng(0).permutation(CODES)]  # so that a part of them spans all costs
    events = Events(looked=look, ended=note)
    for chosen, seeds in ((ordered, 1), (spread, SEEDS)):
        try:
            build(chosen, tasks(), folder=STUDY, seeds=seeds, workers=options.workers, threads=1, events=events)
        finally:
            keep()
        print(f"{len(chosen)} codes with {seeds} seeds are trained", flush=True)


if __name__ == "__main__":
    main()
