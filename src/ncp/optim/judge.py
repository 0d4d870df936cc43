"""Choose a search's predictor and judge: the shipped pair, one fitted on a table, or a judge for a given predictor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncp.errors import ConfigError, DataError, NcpError
from ncp.optim.objective import Objective
from ncp.predictors.base import Predictor
from ncp.predictors.file import FORMAT
from ncp.predictors.fitting import SHIPPED, fit_predictor, load_judge, load_predictor
from ncp.progress import Progress, quiet, share
from ncp.spaces.multires import MULTIRES
from ncp.tables.sources import cache_dir
from ncp.tables.table import Table, require_table
from ncp.threads import beside

LEAST = 200
"""A judge of a given predictor needs at least this many rows."""
KEPT = 40
"""Fitted pairs that are kept in the cache; older ones are deleted."""


class Pair(NamedTuple):
    """A search's predictor, its judge (None where none can be fitted), and where the two come from.

    `source` is `shipped`, `given`, `fitted` on the table, `fitted and kept` in the cache, or `kept`: fitted on the same
    table before. `slow` says whether something had to be fitted.
    """

    predictor: Predictor
    judge: Predictor | None
    source: str
    slow: bool = False


def predictor_and_judge(
    predictor: Predictor | str | Path | None,
    judge: Predictor | str | Path | None,
    table: Table | None,
    objectives: Sequence[Objective],
    seed: int,
    progress: Progress = quiet,
) -> Pair:
    """The predictor that a search follows, and the judge that checks its results.

    - Neither predictor nor table: the shipped predictor and its judge.
    - A table alone: a predictor fitted on half of its sampled rows and a judge on the other half. For the published
      table, which is recognised by its values, that is the shipped pair.
    - A predictor: its judge is fitted on rows of the table that it has not seen. A shipped predictor brings its judge,
      unless the table holds other values than it was fitted on.

    Only the columns that the objectives name are fitted, on rows that have a value in all of them.

    Args:
        predictor: a predictor, its file, or the name of a shipped one.
        judge: likewise; it takes the place of the judge above.
        table: measured values.
        objectives: what is wanted; all of them together.
        seed: of the halves and fits.
        progress: called with the share that is done.

    Raises:
        ConfigError: arguments of a wrong type or of different spaces, a column that one of them does not have, a table
            that minimises other columns than the predictor, or a negative weight of a minimised column.
        DataError: a file that cannot be read, or too few rows to fit on.
    """
    given, judge = _read(predictor, "predictor"), _read(judge, "judge")
    if table is not None:
        require_table(table)
    found = Pair(given, judge, "given") if given is not None else _without_predictor(table, objectives, seed, progress)
    columns = wanted_columns(objectives, found.predictor.columns)
    for objective in objectives:
        objective.require_direction(found.predictor.columns, found.predictor.minimised)
    if table is not None:
        _require_match(found.predictor, table, columns)
    if judge is None and given is not None:
        if given.shipped and (table is None or is_shipped(table, columns)):
            judge = load_judge(given.shipped)
        elif table is not None:
            judge = judge_for(given, table, columns, seed, progress)
            found = found._replace(slow=judge is not None)
    judge = judge or found.judge
    if judge is not None:
        _require_judge(judge, found.predictor, columns)
    return found._replace(judge=judge)


def wanted_columns(objectives: Sequence[Objective], columns: Sequence[str]) -> tuple[str, ...]:
    """The columns among `columns` that have a weight or a minimum in one of the objectives, each once."""
    places = dict.fromkeys(place for objective in objectives for place in objective.named(columns))
    return tuple(columns[place] for place in places)


def halves(table: Table, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sampled complete rows of a table in two random halves: for the searcher's predictor, and for the judge."""
    complete = ~np.isnan(table.values).any(axis=1)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(table.sampled & complete))
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def fit_searcher_and_judge(table: Table, seed: int = 0, progress: Progress = quiet) -> tuple[Predictor, Predictor]:
    """A Gaussian process on one half of the sampled rows and an ensemble on the other, both in the table's z-scores.

    Both are fitted at once, each on one thread.

    Raises:
        DataError: too few rows that have a value in every column.
    """
    mine, other = halves(table, seed)
    if len(mine) < 10:
        raise DataError(
            f"Too few rows to fit a predictor and a judge on: {len(mine) + len(other)} sampled rows have a value in "
            f"all of {', '.join(table.columns)}, and at least 20 are needed. Measure more, or leave a column out."
        )

    def fitted(rows: NDArray[np.int64], kind: str, progress: Progress = quiet) -> Predictor:
        data = table.codes[rows], table.values[rows], table.columns
        predictor = fit_predictor(*data, space=table.space, kind=kind, seed=seed, progress=progress)
        predictor.set_reference(table.values[np.concatenate([mine, other])], table.minimised)
        return predictor

    with beside(1) as (pool, alive):
        judging = pool.submit(fitted, other, "ensemble", alive(quiet))
        predictor = fitted(mine, "gp", share(progress, 0.0, 0.9))
        judge = judging.result()
    progress(1.0)
    return predictor, judge


