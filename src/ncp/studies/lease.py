"""The lease of a study's folder: one process schedules a study at a time, and others can see what it does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from platform import node
from typing import Any, Self
from uuid import uuid4

from filelock import FileLock

from ncp.errors import ConfigError, DataError, NcpError
from ncp.io.files import is_dead, read_json, write_json
from ncp.studies.study_folder import Asked

LEASE, LOCK = "lease.json", ".lease.lock"
BEAT = 5.0
"""Time between heartbeats [s]."""
STALE = 60.0
"""The age of a heartbeat at which another process may take the lease over [s]."""


class LeaseLostError(NcpError):
    """Another process has taken the lease over, because this one did not write its heartbeat."""


class Lease:
    """The right to schedule a study, in a `with` statement. A thread writes the heartbeat.

    Args:
        folder: the folder of the study.
        workers: the number of trainings at the same time.
        beat: time between heartbeats [s].

    Attributes:
        running: what the workers do, as plain data; written with each heartbeat.

    Raises:
        ConfigError: another process has the lease; the message names it.
        DataError: the folder cannot be written.
    """

    def __init__(self, folder: Path, workers: int = 0, beat: float = BEAT) -> None:
        self.folder, self.workers, self.beat = folder, workers, beat
        self.running: Sequence[Mapping[str, Any]] = ()
        self.token = uuid4().hex
        self.since = time.time()
        self.lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / LOCK):
                self._take()
        except OSError as error:
            raise DataError(
                f"Cannot write in {self.folder}: {error.strerror or error}. Choose another folder."
            ) from None
        self._thread.start()
        return self

    def _take(self) -> None:
        holder = read_lease(self.folder)
        if holder is not None and is_held(holder):
            raise ConfigError(
                f"The process {holder['process']} on {holder['host']} is already working on {self.folder}. "
                f"Wait for it or stop it. ncp study status {self.folder} shows what it does."
            )
        self._write()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        with suppress(OSError), FileLock(self.folder / LOCK):
            holder = read_lease(self.folder)
            if holder is not None and holder["token"] == self.token:
                (self.folder / LEASE).unlink(missing_ok=True)

    def require(self) -> None:
        """Check that the lease is still there.

        Raises:
            LeaseLostError: another process has taken it over.
        """
        if self.lost:
            raise LeaseLostError(
                f"Another process has taken over {self.folder}, because this one was suspended for more than "
                f"{STALE:g} s. All finished trainings are kept."
            )

    def _keep(self) -> None:
        while not self._ended.wait(self.beat):
            try:
                with FileLock(self.folder / LOCK):
                    holder = read_lease(self.folder)
                    if holder is not None and holder["token"] != self.token:
                        self.lost = True
                        return
                    self._write()
            except (DataError, OSError):
                continue  # the disk may be full for a while

    def document(self) -> dict[str, Any]:
        """What the file says."""
        return {
            "token": self.token,
            "process": os.getpid(),
            "host": node(),
            "since": self.since,
            "heartbeat": time.time(),
            "workers": self.workers,
            "running": list(self.running),
        }

    def _write(self) -> None:
        write_json(self.folder / LEASE, self.document(), indent=None)


def read_lease(folder: Path) -> dict[str, Any] | None:
    """The content of the lease, or None if there is none, or if it is damaged."""
    kinds = {"token": str, "process": int, "host": str, "since": float, "heartbeat": float, "workers": int}
    try:
        document = read_json(folder / LEASE)
        fine = all(isinstance(document[name], kind) for name, kind in kinds.items())
        for each in document["running"]:
            fine = fine and set(each) == set(Asked._fields)
            fine = fine and all(isinstance(value, (str, int)) for value in each.values())
        return document if fine else None
    except (DataError, LookupError, TypeError, AttributeError):
        return None


def is_held(holder: Mapping[str, Any]) -> bool:
    """Whether the process that wrote a lease still works, as far as this machine can tell."""
    if holder["host"] == node() and is_dead(holder["process"]):
        return False
    return time.time() - float(holder["heartbeat"]) < STALE
