"""Reports of files that were damaged, tampered with, or belong to another run."""

import json
import os
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncp import Budget, Comparison, DataError, Objective, search
from ncp.cli.output import run_id
from ncp.io.files import write_json
from ncp.predictors.fitting import KINDS
from ncp.report import sections
from ncp.report.html import write_report
from ncp.report.predictor_page import IN_WORDS
from ncp.report.trace import Trace
from tests.predictors.fitted import fitted

JUNK = (None, "x", [], {}, -1, 1.5, True, [[]], {"a": None}, 10**400, [1, "x"], 1e308)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small search, as `ncp search` writes it."""
    folder = tmp_path_factory.mktemp("searched")
    result = search(
        Objective({"seg/mIoU": 1.0}),
        budget=Budget(max_macs=3e9),
        predictor=fitted("ensemble"),
        starts=3,
        steps=3,
        top=2,
    )
    result.provenance["run"] = run_id(result.to_dict())
    Trace.of(result).to_json(folder / "trace.json")
    result.to_json(folder / "result.json")
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The folder of a training, as `ncp train-predictor` writes it, without its predictor."""
    found = {"tau": None, "mae": 0.1, "within_one": 0.7, "within_two": 0.95, "n": 3}
    split = {"seed": 0, "test_size": 0.2, "train": 9, "test": 3}
    metrics = {
        "format": 2,
        "kind": "gp",
        "table": "t",
        "split": split,
        "columns": {"a/x": found},
        "predictor_sha256": "0" * 64,
    }
    write_json(tmp_path / "metrics.json", metrics | {"run": "7", "files": {"config": "config.yaml"}})
    held = {"predicted": [1.0, 2.0, 3.0], "std": [0.5, 0.5, 0.5], "measured": [1.5, 2.0, 3.0]}
    write_json(tmp_path / "heldout.json", {"run": "7", "columns": {"a/x": held}})
    (tmp_path / "config.yaml").write_text("# run: 7\n")
    return tmp_path


@pytest.fixture
def compared(tmp_path: Path) -> Path:
    best = np.maximum.accumulate(np.random.default_rng(0).normal(size=(3, 4)), axis=1)
    asked = {"weights": {"Acc": 1.0}, "searchers": ["random", "local"], "queries": 4, "seeds": 3, "version": "0"}
    every = {"random": best, "local": best + 0.1}
    Comparison(asked, every, {name: np.ones((3, 4)) for name in every}, 5.0).to_json(tmp_path / "compare.json")
    return tmp_path


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without drawings and plotly, which cost more than all the rest."""
    monkeypatch.setattr(sections, "network_drawing", lambda *_: "")
    monkeypatch.setattr("ncp.report.figures.packed_library", lambda: "")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def tampered(document: Any, rng: random.Random) -> Any:
    """A copy in which one value is another, or is gone."""
    changed = deepcopy(document)
    *way, last = rng.choice([place for place in places(document) if place])
    inner = changed
    for key in way:
        inner = inner[key]
    if rng.random() < 0.3:
        del inner[last]
    else:
        inner[last] = rng.choice(JUNK)
    return changed


def page_of(folder: Path, name: str) -> str:
    write_report(folder / name, folder / "page.html")
    return (folder / "page.html").read_text()


@pytest.mark.parametrize("name", ["result.json", "trace.json", "metrics.json", "heldout.json", "compare.json"])
@pytest.mark.usefixtures("trained", "compared")
def test_a_damaged_file_is_one_message(searched: Path, tmp_path: Path, name: str) -> None:
    source = {"trace.json": "result.json", "heldout.json": "metrics.json"}.get(name, name)
    for file in searched.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert page_of(tmp_path, source)
    text = (tmp_path / name).read_text()
    document, rng = json.loads(text), random.Random(0)  # noqa: S311
    damaged = [json.dumps(tampered(document, rng)) for _ in range(50)]
    damaged += ["[" * 100000, '{"a":' * 5000, text[: len(text) // 2], text.replace("1", "NaN", 1), "\x00", '"\ud800"']
    refused = 0
    for each in damaged:
        (tmp_path / name).write_text(each, errors="surrogatepass")
        try:
            page_of(tmp_path, source)
        except DataError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017
            refused += 1
    assert refused >= 10


@pytest.mark.parametrize("name", ["result.json", "trace.json", "metrics.json", "compare.json"])
@pytest.mark.usefixtures("trained", "compared")
def test_files_of_another_version_are_refused(searched: Path, tmp_path: Path, name: str) -> None:
    for file in searched.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    write_json(tmp_path / name, json.loads((tmp_path / name).read_text()) | {"format": 1})
    with pytest.raises(DataError, match=f"{name} was written by another version of ncp: its format is 1, .* reads 2."):
        page_of(tmp_path, {"trace.json": "result.json"}.get(name, name))


def test_a_trace_of_another_run_is_left_out(searched: Path, tmp_path: Path) -> None:
    for file in searched.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert "Every start as a faint line" in page_of(tmp_path, "result.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    write_json(tmp_path / "trace.json", trace | {"run": "another"})
    page = page_of(tmp_path, "result.json")
    assert "Every start as a faint line" not in page
    assert "Left out: trace.json in this folder belongs to another run." in page


@pytest.mark.parametrize("name", ["heldout.json", "config.yaml", "predictor.safetensors"])
def test_files_of_another_training_are_named(trained: Path, name: str) -> None:
    page = page_of(trained, "metrics.json")
    assert "another run" not in page
    assert "<h1>Predictor of t: Gaussian process</h1>" in page
    other = {"heldout.json": '{"run": "8", "columns": {}}', "config.yaml": "# run: 8\n", "predictor.safetensors": "x"}
    (trained / name).write_text(other[name])
    page = page_of(trained, "metrics.json")
    assert f"Left out: {name} in this folder belongs to another run." in page
    assert ("Predicted and measured values" in page) == (name != "heldout.json")


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
@pytest.mark.parametrize("name", ["metrics.json", "heldout.json"])
def test_a_page_never_replaces_what_it_is_made_of(trained: Path, name: str, link: Any) -> None:
    before, page = (trained / name).read_bytes(), trained / name
    if link is not None:
        page = trained / "page.html"
        link(trained / name, page)
    with pytest.raises(DataError, match=r"from which the page is made. Choose another path for the page"):
        write_report(trained / "metrics.json", page)
    assert (trained / name).read_bytes() == before


def test_every_kind_of_predictor_has_a_name_in_words() -> None:
    assert set(IN_WORDS) == set(KINDS)
