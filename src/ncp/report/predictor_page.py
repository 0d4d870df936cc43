"""The page of a predictor's training: `metrics.json`, and `heldout.json` beside it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ncp.errors import counted
from ncp.io.files import read_json
from ncp.report.facts import heldout_agreements
from ncp.report.figures import agreement_figure
from ncp.report.page_parts import Cell, Grid, Page, Plot, Section
from ncp.report.sections import calibration_section, left_out_section, provenance_section

IN_WORDS = {
    "default": "ensemble of neural networks and Gaussian process",
    "mlp": "neural network",
    "ensemble": "ensemble of neural networks",
    "gp": "Gaussian process",
    "exact": "exact Gaussian process per column",
    "transfer": "Gaussian process that transfers from known tasks",
}
"""The kinds of predictors in words."""
HEADS = ["column", "Kendall tau", "mean abs. error", "within 1 std", "within 2 std"]


def predictor_page(document: Mapping[str, Any], folder: Path) -> Page:
    """The page of a training.

    Args:
        document: the content of `metrics.json`.
        folder: the document's folder; it may contain the held-out rows, the predictor and its configuration.
    """
    split, columns = document["split"], document["columns"]
    taus = [found["tau"] for found in columns.values() if found["tau"] is not None]
    table = Grid(HEADS, [_cells(name, found) for name, found in columns.items()])
    sections = [
        Section("The answer", [_answer(taus, split["test"])] if taus else []),
        Section("Quality on held-out rows", table=table),
    ]
    foreign = _files_of_another_run(document, folder)
    if foreign:
        sections.append(left_out_section("Other files in the folder", foreign))
    held = folder / "heldout.json"
    if held.is_file() and held.name not in foreign:
        found = heldout_agreements(read_json(held)["columns"])
        plots = [Plot(f"held out {k}", each.column, agreement_figure(each, "measured")) for k, each in enumerate(found)]
        sections += [Section("Predicted and measured values", plots=plots), calibration_section(found)]
    command = f"ncp train-predictor --config {document['files']['config']}"
    provenance = {"kind": document["kind"], "table": document["table"], **split, "command": command}
    sections.append(provenance_section(provenance))
    subtitle = f"Trained on {split['train']} rows of {document['table']}, split {split['seed']}."
    return Page(_title(document), subtitle, sections)


def _title(document: Mapping[str, Any]) -> str:
    """What was learned, and by what kind of model."""
    kind = document["kind"]
    return f"Predictor of {Path(document['table']).name}: {IN_WORDS.get(kind, kind)}"


def _answer(taus: list[float], rows: int) -> str:
    return f"Mean Kendall tau {np.mean(taus):z.3f} over {counted(len(taus), 'column')}, on {rows} held-out rows."


def _cells(column: str, found: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(column),
        Cell("-" if found["tau"] is None else f"{found['tau']:z.3f}"),
        Cell(f"{found['mae']:.4g}"),
        Cell(f"{found['within_one']:.0%}"),
        Cell(f"{found['within_two']:.0%}"),
    ]


def _files_of_another_run(document: Mapping[str, Any], folder: Path) -> list[str]:
    """The files in the folder of a training that do not belong to its metrics."""
    predictor, held, config = (folder / name for name in ("predictor.safetensors", "heldout.json", "config.yaml"))
    foreign = []
    if predictor.is_file() and sha256(predictor.read_bytes()).hexdigest() != document["predictor_sha256"]:
        foreign.append(predictor.name)
    if held.is_file() and read_json(held)["run"] != document["run"]:
        foreign.append(held.name)
    if config.is_file() and f"# run: {document['run']}" not in config.read_text("utf-8", errors="replace").splitlines():
        foreign.append(config.name)
    return foreign
