"""The kind `command`: what the program gets, what it may write, and why its runs fail."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ncp
from ncp import ConfigError, DataError
from ncp.tasks.command import CommandTask, function_task
from ncp.tasks.task import load_task, task_from_dict
from ncp.training.command_run import train_command
from tests.training.pictures import CODE

VECTOR = ncp.Code.parse(CODE).vector
SCRIPT = """
import json, os, sys
code, vector, seed, folder = sys.argv[1:]
print("training", code)
json.dump({"seed": int(seed), "length": len(json.loads(vector)), "threads": int(os.environ["OMP_NUM_THREADS"])},
          open(folder + "/metrics.json", "w"))
"""
WRITES = "import sys\nopen(sys.argv[4] + '/metrics.json', 'w').write('{}')"


def script(folder: Path, text: str, **keys: object) -> CommandTask:
    """A task whose command runs a Python program with all placeholders."""
    (folder / "train.py").write_text(text)
    command = f"{sys.executable} -I -S train.py {{code}} {{vector}} {{seed}} {{folder}}"
    made = task_from_dict({"name": "mine", "kind": "command", "command": command, **keys}, folder)
    assert isinstance(made, CommandTask)
    return made


def failure(task: CommandTask, folder: Path) -> str:
    run = train_command(CODE, VECTOR, task, folder=folder / "runs", threads=1)
    assert run.status == "failed"
    return run.reason


def test_the_program_gets_code_vector_seed_folder_and_threads(tmp_path: Path) -> None:
    task = script(tmp_path, SCRIPT, metrics=["length", "seed:min"])
    run = ncp.train(CODE, task, seed=7, folder=tmp_path / "runs", threads=1)
    assert run.status == "done"
    assert run.metrics == {"length": len(VECTOR), "seed": 7, "threads": 1}
    assert list(run.metrics)[:2] == ["length", "seed"]
    assert (run.folder / "log.txt").read_text() == f"training {CODE}\n"
    assert run.about["task"]["data"]["path"] == str(tmp_path)
    assert run.result["resumes"] == 0
    assert task.columns == ("mine/length", "mine/seed")
    assert task.minimised == ("mine/seed",)


def test_a_run_that_is_done_is_not_repeated(tmp_path: Path) -> None:
    task = script(tmp_path, SCRIPT)
    run = train_command(CODE, VECTOR, task, folder=tmp_path / "runs")
    before = (run.folder / "log.txt").read_text()
    assert train_command(CODE, VECTOR, task, folder=tmp_path / "runs").id == run.id
    assert (run.folder / "log.txt").read_text() == before
    assert train_command(CODE, VECTOR, task, seed=1, folder=tmp_path / "runs").id != run.id


def test_the_text_of_the_task_says_everything(tmp_path: Path) -> None:
    task = script(tmp_path, SCRIPT, metrics=["seed"], timeout=5.0, data={"files": ["train.py"]})
    again = task_from_dict(json.loads(json.dumps(task.to_dict())))
    assert isinstance(again, CommandTask)
    assert again.identity(again.prepare()) == task.identity(task.prepare())
    assert again.section.timeout == 5.0


def test_listed_files_are_part_of_the_data_hash(tmp_path: Path) -> None:
    task = script(tmp_path, SCRIPT, data={"files": ["train.py"]})
    before = task.prepare()
    assert task.prepare() == before
    (tmp_path / "train.py").write_text(SCRIPT + "\n")
    assert task.prepare() != before
    (tmp_path / "train.py").unlink()
    with pytest.raises(DataError, match=r"Cannot read .*train.py, which data.files of the task lists"):
        task.prepare()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("print('no data')\nraise SystemExit(3)", r"ended with status 3. Its last output: no data"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", r"ended with status -9. It printed nothing."),
        ("print('so far')", r"wrote no metrics.json. Its last output: so far"),
        ("open(__import__('sys').argv[4] + '/metrics.json', 'w').write('{\"a\": NaN}')", "not a finite number"),
        ("open(__import__('sys').argv[4] + '/metrics.json', 'w').write('{\"a\": true}')", "a finite number for a"),
        ("open(__import__('sys').argv[4] + '/metrics.json', 'w').write('{}')", "must give numbers by name. Got {}"),
        (
            "open(__import__('sys').argv[4] + '/metrics.json', 'w').write('[1]')",
            r"must give numbers by name. Got \[1\]",
        ),
        ("open(__import__('sys').argv[4] + '/metrics.json', 'w').write('{\"a\": 1')", "metrics.json"),
    ],
)
def test_a_failure_has_a_reason(tmp_path: Path, program: str, reason: str) -> None:
    assert re.search(reason, failure(script(tmp_path, program), tmp_path))


def test_a_declared_metric_that_is_missing_fails(tmp_path: Path) -> None:
    assert "must give accuracy" in failure(script(tmp_path, SCRIPT, metrics=["accuracy"]), tmp_path)


def test_only_the_last_lines_are_quoted(tmp_path: Path) -> None:
    program = "for k in range(100_000):\n    print('line', k)\nraise SystemExit(1)"
    reason = failure(script(tmp_path, program), tmp_path)
    assert reason.endswith("line 99999")
    assert reason.count("line") == 5


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    program = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
    task = script(tmp_path, program, timeout=0.5)
    reason = failure(task, tmp_path)
    assert reason.startswith("The command took longer than 0.5 s.")
    until = time.monotonic() + 5
    while is_alive(int(reason.split()[-1])) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_alive(int(reason.split()[-1]))


def is_alive(process: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def test_metrics_of_an_earlier_attempt_do_not_count(tmp_path: Path) -> None:
    task = script(tmp_path, "")
    folder = tmp_path / "runs"
    first = train_command(CODE, VECTOR, task, folder=folder)
    (first.folder / "metrics.json").write_text('{"a": 1}')
    first.forget()
    assert "wrote no metrics.json" in failure(task, tmp_path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "give either command or function"),
        ({"command": "a {code}", "function": "b:c"}, "give either command or function"),
        ({"command": "train --seed {seed}"}, r"must contain {code} or {vector}. Got 'train --seed {seed}'"),
        ({"command": "train '{code}"}, "cannot split the command"),
        ({"command": "a {code}", "metrics": ["x", "x:min"]}, "different column names"),
        ({"command": "a {code}", "timeout": 0}, "timeout"),
        ({"command": "a {code}", "recipe": {}}, "unknown key 'recipe'"),
        ({"command": "a {code}", "data": {"file": []}}, r"Did you mean data.files"),
    ],
)
def test_an_invalid_task_file_is_refused(tmp_path: Path, keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task_from_dict({"name": "mine", "kind": "command", **keys}, tmp_path)


def test_a_program_that_is_not_there_stops_everything(tmp_path: Path) -> None:
    task = task_from_dict({"name": "mine", "kind": "command", "command": "./absent {code}"}, tmp_path)
    with pytest.raises(ConfigError, match=r"Cannot run ./absent in .*: No such file"):
        ncp.train(CODE, task, folder=tmp_path / "runs")


def test_a_task_file_runs_in_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: command\ncommand: python train.py --arch {code} --out {folder}\n")
    task = load_task(tmp_path / "mine.yaml", ["timeout=9"])
    assert isinstance(task, CommandTask)
    assert (task.name, task.folder, task.section.timeout) == ("mine", tmp_path, 9)


def train_well(code: str, seed: int, folder: Path) -> dict[str, float]:
    """A function as users write it."""
    print("well")  # noqa: T201
    (folder / "own.txt").write_text(code)
    return {"accuracy": len(code) + seed}


def train_badly(code: str, seed: int, folder: Path) -> dict[str, float]:  # noqa: ARG001
    """A function with a mistake."""
    raise ValueError("no GPU")


def test_a_function_trains(tmp_path: Path) -> None:
    task = function_task("mine", train_well, ["accuracy"])
    run = ncp.train(CODE, task_from_dict(task.to_dict()), seed=2, folder=tmp_path)
    assert run.metrics == {"accuracy": len(CODE) + 2}
    assert (run.folder / "own.txt").read_text() == CODE
    assert (run.folder / "log.txt").read_text() == "well\n"


def test_a_function_that_raises_fails_its_run(tmp_path: Path) -> None:
    run = ncp.train(CODE, function_task("mine", train_badly), folder=tmp_path)
    assert run.reason == "The function raised ValueError: no GPU"
    assert "Traceback" in (run.folder / "log.txt").read_text()


def test_other_functions_are_refused() -> None:
    with pytest.raises(ConfigError, match="function must be a function that other processes can import"):
        function_task("mine", lambda *_: {"a": 1})
    with pytest.raises(ConfigError, match="Cannot import the function 'absent:train'"):
        task_from_dict({"name": "mine", "kind": "command", "function": "absent:train"}).prepare()


PARENT = """
import sys
from ncp.tasks.programs import run_program
from pathlib import Path
run_program([sys.executable, "-c", sys.argv[1]], Path(), {}, Path("log.txt"))
"""
CHILD = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_program_ends_with_the_process_that_runs_it(tmp_path: Path, ends: signal.Signals) -> None:
    started = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", PARENT, CHILD], cwd=tmp_path, stderr=subprocess.DEVNULL, env=os.environ
    )
    log, until = tmp_path / "log.txt", time.monotonic() + 30
    while (not log.exists() or not log.read_text().strip()) and time.monotonic() < until:
        time.sleep(0.05)
    child = int(log.read_text())
    assert is_alive(child)
    started.send_signal(ends)
    started.wait(20)
    until = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(child)
