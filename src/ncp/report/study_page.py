"""The page of a study: the folder of `ncp build`."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ncp.report.figures import cost_figure, learning_figure, noise_figure
from ncp.report.page_parts import Cell, Grid, Page, Plot, Section
from ncp.report.sections import provenance_section
from ncp.report.study_facts import CURVES, Deviations, Learning, costs_and_values, deviations, learning_curves
from ncp.report.style import with_unit
from ncp.studies.averages import noise_between_seeds, table_of, values_of
from ncp.studies.study_folder import StudyFolder, read_study
from ncp.studies.trainings import TrainingRow, read_trainings
from ncp.tables.table import Table

LISTED = 100
"""Most failures that are listed."""


def study_page(folder: str | Path) -> Page:
    """The page of a study, which may still be growing.

    Raises:
        DataError: there is no study, or its file is damaged or of another version.
    """
    study = read_study(Path(folder))
    rows = read_trainings(study)
    table, values = table_of(study, rows), values_of(rows)
    noise = {column: each.std for column, each in noise_between_seeds(values).items()}
    curves, costs = learning_curves(study, rows, table.columns), costs_and_values(table)
    seeds = deviations(table, values, noise)
    sections = [_answer(study, rows, table)]
    if curves:
        plots = [Plot(f"curves {k}", with_unit(each.column), learning_figure(each)) for k, each in enumerate(curves)]
        sections.append(Section("Curves", _about_curves(curves), plots=plots))
    if costs:
        plots = [Plot(f"cost {k}", with_unit(each.column), cost_figure(each)) for k, each in enumerate(costs)]
        text = "Means over seeds against exact cost at 128 x 128 pixels. A point shows its code."
        sections.append(Section("Values and cost", [text], plots=plots))
    sections += [_noise(seeds), _failures(rows), provenance_section(_provenance(study, rows))]
    subtitle = f"Codes: {len(table)}, tasks: {len(study.tasks)}, trainings: {len(study.asked)}"
    return Page(f"Study of {', '.join(study.tasks)}", subtitle, sections)


def _answer(study: StudyFolder, rows: Sequence[TrainingRow], table: Table) -> Section:
    """How many trainings are done, and the best code of each column."""
    done = sum(row.status == "done" for row in rows)
    failed, waiting = len(rows) - done, len(study.asked) - len(rows)
    text = f"{done} of {len(study.asked)} trainings are done"
    text += f", {failed} failed" if failed else ""
    text += f", {waiting} not ended yet" if waiting else ""
    cells = []
    for column, values in zip(table.columns, table.values.T, strict=True):
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        best = int(np.nanargmin(values) if column in table.minimised else np.nanargmax(values))
        code = table.space.text(table.codes[best])
        numbers = [f"{values[best]:.4g}", f"{np.median(known):.4g}", f"{known.min():.4g} to {known.max():.4g}"]
        name = with_unit(column) + (" (lower is better)" if column in table.minimised else "")
        cells.append([Cell(name), Cell(str(len(known))), *map(Cell, numbers), Cell(code, copied=code, wide=True)])
    heads = ["column", "codes", "best", "median", "range", "best code"]
    return Section("The answer", [f"{text}."], table=Grid(heads, cells) if cells else None)


def _about_curves(curves: Sequence[Learning]) -> list[str]:
    texts = ["The metric after each evaluation. The value of the last evaluation counts. The best run is in colour."]
    if any(each.runs > CURVES for each in curves):
        texts.append(f"Each figure shows about {CURVES} runs, spread evenly over the study.")
    return texts


def _noise(found: Sequence[Deviations]) -> Section:
    """How far seeds differ: the floor of every prediction."""
    if not found:
        text = "No code has two seeds on a task, so the noise is not known. Build some codes with --seeds 2 or more."
        return Section("Noise between seeds", [text])
    cells = [
        [
            Cell(with_unit(each.column)),
            Cell(f"{each.std:.3g}"),
            Cell(f"{each.spread:.3g}" if isfinite(each.spread) else "-"),
            Cell(f"{each.share:.1%}" if isfinite(each.spread) else "-"),
            Cell(str(len(set(each.codes)))),
            Cell(str(len(each.codes))),
        ]
        for each in found
    ]
    heads = ["column", "std between seeds", "std between codes", "share of variance", "codes", "trainings"]
    text = (
        "Standard deviation between trainings of one code that differ in their seed, pooled over codes. Predictions of "
        "single trainings cannot have a smaller error. The share compares its square with the variance between codes."
    )
    plots = [Plot(f"noise {k}", with_unit(each.column), noise_figure(each)) for k, each in enumerate(found)]
    return Section("Noise between seeds", [text], table=Grid(heads, cells), plots=plots)


def _failures(rows: Sequence[TrainingRow]) -> Section:
    failed = [row for row in rows if row.status == "failed"]
    if not failed:
        return Section("Failures", ["No training failed."])
    cells = [
        [
            Cell(row.asked.task),
            Cell(str(row.asked.seed)),
            Cell(row.reason, wide=True),
            Cell(row.asked.code, copied=row.asked.code, wide=True),
        ]
        for row in failed[:LISTED]
    ]
    texts = [f"Failed trainings: {len(failed)}. ncp build --retry-failed trains them again."]
    if len(failed) > LISTED:
        texts.append(f"The first {LISTED} are listed; trainings.parquet has all.")
    return Section("Failures", texts, table=Grid(["task", "seed", "reason", "code"], cells))


def _provenance(study: StudyFolder, rows: Sequence[TrainingRow]) -> dict[str, Any]:
    """Recipes, data, devices and versions."""
    found: dict[str, Any] = {}
    for name, task in study.tasks.items():
        document = {key: value for key, value in task.document.items() if key not in ("format", "name") and value}
        found[name] = {**document, "data hash": task.identity["data_hash"][:16]}
    for key in ("device", "device_name", "host", "versions"):
        found[key.replace("_", " ")] = list(
            dict.fromkeys(str(row.details[key]) for row in rows if row.details.get(key))
        )
    hours = sum(float(row.details.get("seconds") or 0) for row in rows) / 3600
    found["hours of training"] = f"{hours:.2f}"
    return found
