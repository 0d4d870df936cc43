"""One process schedules a study at a time; a process that has died does not keep others out."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from platform import node

import pytest
from filelock import FileLock

from ncp import ConfigError, DataError
from ncp.studies.lease import LOCK, STALE, Lease, LeaseLostError, is_held, read_lease

RUNNING = {"run": "r", "code": "c", "task": "t", "seed": 0}


def other(age: float = 0, process: int = 1, host: str = "elsewhere") -> dict[str, object]:
    """The lease of another process."""
    beat = time.time() - age
    found = {"token": "t", "process": process, "host": host, "since": beat, "heartbeat": beat}
    return {**found, "running": [], "workers": 1}


def test_the_second_process_is_refused_with_the_first_one_named(tmp_path: Path) -> None:
    with Lease(tmp_path):
        message = f"The process {os.getpid()} on {node()} is already working on {tmp_path}"
        with pytest.raises(ConfigError, match=message), Lease(tmp_path):
            pass
        assert read_lease(tmp_path) is not None
    assert read_lease(tmp_path) is None
    with Lease(tmp_path):
        pass


def test_the_heartbeat_of_another_host_decides(tmp_path: Path) -> None:
    (tmp_path / "lease.json").write_text(json.dumps(other()))
    with pytest.raises(ConfigError, match="The process 1 on elsewhere"), Lease(tmp_path):
        pass
    (tmp_path / "lease.json").write_text(json.dumps(other(age=STALE + 1)))
    with Lease(tmp_path):
        assert (read_lease(tmp_path) or {})["process"] == os.getpid()


def test_the_lease_of_a_process_that_died_here_is_taken_over_at_once(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lease = other(process=ended.pid, host=node())
    assert not is_held(lease)
    (tmp_path / "lease.json").write_text(json.dumps(lease))
    with Lease(tmp_path) as mine:
        mine.require()


@pytest.mark.parametrize("content", ['{"token": ', "[]", '{"token": 3}', json.dumps({**other(), "running": [3]})])
def test_a_damaged_lease_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "lease.json").write_text(content)
    with Lease(tmp_path):
        assert read_lease(tmp_path) is not None


def test_the_heartbeat_goes_on_and_says_what_runs(tmp_path: Path) -> None:
    with Lease(tmp_path, beat=0.01) as lease:
        first = (read_lease(tmp_path) or {})["heartbeat"]
        lease.running = [RUNNING]
        until = time.monotonic() + 5
        while (read_lease(tmp_path) or {}).get("running") != [RUNNING] and time.monotonic() < until:
            time.sleep(0.01)
        now = read_lease(tmp_path) or {}
        assert now["running"] == [RUNNING]
        assert now["heartbeat"] > first


def test_a_process_that_lost_its_lease_stops_and_leaves_the_new_one(tmp_path: Path) -> None:
    theirs = other()
    with Lease(tmp_path, beat=0.01) as lease:
        with FileLock(tmp_path / LOCK):  # as a process does that takes it over
            (tmp_path / "lease.json").write_text(json.dumps(theirs))
        until = time.monotonic() + 5
        while not lease.lost and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(LeaseLostError, match="Another process has taken over"):
            lease.require()
    assert read_lease(tmp_path) == theirs


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"Cannot write in .*file: "), Lease(tmp_path / "file"):
        pass
