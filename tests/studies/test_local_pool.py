"""Studies in real processes that are interrupted and killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import ncp
from ncp.studies.overview import overview
from ncp.studies.study_folder import read_study
from tests.studies.inline import TEXTS
from tests.test_processes import RUN, alive, descendants
from tests.training.pictures import CODE, picture_task, write_pictures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

SLEEPS = """
import json, os, signal, sys, time
code, folder, seconds, deaf = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4] == "deaf"
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(folder + "/starts.txt", "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(seconds)
json.dump({"accuracy": len(code)}, open(folder + "/metrics.json", "w"))
"""


def command(folder: Path, seconds: float, deaf: str = "") -> str:
    """A task file whose command sleeps."""
    (folder / "sleeps.py").write_text(SLEEPS)
    line = f"{sys.executable} -I -S sleeps.py {{code}} {{folder}} {seconds} '{deaf}'"
    (folder / "sleeps.yaml").write_text(json.dumps({"kind": "command", "command": line}))
    (folder / "codes.txt").write_text("# codes\n" + "\n".join(TEXTS) + "\n")
    return "sleeps.yaml"


@contextmanager
def building(folder: Path, task: str, codes: str = "codes.txt") -> Iterator["subprocess.Popen[str]"]:
    """`ncp build` in a process of its own, with two workers."""
    asked = ["build", "--task", task, "--codes", codes, "--workers", "2", "--threads", "1", "--out", "study"]
    started = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", RUN, *asked], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        if started.stdout:
            started.stdout.close()


def starts(folder: Path) -> dict[str, int]:
    """How often the command was started, by run."""
    return {path.parent.name: len(path.read_text().split()) for path in folder.glob("study/runs/*/starts.txt")}


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def workers(process: "subprocess.Popen[str]") -> list[int]:
    """The worker processes of a scheduler."""
    return [pid for pid in descendants(process.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with building(tmp_path, command(tmp_path, 2)) as started:
        wait_for(lambda: len(starts(tmp_path)) >= 2)
        child = int(next(tmp_path.glob("study/runs/*/starts.txt")).read_text())
        killed = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
        assert killed in workers(started)
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: not alive(child), 10)
        printed, _ = started.communicate(timeout=60)
        assert started.returncode == 0, printed
    assert "A worker died (exit status -9)" in printed
    assert sorted(starts(tmp_path).values()) == [1, 1, 1, 1, 1, 2]
    found = overview(tmp_path / "study")
    assert (found.done, found.failed, found.waiting) == (6, (), 0)
    assert [run.result["resumes"] for _, run in read_study(tmp_path / "study").runs()].count(1) == 1


def test_a_scheduler_that_is_killed_leaves_nothing_and_goes_on(tmp_path: Path) -> None:
    task = command(tmp_path, 1)
    with building(tmp_path, task) as started:
        wait_for(lambda: len(list(tmp_path.glob("study/runs/*/done.json"))) >= 2)
        children = descendants(started.pid)
        started.kill()
        started.wait()
        wait_for(lambda: not any(map(alive, children)), 10)
    before = {path.parent.name: path.read_bytes() for path in tmp_path.glob("study/runs/*/done.json")}
    assert 2 <= len(before) < 6
    assert overview(tmp_path / "study").scheduler is None
    with building(tmp_path, task) as started:
        printed, _ = started.communicate(timeout=60)
        assert started.returncode == 0, printed
    assert overview(tmp_path / "study").done == 6
    for name, content in before.items():
        assert (tmp_path / "study" / "runs" / name / "done.json").read_bytes() == content
        assert starts(tmp_path)[name] == 1


def test_a_second_scheduler_is_refused_and_status_shows_the_first(tmp_path: Path) -> None:
    task = command(tmp_path, 60)
    with building(tmp_path, task) as started:
        wait_for(lambda: len(starts(tmp_path)) >= 2)
        with building(tmp_path, task) as second:
            printed, _ = second.communicate(timeout=60)
        assert second.returncode == 2
        assert f"The process {started.pid} on " in printed
        assert "is already working on study" in printed
        wait_for(lambda: len(overview(tmp_path / "study").running) == 2, 10)
        found = overview(tmp_path / "study")
        assert ((found.scheduler or {})["process"], (found.scheduler or {})["workers"]) == (started.pid, 2)
        assert (found.done, len(found.running), found.waiting) == (0, 2, 4)
        started.send_signal(signal.SIGINT)
        assert started.wait(30) == 130
        assert max(starts(tmp_path).values()) == 1


def test_the_first_interrupt_saves_and_the_second_does_not_wait(tmp_path: Path) -> None:
    with building(tmp_path, command(tmp_path, 60, "deaf")) as started:
        wait_for(lambda: len(starts(tmp_path)) >= 2)
        children = descendants(started.pid)
        begun = time.monotonic()
        started.send_signal(signal.SIGINT)
        time.sleep(1)
        assert started.poll() is None  # the programs do not listen to SIGTERM
        started.send_signal(signal.SIGINT)
        assert started.wait(5) == 130
        assert time.monotonic() - begun < 6
        wait_for(lambda: not any(map(alive, children)), 10)
        printed, _ = started.communicate()
    assert "Traceback" not in printed
    assert "running trainings save their state" in printed


def test_an_interrupted_network_goes_on_to_the_same_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path / "cache"))
    task = picture_task(write_pictures(tmp_path / "pictures"), epochs=40)
    (tmp_path / "colours.yaml").write_text(json.dumps(task.to_dict()))
    (tmp_path / "codes.txt").write_text(f"{CODE}\n{CODE.replace('-8', '-16')[:-3]}-16\n")
    with building(tmp_path, "colours.yaml") as started:
        wait_for(lambda: any(path.read_text() for path in tmp_path.glob("study/runs/*/curve.jsonl")), 120)
        started.send_signal(signal.SIGINT)
        assert started.wait(60) == 130
    assert overview(tmp_path / "study").done == 0
    assert list(tmp_path.glob("study/runs/*/state.pt"))
    with building(tmp_path, "colours.yaml") as started:
        printed, _ = started.communicate(timeout=300)
        assert started.returncode == 0, printed
    runs = {asked.code: run for asked, run in read_study(tmp_path / "study").runs()}
    undisturbed = ncp.train(CODE, task, folder=tmp_path / "alone", threads=1)
    assert runs[CODE].metrics == undisturbed.metrics
    assert max(run.result["resumes"] for run in runs.values()) == 1


UNGUARDED = """
import ncp, sys
ncp.build([sys.argv[1]], "sleeps.yaml", folder="study", workers=1, threads=1)
"""


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    command(tmp_path, 0)
    (tmp_path / "script.py").write_text(UNGUARDED)
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "script.py", TEXTS[0]], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 1
    assert "put the call under: if __name__ == '__main__'" in ran.stderr
    assert not list(tmp_path.glob("study/runs/*/failed.json"))
