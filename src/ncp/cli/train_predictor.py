"""`ncp train-predictor`: fit a predictor as a configuration file says, and measure it on rows that it has not seen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.options import AsJson, ReportOption, RootOption, require_outputs, require_root
from ncp.cli.output import earlier_file, earlier_run, print_json, progress_bar, run_id, say, show_table, written
from ncp.cli.report import write_page
from ncp.errors import ConfigError, DataError, counted, quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    import ncp
    from ncp.cli.train_predictor_config import Configuration
    from ncp.predictors.predictor import Prediction
    from ncp.spaces.arrays import Reals
    from ncp.tables.table import Rows

FILES = {
    "predictor": "predictor.safetensors",
    "metrics": "metrics.json",
    "scatter": "scatter.svg",
    "heldout": "heldout.json",
    "config": "config.yaml",
}
LEAST_ROWS = 10
"""Fewest rows to train on, and fewest rows to test on."""


def train_predictor(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Configuration as YAML; the folder configs of the repository has examples [default: every default].",
        ),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="NAME|FILE", help="The same as --set data.table.")
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option("--tasks", metavar="TASK,..", help="Tasks or columns to learn; the same as --set data.columns."),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="NAME", help="The same as --set predictor.kind.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a key, as in optimization.epochs=50 (repeatable).",
        ),
    ] = None,
    root: RootOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Folder to write the files to [default: out/predictor-KIND]."
        ),
    ] = None,
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Fit a predictor and measure it on held-out rows."""
    from ncp.cli.train_predictor_config import read_config

    columns = None if tasks is None else [name.strip() for name in tasks.split(",")]
    options = {"data.table": table, "data.columns": columns, "predictor.kind": kind, "output.folder": out and str(out)}
    settings = read_config(config, _overrides(override or (), options))
    require_root(root, settings.data.table)
    require_outputs(settings.folder, report)

    import ncp

    measured = ncp.load_table(settings.data.table, root).select(columns=settings.data.columns)
    replaced = earlier_run(settings.folder / FILES["metrics"], "--out")
    replaced += earlier_file(report, "--report")
    metrics = _fit(measured, *split(measured, settings), settings)
    if as_json:
        print_json(metrics)
    else:
        _show(metrics)
    page = [] if report is None else [write_page(settings.folder / "metrics.json", report, measured)]
    written(*map(Path, metrics["files"].values()), *page, replaced=replaced, as_json=as_json)