def judge_for(
    predictor: Predictor, table: Table, columns: Sequence[str], seed: int = 0, progress: Progress = quiet
) -> Predictor | None:
    """A judge of `columns`, fitted on the sampled complete rows which a predictor has not seen; None below `LEAST`.

    It is of another family than the predictor; `default` is of both, so that its judge shares half of it.
    """
    few = table.select(columns=columns)
    known = ~np.isnan(few.values).any(axis=1)
    unseen = np.flatnonzero(known & few.sampled & ~predictor.has_seen(few.codes))
    if len(unseen) < LEAST:
        return None
    return fit_predictor(
        few.codes[unseen],
        few.values[unseen],
        few.columns,
        space=few.space,
        kind="ensemble" if predictor.kind == "gp" else "gp",
        seed=seed,
        progress=progress,
        minimised=few.minimised,
    )


def is_shipped(table: Table, columns: Sequence[str]) -> bool:
    """Whether the shipped predictors were fitted on these columns of this very table, by its codes and values."""
    if table.space != MULTIRES or not set(columns) <= set(table.columns) - set(table.minimised):
        return False
    card = json.loads(files("ncp").joinpath("assets", "card.json").read_text(encoding="utf-8"))
    return all(card["values"].get(column) == digest for column, digest in digests_of(table, columns).items())


def digests_of(table: Table, columns: Sequence[str]) -> dict[str, str]:
    """SHA-256 by column of the sampled rows' codes and values, whatever their order."""
    rows = np.flatnonzero(table.sampled)
    rows = rows[np.lexsort(table.codes[rows].T)]
    codes = table.codes[rows].astype("<i8").tobytes()
    found = {}
    for column in columns:
        values = table.values[rows, table.columns.index(column)].astype("<f8")
        values = np.where(np.isnan(values), np.nan, values + 0.0)  # one form of NaN and of zero
        found[column] = hashlib.sha256(codes + values.tobytes()).hexdigest()
    return found


def _read(given: Any, field: str) -> Predictor | None:
    """A predictor from itself, its file or a shipped name."""
    if given is None or isinstance(given, Predictor):
        return given
    if not isinstance(given, (str, Path)):
        raise ConfigError(
            "{field} must be a predictor, from ncp.fit_predictor or ncp.load_predictor, or the path of its file. "
            "Got {given}.",
            field=field,
            given=given,
        )
    return load_judge(str(given)) if field == "judge" and str(given) in SHIPPED else load_predictor(given)


