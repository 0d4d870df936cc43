"""One page about what a command found. It opens offline, in light and dark, on a phone or a screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ncp.errors import DataError, NcpError
from ncp.io.files import whole_file
from ncp.report.comparison_page import comparison_page
from ncp.report.documents import Kind, read_document
from ncp.report.front_page import front_page
from ncp.report.page_parts import Page
from ncp.report.predictor_page import predictor_page
from ncp.report.search_page import search_page
from ncp.report.study_page import study_page
from ncp.studies.study import Study
from ncp.tables.table import Table

BESIDE = ("trace.json", "heldout.json", "predictor.safetensors", "config.yaml")
"""Files in the document's folder that belong to its run."""


def write_report(source: str | Path, path: str | Path, table: Table | None = None, study: Study | None = None) -> None:
    """Write a page about a document that a command wrote, or about a study.

    Args:
        source: `result.json`, `pareto.json`, `compare.json` or `metrics.json`. The page also uses `trace.json` and
            `heldout.json` from the same folder, if they are of the same run. A folder is that of a study.
        path: the page to write.
        table: rows to draw behind the codes that were found.
        study: the open study of the folder, if the source is one.

    Raises:
        DataError: no command of this version wrote the source, or the path cannot be written to.
        MissingExtraError: plotly or jinja2 is not installed.
    """
    if Path(source).is_dir():
        _write(path, study_page(source, study).html({}))
        return
    kind, document = read_document(source)
    folder = Path(source).parent
    _require_another(Path(path), [Path(source), *(folder / name for name in BESIDE)])
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # numbers that are not finite are refused as json
            page = _page(kind, document, folder, table)
        shown = sorted({row for plot in page.plots for row in plot.rows})
        codes = {} if table is None else {row: table.space.text(table.codes[row]) for row in shown}
        text = page.html(codes)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, NcpError):
            raise
        raise DataError(f"Expected {source} as ncp {kind} writes it. Got: {error!r}.") from error
    _write(path, text)


def _write(path: str | Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _page(kind: Kind, document: dict[str, Any], folder: Path, table: Table | None) -> Page:
    match kind:
        case "search":
            return search_page(document, folder, table)
        case "pareto":
            return front_page(document, table)
        case "compare":
            return comparison_page(document)
        case "train-predictor":
            return predictor_page(document, folder)


def _require_another(path: Path, sources: Sequence[Path]) -> None:
    """Refuse to write a page over a file that it is made from, also through a link."""
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise DataError(f"{path} is {source}, from which the page is made. Choose another path for the page.")
