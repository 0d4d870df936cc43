"""`ncp query`: show every task's value of an architecture, measured or predicted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.options import BENCHMARK, AsJson, CodeArgument, RootOption, installed_table, require_root
from ncp.cli.output import print_json, say, show_table
from ncp.cost_text import gmacs_text, mparams_text
from ncp.errors import ConfigError, DataError, counted, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ncp
    from ncp.predictors.predictor import Predictor
    from ncp.spaces.space import Space

NEIGHBOURS = 3

ORIGINS = {
    "wide-3": "random: channels in steps of 16, up to 3 modules per stage",
    "wide-4": "random: channels in steps of 16, up to 4 modules per stage",
    "small": "random: at most 64 channels, counts of 1 and 2",
    "anchor": "chosen by hand: one width and one count everywhere; leave it out of training for a fair test",
    "trained": "trained by ncp build",
    "searched": "added by hand, probably found by a search; leave it out of training for a fair test",
}
FLAGS = {
    "3ddet-batch": "its 3ddet value is from a batch of trainings that all ended about 6 points too low",
    "3ddet-failed": "its 3ddet training failed: the value is about 0",
}

UNMEASURED = (
    "This code is not in the table. Add --predictor FILE to predict its values; "
    "ncp train-predictor fits a predictor to a table."
)

QueriedTable = Annotated[
    str | None,
    typer.Option(
        "--table",
        metavar="NAME|FILE",
        help=f"Measured values: a benchmark or a table file [default: {BENCHMARK}, if it is installed].",
    ),
]
QueriedPredictor = Annotated[
    str | None,
    typer.Option(
        "--predictor",
        metavar="NAME|FILE",
        help=f"Also show predicted values: {BENCHMARK}, or a file from ncp train-predictor.",
    ),
]


def query(
    code: CodeArgument,
    table: QueriedTable = None,
    predictor: QueriedPredictor = None,
    root: RootOption = None,
    as_json: AsJson = False,
) -> None:
    """Show an architecture's values, measured or else predicted."""
    require_root(root, table)
    if code.startswith("--"):
        raise ConfigError(f"There is no option {quoted(code)}. ncp query --help lists the options.")
    from ncp.tables.published import task_lines

    document = answer(code, _table(table, root), predictor)
    if as_json:
        print_json(document)
    else:
        known = table in (None, BENCHMARK) and predictor in (None, BENCHMARK)
        _show(document, task_lines(document["values"]) if known else [])


def answer(text: str, table: ncp.Table | None, predictor: str | None) -> dict[str, Any]:
    """Look up a code, and return plain data. Only missing values are predicted, unless `predictor` is given.

    Raises:
        CodeError: not a code of the space of the table, or of the predictor if there is no table.
        DataError: the predictor has another space than the table.
    """
    import ncp

    loaded = ncp.load_predictor(predictor or BENCHMARK) if predictor is not None or table is None else None
    space = ncp.MULTIRES if loaded is None else loaded.space
    space = space if table is None else table.space
    code = tuple(space.code(text).tolist())
    row = None if table is None else table.row(code)
    values = {} if table is None or row is None else _measured(table, row)
    if loaded is None and space.has_network and (not values or None in [v["mean"] for v in values.values()]):
        loaded = ncp.load_predictor(BENCHMARK)
    if loaded is not None and loaded.space != space:
        raise DataError(
            f"The predictor has another search space than the table: {_dimensions(loaded.space)} instead of "
            f"{_dimensions(space)}. Choose another table or predictor."
        )
    predicted = {} if loaded is None else _predicted(code, loaded)
    missing = [column for column in (values or predicted) if values.get(column, {}).get("mean") is None]
    values |= {column: predicted[column] for column in missing if column in predicted}
    return {
        "code": space.text(code),
        "vector": list(code),
        **(_network(code) if space.has_network else {"setting": None, "cost": None}),
        "values": values,
        "predicted": predicted if row is not None and predictor is not None else None,
        "origin": None if table is None or row is None else str(table.origin[row]),
        "flags": [] if table is None or row is None else [flag for flag in str(table.flags[row]).split(",") if flag],
        "neighbours": _neighbours(table, code) if table is not None and row is None and len(table) else [],
        "notes": [_no_table()] if table is None and space.has_network else [] if values else [UNMEASURED],
    }