def _overrides(given: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """The keys of --set, and those that options set.

    Raises:
        ConfigError: one key is set by both.
    """
    both = [key for key in options if options[key] is not None and any(text.startswith(f"{key}=") for text in given)]
    if both:
        raise ConfigError(f"{both[0]} is set by --set and by an option of its own. Leave out one of them.")
    return [*given, *(f"{key}={json.dumps(value)}" for key, value in options.items() if value is not None)]


def split(table: ncp.Table, settings: Configuration) -> tuple[Rows, Rows]:
    """Rows to train on and rows to test on.

    All rows of the table are split by the seed, so that the same seed tests on the same rows. Then rows with missing
    values are left out (for `transfer`, only rows without any value are left out of training), and so are rows that
    were added by hand, unless `data.only_sampled: false` tests on them, and rows with a flag of `data.without_flags`.

    Raises:
        ConfigError: a flag that no row has.
        DataError: too few rows are left.
    """
    import numpy as np

    from ncp.predictors.fitting import KINDS

    missing = np.isnan(table.values)
    complete = ~missing.any(axis=1)
    useful = ~missing.all(axis=1) if KINDS[settings.predictor.kind].takes_missing else complete
    rows, held_out = table.split(settings.split.seed, settings.split.test_size)
    wanted = ~_flagged(table, settings.data.without_flags)
    rows = rows[(useful & wanted & table.sampled)[rows]]
    held_out = held_out[(complete & wanted & (table.sampled | (not settings.data.only_sampled)))[held_out]]
    if min(len(rows), len(held_out)) < LEAST_ROWS:
        raise DataError(
            f"Expected at least {LEAST_ROWS} complete rows to train on and {LEAST_ROWS} to test on. "
            f"Got {len(rows)} and {len(held_out)} of {len(table)}. Change split.test_size or data.columns."
        )
    return rows, held_out


def _flagged(table: ncp.Table, flags: Sequence[str]) -> NDArray[np.bool_]:
    """Mask of the rows with one of the flags, `(n,)`.

    Raises:
        ConfigError: a flag that no row has.
    """
    import numpy as np

    found = np.zeros(len(table), dtype=bool)
    for flag in flags:
        rows = table.flagged(flag)
        if not rows.any():
            known = sorted({each for text in table.flags.tolist() for each in text.split(",") if each})
            there = f"The flags are {', '.join(known)}." if known else "The table has no flags."
            raise ConfigError(f"data.without_flags names {quoted(flag)}, which no row has. {there}")
        found |= rows
    return found


def _fit(table: ncp.Table, rows: Rows, held_out: Rows, settings: Configuration) -> dict[str, Any]:
    """Fit, measure, and write every file of the run; return the metrics."""
    import ncp
    from ncp.io.files import whole_file, write_json
    from ncp.optim.results import FORMAT
    from ncp.predictors.quality import quality
    from ncp.report.facts import heldout_agreements, scatters
    from ncp.report.formats import save
    from ncp.report.pictures import scatter_picture

    with progress_bar("Training") as bar:
        predictor = ncp.fit_predictor(
            table.codes[rows],
            table.values[rows],
            table.columns,
            space=table.space,
            kind=settings.predictor.kind,
            seed=settings.predictor.seed,
            progress=bar,
            settings=settings.optimization,
            minimised=table.minimised,
        )
        bar(1.0, "Measuring")
        prediction, values = predictor.predict(table.codes[held_out]), table.values[held_out]
        measured = quality(prediction, values, table.columns)
        files = {name: settings.folder / file for name, file in FILES.items()}
        predictor.save(files["predictor"])
        digest = sha256(files["predictor"].read_bytes()).hexdigest()
        metrics: dict[str, Any] = {
            "format": FORMAT,
            "kind": settings.predictor.kind,
            "table": settings.data.table,
            "split": {**settings.split.model_dump(), "train": len(rows), "test": len(held_out)},
            "columns": {column: {**asdict(found), "n": len(held_out)} for column, found in measured.items()},
            "predictor_sha256": digest,
        }
        metrics |= {"run": run_id(metrics), "files": files}
        held_out_rows = {"run": metrics["run"], "columns": rows_held_out(prediction, values, table.columns)}
        panels = scatters(heldout_agreements(held_out_rows["columns"]), metrics["columns"])
        save(scatter_picture(panels), files["scatter"], metrics["run"])
        write_json(files["heldout"], held_out_rows, indent=None)
        with whole_file(files["config"]) as temporary:
            temporary.write_text(f"# run: {metrics['run']}\n{settings.to_yaml()}", encoding="utf-8")
        write_json(files["metrics"], metrics)  # last, so that the metrics of a stopped run never describe other files
    return metrics


def rows_held_out(prediction: Prediction, values: Reals, columns: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Per column, the predicted and measured values of the held-out rows, and the stds, with six digits."""
    arrays = {"predicted": prediction.mean, "std": prediction.std, "measured": values}
    return {
        column: {name: [float(f"{number:.6g}") for number in numbers[:, j]] for name, numbers in arrays.items()}
        for j, column in enumerate(columns)
    }


def _show(metrics: dict[str, Any]) -> None:
    split = metrics["split"]
    rows = [
        [
            column,
            "-" if math.isnan(found["tau"]) else f"{found['tau']:z.3f}",
            f"{found['mae']:.3f}",
            f"{found['within_one']:.0%}",
            f"{found['within_two']:.0%}",
        ]
        for column, found in metrics["columns"].items()
    ]
    show_table(["column", "tau", "mean abs. error", "within 1 std", "within 2 std"], rows)
    say(
        f"{metrics['kind']}: trained on {counted(split['train'], 'row')}, "
        f"measured on {counted(split['test'], 'other')} "
        f"(split {split['seed']} of {metrics['table']})."
    )
