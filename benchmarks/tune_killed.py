"""Kill `ncp tune` at random moments: no training is lost, and none is repeated after it has ended.

python -m benchmarks.tune_killed
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import ncp
from benchmarks.measure import record, use_threads

KILLS, TRAININGS, WORKERS = 20, 40, 2
SECONDS = 0.4
"""How long the command trains [s]."""
TRAIN = """
import json, os, sys, time
code, seed, folder, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
ended = os.path.exists(folder + "/done.json")
with open(folder + "/starts.txt", "a") as file:
    file.write("again\\n" if ended else "start\\n")
time.sleep(seconds)
numbers = [int(number) for number in code.replace("-", "_").split("_")]
metrics = {"accuracy": 60 - abs(numbers[0] - 64) / 8 + sum(numbers) ** 0.5, "latency": sum(numbers)}
with open(folder + "/metrics.json", "w") as file:
    json.dump(metrics, file)
"""


def tuning(folder: Path, trainings: int, seconds: float) -> "subprocess.Popen[str]":
    """`ncp tune` over a command in a process of its own."""
    (folder / "train.py").write_text(TRAIN)
    line = f"{sys.executable} -I -S train.py {{code}} {{seed}} {{folder}} {seconds}"
    (folder / "mine.yaml").write_text(
        json.dumps({"kind": "command", "command": line, "metrics": ["accuracy", "latency:min"]})
    )
    asked = ["tune", "--task", "mine.yaml", "--prior", "none", "--trainings", str(trainings), "--out", "study"]
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "ncp", *asked, "--workers", str(WORKERS), "--threads", "1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def results(folder: Path) -> dict[str, bytes]:
    """What the trainings that have ended say, by run."""
    return {path.parent.name: path.read_bytes() for path in folder.glob("study/runs/*/done.json")}


def killed_tuning(folder: Path, kills: int, trainings: int, seconds: float, seed: int = 0) -> tuple[int, list[str]]:
    """Kill the scheduler until so many kills have hit it while it ran, and then let it end.

    Returns:
        the number of kills before the search had ended, and what was wrong.
    """
    rng, wrong, hit = random.Random(seed), [], 0  # noqa: S311
    for number in range(1, kills + 1):
        process = tuning(folder, max(trainings * number // kills, 2), seconds)
        before, began = results(folder), time.monotonic()
        while len(results(folder)) == len(before) and process.poll() is None and time.monotonic() - began < 60:
            time.sleep(0.01)  # it has to advance, or it would be killed while it starts each time
        time.sleep(rng.uniform(0, 3 * seconds))
        hit += process.poll() is None
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        after = results(folder)
        wrong += [f"{run} was lost or replaced" for run, content in before.items() if after.get(run) != content]
        with suppress(ncp.DataError):
            study = ncp.Study(folder / "study")
            known = {str(code) for code in study.pending} | {ncp.MULTIRES.text(code) for code in study.table.codes}
            codes = {json.loads((folder / "study/runs" / run / "run.json").read_text())["code"] for run in after}
            wrong += [f"{code} was trained and is not known" for code in codes - known]
    printed, _ = tuning(folder, trainings, seconds).communicate()
    study = ncp.Study(folder / "study")
    if (len(study), len(study.pending), len(results(folder))) != (trainings, 0, trainings):
        wrong.append(f"{len(study)} codes, {len(study.pending)} pending, {len(results(folder))} trained: {printed}")
    for path in folder.glob("study/runs/*/starts.txt"):
        starts = path.read_text().split()
        if "again" in starts:
            wrong.append(f"{path.parent.name} was trained again")
    for code, values in zip(study.table.codes, study.table.values, strict=True):
        run = next(run for run in folder.glob("study/runs/*") if _code(run) == ncp.MULTIRES.text(code))
        told = json.loads((run / "metrics.json").read_text())
        if values.tolist() != [told["accuracy"], told["latency"]]:
            wrong.append(f"{ncp.MULTIRES.text(code)} has other values than its training")
    return hit, wrong


def _code(run: Path) -> str:
    code: str = json.loads((run / "run.json").read_text())["code"]
    return code


def main() -> None:
    """Kill, and record what was wrong."""
    use_threads(2)
    with tempfile.TemporaryDirectory() as name:
        hit, wrong = killed_tuning(Path(name), KILLS, TRAININGS, SECONDS)
    record(
        "tune/killed",
        claim=f"`ncp tune` with {WORKERS} workers, killed (SIGKILL) at {KILLS} random moments: codes or values that "
        "were lost, and trainings that were repeated after they had ended",
        target="0",
        value=len(wrong),
        met=not wrong and hit > KILLS // 2,
        note="; ".join([f"{hit} of the kills hit it before its last training had ended", *wrong[:3]]),
        unit="",
        runs=KILLS,
    )


if __name__ == "__main__":
    main()
