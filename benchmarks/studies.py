"""What a study of 1,000 trainings costs beside the trainings.

python -m benchmarks.studies
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import median_seconds, record, use_threads

RUNS = 1000
REPEATS = 5
NCP = str(Path(sys.executable).with_name("ncp"))
TASK = """
kind: command
command: >-
  sh -c 'echo "{\\"accuracy\\": 1}" > {folder}/metrics.json' {code}
"""
BUILD = f"""
import json, resource, time
import ncp
from ncp.studies.sampling import sample_codes

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
    """Build a study of trivial commands, and look at it."""
    use_threads(2)
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


if __name__ == "__main__":
    main()
