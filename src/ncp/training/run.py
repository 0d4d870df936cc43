"""A run: one code, trained on one task with one recipe and one seed, in a folder of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from ncp.errors import ConfigError, DataError
from ncp.io.files import plain, read_json, whole_file, write_json
from ncp.spaces.multires import Code

RUN, CURVE, DONE, FAILED, WEIGHTS, LOG = (
    "run.json",
    "curve.jsonl",
    "done.json",
    "failed.json",
    "weights.safetensors",
    "log.txt",
)
FORMAT = 1
"""Version of the files of a run."""

Status = Literal["done", "failed", "started", "absent"]
ENDED: tuple[Status, ...] = ("done", "failed")


class RunLockedError(ConfigError):
    """A run that another process is training."""


@dataclass(frozen=True)
class Run:
    """The folder of a run.

    Attributes:
        folder: the folder; its name is the run's identifier.
    """

    folder: Path

    @property
    def id(self) -> str:
        """The identifier: a hash of task, recipe, data, code and seed."""
        return self.folder.name

    @property
    def status(self) -> Status:
        """`done` and `failed` are final; a run that is `started` goes on when it is trained again."""
        files: dict[str, Status] = {DONE: "done", FAILED: "failed", RUN: "started"}
        return next((status for name, status in files.items() if (self.folder / name).exists()), "absent")

    @cached_property
    def about(self) -> dict[str, Any]:
        """The task with every default, the code, the seed, the data hash and the versions of libraries.

        Raises:
            DataError: the file is damaged or of another version.
        """
        return _read(self.folder / RUN)

    @property
    def result(self) -> dict[str, Any]:
        """The content of `done.json`, or of `failed.json`.

        Raises:
            DataError: the run has not ended, or the file is damaged.
        """
        return _read(self.folder / (FAILED if self.status == "failed" else DONE))

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the last evaluation.

        Raises:
            DataError: the run is not done.
        """
        if self.status != "done":
            raise DataError(f"The run {self.id} has no metrics: it is {self.status}.")
        return dict(self.result["metrics"])

    @property
    def reason(self) -> str:
        """Why the run failed; empty if it did not."""
        return str(self.result["reason"]) if self.status == "failed" else ""

    @property
    def weights(self) -> Path:
        """The file of the trained weights."""
        return self.folder / WEIGHTS

    def curve(self) -> list[dict[str, Any]]:
        """One entry per evaluation: step, epoch, learning rate, training loss, metrics and seconds."""
        try:
            lines = (self.folder / CURVE).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def begin(self, about: Mapping[str, Any]) -> None:
        """Write `run.json`, unless it is there."""
        if not (self.folder / RUN).exists():
            write_json(self.folder / RUN, {"format": FORMAT, "id": self.id, **about})

    def write_curve(self, curve: list[dict[str, Any]]) -> None:
        """Replace the curve."""
        with whole_file(self.folder / CURVE) as temporary:
            temporary.write_text("".join(f"{json.dumps(plain(line))}\n" for line in curve), encoding="utf-8")

    def note(self, remark: str) -> None:
        """Append a remark with the time to the log."""
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {remark}\n")

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write `done.json`, which makes the run done."""
        write_json(self.folder / DONE, {"format": FORMAT, **result})

    def fail(self, reason: str, **details: Any) -> None:
        """Write `failed.json`, which makes the run failed."""
        write_json(self.folder / FAILED, {"format": FORMAT, "reason": reason, **details})

    def forget(self) -> None:
        """Remove the result, so that the run is trained again."""
        for name in (DONE, FAILED):
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training this run, in a `with` statement.

        Raises:
            RunLockedError: another process is training it.
            DataError: the folder cannot be written to.
        """
        lock = FileLock(self.folder / "lock", blocking=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise RunLockedError(f"Another process is training {self.folder}. Wait for it, or stop it first.") from None
        except OSError as error:
            raise DataError(
                f"Cannot write to {self.folder}: {error.strerror or error}. Choose another folder."
            ) from None
        try:
            yield
        finally:
            lock.release()


def run_id(identity: Mapping[str, Any], code: str, seed: int) -> str:
    """The identifier of a run.

    Args:
        identity: task, recipe and data, as `Task.identity` returns them.
        code: the code's text.
        seed: the seed.
    """
    document = {**plain(dict(identity)), "code": code, "seed": seed}
    return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def code_text(code: Any) -> str:
    """The text of a code in any form.

    Raises:
        CodeError: a code that cannot be read, or is outside the space.
    """
    if isinstance(code, Code):
        return str(code)
    return str(Code.parse(code) if isinstance(code, str) else Code.from_vector(code))


def _read(path: Path) -> dict[str, Any]:
    document = read_json(path)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else None
        raise DataError(f"Expected format {FORMAT} in {path}. Got {found}. It was written by another version of ncp.")
    return document
