"""The saved state of a training. Two are kept, so that one can be damaged."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from ncp.errors import DataError
from ncp.io.files import whole_file

STATES = ("state.pt", "state.previous.pt")
"""The newest state and the one before it."""


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write a state; the one that was the newest is kept as the previous one.

    Raises:
        DataError: it cannot be written. The states that were there stay.
    """
    newest, previous = (folder / name for name in STATES)
    with whole_file(folder / f"new-{newest.name}") as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # PyTorch's error for a full disk
            reason = str(error).partition("\n")[0]
            raise DataError(f"Cannot write {newest}: {reason} Free some space on the disk.") from None
    with suppress(FileNotFoundError):
        newest.replace(previous)
    (folder / f"new-{newest.name}").replace(newest)


def load_state(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest state that can be read, and a sentence for each that cannot.

    Returns:
        None for a training that begins anew.
    """
    complaints: list[str] = []
    for name in (f"new-{STATES[0]}", *STATES):
        path = folder / name
        if not path.exists():
            continue
        try:
            with ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged:
                raise DataError(f"bad checksum of {damaged}")
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state, complaints
        except (OSError, BadZipFile, DataError, RuntimeError, ValueError, EOFError) as error:
            complaints.append(f"{path} is damaged and is not used: {error}.")
    return None, complaints


def remove_states(folder: Path) -> None:
    """Remove all states of a training that has ended."""
    for name in (f"new-{STATES[0]}", *STATES):
        with suppress(OSError):
            os.unlink(folder / name)  # noqa: PTH108
