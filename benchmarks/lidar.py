"""Whether a small network learns to find cars in simulated scenes of a lidar within ten minutes.

python -m benchmarks.lidar            three seeds, half an hour
python -m benchmarks.lidar --seeds 1
"""

import argparse
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import ncp
from benchmarks.lidar_scenes import IMAGE, make_scenes
from benchmarks.measure import record, use_threads
from ncp.tasks.task import task_from_dict

SMALL = "32_32-1_1_2_48-1_2_2_2_32_64-1_3_2_2_2_32_64_96-1_4_2_2_2_2_32_48_64_96-128"
TRAIN, VAL = 400, 100
"""Scenes to train on, and scenes to evaluate on."""
RECIPE: dict[str, Any] = {
    "epochs": 20,
    "evaluate_every": 20,
    "batch": 4,
    "low": [0.0, -16.0, -3.0],
    "high": [38.4, 16.0, 1.0],
    "voxel": [0.4, 0.4],
    "turn": 10.0,
    "added": 6,
}
TARGET, MINUTES = 60.0, 10.0


def main() -> None:
    """Train and record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lidar", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    use_threads(2)
    found: list[dict[str, float]] = []
    minutes: list[float] = []
    with TemporaryDirectory() as temporary:
        scenes = Path(temporary) / "scenes"
        make_scenes(scenes, TRAIN, VAL)
        data = {"path": str(scenes), "image_size": list(IMAGE)}
        task = task_from_dict({"name": "lidar", "kind": "detection3d", "data": data, "recipe": RECIPE})
        for seed in range(seeds):
            run = ncp.train(SMALL, task, seed=seed, folder=Path(temporary) / "runs", device="cpu", threads=2)
            found.append(run.metrics)
            minutes.append(run.result["seconds"] / 60)
            print(f"seed {seed}: {run.metrics['moderate']:.1f} after {minutes[-1]:.1f} minutes", flush=True)
    moderate = mean(metrics["moderate"] for metrics in found)
    others = ("easy", "hard", "car_bev_moderate_r40", "pedestrian_3d_moderate_r40", "cyclist_3d_moderate_r40")
    means = ", ".join(f"{name} {mean(metrics[name] for metrics in found):.1f}" for name in others)
    record(
        "lidar/learns",
        claim=f"{VAL} simulated scenes of a lidar: average precision of cars in space (moderate, 40 recalls) after "
        f"{RECIPE['epochs']} epochs on {TRAIN} scenes, small network, two cores",
        target=f">= {TARGET:g} % within {MINUTES:g} minutes",
        value=moderate,
        unit="%",
        runs=seeds,
        note=f"{mean(minutes):.1f} minutes per training; {means}",
        met=moderate >= TARGET and mean(minutes) <= MINUTES,
    )


if __name__ == "__main__":
    main()
