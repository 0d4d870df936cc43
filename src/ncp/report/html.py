"""One page of what a command found: it opens without a network, in light and dark, on a phone or a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ncp.errors import CodeError, DataError, NcpError
from ncp.io.files import whole_file
from ncp.optim import front, results
from ncp.report import figures as drawn
from ncp.report.compare import NOTE, compare_data, p_text, proposals_text
from ncp.report.documents import (
    Kind,
    calibration_data,
    claims_data,
    evenly,
    heldout_data,
    read_document,
    read_json,
    tradeoff_data,
)
from ncp.report.network import network_element
from ncp.report.page import Cell, Figure, Grid, Section, rendered
from ncp.report.run import Run
from ncp.searchers.comparison import Comparison
from ncp.spaces.arrays import Reals
from ncp.spaces.multires import Code
from ncp.tables.table import Table

BESIDE = ("trace.json", "heldout.json", "predictor.safetensors", "config.yaml")
"""Files beside a document that belong to its run."""
HELD_OUT = "Expected the rows held out from a training, as ncp train writes them."
SHOWN = 30
"""Rows of a front that the page lists; all of them are in its figures."""


def write_report(source: str | Path, path: str | Path, table: Table | None = None) -> None:
    """Write the page of what a command wrote.

    Args:
        source: `result.json`, `pareto.json`, `compare.json` or `metrics.json`; `trace.json` and `heldout.json` beside
            it are used where they are.
        path: of the page.
        table: rows to show behind what was found.

    Raises:
        DataError: a source that no command wrote, or a path that cannot be written to.
        MissingExtraError: plotly or jinja2 is not installed.
    """
    kind, document = read_document(source)
    folder = Path(source).parent
    _require_another(Path(path), [Path(source), *(folder / name for name in BESIDE)])
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused as json
            title, subtitle, sections = _SECTIONS[kind](document, folder, table)
        behind = {row for section in sections for figure in section.figures for row in figure.rows}
        texts = {} if table is None else {row: table.space.text(table.codes[row]) for row in sorted(behind)}
        page = rendered(title, subtitle, [*sections, _provenance(document)], texts)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, NcpError):
            raise
        raise DataError(f"Expected {source} as ncp {kind} writes it. Got: {error!r}.") from error
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _require_another(path: Path, sources: Sequence[Path]) -> None:
    """Refuse to write a page over what it is made of, also by a link."""
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise DataError(f"{path} is {source}, which the page is made of. Choose another path for the page.")


def _of_search(document: dict[str, Any], folder: Path, table: Table | None) -> tuple[str, str, list[Section]]:
    rows, provenance = document["rows"], document["provenance"]
    wanted = ", ".join(f"{name} x {weight:g}" for name, weight in provenance["weights"].items())
    title = f"Search for {wanted}"
    sections = [_answer(rows[0]), Section("The codes", [results.baseline_text(document)], table=_codes(rows))]
    trace = folder / "trace.json"
    if trace.is_file():
        run = Run.from_json(trace)
        sections.append(_way(run) if run.run == provenance.get("run") else _left_out("The way there", ["trace.json"]))
    sections += [_tradeoff(document, table), *_verified_scores(document)]
    return title, _told(document), sections


def _of_front(document: dict[str, Any], folder: Path, table: Table | None) -> tuple[str, str, list[Section]]:  # noqa: ARG001
    rows, provenance = document["rows"], document["provenance"]
    title = f"Front of {', '.join(provenance['objectives'])}{' and cost' if provenance['cost'] else ''}"
    best = max(rows, key=lambda row: row["score"])
    more = "" if len(rows) <= SHOWN else f" The page lists {SHOWN}, evenly from the front; its figures show all."
    verified = document["verified_hypervolume"]
    told = f"{len(rows)} codes, none of which beats another in everything. Hypervolume {document['hypervolume']:.4g}"
    told += "" if verified is None else f", by the verdicts {verified:.4g}"
    some = [rows[i] for i in evenly(len(rows), SHOWN)]
    sections = [
        _answer(best, "The code with the best mean over the objectives"),
        _tradeoff(document, table),
        Section("The codes", [f"{told}.{more}", front.front_baseline_text(document)], table=_codes(some)),
        *_verified_scores(document),
    ]
    return title, _told(document), sections


def _of_comparison(document: dict[str, Any], folder: Path, table: Table | None) -> tuple[str, str, list[Section]]:  # noqa: ARG001
    comparison = Comparison.from_dict(document)
    standings = comparison.standings()
    first = standings[0]
    wanted = ", ".join(document["provenance"]["weights"])
    title = f"Searchers compared on {wanted}"
    heads = ["searcher", "best", "regret", "has the best", "p, random", "p, best other", "ms per query"]
    rows = [
        [
            Cell(each.searcher),
            Cell(f"{each.best:.3f}", f"{each.low:.3f} to {each.high:.3f}"),
            Cell(f"{each.regret:.3f}"),
            Cell(f"{each.found:.0%}", f"{each.found_low:.0%} to {each.found_high:.0%}"),
            Cell(p_text(each.over_random)),
            Cell(p_text(each.over_baseline), each.baseline or ""),
            Cell(f"{1e3 * each.seconds / each.queries:.1f}"),
        ]
        for each in standings
    ]
    told = [
        f"{first.searcher} is ahead after {first.queries} queries: mean regret {first.regret:.3f}, and the "
        f"table's best row in {first.found:.0%} of {first.runs} replays."
    ]
    notes = [NOTE, *proposals_text(comparison)]
    measure = drawn.named(wanted) if len(document["provenance"]["weights"]) == 1 else "mean z-score"
    curves = Figure(
        "curves",
        "Regret along the queries, mean and its 95 % interval",
        drawn.curves_figure(compare_data(comparison), measure),
        True,
    )
    subtitle = (
        f"{first.runs} replays of {first.queries} queries each; the best in the table is {comparison.optimum:.3f}."
    )
    return (
        title,
        subtitle,
        [
            Section("The answer", told),
            Section("Best so far", figures=[curves]),
            Section("After all queries", notes, table=Grid(heads, rows)),
        ],
    )


def _of_training(document: dict[str, Any], folder: Path, table: Table | None) -> tuple[str, str, list[Section]]:  # noqa: ARG001
    split = document["split"]
    heads = ["column", "Kendall tau", "mean abs. error", "within 1 std", "within 2 std"]
    rows = [
        [
            Cell(name),
            Cell("-" if found["tau"] is None else f"{found['tau']:.3f}"),
            Cell(f"{found['mae']:.4g}"),
            Cell(f"{found['within_one']:.0%}"),
            Cell(f"{found['within_two']:.0%}"),
        ]
        for name, found in document["columns"].items()
    ]
    taus = [found["tau"] for found in document["columns"].values() if found["tau"] is not None]
    told = (
        [f"Mean Kendall tau {np.mean(taus):.3f} over {len(taus)} columns, on {split['test']} rows held out."]
        if taus
        else []
    )
    sections = [Section("The answer", told), Section("Quality on rows held out", table=Grid(heads, rows))]
    strangers = _strangers(document, folder)
    if strangers:
        sections.append(_left_out("Files beside it", strangers))
    held = folder / "heldout.json"
    if held.is_file() and held.name not in strangers:
        predicted_scores = heldout_data(read_json(held, HELD_OUT)["columns"])
        panels = [
            Figure(f"held {k}", each.column, drawn.claims_figure(each, "predicted", "measured"))
            for k, each in enumerate(predicted_scores)
        ]
        curve = Figure("calibration", "Intervals", drawn.calibration_figure(calibration_data(predicted_scores)), True)
        sections += [Section("Measured against predicted", figures=panels), Section("Calibration", figures=[curve])]
    title = f"Predictor {document['kind']}"
    return title, f"Trained on {split['train']} rows of {document['table']}, split {split['seed']}.", sections


def _strangers(document: dict[str, Any], folder: Path) -> list[str]:
    """Which files in the folder of a training are of another run than its metrics."""
    predictor, held, config = (folder / name for name in ("predictor.safetensors", "heldout.json", "config.yaml"))
    other = []
    if predictor.is_file() and sha256(predictor.read_bytes()).hexdigest() != document["predictor_sha256"]:
        other.append(predictor.name)
    if held.is_file() and read_json(held, HELD_OUT)["run"] != document["run"]:
        other.append(held.name)
    if config.is_file() and f"# run: {document['run']}" not in config.read_text("utf-8", errors="replace").splitlines():
        other.append(config.name)
    return other


def _left_out(title: str, names: Sequence[str]) -> Section:
    return Section(title, [f"{' and '.join(names)} in this folder: of another run, and left out here."])


_SECTIONS: dict[Kind, Any] = {
    "search": _of_search,
    "pareto": _of_front,
    "compare": _of_comparison,
    "train": _of_training,
}


def _answer(row: Mapping[str, Any], told: str = "The recommended code") -> Section:
    known = bool(row["verified"])
    values = [
        [Cell(drawn.named(name)), Cell(_value(value)), *([Cell(_value(row["verified"].get(name)))] if known else [])]
        for name, value in row["predicted"].items()
    ]
    texts = [f"{told}:" if row["macs"] is None else f"{told}, {_cost(row)} (exact):"]
    texts += [] if known else ["No verdict: nobody but the predictor vouches for it."]
    heads = ["column", "claimed", *(["verified_score"] if known else [])]
    return Section("The answer", texts, row["code"], _drawing(row["code"]), Grid(heads, values))


def _cost(row: Mapping[str, Any]) -> str:
    return f"{row['macs'] / 1e9:.3f} GMACs and {row['params'] / 1e6:.2f} M parameters"


def _drawing(text: str) -> str:
    """A network's drawing as an element of the page; empty for a code of another space."""
    try:
        return network_element(Code.parse(text))
    except CodeError:
        return ""


