"""What a study of 1,000 trainings costs beside the trainings, and a study on a Ray cluster that loses a node.

python -m benchmarks.studies
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import ncp
from benchmarks.measure import ROOT, SHARED, available, median_seconds, record, use_threads
from ncp.extras import has_extra
from ncp.optim.sampling import sample_codes
from ncp.studies.scheduler import Events
from ncp.tasks.task import task_from_dict

RUNS = 1000
REPEATS = 5
PICTURES = SHARED / "data" / "tasks" / "cifar10"
NCP = str(Path(sys.executable).with_name("ncp"))
TASK = """
kind: command
command: >-
  sh -c 'echo "{\\"accuracy\\": 1}" > {folder}/metrics.json' {code}
"""
BUILD = f"""
import json, resource, time
import ncp
from ncp.optim.sampling import sample_codes

if __name__ == "__main__":
    codes = sample_codes(ncp.MULTIRES, {RUNS})
    task = ncp.load_task("trivial.yaml")
    begun = time.perf_counter()
    ncp.build(codes, task, folder="study", workers=1, threads=1)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({{"seconds": seconds, "peak": peak}}))
"""


def command_seconds(folder: Path) -> float:
    """The time that the trivial commands took themselves [s]."""
    return sum(float(json.loads(file.read_text())["seconds"]) for file in folder.glob("study/runs/*/done.json"))


def processor_seconds() -> float:
    """The time that processes which this one has started have computed [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure both."""
    use_threads(2)
    many_trainings()
    if available(PICTURES, "studies/ray") and has_extra("ray"):
        lost_node()


def many_trainings() -> None:
    """Build a study of trivial commands, and look at it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "trivial.yaml").write_text(TASK)
        (folder / "build.py").write_text(BUILD)
        ran = subprocess.run([sys.executable, "build.py"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(ran.stdout)
        own = command_seconds(folder)
        before = processor_seconds()
        status = median_seconds(
            lambda: subprocess.run([NCP, "study", "status", "study"], cwd=folder, check=True, capture_output=True),  # noqa: S603
            REPEATS,
        )
        processor = (processor_seconds() - before) / (REPEATS + 1)
    overhead = 1000 * (found["seconds"] - own) / RUNS
    record(
        "studies/overhead",
        claim=f"A study of {RUNS} trivial commands with one worker, per training, beside the command itself",
        target="<= 60 ms",
        value=round(overhead, 1),
        met=overhead <= 60,
        note=f"The commands themselves took {1000 * own / RUNS:.1f} ms each. The start of the worker is included.",
        unit="ms",
    )
    record(
        "studies/memory",
        claim=f"Peak memory of the process that schedules {RUNS} trainings",
        target="<= 300 MB",
        value=round(found["peak"]),
        met=found["peak"] <= 300,
        unit="MB",
    )
    record(
        "studies/status",
        claim=f"`ncp study status` of {RUNS} trainings, the whole command",
        target="<= 1 s",
        value=round(status, 2),
        met=status <= 1,
        note=f"It computes for {processor:.2f} s; beside other programs it takes longer.",
        unit="s",
        runs=REPEATS,
    )


def lost_node() -> None:
    """Train on two nodes of a Ray cluster, one of which is killed when the first training has ended."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # stay on loopback
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    from ray.cluster_utils import Cluster

    recipe = {"epochs": 2, "image_size": 32}
    task = task_from_dict({"name": "cifar10", "kind": "classification", "data": {"path": PICTURES}, "recipe": recipe})
    codes = sample_codes(ncp.MULTIRES, 4, ncp.Budget(max_macs=3e7))
    node: dict[str, Any] = {"num_cpus": 1, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    lost = [cluster.add_node(**node)]

    def lose(_: object) -> None:
        if lost:
            cluster.remove_node(lost.pop(), allow_graceful=False)

    with tempfile.TemporaryDirectory() as name:
        here, there = Path(name, "here"), Path(name, "there")
        asked: dict[str, Any] = {"threads": 1, "device": "cpu", "keep_weights": False}
        try:
            ncp.build(codes, task, folder=there, ray=cluster.address, events=Events(ended=lose), **asked)
        finally:
            cluster.shutdown()  # type: ignore[no-untyped-call]
        ncp.build(codes, task, folder=here, workers=2, **asked)
        local, remote = ({row["run"]: row for row in trainings(folder)} for folder in (here, there))
    same = sum(remote.get(run) == row for run, row in local.items())
    record(
        "studies/ray",
        claim="Trainings on two Ray nodes, one of which is killed, that equal those on this machine bit for bit",
        target="4 of 4",
        value=same,
        met=same == len(local) == len(remote) == len(codes),
        note="cifar10, two epochs. Seconds, resumes, host and date are not compared.",
    )


def trainings(folder: Path) -> list[dict[str, Any]]:
    """The trainings of a study, without what depends on the machine."""
    table = pq.read_table(folder / "trainings.parquet").drop_columns(["seconds", "resumes", "host", "ended"])
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


if __name__ == "__main__":
    main()
