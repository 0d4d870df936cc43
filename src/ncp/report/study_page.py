"""The page of a study: the folder of `ncp build`, `ncp tune` or `ncp.Study`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ncp.cost import Counting
from ncp.optim.budget import counting_text
from ncp.report.figures import cost_figure, learning_figure, noise_figure
from ncp.report.page_parts import Cell, Grid, Page, Plot, Section
from ncp.report.sections import provenance_section
from ncp.report.study_facts import CURVES, Deviations, Learning, costs_and_values, deviations, learning_curves
from ncp.report.style import with_unit
from ncp.report.tuning_facts import TuningFacts, tuning_facts
from ncp.report.tuning_sections import told_failures, tuning_answer, tuning_provenance, tuning_sections
from ncp.studies.averages import noise_between_seeds, table_of, values_of
from ncp.studies.overview import overview_of, scheduled
from ncp.studies.search_record import SEARCH
from ncp.studies.study import Study
from ncp.studies.study_folder import STUDY, StudyFolder, read_study
from ncp.studies.trainings import TrainingRow, read_trainings
from ncp.tables.table import Table

LISTED = 100
"""Most failures that are listed."""


def study_page(folder: str | Path, search: Study | None = None) -> Page:
    """The page of a study, which may still be growing.

    Args:
        folder: the folder of the study.
        search: the study that proposes the codes of the folder, if it is open.

    Raises:
        DataError: there is no study, or its file is damaged or of another version.
    """
    path = Path(folder)
    found = tuning_facts(path, search) if (path / SEARCH).exists() else None
    if found is not None and not (path / STUDY).exists():
        return _told_page(found)
    study = read_study(path)
    now, holder = scheduled(study)
    rows = read_trainings(study)
    state = overview_of(study, rows, now, holder)
    table, values = table_of(study, rows), values_of(rows)
    noise = {column: each.std for column, each in noise_between_seeds(values).items()}
    sections = [_trainings(table, "The answer" if found is None else "Trainings")]
    provenance = _provenance(study, rows)
    shown: set[str] = set()
    counting = Counting()
    if found is not None:
        sections = [tuning_answer(found), *tuning_sections(found), *sections]
        provenance = tuning_provenance(found) | provenance
        shown = {each.quantity.name for each in found.fronts}
        counting = found.counting
    sections += _curves(study, rows, table) + _costs(table, counting, shown)
    sections += [_noise(deviations(table, values, noise)), _failures(rows, found is not None)]
    subtitle = f"Codes: {state.codes}. {state.counts}."
    sections.append(provenance_section(provenance))
    return Page(f"Study of {', '.join(study.tasks)}", subtitle, sections)


def _told_page(found: TuningFacts) -> Page:
    """The page of a study whose user trains the codes."""
    record = found.record
    sections = [tuning_answer(found), *tuning_sections(found), told_failures(found)]
    subtitle = f"Codes: {len(record.told)}, trainings told: {len(record.tells)}"
    sections.append(provenance_section(tuning_provenance(found)))
    return Page(f"Study of {', '.join(record.objective.weights)}", subtitle, sections)


def _curves(study: StudyFolder, rows: Sequence[TrainingRow], table: Table) -> list[Section]:
    curves = learning_curves(study, rows, table.columns)
    plots = [Plot(f"curves {k}", with_unit(each.column), learning_figure(each)) for k, each in enumerate(curves)]
    return [Section("Curves", _about_curves(curves), plots=plots)] if curves else []


def _costs(table: Table, counting: Counting, shown: Collection[str]) -> list[Section]:
    """Values against cost, of the columns that are not shown yet."""
    costs = [each for each in costs_and_values(table, counting) if each.column not in shown]
    plots = [Plot(f"cost {k}", with_unit(each.column), cost_figure(each)) for k, each in enumerate(costs)]
    text = f"Means over seeds against exact cost, counted at {counting_text(counting)}. A point shows its code."
    return [Section("Values and cost" if not shown else "Other values and cost", [text], plots=plots)] if costs else []


def _trainings(table: Table, title: str) -> Section:
    """The best code of each column."""
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
    return Section(title, table=Grid(heads, cells)) if cells else Section(title, ["No training is done yet."])


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


def _failures(rows: Sequence[TrainingRow], tuned: bool) -> Section:
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
    command = "ncp tune" if tuned else "ncp build"
    texts = [f"Failed trainings: {len(failed)}. {command} --retry-failed trains them again."]
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
