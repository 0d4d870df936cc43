"""`ncp compare` as a user types it, on a table of a file."""

import json
from pathlib import Path

import numpy as np
import pytest

from ncp import Space, Table
from tests.cli.conftest import Run

SPACE = Space.from_dict({"depth": [1, 2, 3, 4], "edge": ["none", "skip", "conv"]})
QUICK = ("--searchers", "random,local", "--queries", "4", "--seeds", "2", "--workers", "1")


pytestmark = pytest.mark.usefixtures("replays_here")


def written() -> Table:
    codes = np.unique(SPACE.sample(200, np.random.default_rng(0)), axis=0)
    values = np.random.default_rng(1).normal(70, 3, size=(len(codes), 2))
    table = Table(SPACE, codes, values, ["seg/mIoU", "video/top1"])
    table.to_parquet("mine.parquet")
    return table


def test_it_replays_compares_and_goes_on_from_there(run: Run) -> None:
    table = written()
    asked = ("compare", "--table", "mine.parquet", "--objective", "mIoU", *QUICK, "--out", "here")
    status, out, error = run(*asked)
    assert (status, "Traceback" in error) == (0, False)
    assert f"2 replays of 4 queries each; the best in the table is {table.values[:, 0].max():.3f}." in out
    for text in ("searcher", "regret", "has the best", "p, random", "p, baseline", "ms/query", "random", "local"):
        assert text in out
    assert "Written: here/compare.json, here/compare.svg" in out
    assert Path("here/compare.svg").read_text().startswith("<?xml")
    result = json.loads(Path("here/compare.json").read_text())
    assert result["optimum"] == table.values[:, 0].max()
    assert np.array(result["best"]["local"]).shape == (2, 4)
    assert sorted(path.name for path in Path("here/replays").iterdir()) == [
        *("local-0.json", "local-1.json"),
        *("random-0.json", "random-1.json"),
    ]

    for path in Path("here/replays").glob("local-*.json"):
        held = json.loads(path.read_text())
        held["replay"]["best"] = [result["optimum"]] * 4
        path.write_text(json.dumps(held))
    status, out, _ = run(*asked, "--json")
    again = json.loads(out)
    assert (status, set(again)) == (0, {"optimum", "standings"})
    first = again["standings"][0]
    assert (first["searcher"], first["runs"], first["queries"], first["found"]) == ("local", 2, 4, 1.0)
    assert json.loads(Path("here/compare.json").read_text())["standings"] == again["standings"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--searchers", "random,greedy"), "Expected searchers of random, local, evolution, evolution-10, tpe, nsga2"),
        (("--searchers", "random,random"), "each once. Got ['random', 'random']."),
        (("--seeds", "1"), "Expected at least two seeds and one query. Got 1 and 4."),
        (("--queries", "0"), "Expected at least two seeds and one query. Got 2 and 0."),
        (("--objective", "seg:much"), "Expected a number as the weight of seg. Got 'much'."),
        (("--objective", "sge"), "Expected a task or a column, task/metric. Got 'sge'. Did you mean seg?"),
        (("--table", "none.parquet"), "none.parquet"),
        (("--warm-start", "none.parquet"), "none.parquet"),
        pytest.param(
            ("--workers", "-1"),
            "Expected at least one",
        ),
    ],
)
def test_bad_input_is_one_message(run: Run, arguments: tuple[str, ...], message: str) -> None:
    written()
    status, out, error = run("compare", "--table", "mine.parquet", "--objective", "seg", *QUICK, *arguments)
    assert status == 2
    assert "ncp: " in error
    assert message in error
    assert "Traceback" not in error
    assert out == ""
    assert not Path("out").exists()
