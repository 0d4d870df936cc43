"""Run the benchmarks one after the other, each in a process of its own.

python -m benchmarks                       all of them, about 17 hours; the plan is printed first
python -m benchmarks --list                print the plan only
python -m benchmarks --only cost,search    these, in the order of the plan; then the tables of the documents
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.measure import ROOT


@dataclass(frozen=True)
class Step:
    """A module, about how long it takes on two cores [min], and what it needs beside the package."""

    module: str
    minutes: float
    needs: str = ""


PLAN = (
    Step("space", 0.2),
    Step("cost", 0.2, "cost/exact: the published pickle"),
    Step("predictors", 4, "nas-bench-mr"),
    Step("few_rows", 30, "both tables, catboost, lightgbm; tasks: nb201_tasks.csv.gz"),
    Step("propagation", 3, "nas-bench-mr; parity: reference runs"),
    Step("search", 3, "nas-bench-mr"),
    Step("parts", 2),
    Step("network", 20, "parity: reference runs"),
    Step("gpu", 8, "a GPU; parity: reference runs; training: pictures, masks and clips"),
    Step("export", 5, "the extra export"),
    Step("latency", 7),
    Step("runtimes", 12, "the extras export and openvino"),
    Step("command", 1),
    Step("newcomer", 4, "git, the network, the extra tasks"),
    Step("compare", 90, "both tables, the extra search; tasks: nb201_tasks.csv.gz"),
    Step("peers", 240, "both tables, the extras search and bench, syne-tune"),
    Step("unlisted", 60, "the extras search and bench"),
    Step("compare_propagated", 4, "nas-bench-201, the extra search"),
    Step("pareto", 3, "nas-bench-mr, the extra search"),
    Step("transfer", 4, "nas-bench-mr"),
    Step("own_table", 4),
    Step("known", 10, "nb201_tasks.csv.gz"),
    Step("busy", 4),
    Step("app", 4, "the extra app"),
    Step("training", 15, "tasks: pictures, masks and clips"),
    Step("learning", 60, "tasks: pictures, masks and clips"),
    Step("mini_figures", 3),
    Step("studies", 5, "ray: pictures, the extra ray"),
    Step("tune", 60, "nas-bench-mr"),
    Step("tune_real", 300, "tasks: pictures, masks and clips"),
    Step("tune_killed", 4),
    Step("tune_workers", 12, "nas-bench-mr"),
    Step("lidar", 30, "shapely; lidar/kitti: frames of KITTI"),
    Step("table", 0.1),
)


def main() -> None:
    """Print the plan and run it. A module that fails does not stop the others."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Remake benchmarks/results.json.")
    parser.add_argument("--only", help="modules, separated by commas; left out: all")
    parser.add_argument("--list", action="store_true", help="print the plan and run nothing")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else [step.module for step in PLAN]
    if unknown := sorted(set(chosen) - {step.module for step in PLAN}):
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    plan = [step for step in PLAN if step.module in {*chosen, "table"}]
    for step in plan:
        print(f"{step.module:20}{step.minutes:6g} min  {step.needs}")
    if options.list:
        return
    failed = []
    for number, step in enumerate(plan, start=1):
        print(f"\n[{number} of {len(plan)}] {step.module}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{step.module}"]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603
            failed.append(step.module)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
