"""A folder of finished simulations, with which a comparison that was stopped continues."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ncp.io.files import read_json, write_json
from ncp.searchers.scoring import Scored
from ncp.searchers.simulation import History


@dataclass(frozen=True)
class Simulation:
    """The part of a `History` that a comparison needs, as plain data."""

    rows: list[int]
    best: list[float]
    seconds: list[float]
    listed: int
    propagated: int

    @classmethod
    def of(cls, history: History) -> Simulation:
        """From a history."""
        return cls(
            history.rows.tolist(),
            history.best.tolist(),
            history.seconds.tolist(),
            history.listed,
            history.propagated,
        )


class SimulationFolder:
    """One json file per simulation, in a subfolder that is named by a digest of the provenance.

    Comparisons of different provenance can share a folder, even at the same time. Comparisons of the same provenance
    write the same simulations, and every file is written whole.

    Args:
        folder: of all comparisons; None keeps nothing.
        provenance: everything that a simulation's outcome depends on, except searcher and seed.
        scored: the rows of the table.
        queries: how many of them a simulation evaluates.
    """

    def __init__(self, folder: str | Path | None, provenance: dict[str, Any], scored: Scored, queries: int) -> None:
        self.folder = None if folder is None else Path(folder) / _digest(provenance)[:16]
        self.provenance, self.scored, self.queries = provenance, scored, queries
        self.damaged: list[Path] = []

    def read(self, searcher: str, seed: int) -> Simulation | None:
        """A finished simulation, or None. A file that was damaged or changed is added to `damaged`."""
        if self.folder is None or not self._path(searcher, seed).exists():
            return None
        try:
            simulation = self._checked(read_json(self._path(searcher, seed)), searcher, seed)
        except (ValueError, LookupError, TypeError):
            simulation = None
        if simulation is None:
            self.damaged.append(self._path(searcher, seed))
        return simulation

    def write(self, searcher: str, seed: int, simulation: Simulation) -> None:
        """Keep a finished simulation."""
        if self.folder is None:
            return
        content = self._content(searcher, seed, asdict(simulation))
        write_json(self._path(searcher, seed), content | {"sha256": _digest(content)}, indent=None)

    def _path(self, searcher: str, seed: int) -> Path:
        return Path(self.folder or ".") / f"{searcher}-{seed}.json"

    def _content(self, searcher: str, seed: int, simulation: dict[str, Any]) -> dict[str, Any]:
        return {"provenance": self.provenance, "searcher": searcher, "seed": seed, "simulation": simulation}

    def _checked(self, document: Any, searcher: str, seed: int) -> Simulation | None:
        """The simulation of a document that is as it was written and fits the table, else None."""
        simulation = Simulation(**document["simulation"])
        content = self._content(searcher, seed, document["simulation"])
        intact = document == content | {"sha256": _digest(content)}
        return simulation if intact and self._fits(simulation) else None

    def _fits(self, simulation: Simulation) -> bool:
        """Whether a simulation is possible on the table: different rows, their best scores, times that increase."""
        rows, best, seconds = (np.asarray(x) for x in (simulation.rows, simulation.best, simulation.seconds))
        scored, length = self.scored, min(self.queries, len(self.scored.rows))
        if not rows.shape == best.shape == seconds.shape == (length,):
            return False
        if [array.dtype.kind for array in (rows, best, seconds)] != ["i", "f", "f"]:
            return False
        if not np.isin(rows, scored.rows).all() or len(np.unique(rows)) < length:
            return False
        reached = np.maximum.accumulate(scored.counted[np.searchsorted(scored.rows, rows)])
        increase = np.isfinite(seconds).all() and (np.diff(seconds, prepend=0.0) >= 0).all()
        counts = all(type(count) is int and count >= 0 for count in (simulation.listed, simulation.propagated))
        return bool(np.array_equal(best, reached) and increase and counts)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
