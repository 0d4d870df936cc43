"""A temporary folder per server for the files of sessions. If a server is killed, the next one removes its folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "ncp-app-"


@contextmanager
def server_folder() -> Iterator[Path]:
    """A temporary folder that is locked while this server runs; also remove folders of servers that were killed."""
    remove_stale()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = _lock(folder)
        try:
            lock.acquire()
            break
        except (OSError, Timeout):  # another server removed it as stale before it was locked
            shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def remove_stale() -> None:
    """Remove this user's folders that no running server has locked."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not _ours(folder):
            continue
        lock = _lock(folder)
        try:
            lock.acquire()
        except (OSError, Timeout):
            continue
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()


def _lock(folder: Path) -> FileLock:
    return FileLock(folder / "lock", timeout=0, thread_local=False)


def _ours(folder: Path) -> bool:
    """Whether a folder belongs to a server of this user and is not a link."""
    if folder.is_symlink() or not (folder / "lock").is_file():
        return False
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
