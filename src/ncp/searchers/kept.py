"""Finished replays kept in a folder, so that a comparison that was stopped goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ncp.io.files import write_json
from ncp.searchers.replay import History
from ncp.searchers.scoring import Scored


@dataclass(frozen=True)
class Replay:
    """What a comparison needs of one replay; the fields of `History` that are named alike, as plain data."""

    rows: list[int]
    best: list[float]
    seconds: list[float]
    listed: int
    propagated: int

    @classmethod
    def of(cls, history: History) -> Replay:
        """Of a history."""
        return cls(
            history.rows.tolist(),
            history.best.tolist(),
            history.seconds.tolist(),
            history.listed,
            history.propagated,
        )


class Kept:
    """The replays of one question, a file each, in a folder that is named after the question.

    So comparisons that ask different questions may share a folder, even at the same time; those that ask the same write
    the same replays, and each file is written whole.

    Args:
        folder: of all questions; None keeps nothing.
        provenance: the question: everything that decides what a replay finds, but its searcher and its seed.
        scored: the rows that can be asked for.
        queries: how many of them a replay evaluates.
    """

    def __init__(self, folder: str | Path | None, provenance: dict[str, Any], scored: Scored, queries: int) -> None:
        self.folder = None if folder is None else Path(folder) / _digest(provenance)[:16]
        self.provenance, self.scored, self.queries = provenance, scored, queries
        self.damaged: list[Path] = []

    def read(self, searcher: str, seed: int) -> Replay | None:
        """A finished replay, None if there is none; a file that was damaged or changed is noted in `damaged`."""
        if self.folder is None or not self._path(searcher, seed).exists():
            return None
        try:
            replay = self._checked(json.loads(self._path(searcher, seed).read_bytes()), searcher, seed)
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            replay = None
        if replay is None:
            self.damaged.append(self._path(searcher, seed))
        return replay

    def write(self, searcher: str, seed: int, replay: Replay) -> None:
        """Keep a finished replay."""
        if self.folder is None:
            return
        content = self._content(searcher, seed, asdict(replay))
        write_json(self._path(searcher, seed), content | {"sha256": _digest(content)}, indent=None)

    def _path(self, searcher: str, seed: int) -> Path:
        return Path(self.folder or ".") / f"{searcher}-{seed}.json"

    def _content(self, searcher: str, seed: int, replay: dict[str, Any]) -> dict[str, Any]:
        return {"provenance": self.provenance, "searcher": searcher, "seed": seed, "replay": replay}

    def _checked(self, document: Any, searcher: str, seed: int) -> Replay | None:
        """The replay of a document that is as it was written and fits the table, else None."""
        replay = Replay(**document["replay"])
        content = self._content(searcher, seed, document["replay"])
        intact = document == content | {"sha256": _digest(content)}
        return replay if intact and self._fits(replay) else None

    def _fits(self, replay: Replay) -> bool:
        """Whether a replay is possible on the table: different rows, their best scores, times that pass."""
        rows, best, seconds = (np.asarray(x) for x in (replay.rows, replay.best, replay.seconds))
        scored, length = self.scored, min(self.queries, len(self.scored.rows))
        if not rows.shape == best.shape == seconds.shape == (length,):
            return False
        if "".join(array.dtype.kind for array in (rows, best, seconds)) != "iff":
            return False
        if not np.isin(rows, scored.rows).all() or len(np.unique(rows)) < length:
            return False
        reached = np.maximum.accumulate(scored.counted[np.searchsorted(scored.rows, rows)])
        passes = np.isfinite(seconds).all() and (np.diff(seconds, prepend=0.0) >= 0).all()
        counts = all(type(count) is int and count >= 0 for count in (replay.listed, replay.propagated))
        return bool(np.array_equal(best, reached) and passes and counts)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