def _without_predictor(table: Table | None, objectives: Sequence[Objective], seed: int, progress: Progress) -> Pair:
    """The shipped pair, unless a table is not the one it was fitted on; then a pair fitted on that table."""
    if table is None:
        return Pair(load_predictor(SHIPPED[0]), load_judge(SHIPPED[0]), "shipped")
    wanted = set(wanted_columns(objectives, table.columns))
    columns = tuple(column for column in table.columns if column in wanted)  # a task's first column stays its first
    if is_shipped(table, columns):
        return Pair(load_predictor(SHIPPED[0]), load_judge(SHIPPED[0]), "shipped")
    few = table.select(columns=columns)
    for objective in objectives:
        objective.require_direction(few.columns, few.minimised)
    place = _place(few, seed)
    kept = _load(place)
    if kept is not None:
        return Pair(*kept, "kept")
    fitted = fit_searcher_and_judge(few, seed, progress)
    return Pair(*fitted, "fitted and kept" if _keep(fitted, place) else "fitted", slow=True)


def _place(table: Table, seed: int) -> Path | None:
    """The cache path of a table's pair, named by a digest of all that decides the fit; None without a cache folder."""
    about = {
        "values": digests_of(table, table.columns),
        "order": hashlib.sha256(table.codes.tobytes()).hexdigest(),
        "space": table.space.to_dict(),
        "minimised": table.minimised,
        "seed": seed,
        "format": FORMAT,
        "version": version("ncp-nas"),
    }
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
    with suppress(NcpError):  # no home: nothing is kept
        return cache_dir() / "predictors" / name
    return None


def _load(place: Path | None) -> tuple[Predictor, Predictor] | None:
    if place is None:
        return None
    try:
        return load_predictor(_file(place, "search")), load_predictor(_file(place, "judge"))
    except DataError:  # not there, or damaged: fitted again
        return None


def _keep(pair: tuple[Predictor, Predictor], place: Path | None) -> bool:
    """Write a pair into the cache and delete the oldest of many; whether that was possible."""
    if place is None:
        return False
    with suppress(DataError, OSError):
        pair[1].save(_file(place, "judge"))
        pair[0].save(_file(place, "search"))
        kept = sorted(place.parent.glob("*.search.safetensors"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-KEPT]:
            old.unlink(missing_ok=True)
            old.with_name(old.name.replace(".search.", ".judge.")).unlink(missing_ok=True)
        return True
    return False


def _file(place: Path, role: str) -> Path:
    return place.with_name(f"{place.name}.{role}.safetensors")


def _require_match(predictor: Predictor, table: Table, columns: Sequence[str]) -> None:
    """Refuse a table whose space, columns or directions differ from the predictor's."""
    if predictor.space != table.space:
        raise ConfigError(
            "The predictor and {field} have different search spaces, of {dimensions} dimensions. Choose a table of the "
            "predictor's space.",
            field="table",
            given=table,
            dimensions=f"{len(predictor.space)} and {len(table.space)}",
        )
    for column in columns:
        if column not in table.columns:
            raise ConfigError(
                "{field} has no column {column}, which the objective names. It has {columns}.",
                field="table",
                given=table,
                column=column,
                columns=", ".join(table.columns),
            )
        if (column in table.minimised) != (column in predictor.minimised):
            alone = "table" if column in table.minimised else "predictor"
            raise ConfigError(
                "Small values of {column} are better in the {alone} only. Fit the predictor again with the table's "
                "minimised columns.",
                field="table",
                given=table,
                column=column,
                alone=alone,
            )


def _require_judge(judge: Predictor, predictor: Predictor, columns: Sequence[str]) -> None:
    """Refuse a judge of other codes or columns."""
    if judge.space != predictor.space:
        raise ConfigError(
            "The predictor and {field} have different search spaces, of {dimensions} dimensions.",
            field="judge",
            given=judge,
            dimensions=f"{len(predictor.space)} and {len(judge.space)}",
        )
    absent = [column for column in columns if column not in judge.columns]
    if absent:
        raise ConfigError(
            "{field} has no column {column}, which the objective names. It has {columns}.",
            field="judge",
            given=judge,
            column=absent[0],
            columns=", ".join(judge.columns),
        )
