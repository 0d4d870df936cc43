"""Readers raise only errors of this package, for any content of a file and any path."""

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ncp
from ncp.cli.train_predictor_config import read_config
from ncp.errors import NcpError
from ncp.io.pickles import read_pickle
from ncp.network.export import export
from ncp.network.weights import read_weights
from ncp.spaces.named import load_space
from ncp.tables.cache import fetch_tables, import_folder, load_table, table_status
from ncp.tables.published import read_published
from tests.predictors.fitted import QUICK

SPACE = ncp.Space.from_dict({"c": [8, 16, 24, 32], "edge": ["none", "skip", "conv"]})
ROUNDS = 25
NET = ncp.MultiResolutionNet("32_64-1_1_2_64-2_2_2_2_32_64-2_3_2_2_2_32_64_128-2_4_2_2_2_2_32_64_128_128-96")
ROWS = [[width, edge] for width in (8, 16, 24, 32) for edge in range(3)]
TABLE = ncp.Table(SPACE, ROWS, np.arange(24.0).reshape(12, 2), ["acc", "lat"], minimised=["lat"])
PREDICTOR = ncp.fit_predictor(
    TABLE.codes, TABLE.values, TABLE.columns, space=SPACE, kind="mlp", settings=QUICK["mlp"], minimised=["lat"]
)
CSV = b"c,edge,acc,origin\n" + b"".join(b"%d,%d,%d.5,drawn \xc3\xa9\n" % (c, e, c) for c, e in ROWS)
YAML = b"c: {from: 8, to: 32, step: 8}\nedge: [none, skip, 'conv 1x1']\nkernel: [3, 5, 7]\n"
CONFIG = b"data: {table: mine.parquet, columns: [acc]}\npredictor:\n  kind: gp\noptimization: {steps: 3}\n"


def read_table(path: Path) -> ncp.Table:
    return ncp.Table.read(path, space=SPACE)


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps([{"embedding": np.arange(6), "top1": np.float64(2.5)}]))


READERS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "table.parquet": (TABLE.to_parquet, load_table),
    "columns.parquet": (TABLE.to_parquet, read_table),
    "columns.csv": (lambda path: path.write_bytes(CSV), read_table),
    "columns.csv.gz": (lambda path: path.write_bytes(gzip.compress(CSV)), read_table),
    "space.yaml": (lambda path: path.write_bytes(YAML), load_space),
    "space.json": (lambda path: path.write_text(json.dumps(SPACE.to_dict())), load_space),
    "config.yaml": (lambda path: path.write_bytes(CONFIG), read_config),
    "predictor.safetensors": (PREDICTOR.save, ncp.load_predictor),
    "weights.safetensors": (lambda path: save_file({"a": torch.ones(3)}, path), read_weights),
    "weights.pt": (lambda path: torch.save({"a": torch.ones(3)}, path), read_weights),
    "data.pkl": (write_pickle, read_pickle),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_files(tmp_path: Path, name: str) -> None:
    """Cut, with bytes changed, inserted or swapped: read as something, or refused."""
    write, read = READERS[name]
    path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    read(path)
    rng, refused = np.random.default_rng(len(name)), list[int]()
    for _ in range(ROUNDS):
        changed = bytearray(whole)
        # where descriptions stand: at the beginning or the end
        near = int(min(rng.exponential(len(whole) / 8), len(whole) - 1))
        place = near if rng.random() < 0.5 else len(whole) - 1 - near
        kind = rng.integers(5)
        if kind == 0:
            del changed[place:]
        elif kind == 1:
            changed[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            changed[place:place] = rng.choice([b"\0", b"\xff", b"[" * 1100, b'"', b"!!int ", b"&a *a ", b"9" * 5000])
        elif kind == 3:
            changed[place : place + 8] = changed[place : place + 8][::-1]
        else:
            changed[place : place + 4] = rng.bytes(4)
        path.write_bytes(changed)
        try:
            read(path)
        except NcpError as error:
            refused.append(len(str(error)))
    assert len(refused) > 3
    assert max(refused) < 2000


PATHS: dict[str, Callable[[Any], Any]] = {
    "load_table": load_table,
    "load_table(root)": lambda path: load_table("nas-bench-mr", path),
    "Table.read": read_table,
    "from_parquet": ncp.Table.from_parquet,
    "to_parquet": TABLE.to_parquet,
    "load_space": load_space,
    "read_config": read_config,
    "load_predictor": ncp.load_predictor,
    "load_judge": ncp.load_judge,
    "save": PREDICTOR.save,
    "load_published": NET.load_published,
    "read_pickle": read_pickle,
    "read_published": read_published,
    "import_folder": import_folder,
    "fetch_tables": lambda path: fetch_tables(path, base="http://127.0.0.1:9/", sources=()),
    "stored": lambda path: table_status("nas-bench-mr", path),
    "export": lambda path: export(NET, path, format="torch"),
}


@pytest.mark.parametrize("given", [3, True, b"mine.csv", ["mine.csv"], {"seg": [1.0] * 1000}, "a\0b", "n" * 5000, NET])
@pytest.mark.parametrize("name", PATHS)
def test_invalid_paths_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: object) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_bytes(CSV)
    with pytest.raises(NcpError) as refused:
        PATHS[name](given)
    assert len(str(refused.value)) < 800


@pytest.mark.parametrize("name", sorted(set(PATHS) - {"stored"}))  # it says of any place what is there
def test_too_long_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_bytes(CSV)
    with pytest.raises(NcpError):
        PATHS[name]("n" * 300)