def _codes(rows: list[dict[str, Any]]) -> Grid:
    columns = list(rows[0]["predicted"])
    costly = rows[0]["macs"] is not None
    heads = ["#", *columns, "mean z", *(["GMACs", "M params"] if costly else []), "code"]
    cells = []
    for number, row in enumerate(rows, start=1):
        cost = [Cell(f"{row['macs'] / 1e9:.3f}"), Cell(f"{row['params'] / 1e6:.2f}")] if costly else []
        verified_score = "" if row["verified_score"] is None else f"{row['verified_score']:.2f}"
        values = [Cell(_value(row["predicted"][c]), _value(row["verified"].get(c))) for c in columns]
        code = Cell(row["code"], copied=row["code"], wide=True)
        cells.append([Cell(str(number)), *values, Cell(f"{row['predicted_score']:.2f}", verified_score), *cost, code])
    return Grid(heads, cells)


def _way(run: Run) -> Section:
    lines: list[tuple[str, Reals, float | None]] = [("objective [std]", run.scores, None)]
    lines += [] if run.gmacs is None else [("cost [GMACs]", run.gmacs, run.budget)]
    lines += [(drawn.named(column), values, None) for column, values in run.values.items()]
    panels = [
        Figure(f"way {k}", name, drawn.steps_figure(name, values, run.best, bound))
        for k, (name, values, bound) in enumerate(lines)
    ]
    path = Figure("path", "The code of the best start", drawn.path_figure(run), True)
    return Section("The way there", ["Every start as a faint line, the best one in colour."], figures=[*panels, path])


