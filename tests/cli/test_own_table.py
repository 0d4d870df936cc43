"""A user's table from its file to a comparison, by commands alone."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from ncp import Categorical, Ordinal, Space
from ncp.optim.front_search import Refinement, pareto_search
from ncp.pareto import non_dominated
from ncp.spaces.arrays import Codes, Reals
from tests.cli.conftest import Run

SPACE = Space(
    [Ordinal(f"width{k}", range(8, 72, 8)) for k in range(4)]
    + [Ordinal("depth", [1, 2, 3, 5]), Ordinal("heads", [0, 1, 2, 4])]
    + [Categorical(f"edge{k}", ["none", "skip", "conv"]) for k in range(4)]
    + [Categorical("norm", ["batch", "layer"]), Categorical("act", ["relu", "gelu", "silu"])]
)
ROWS, BAD = 600, 18
CONFIG = """
data: {table: mine.parquet}
predictor: {kind: gp}
optimization: {steps: 40}
output: {folder: out}
"""


def truth(codes: Codes) -> tuple[Reals, Reals]:
    """Accuracy [%] and latency [ms], of which lower is better: each has a term that the other lacks."""
    width, depth, heads, edges = codes[:, :4], codes[:, 4], codes[:, 5], codes[:, 6:10]
    accuracy = 60 + 3 * np.log(width).sum(1) + 2 * np.log(depth) + 1.5 * (edges == 2).sum(1) + 2 * codes[:, 10]
    accuracy -= 2 * (edges == 0).sum(1) + (codes[:, 11] - 1) ** 2 + 0.5 * (heads - 2) ** 2
    return accuracy, 1 + width.sum(1) * depth / 50 + 2 * (edges == 2).sum(1) + codes[:, 10]


def written(folder: Path) -> None:
    """`mine.csv`, whose last rows are bad in five ways, and `mine.yaml`."""
    rng = np.random.default_rng(0)
    codes = np.unique(SPACE.sample(2 * ROWS, rng), axis=0)
    codes = codes[rng.permutation(len(codes))[:ROWS]]
    accuracy, latency = truth(codes)
    lines = [[*row, f"{a:.4f}", f"{b:.4f}"] for row, a, b in zip(named(codes), accuracy, latency, strict=True)]
    for k, line in enumerate(lines[-BAD:]):
        place, text = [(0, "9"), (7, "dense"), (12, "fast"), (4, ""), (13, "1,5")][k % 5]
        line[place] = text
    header = [*SPACE.names, "acc", "latency"]
    quoted = [",".join(f'"{cell}"' for cell in line) for line in [header, *lines]]
    (folder / "mine.csv").write_text("\n".join(quoted) + "\n")
    (folder / "mine.yaml").write_text(yaml.safe_dump(SPACE.to_dict(), sort_keys=False))


def named(codes: Codes) -> list[list[str]]:
    """Codes as a person writes them: choices by name."""
    return [
        [
            dim.choices[value] if isinstance(dim, Categorical) else str(value)
            for dim, value in zip(SPACE.dimensions, code.tolist(), strict=True)
        ]
        for code in codes
    ]


@pytest.fixture
def imported(run: Run, tmp_path: Path) -> Run:
    """In a folder with the imported table `mine.parquet`."""
    written(tmp_path)
    arguments = ("data", "import", "mine.csv", "--space", "mine.yaml", "--code-columns", ",".join(SPACE.names))
    arguments += ("--values", "acc,latency:min", "--out", "mine.parquet")
    status, _, error = run(*arguments)
    assert (status, "row" in error, "width0" in error) == (2, True, True)
    status, out, _ = run(*arguments, "--drop-bad", "--json")
    [summary] = json.loads(out)["tables"]
    assert (status, summary["rows"], sum(summary["left_out"].values())) == (0, ROWS - BAD, BAD)
    assert summary["minimised"] == ["latency"]
    return run


@pytest.mark.slow
def test_it_is_queried_trained_on_searched_and_compared(imported: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    code = ",".join(named(SPACE.sample(1, rng))[0])
    status, out, error = imported("query", code, "--table", "mine.parquet", "--json")
    assert (status, len(json.loads(out)["neighbours"])) == (0, 3), error

    Path("train.yaml").write_text(CONFIG)
    status, out, error = imported("train-predictor", "--config", "train.yaml", "--json")
    assert status == 0, error
    measured = json.loads(out)["columns"]
    assert {name: found["tau"] > 0.6 for name, found in measured.items()} == {"acc": True, "latency": True}

    fitted = ("--predictor", "out/predictor.safetensors", "--table", "mine.parquet")
    some = truth(SPACE.sample(20_000, rng))
    mean, deviation = np.mean(some, axis=1), np.std(some, axis=1)
    tasks = ("--tasks", "acc,latency")
    status, out, error = imported("search", *tasks, *fitted, "--starts", "32", "--steps", "30", "--json")
    assert status == 0, error
    rows = json.loads(out)["rows"]
    found = truth(SPACE.codes([row["vector"] for row in rows]))
    good, least = (((x.T - mean) / deviation) @ [1, -1] for x in (np.array(found), np.array(some)))
    assert good.min() > np.quantile(least, 0.98)
    assert {value["source"] for row in rows for value in row["verified"].values()} <= {"table", "judge"}

    few = partial(pareto_search, refinement=Refinement(rounds=1, tried=300, crossed=100, directions=50))
    monkeypatch.setattr("ncp.optim.front_search.pareto_search", few)
    quick = ("--starts", "16", "--steps", "10", "--top", "60", "--json")
    status, out, error = imported("pareto", *tasks, *fitted, "--at-least", "latency=12", *quick)
    assert status == 0, error
    rows = json.loads(out)["rows"]
    predicted = np.array([[row["predicted"][name]["mean"] for name in ("acc", "latency")] for row in rows])
    assert len(rows) > 5
    assert predicted[:, 1].max() <= 12
    assert non_dominated(predicted, minimise=[False, True]).all()

    arguments = ("--tasks", "acc", "--searchers", "random, bayesian", "--queries", "30", "--seeds", "3")
    status, out, error = imported("compare", "--table", "mine.parquet", *arguments, "--workers", "1", "--json")
    assert status == 0, error
    regret = {each["searcher"]: each["regret"] for each in json.loads(out)["standings"]}
    assert regret["bayesian"] < regret["random"]
