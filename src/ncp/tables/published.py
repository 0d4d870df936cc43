"""Read the published files of NAS-Bench-MR and NAS-Bench-201 as tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.cost import macs, params
from ncp.errors import CodeError, DataError, quoted
from ncp.io.files import as_path, is_file
from ncp.io.pickles import read_pickle
from ncp.spaces.arrays import Codes
from ncp.spaces.cells import CELL201
from ncp.spaces.multires import MULTIRES, Code
from ncp.tables.columns import tasks_of
from ncp.tables.sources import DETECTION_CSV, PICKLES, SEARCH_LIST, Source
from ncp.tables.table import Table

METRICS = {
    **dict.fromkeys(("seg", "seg-4x"), ("mIoU", "mAcc", "aAcc")),
    **dict.fromkeys(("cls-50-1000", "cls-50-100", "cls-10-1000", "cls-10c", "video", "video-p"), ("top1", "top5")),
    "3ddet": ("easy", "moderate", "hard"),
}
"""The settings of NAS-Bench-MR and their metrics, in the order of the table's columns."""

TASKS = {
    "seg": "labels of every pixel in street scenes (Cityscapes)",
    "seg-4x": "labels of every pixel in street scenes (Cityscapes), at a quarter of the resolution",
    "cls-50-1000": "what a photograph shows (ImageNet): 50 classes, 1000 images of each",
    "cls-50-100": "what a photograph shows (ImageNet): 50 classes, 100 images of each",
    "cls-10-1000": "what a photograph shows (ImageNet): 10 classes, 1000 images of each",
    "cls-10c": "what a photograph shows (ImageNet): 10 other classes",
    "video": "actions in clips (HMDB51), trained from scratch",
    "video-p": "actions in clips (HMDB51), from pre-trained weights",
    "3ddet": "cars in the points of a lidar (KITTI)",
}
"""The settings of NAS-Bench-MR in plain words."""

CELL_METRICS = ("Acc", "Flops", "Params")

ORIGINS = (("wide-3", 1200), ("wide-4", 2000), ("small", 2500), ("", 2511))
"""Origins of the networks in search_list.txt, each up to a line; the last are anchors (one width) or searched."""

BATCH = ((165, 200), (331, 400), (541, 600), (740, 772), (2197, 2200), (2291, 2299), (2311, 2325))
"""Ranges of lines of search_list.txt whose 3ddet values are depressed; see docs/data.md."""

FAILED = 1.0
"""3ddet values below this are failed trainings."""


def task_lines(columns: Iterable[str]) -> list[str]:
    """A line per setting of NAS-Bench-MR among columns, with what it is.

    >>> task_lines(["video/top1", "video/top5"])
    ['video: actions in clips (HMDB51), trained from scratch']
    """
    return [f"{task}: {TASKS[task]}" for task in tasks_of(columns) if task in TASKS]


@dataclass(frozen=True)
class PublishedTables:
    """Tables made of published files.

    Attributes:
        tables: by name.
        sources: the files of each table.
        absent: settings and tables whose file is missing.
        notes: remarks on unexpected content.
    """

    tables: Mapping[str, Table]
    sources: Mapping[str, tuple[Source, ...]]
    absent: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Setting:
    codes: Codes
    values: Mapping[str, NDArray[np.float64]]
    source: Source


def read_published(folder: str | Path) -> PublishedTables:
    """Read the published files in a folder; each is compared with its hash before it is opened.

    Args:
        folder: the published data folder (`<setting>/trainval.pkl`, `search_list.txt`), or the repository that
            contains it. For 3ddet, `3ddet_moderate.csv` is read if the pickle is missing.

    Raises:
        DataError: no folder, no published file in it, a file with another hash, or no search_list.txt.
    """
    base = as_path(folder, "folder")
    if not os.path.exists(base):  # noqa: PTH110 (Path.exists raises for names that are too long)
        raise DataError(
            f"There is no folder {quoted(str(base))}. Name the published data folder, or download it with "
            "ncp data fetch."
        )
    if not is_file(base / SEARCH_LIST.path) and is_file(base / "data" / SEARCH_LIST.path):
        base = base / "data"
    notes: list[str] = []
    settings = {name: found for name in METRICS if (found := _multires(base, name, notes))}
    tables, sources = {}, {}
    if settings:
        tables["nas-bench-mr"] = _merge(settings, _search_list(base), notes)
        sources["nas-bench-mr"] = (SEARCH_LIST, *(setting.source for setting in settings.values()))
    absent = [name for name in METRICS if name not in settings]
    for name, table_of in ONE_FILE.items():
        source = PICKLES[name]
        if is_file(base / source.path):
            source.check(base / source.path)
            tables[name], sources[name] = table_of(base / source.path), (source,)
        else:
            absent.append(name)
    if not tables:
        raise DataError(
            f"There are no published files such as {PICKLES['seg'].path} in {folder}. "
            "Name the published data folder, or download it with ncp data fetch."
        )
    return PublishedTables(tables, sources, tuple(absent), tuple(notes))


def _multires(base: Path, name: str, notes: list[str]) -> _Setting | None:
    """One setting, or None if its file is missing."""
    source = PICKLES[name]
    file = base / source.path
    if is_file(file):
        source.check(file)
        return _from_items(file, name, source, notes)
    csv = base / DETECTION_CSV.path
    if name != "3ddet" or not is_file(csv):
        return None
    DETECTION_CSV.check(csv)
    table = Table.read(csv, space=MULTIRES, codes="c*", missing=True)
    return _Setting(table.codes, {"moderate": table.values[:, 0]}, DETECTION_CSV)


