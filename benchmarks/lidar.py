"""Detection in the points of a lidar: exact overlaps and scores, real frames of KITTI, and whether a network learns.

python -m benchmarks.lidar              with trainings of three seeds, half an hour
python -m benchmarks.lidar --seeds 0    without trainings
"""

import argparse
from dataclasses import replace
from statistics import mean
from typing import Any

import numpy as np
import shapely

from benchmarks.lidar_scenes import IMAGE, make_scenes
from benchmarks.measure import ROOT, SHARED, available, median_seconds, record, use_threads
from ncp.cli.task import SMALL
from ncp.studies.building import build
from ncp.studies.study_folder import read_study
from ncp.tasks.average_precision import average_precisions
from ncp.tasks.boxes import bev_iou
from ncp.tasks.kitti import read_labels
from ncp.tasks.objects import Objects
from ncp.tasks.task import task_from_dict
from tests.tasks.brute_force_ap import average_precisions_by_loops
from tests.tasks.random_boxes import imperfect, polygons, random_labels, related_pairs

TRAIN, VAL = 240, 100
"""Scenes to train on, and scenes to evaluate on."""
RECIPE: dict[str, Any] = {
    "epochs": 20,
    "evaluate_every": 20,
    "batch": 2,
    "low": [0.0, -14.4, -3.0],
    "high": [28.8, 14.4, 1.0],
    "voxel": [0.3, 0.3],
    "turn": 10.0,
    "added": 10,
}
TARGET = 60.0
FOLDER = ROOT / "out" / "lidar"
KITTI = SHARED / "data" / "tasks" / "kitti"


def measure_overlaps() -> None:
    """Compare overlaps of rotated rectangles with shapely's."""
    first, second = related_pairs(10_000, np.random.default_rng(0))
    shared = shapely.area(shapely.intersection(polygons(first), polygons(second)))
    union = first[:, 3] * first[:, 4] + second[:, 3] * second[:, 4] - shared
    difference = float(np.abs(bev_iou(first, second) - shared / union).max())
    first, second = (boxes.repeat(100, axis=0) for boxes in (first, second))
    seconds = median_seconds(lambda: bev_iou(first, second), 3)
    record(
        "lidar/overlaps",
        claim="Intersection over union of rotated rectangles: largest difference to shapely in 10,000 pairs, among "
        "them pairs that touch, coincide, contain each other or are tiny",
        target="<= 1e-9",
        value=difference,
        note=f"a million pairs take {seconds:.1f} s",
        met=difference <= 1e-9,
    )


def measure_scores() -> None:
    """Compare average precisions with loops over scenes, and time those of KITTI's validation split."""
    rng = np.random.default_rng(1)
    differences = []
    for difficulty, spread in (("kitti", 12.0), ("range", 50.0)):
        truth = random_labels(rng, frames=200, most=8, spread=spread)
        found = imperfect(truth, rng)
        values = average_precisions(truth, found, difficulty)  # type: ignore[arg-type]
        expected = average_precisions_by_loops(truth, found, difficulty)
        differences += [abs(values[name] - value) for name, value in expected.items()]
    truth = random_labels(rng, frames=3769, most=20, spread=60.0)
    found = imperfect(truth, rng)
    seconds = median_seconds(lambda: average_precisions(truth, found), 1)
    record(
        "lidar/scores",
        claim="Average precision: largest difference to loops over 200 random scenes, all classes and difficulties",
        target="<= 1e-9",
        value=float(max(differences)),
        unit="%",
        note=f"{len(differences)} values; 3769 frames with {len(truth)} labels take {seconds:.1f} s",
        met=bool(max(differences) <= 1e-9),
    )


def measure_kitti() -> None:
    """Score the labels of real frames as if they were detections."""
    if not available(KITTI, "lidar/kitti"):
        return
    frames = []
    for number, path in enumerate(sorted((KITTI / "training" / "label_2").iterdir())):
        labels = read_labels(path)
        frames.append(replace(labels, frames=np.full(len(labels), number)))
    truth = Objects.joined(frames)
    values = average_precisions(truth, truth.where(truth.names != "DontCare"))
    record(
        "lidar/kitti",
        claim="Labels of three real frames of KITTI, scored as detections: the least average precision",
        target="100 % wherever a label counts",
        value=min(values.values()),
        unit="%",
        runs=len(values),
        met=set(values.values()) == {100.0},
    )


def measure_learning(seeds: int) -> None:
    """Train on simulated scenes; a stopped measurement goes on where it was."""
    scenes = FOLDER / "scenes"
    if not (scenes / "ImageSets" / "val.txt").exists():
        make_scenes(scenes, TRAIN, VAL)
    data = {"path": str(scenes), "image_size": list(IMAGE)}
    task = task_from_dict({"name": "lidar", "kind": "detection3d", "data": data, "recipe": RECIPE})
    build([SMALL], task, folder=FOLDER / "study", seeds=seeds, workers=2, threads=1, device="cpu")
    runs = [run for asked, run in read_study(FOLDER / "study").runs() if run.status == "done" and asked.seed < seeds]
    if len(runs) < seeds:
        raise SystemExit(f"{seeds - len(runs)} of {seeds} trainings failed: see {FOLDER / 'study'}.")
    found = [run.metrics for run in runs]
    print("moderate", [round(metrics["moderate"], 1) for metrics in found], flush=True)
    moderate = mean(metrics["moderate"] for metrics in found)
    others = ("easy", "hard", "car_bev_moderate_r40", "pedestrian_3d_moderate_r40", "cyclist_3d_moderate_r40")
    means = ", ".join(f"{name} {mean(metrics[name] for metrics in found):.1f}" for name in others)
    record(
        "lidar/learns",
        claim=f"{VAL} simulated scenes of a lidar: average precision of cars in space (moderate, 40 recalls) after "
        f"{RECIPE['epochs']} epochs on {TRAIN} scenes, small network",
        target=f">= {TARGET:g} %",
        value=moderate,
        unit="%",
        runs=len(found),
        note=means,
        met=moderate >= TARGET,
    )


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lidar", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings on simulated scenes")
    seeds = parser.parse_args().seeds
    use_threads(2)
    measure_overlaps()
    measure_scores()
    measure_kitti()
    if seeds:
        measure_learning(seeds)


if __name__ == "__main__":
    main()