def _dimensions(space: Space) -> str:
    return f"{len(space)} dimensions ({', '.join(space.names[:3])}, ..)"


def _network(code: tuple[int, ...]) -> dict[str, Any]:
    """The setting and the exact cost of a multi-resolution network."""
    import ncp

    network = ncp.Code.from_vector(code)
    cost = {"macs": ncp.macs(network).item(), "params": ncp.params(network).item()}
    return {"setting": network.setting, "cost": cost | {"image_size": [128, 128], "classes": 50}}


def _table(name: str | None, root: Path | None) -> ncp.Table | None:
    """The table with a name, by default the benchmark's; None if that is not installed."""
    import ncp

    return installed_table(root) if name is None else ncp.load_table(name, root)


def _no_table() -> str:
    return (
        f"The table {BENCHMARK} is not installed, so all values are predicted. Get it with ncp data fetch, or from "
        "published files with ncp data import FOLDER."
    )


def _measured(table: ncp.Table, row: int) -> dict[str, dict[str, Any]]:
    """The measured values of a row; None where one is missing."""
    return {
        column: {"mean": value if value == value else None, "std": None, "source": "table"}
        for column, value in zip(table.columns, table.values[row].tolist(), strict=True)
    }


def _predicted(code: tuple[int, ...], predictor: Predictor) -> dict[str, dict[str, Any]]:
    prediction = predictor.predict(code)
    means = prediction.mean[0].tolist()
    stds = prediction.std[0].tolist()
    return {
        column: {"mean": mean, "std": std, "source": "predictor"}
        for column, mean, std in zip(predictor.columns, means, stds, strict=True)
    }


def _neighbours(table: ncp.Table, code: tuple[int, ...]) -> list[dict[str, Any]]:
    """The nearest rows of the table, with their distances [steps]."""
    rows, distances = table.nearest_and_distances(code, min(NEIGHBOURS, len(table)))
    return [
        {
            "code": table.space.text(table.codes[row]),
            "distance": distance,
            "values": {column: value["mean"] for column, value in _measured(table, row).items()},
        }
        for row, distance in zip(rows.tolist(), distances.tolist(), strict=True)
    ]


def _show(document: dict[str, Any], tasks: Sequence[str]) -> None:
    values, predicted, neighbours = document["values"], document["predicted"], document["neighbours"]
    cost, origin = document["cost"], document["origin"]
    say(document["code"])
    if cost:
        gmacs, mparams = gmacs_text(cost["macs"]), mparams_text(cost["params"])
        say(f"{gmacs} GMACs at 128 x 128 pixels, {mparams} M params (50 classes)")
    if origin:
        say(f"origin: {origin} ({ORIGINS.get(origin, 'no description')})")
    say(*(f"flag: {flag} ({_flag(flag)})" for flag in document["flags"]))
    columns = dict.fromkeys([*values, *(predicted or {}), *(c for near in neighbours for c in near["values"])])
    heads = ["column", *(["value", "std", "source"] if values else []), *(["predicted", "std"] if predicted else [])]
    rows = []
    for column in columns:
        value = values.get(column, {"mean": None, "std": None, "source": "-"})
        beside = (predicted or {}).get(column, {"mean": None, "std": None})
        row = [column, *([_number(value["mean"]), _number(value["std"]), value["source"]] if values else [])]
        row += [_number(beside["mean"]), _number(beside["std"])] if predicted else []
        rows.append([*row, *(_number(near["values"].get(column)) for near in neighbours)])
    if len(heads) + len(neighbours) > 1:
        show_table([*heads, *(f"near {n}" for n in range(1, len(neighbours) + 1))], rows, left=["source"])
    for number, near in enumerate(neighbours, start=1):
        say(f"near {number}, {counted(near['distance'], 'step')} away in the table: {near['code']}")
    say(*tasks, *document["notes"])


def _flag(flag: str) -> str:
    """What a flag means."""
    task = flag.removesuffix("-failed")
    return FLAGS.get(flag) or ("no description" if task == flag else f"a training on {task} failed")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:z.2f}"
