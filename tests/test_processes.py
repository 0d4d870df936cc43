"""Workers and commands that are terminated from outside, with real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ncp import NcpError, Space, Table
from ncp.processes import processes

SPACE = Space.from_dict({"depth": [1, 2, 3, 4], "edge": ["none", "skip", "conv"], "width": [8, 16, 32]})
CODES = np.unique(SPACE.sample(500, np.random.default_rng(0)), axis=0)
TABLE = Table(SPACE, CODES, np.random.default_rng(1).normal(size=(len(CODES), 1)), ["seg/mIoU"])


@pytest.mark.slow
@pytest.mark.alone
def test_a_worker_that_ends_early_raises_our_error() -> None:
    with pytest.raises(NcpError, match="A worker process ended early"), processes(1) as pool:
        pool.submit(os._exit, 9).result()


CHANGES = """
import signal, sys
from ncp.processes import ignore
print(flush=True)
for _ in range(100_000):
    ignore(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: None)
"""


@pytest.mark.slow
@pytest.mark.alone
def test_a_signal_that_arrives_while_it_is_being_ignored_prints_nothing() -> None:
    started = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", CHANGES], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout
    started.stdout.readline()
    while started.poll() is None:
        started.send_signal(signal.SIGTERM)
    _, printed = started.communicate()
    assert printed == ""


RUN = """
import sys
sys.argv = ["ncp", *sys.argv[1:]]
from ncp.cli import main
main()
"""


def descendants(pid: int) -> set[int]:
    """The processes that a process has started, and theirs (Linux)."""
    children = {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return children.union(*(descendants(child) for child in children))


def alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(("ends", "status"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_terminated_command_leaves_no_processes_or_files(tmp_path: Path, ends: signal.Signals, status: int) -> None:
    TABLE.to_parquet(tmp_path / "mine.parquet")
    asked = ["compare", "--table", "mine.parquet", "--tasks", "seg", "--searchers", "bayesian"]
    started = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", RUN, *asked, "--queries", "30", "--seeds", "1000", "--workers", "2"], cwd=tmp_path
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and started.poll() is None and len(list(tmp_path.rglob("bayesian-*.json"))) < 2:
            time.sleep(0.1)
        workers = descendants(started.pid)
        assert len(workers) >= 2
        started.send_signal(ends)
        assert started.wait(20) == status
        until = time.monotonic() + 10
        while time.monotonic() < until and any(map(alive, workers)):
            time.sleep(0.1)
        assert not [pid for pid in workers if alive(pid)]
    finally:
        started.kill()
        started.wait()
    if ends != signal.SIGKILL:
        assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