def _tradeoff(document: dict[str, Any], table: Table | None) -> Section:
    panels = [
        Figure(f"trade {k}", panel.y_name, drawn.tradeoff_figure(panel))
        for k, panel in enumerate(tradeoff_data(document, table))
    ]
    return Section(
        "The trade-off", ["Predicted values; a click on a code copies it."] if panels else [], figures=panels
    )


def _verified_scores(document: dict[str, Any]) -> list[Section]:
    predicted_scores = claims_data(document["rows"])
    if not predicted_scores:
        return []
    panels = [Figure(f"claim {k}", each.column, drawn.claims_figure(each)) for k, each in enumerate(predicted_scores)]
    sources = " or ".join(sorted({source for each in predicted_scores for source in each.sources}))
    curve = Figure("calibration", "Intervals", drawn.calibration_figure(calibration_data(predicted_scores)), True)
    return [
        Section(
            "Claims and verdicts",
            [f"What the predictor claims, and what the {sources} says of the same codes."],
            figures=panels,
        ),
        Section(
            "Calibration",
            ["How often verdicts lie within the predictor's intervals, over the codes above."],
            figures=[curve],
        ),
    ]


def _provenance(document: dict[str, Any]) -> Section:
    held = document.get("provenance") or _provenance_of_training(document)
    command = held.get("command", "")
    rows = [
        [Cell(str(name)), Cell(_shown(value), wide=True)]
        for name, value in held.items()
        if value not in (None, [], {}) and name != "command"
    ]
    told = ["To ask the same again:"] if command else []
    return Section("What was asked", told, command, table=Grid(["what", "value"], rows))


def _provenance_of_training(document: dict[str, Any]) -> dict[str, Any]:
    command = f"ncp train --config {document['files']['config']}"
    return {"kind": document["kind"], "table": document["table"], **document["split"], "command": command}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _told(document: dict[str, Any]) -> str:
    provenance = document["provenance"]
    bound = "" if provenance.get("max_macs") is None else f"at most {provenance['max_macs'] / 1e9:g} GMACs, "
    judge = "no judge" if provenance.get("judge") is None else f"judged by {provenance['judge']}"
    by = f"predicted by {provenance['predictor']}, {judge}"
    return f"{bound}{by}, {document['seconds']:.1f} s, version {provenance['version']}"


def _value(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else f"{value['mean']:.2f} ±{value['std']:.2f} ({value['source']})"
