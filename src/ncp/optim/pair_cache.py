"""The cache of predictors and judges that were fitted on a table: a later search of the same table loads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ncp.errors import DataError, NcpError
from ncp.optim.pair_files import DIGITS, FOLDER, ROLES, pair_file
from ncp.predictors.file import FORMAT
from ncp.predictors.fitting import load_predictor
from ncp.predictors.predictor import Predictor
from ncp.tables.sources import cache_dir
from ncp.tables.table import Table

CACHED_PAIRS = 40
"""Fitted pairs that are kept; older ones are deleted."""


class PairCache:
    """The cached pair of a table and a seed, in files named by a digest of all that the fit depends on.

    Without a cache folder nothing is found or kept.
    """

    def __init__(self, table: Table, seed: int) -> None:
        about = {
            "values": digests_of(table, table.columns),
            "order": hashlib.sha256(table.codes.tobytes()).hexdigest(),
            "space": table.space.to_dict(),
            "minimised": table.minimised,
            "seed": seed,
            "format": FORMAT,
            "version": version("ncp-nas"),
        }
        self.name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:DIGITS]
        self.folder: Path | None = None
        with suppress(NcpError):  # no home folder
            self.folder = cache_dir() / FOLDER

    def load(self, roles: Sequence[str]) -> list[Predictor] | None:
        """The predictors of some roles; None if one of them is missing or damaged."""
        if self.folder is None:
            return None
        try:
            return [load_predictor(self.folder / pair_file(self.name, role)) for role in roles]
        except DataError:
            return None

    def keep(self, predictor: Predictor, judge: Predictor | None) -> bool:
        """Write a pair and delete the oldest ones. Returns whether the files could be written."""
        if self.folder is None:
            return False
        with suppress(DataError, OSError):
            if judge is not None:
                judge.save(self.folder / pair_file(self.name, "judge"))
            predictor.save(self.folder / pair_file(self.name, "search"))
            cached = sorted(self.folder.glob(pair_file("*", "search")), key=lambda path: path.stat().st_mtime)
            for old in cached[:-CACHED_PAIRS]:
                for role in ROLES:
                    (self.folder / pair_file(old.name.partition(".")[0], role)).unlink(missing_ok=True)
            return True
        return False


def digests_of(table: Table, columns: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of the sampled rows' codes and values by column; the order of rows does not matter."""
    rows = np.flatnonzero(table.sampled)
    rows = rows[np.lexsort(table.codes[rows].T)]
    codes = table.codes[rows].astype("<i8").tobytes()
    found = {}
    for column in columns:
        values = table.values[rows, table.columns.index(column)].astype("<f8")
        values = np.where(np.isnan(values), np.nan, values + 0.0)  # one form of NaN and of zero
        found[column] = hashlib.sha256(codes + values.tobytes()).hexdigest()
    return found
