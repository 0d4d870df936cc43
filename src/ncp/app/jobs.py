"""The jobs of uploads: import a table, train a predictor. They run in a worker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ncp.app.dataset import Dataset, open_dataset
from ncp.app.guessed_columns import guess_columns, guessed_space
from ncp.errors import DataError
from ncp.io.tabular import Limits, read_columns
from ncp.optim.judge import fit_searcher_and_judge, halves
from ncp.progress import Progress
from ncp.spaces.named import load_space
from ncp.tables.reading import read_rows
from ncp.tables.table import Table

LARGEST_TABLE = Limits(rows=50_000, columns=400, bytes=200 << 20)
"""Limits of an uploaded table."""
LEAST, MOST = 40, 3000
"""Fewest and most rows to train on; from a larger table a random sample is taken."""


def import_table(
    table: Path,
    space: Path | str | None,
    minimised: tuple[str, ...],
    codes: str,
    drop_bad: bool,
    folder: Path,
    _: Progress,
) -> Dataset:
    """Read an uploaded table with its search space, and write it to `folder`; a space of None is guessed.

    Raises:
        NcpError: files that are not a table and its search space, or a table whose space cannot be guessed.
    """
    columns = [name.strip() for name in codes.split(",")] if "," in codes else codes.strip() or None
    known = None if space is None else load_space(space)
    file, values = read_columns(table, LARGEST_TABLE), None
    if known is None:
        named = [columns] if isinstance(columns, str) else columns or []
        guessed = guess_columns(file, named)
        known, columns = guessed_space(guessed), None
        values = [column.name for column in guessed if column.is_value]
    raw = read_rows(table, known, columns, values, drop_bad=drop_bad, file=file)
    path = folder / "table.parquet"
    Table.from_raw(raw, minimised).to_parquet(path)
    return Dataset(table.name, None, None, str(path))


def train_predictor(dataset: Dataset, folder: Path, progress: Progress) -> Dataset:
    """Train a predictor and a judge, each on half of a table's rows, and write them to `folder`.

    Raises:
        DataError: too few rows.
    """
    table = open_dataset(dataset).table
    if table is None:
        raise DataError("There is no table to train on.")
    rows = np.concatenate(halves(table, 0))
    if len(rows) < LEAST:
        raise DataError(
            f"Training needs at least {LEAST} rows without missing values. This table has {len(rows)} such rows."
        )
    predictor, judge = fit_searcher_and_judge(table.select(rows=rows[:MOST]), 0, progress)
    paths = [folder / "predictor.safetensors", folder / "judge.safetensors"]
    for fitted, path in zip((predictor, judge), paths, strict=True):
        fitted.save(path)
    return replace(dataset, predictor=str(paths[0]), judge=str(paths[1]))
