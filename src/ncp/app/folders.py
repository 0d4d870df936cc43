"""Folders for visitors' files: one per server. A later server removes it if this one is killed."""

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
    """A temporary folder that is locked while this server lives; folders of servers that were killed are removed."""
    remove_stale()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = _lock(folder)
        try:
            lock.acquire()
            break
        except (OSError, Timeout):  # another server took it for a stale one, before it was locked
            shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def remove_stale() -> None:
    """Remove this user's folders whose server is gone: its lock is free."""
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
    """Whether a folder is a server's of this user, and not a link to something else."""
    if folder.is_symlink() or not (folder / "lock").is_file():
        return False
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
