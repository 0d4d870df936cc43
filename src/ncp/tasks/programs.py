"""Run a program of the user, which ends when this process ends, for whatever reason."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock

from ncp.errors import ConfigError
from ncp.io.files import reason_of

GRACE = 10.0
"""How long a program may take to end after SIGTERM, before it is killed [s]."""

_REAPER = """
import os, signal, sys
running = set()
for line in sys.stdin:
    (running.add if line[0] == "+" else running.discard)(int(line[1:]))
for group in running:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""
"""A process that kills the programs that still run once its input closes, because the process that writes it ended."""


@cache
def _reaper() -> tuple[subprocess.Popen[str], Lock]:
    """The process of `_REAPER`, which is started with the first program."""
    arguments = [sys.executable, "-I", "-S", "-c", _REAPER]
    reaper = subprocess.Popen(arguments, stdin=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603
    atexit.register(reaper.communicate)  # closes its input and waits for it
    return reaper, Lock()


def _report(sign: str, group: int) -> None:
    reaper, lock = _reaper()
    with lock, suppress(OSError):
        print(f"{sign}{group}", file=reaper.stdin, flush=True)


def run_program(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, timeout: float | None = None
) -> int:
    """Run a program to its end, in a session of its own.

    Args:
        arguments: the program and its arguments; no shell reads them.
        folder: where it runs.
        environment: variables that are set beside those of this process.
        log: the file that its output is appended to.
        timeout: the longest time that it may take [s].

    Returns:
        its exit status; minus the number of the signal that ended it.

    Raises:
        ConfigError: the program cannot be started.
        TimeoutExpired: it ran for too long and was ended.
        KeyboardInterrupt, SystemExit: this process was asked to stop; the program was ended first.
    """
    _reaper()
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(  # noqa: S603
                arguments,
                cwd=folder,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"Cannot run {arguments[0]} in {folder}: {reason_of(error)}.") from None
    _report("+", process.pid)
    try:
        return process.wait(timeout)
    finally:
        _end(process)
        _report("-", process.pid)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and everything that it started: first with SIGTERM, then by force."""
    if process.poll() is None:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)  # also what a program that has ended left behind
    process.wait()
