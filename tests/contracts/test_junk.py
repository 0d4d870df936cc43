"""Whatever is passed to a public function, it answers or raises an error of this package: never anything else."""

import random
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ncp
from ncp import MULTIRES, Budget, Categorical, Code, NcpError, Objective, Ordinal, Space, Table
from tests.predictors.fitted import COLUMNS, MIXED, QUICK, fitted, rows

CODES, VALUES = rows("mixed", 60)
TABLE = Table(MIXED, CODES, VALUES, COLUMNS)
CODE = Code.from_vector(MULTIRES.sample(1, np.random.default_rng(0))[0])
own = partial(fitted, "gp", "mixed")
"""Makes the predictor; as a value it stands for what it makes, so that nothing is fitted while tests are collected."""
FEW = {"starts": 2, "steps": 2}

JUNK: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 1.5, -0.0, float("nan"), float("inf"), 10**30, 1j),
    *("", " ", "x", "seg", "seg/mIoU", "{field}", "{0}", "\0", "\ud800", "../..", "ordinal", b"seg"),
    *([], [1], ["seg"], ["seg", "seg"], [[]], [None], ("seg", 1), {}, {"seg": 1}, {"seg": float("nan")}, {1: 1}),
    *({"seg": "1"}, {"seg": {}}, set(), range(3), object(), int, len, NotImplemented),
    *(np.float64("nan"), np.int64(3), np.array([]), np.zeros((2, 2)), np.array("x"), np.array([None, "x"])),
    *(torch.zeros(2, 2), torch.tensor(3), Path("none"), Path()),
    *(MIXED, MULTIRES, TABLE, Budget(), Objective({"seg": 1}), CODE, CODES, CODES[0], VALUES),
]

FUNCTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Objective": (Objective, {"weights": {"seg": 1.0}, "uncertainty_penalty": 0.0, "at_least": {"seg": 1.0}}),
    "Budget": (
        Budget,
        {"max_macs": 1e9, "max_params": 1e6, "image_size": 64, "classes": 3, "task": "features", "max_latency_ms": 1.0}
        | {"latency": None},
    ),
    "allows": (Budget(max_macs=1e9).allows, {"codes": CODE}),
    "macs": (ncp.macs, {"codes": CODE, "image_size": 64, "classes": 3, "task": "features"}),
    "params": (ncp.params, {"codes": CODE, "classes": 3, "task": "features"}),
    "Ordinal": (Ordinal, {"name": "a", "values": [1, 2]}),
    "Categorical": (Categorical, {"name": "a", "choices": ["x", "y"]}),
    "Space": (Space, {"dimensions": MIXED.dimensions}),
    "Space.from_dict": (Space.from_dict, {"data": MIXED.to_dict()}),
    "codes": (MIXED.codes, {"codes": CODES}),
    "code": (MIXED.code, {"code": CODES[0]}),
    "text": (MIXED.text, {"code": CODES[0]}),
    "contains": (MIXED.contains, {"codes": CODES}),
    "relax": (MIXED.relax, {"codes": CODES}),
    "snap": (MIXED.snap, {"relaxed": MIXED.relax(CODES)}),
    "neighbours": (MIXED.neighbours, {"code": CODES[0]}),
    "Code.parse": (Code.parse, {"text": str(CODE)}),
    "Code.from_vector": (Code.from_vector, {"vector": CODE.vector}),
    "Code.from_setting": (Code.from_setting, CODE.setting),
    "load_space": (ncp.load_space, {"name": "cell201"}),
    "load_table": (ncp.load_table, {"name": "none.parquet", "root": None}),
    "load_predictor": (ncp.load_predictor, {"name": "none"}),
    "load_judge": (ncp.load_judge, {"name": "none"}),
    "load_latency": (ncp.load_latency, {"path": "none"}),
    "Table": (
        Table,
        {"space": MIXED, "codes": CODES, "values": VALUES, "columns": COLUMNS, "origin": None, "flags": None}
        | {"minimised": ()},
    ),
    "Table.read": (
        Table.read,
        {"path": "none.csv", "space": MIXED, "codes": None, "values": None, "minimised": (), "drop_bad": False},
    ),
    "Table.from_parquet": (Table.from_parquet, {"path": "none"}),
    "row": (TABLE.row, {"code": CODES[0]}),
    "query": (TABLE.query, {"code": CODES[0]}),
    "lookup": (TABLE.lookup, {"codes": CODES, "columns": None}),
    "nearest": (TABLE.nearest, {"code": CODES[0], "k": 1}),
    "select": (TABLE.select, {"columns": "seg", "rows": None}),
    "split": (TABLE.split, {"seed": 0, "test_size": 0.2}),
    "flagged": (TABLE.flagged, {"flag": "x"}),
    "fit_predictor": (
        ncp.fit_predictor,
        {"codes": CODES, "values": VALUES, "columns": COLUMNS, "space": MIXED, "kind": "ensemble", "seed": 0}
        | {"settings": QUICK["ensemble"], "minimised": ()},
    ),
    "predict": (lambda **given: own().predict(**given), {"codes": CODES}),
    "has_seen": (lambda **given: own().has_seen(**given), {"codes": CODES}),
    "propagate": (
        ncp.propagate,
        {"predictor": own, "objective": "seg", "start": CODES[0], "budget": None, "steps": 2}
        | {"strategy": "continuous", "freeze": ()},
    ),
    "search": (
        lambda **given: ncp.search(predictor=own(), judge=own(), **given),
        {"objective": "seg", "budget": None, "table": TABLE, "top": 2, "seed": 0, "strategy": "continuous"}
        | {"freeze": (), "origin": CODES[0], "max_changes": 2, **FEW},
    ),
    "search on a table": (
        partial(ncp.search, table=TABLE, **FEW),
        {"objective": "seg", "predictor": None, "judge": None},
    ),
    "pareto_search": (
        lambda **given: ncp.pareto_search(predictor=own(), judge=own(), **given),
        {"objectives": ["seg", "video"], "budget": None, "table": TABLE, "cost": True, "at_least": None, "size": 3}
        | {"seed": 0, **FEW},
    ),
    "simulate": (
        ncp.simulate,
        {"table": TABLE, "searcher": "random", "objective": "seg", "queries": 3, "seed": 0, "warm_start": None},
    ),
    "compare": (
        partial(ncp.compare, workers=1),
        {"table": TABLE, "searchers": ["random", "local"], "objective": "seg", "queries": 3, "seeds": 2}
        | {"folder": None, "warm_start": None},
    ),
    "Study": (
        ncp.Study,
        {"folder": "study", "objective": "seg", "budget": None, "space": MIXED, "prior": None, "seed": 0}
        | {"minimised": ()},
    ),
    "tell": (
        lambda **given: ncp.Study("told", objective="seg", space=MIXED).tell(**given),
        {"code": CODES[0], "values": {"seg/mIoU": 70.0}, "reason": ""},
    ),
    "ask": (lambda **given: ncp.Study("asked", objective="seg", space=MIXED).ask(**given), {"n": 2}),
    "best": (lambda **given: ncp.Study("best", objective="seg", space=MIXED).best(**given), {"k": 2}),
    "tune": (
        ncp.tune,
        {"tasks": "none.yaml", "folder": "tuned", "objective": "seg", "budget": None, "trainings": 1, "prior": None}
        | {"space": MIXED, "seed": 0, "seeds": 1, "hours": None, "until_improvement": None, "finalists": 0}
        | {"final_epochs": 1.0, "final_seeds": 1},
    ),
    "MultiResolutionNet": (
        ncp.MultiResolutionNet,
        {"code": CODE, "task": "classification", "num_classes": 2, "in_channels": 3},
    ),
}
HEAVY = {"search", "search on a table", "pareto_search", "fit_predictor", "propagate", "MultiResolutionNet", "compare"}


def told(value: Any) -> str:
    return re.sub(r"\s+", " ", repr(value))[:80]


def with_junk(name: str, tries: int, seed: int) -> None:
    """Call a function with one or two arguments replaced, and refuse every other error."""
    function, given = FUNCTIONS[name]
    rng = random.Random(seed)  # noqa: S311
    for _ in range(tries):
        changed = {key: rng.choice(JUNK) for key in rng.sample(sorted(given), k=min(len(given), rng.choice([1, 1, 2])))}
        try:
            function(**{key: own() if value is own else value for key, value in (given | changed).items()})
        except NcpError as error:
            assert 10 < len(str(error)) < 2000, str(error)  # noqa: PT017
            assert "object at 0x" not in str(error)  # noqa: PT017
        except Exception as error:
            error.add_note(f"{name} with {', '.join(f'{key}={told(value)}' for key, value in changed.items())}")
            raise


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_our_errors_come_out(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with_junk(name, 6 if name in HEAVY else 60, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_our_errors_come_out_of_many_tries(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with_junk(name, 60 if name in HEAVY else 600, seed=1)
