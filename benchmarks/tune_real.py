"""Tune a backbone for three real tasks with few trainings, against as many random codes, trained the same way.

Each repetition tunes on cifar10, camvid and clips with the recipes of the table `mini`, at most 60 MMACs at 64 x 64
pixels. The random codes are drawn from those of `mini`, whose trainings are known. The best code of each is trained
with three new seeds. Everything goes on where it stopped, in `out/tune_real`. In another copy of the repository
it goes on from the searches and trainings in the folder `benchmarks/tune_real`.

python -m benchmarks.tune_real [--repetitions 2] [--workers 2] [--device cuda] [--part tuned-0]

On a machine with many cores or a GPU, start the parts `tuned-0`, `tuned-1`, `random-0` and `random-1` at once, then the
whole program, which finds them done.
"""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import bootstrap

import ncp
from benchmarks import mini
from benchmarks.kept import collect, restore
from benchmarks.measure import ROOT, available, record
from ncp.io.files import whole_file
from ncp.spaces.arrays import Codes, Reals
from ncp.studies.scheduler import Events
from ncp.studies.search_record import SEARCH
from ncp.studies.trainings import TrainingRow
from ncp.studies.tuning import TrainingOptions

FOLDER = ROOT / "out" / "tune_real"
KEPT = Path(__file__).with_suffix("")
TRAININGS_KEPT = KEPT / "trainings.parquet"
"""Every training that has ended."""
TRAININGS = 24
NEW_SEEDS = 3
BUDGET = ncp.Budget(max_macs=mini.DEAREST, image_size=64, classes=10)
MAIN = ("cifar10/top1", "camvid/mIoU", "clips/top1")
"""The columns of the objective."""


@contextmanager
def begun(name: str, where: TrainingOptions) -> Iterator[TrainingOptions]:
    """Put what is kept of a study into its folder, and keep what is trained with the options meanwhile."""
    folder = FOLDER / name
    record, copy = folder / SEARCH, KEPT / f"{name}.json"
    # the first trainings of the codes of `mini` are there, too
    known = sum(restore(kept, mini.tasks(), folder) for kept in (TRAININGS_KEPT, mini.KEPT))
    if known and copy.exists() and not record.exists():
        with whole_file(record) as temporary:
            shutil.copyfile(copy, temporary)

    def keep() -> None:
        collect(TRAININGS_KEPT, [folder])
        if record.exists():
            with whole_file(copy) as temporary:
                shutil.copyfile(record, temporary)

    def note(row: TrainingRow) -> None:
        print(f"{name}: {row.status}: {row.asked.task}, seed {row.asked.seed}, {row.asked.code}", flush=True)
        keep()

    try:
        yield {**where, "events": Events(ended=note)}
    finally:
        keep()


def tuned(repetition: int, where: TrainingOptions) -> Codes:
    """The best code of a search, `(1, d)`."""
    name = f"tuned-{repetition}"
    with begun(name, where) as options:
        found = ncp.tune(
            mini.tasks(),
            objective=list(MAIN),
            budget=BUDGET,
            trainings=TRAININGS,
            folder=FOLDER / name,
            seed=repetition,
            **options,
        )
    return ncp.MULTIRES.codes(found.best[0].code)


def drawn(repetition: int) -> Codes:
    """The best of random codes of the table `mini`, `(1, d)`, by one training on each task."""
    table = ncp.load_table("mini")
    rows = np.random.default_rng(repetition).permutation(len(table))[:TRAININGS]
    if len(rows) < TRAININGS:
        raise SystemExit(f"The table mini has {len(table)} codes yet. Run python -m benchmarks.mini first.")
    return table.codes[rows[[scores(table.select(MAIN).values[rows]).argmax()]]]


def scores(values: Reals) -> Reals:
    """Mean z-scores `(n,)` of values `(n, 3)` of the columns of the objective, on the scale of the table `mini`."""
    known = ncp.load_table("mini").select(MAIN).values
    found: Reals = ((values - known.mean(axis=0)) / known.std(axis=0)).mean(axis=1)
    return found


def trained_again(code: Codes, name: str, where: TrainingOptions) -> Reals:
    """Mean z-scores `(NEW_SEEDS,)` of a code, one per new seed."""
    folder = FOLDER / name
    with begun(name, where) as options:
        ncp.build(code, mini.tasks(), folder=folder, seeds=NEW_SEEDS + 1, **options)
    values = np.full((NEW_SEEDS, len(MAIN)), np.nan)
    for row in pq.read_table(folder / "trainings.parquet").to_pylist():
        for place, column in enumerate(MAIN):
            task, metric = column.split("/")
            if row["task"] == task and row["seed"] > 0:
                values[row["seed"] - 1, place] = row[metric]
    return scores(values)


def main() -> None:
    """Tune, draw, train the winners again, and compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune_real")
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device")
    parser.add_argument("--part", help="tuned-K or random-K: what a repetition begins with, or its comparison")
    options = parser.parse_args()
    if not available(mini.TASKS, "tune/real"):
        return
    where: TrainingOptions = {
        "workers": options.workers,
        "device": options.device,
        "threads": 1,
        "keep_weights": False,
        "retry_failed": True,  # no network fails by itself here
    }
    if options.part:
        name, _, number = options.part.partition("-")
        if name == "tuned":
            trained_again(tuned(int(number), where), f"winner-{number}", where)
        else:
            trained_again(drawn(int(number)), f"random-{number}", where)
        return
    winners: dict[str, list[Reals]] = {"tuned": [], "random": []}
    for repetition in range(options.repetitions):
        ours = trained_again(tuned(repetition, where), f"winner-{repetition}", where)
        theirs = trained_again(drawn(repetition), f"random-{repetition}", where)
        winners["tuned"].append(ours)
        winners["random"].append(theirs)
        print(f"repetition {repetition}: tuned {ours.round(3)}, random {theirs.round(3)}", flush=True)
    means = {name: np.mean(each, axis=1) for name, each in winners.items()}
    gains = [ours[:, None] - theirs for ours, theirs in zip(*winners.values(), strict=True)]
    pairs = np.concatenate([gain.ravel() for gain in gains])
    interval = bootstrap((pairs,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    record(
        "tune/real",
        claim=f"cifar10, camvid and clips, {TRAININGS} trainings per task: mean z of the tuned winner over that of the "
        "best of as many random codes, both trained again with three new seeds",
        target="none",
        value={
            **{name: round(float(each.mean()), 3) for name, each in means.items()},
            "difference": round(float(np.mean(gains)), 3),
            "low": round(float(interval.low), 3),
            "high": round(float(interval.high), 3),
            **{f"{name}_{k}": round(float(mean), 3) for name, each in means.items() for k, mean in enumerate(each)},
        },
        met=True,
        note="the interval is over pairs of seeds, within repetitions",
        runs=options.repetitions,
    )


if __name__ == "__main__":
    main()