def _from_items(file: Path, name: str, source: Source, notes: list[str]) -> _Setting:
    """A setting from its pickle: a list with one dict per network."""
    items = _items(file, "embedding")
    present = [metric for metric in METRICS[name] if metric in items[0]]
    known = {*present, "flops", "params", "embedding", "input_channel", "inverted_residual_setting", "last_channel"}
    if not present:
        raise DataError(f"{file} has none of {', '.join(METRICS[name])}, only {quoted(sorted(items[0]))}.")
    for word, keys in (("no", set(METRICS[name]) - known), ("an unexpected", set(items[0]) - known)):
        notes += [f"{name}: {word} {key!r} in the file" for key in sorted(keys)]
    try:
        codes = MULTIRES.codes([_integers(item["embedding"]) for item in items])
    except CodeError as error:
        raise DataError(f"{file} has a network without a valid code: {error}") from error
    for metric, unit, cost in (("flops", 1e9, macs), ("params", 1e6, params)):
        if metric not in items[0]:
            notes.append(f"{name}: no {metric!r} in the file")
        elif wrong := int((np.rint(_column(items, metric, file) * unit) != cost(codes)).sum()):
            notes.append(f"{name}: {metric} of {wrong} networks are not what ncp.{cost.__name__} computes")
    return _Setting(codes, {metric: _column(items, metric, file) for metric in present}, source)


def _items(file: Path, code: str) -> list[dict[str, Any]]:
    items = read_pickle(file)
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise DataError(f"Expected a list of networks in {file}. Got a {type(items).__name__}.")
    if any(item.keys() != items[0].keys() for item in items) or code not in items[0]:
        raise DataError(f"The networks in {file} do not all have the same keys, with {code!r} among them.")
    return items


def _integers(numbers: Any) -> Any:
    return numbers.tolist() if isinstance(numbers, np.ndarray) else numbers


def _column(items: list[dict[str, Any]], key: str, file: Path) -> NDArray[np.float64]:
    values = [item[key] for item in items]
    wrong = next((value for value in values if not isinstance(value, (int, float, np.number))), None)
    if wrong is not None:
        raise DataError(f"Expected a number as {key!r} of every network in {file}. Got a {type(wrong).__name__}.")
    return np.array(values, dtype=np.float64)


def _merge(settings: Mapping[str, _Setting], listed: Codes, notes: list[str]) -> Table:
    """Merge all settings into one table, in the order of the first."""
    codes = next(iter(settings.values())).codes
    row = {code.tobytes(): number for number, code in enumerate(codes)}
    columns: dict[str, NDArray[np.float64]] = {}
    for name, setting in settings.items():
        places = np.array([row.get(code.tobytes(), -1) for code in setting.codes])
        if not np.array_equal(places, np.arange(len(codes))):
            notes.append(
                f"{name}: {(places >= 0).sum()} of the {len(codes)} networks, in another order, "
                f"and {(places < 0).sum()} that are left out; its rows were put in order"
            )
        for metric, values in setting.values.items():
            column = np.full(len(codes), np.nan)
            column[places[places >= 0]] = values[places >= 0]
            columns[f"{name}/{metric}"] = column
    line = {code.tobytes(): number for number, code in enumerate(listed)}
    lines = np.array([line.get(code.tobytes(), -1) for code in codes])
    if (lines < 0).any():
        notes.append(f"{(lines < 0).sum()} networks are not in {SEARCH_LIST.path}: they have no origin")
    return Table(
        MULTIRES,
        codes,
        np.stack(list(columns.values()), axis=1),
        tuple(columns),
        [_origin(number, code) for number, code in zip(lines.tolist(), codes, strict=True)],
        _flags(lines, columns.get("3ddet/moderate")),
    )


def _search_list(base: Path) -> Codes:
    """All networks of the published list, in its order, `(2511, 27)`."""
    file = base / SEARCH_LIST.path
    if not is_file(file):
        raise DataError(
            f"{SEARCH_LIST.path} is missing in {base}. It says where each network comes from. "
            "Copy it there from the published data folder."
        )
    SEARCH_LIST.check(file)
    return MULTIRES.codes([Code.parse(text) for text in file.read_text().split()])


def _origin(line: int, code: Codes) -> str:
    if line < 0:
        return ""
    part = next(name for name, end in ORIGINS if line < end)
    widths = {int(value) for dim, value in zip(MULTIRES.dimensions, code, strict=True) if len(dim.values) == 16}
    return part or ("anchor" if len(widths) == 1 else "searched")


def _flags(lines: NDArray[np.int64], detection: NDArray[np.float64] | None) -> list[str]:
    if detection is None:
        return [""] * len(lines)
    in_batch = np.any([(start <= lines) & (lines < end) for start, end in BATCH], axis=0)
    has_flag = {"3ddet-batch": in_batch, "3ddet-failed": detection < FAILED}
    return [",".join(flag for flag, rows in has_flag.items() if rows[row]) for row in range(len(lines))]


def _cells(file: Path) -> Table:
    """The table of NAS-Bench-201: one training per cell on ImageNet16-120."""
    items = _items(file, "embedding")
    one_hot = np.array([item["embedding"] for item in items], dtype=np.float64)
    codes = CELL201.snap(one_hot)
    if not np.array_equal(CELL201.relax(codes), one_hot):
        raise DataError(f"A cell in {file} does not have one operation per edge.")
    values = np.stack([_column(items, metric, file) for metric in CELL_METRICS], axis=1)
    return Table(CELL201, codes, values, [f"nas-bench-201/{metric}" for metric in CELL_METRICS])


ONE_FILE: Mapping[str, Callable[[Path], Table]] = {"nas-bench-201": _cells}
"""Benchmarks of which one file is published, and the functions that make a table of that file."""
