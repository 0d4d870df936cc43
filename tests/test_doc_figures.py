"""Figures in tables of the documents that are written by hand are those of results.json."""

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
RESULTS: dict[str, Any] = json.loads((ROOT / "benchmarks/results.json").read_text(encoding="utf-8"))


def row(label: str, *cells: str) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join([label, *cells])} |"


def regrets(summary: dict[str, dict[str, float]]) -> list[str]:
    """Mean regrets after 8, 16 and 32 trainings, with intervals."""
    return ["{mean:.2f} ({low:.2f} to {high:.2f})".format(**summary[f"at_{at}"]) for at in (8, 16, 32)]


def value(name: str) -> Any:
    return RESULTS[name]["value"]


def tune() -> list[str]:
    plain, budgets, pairs = value("tune/without_prior"), value("tune/budgets"), value("tune/pairs")
    real = value("tune/real")
    return [
        *(
            row(f"search {place + 1}", *(f"{real[f'{name}_{place}']:.2f}" for name in ("tuned", "random")))
            for place in range(2)
        ),
        "The difference is {difference:.2f} (95 % interval {low:.2f} to {high:.2f}".format(**real),
        row("with the prior (50 seeds)", *regrets(value("tune/new_task")["mean"])),
        row("the same searcher without a prior (20 seeds)", *regrets(plain["bayesian"])),
        row("random search (20 seeds)", *regrets(plain["random"])),
        row(
            "with priors whose values belong to other networks (20 seeds)",
            *regrets(value("tune/misleading")["shuffled_prior"]),
        ),
        row("within 1 GMACs, with the prior (20 seeds)", *regrets(budgets["gmacs_1"])),
        row("within 4 GMACs, with the prior (20 seeds)", *regrets(budgets["gmacs_4"])),
        row("two tasks at once, with the prior (20 seeds)", *regrets(pairs["with_prior"])),
        row("two tasks at once, without a prior (20 seeds)", *regrets(pairs["without_prior"])),
    ]


def trainings() -> list[str]:
    reached = {name: value(f"learning/{name}") for name in ("cifar10", "camvid", "clips", "clips-shuffled")}
    return [
        f"| {reached['cifar10']:.1f} % top1 |",
        f"| {reached['camvid']:.1f} % mIoU |",
        f"| {reached['clips']:.1f} % top1; {reached['clips-shuffled']:.1f} % with the frames in random order |",
    ]


def mini() -> list[str]:
    agreement, noise = value("mini_figures/agreement"), value("mini_figures/noise")
    first = [f"{agreement[f'cifar10-{other}']:.2f}" for other in ("camvid", "clips", "macs")]
    columns = {"cifar10": "cifar10/top1", "camvid": "camvid/mIoU", "clips": "clips/top1"}
    return [
        row("`cifar10`", *first),
        f"| `camvid` | | {agreement['camvid-clips']:.2f} | {agreement['camvid-macs']:.2f} |",
        f"| `clips` | | | {agreement['clips-macs']:.2f} |",
        *(
            row(f"`{column}`", *(f"{noise[task][f'std-between-{which}']:.1f}" for which in ("seeds", "codes")))[:-2]
            for task, column in columns.items()
        ),
    ]


def runtimes() -> list[str]:
    ways = ("torch_float32", "onnxruntime_float32", "openvino_float32")
    ways += ("plain_bfloat16", "torch_bfloat16", "openvino_bfloat16")
    found = value("runtimes/speed")
    return [
        f"| {size} | {' | '.join(f'{found[name][size][way]:.1f}' for way in ways)} |"
        for name in found
        for size in found[name]
    ]


def comparison() -> list[str]:
    cells, best = value("compare_propagated/cells")["regret"], value("compare_propagated/networks")["best_score"]
    labels = {"lists all 15625 cells": cells["listed"], "lists none": cells["propagated"]}
    rows = [row(label, *(f"{found[f'at_{at}']:.3f}" for at in (50, 100))) for label, found in labels.items()]
    ours = row("bayesian", *(f"**{best['bayesian'][f'at_{at}']:.3f}**" for at in (50, 100)))
    others = [row(name, *(f"{best[name][f'at_{at}']:.3f}" for at in (50, 100))) for name in best if name != "bayesian"]
    return [*rows, ours, *others, *unlisted()]


def unlisted() -> list[str]:
    scores, leads = value("unlisted/searchers")["score"], value("unlisted/searchers")["lead_over"]
    reached = {name: [f"{scores[name][f'at_{at}']:.2f}" for at in (25, 50, 100)] for name in scores}
    return [
        row("bayesian", *(f"**{score}**" for score in reached["bayesian"])),
        *(
            row(name, *reached[name], "{lead:.2f} ({low:.2f} to {high:.2f})".format(**lead))
            for name, lead in leads.items()
        ),
    ]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("docs/comparison.md", comparison()),
        ("docs/tune.md", tune()),
        ("docs/trainings.md", trainings()),
        ("docs/mini.md", mini()),
        ("docs/network.md", runtimes()),
    ],
)
def test_a_table_has_the_recorded_figures(page: str, expected: list[str]) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [line for line in expected if line not in text] == []
