"""The picture of a comparison: regret along the queries, with bands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ncp.io.files import whole_file
from ncp.report.plain import plain_texts
from ncp.searchers.comparison import Comparison
from ncp.spaces.arrays import Reals

COLOURS = ("#0b5fa5", "#d95f02", "#1b9e77", "#7570b3", "#e6ab02", "#a6761d", "#666666", "#e7298a")
"""Told apart by the colour-blind; the first is the best searcher's."""


NOTE = (
    "Second lines: 95 % intervals. p-values: one-sided Mann-Whitney tests against random search and against the best "
    "baseline."
)


@dataclass(frozen=True, eq=False)
class Curve:
    """One searcher's regret, mean and the band of a 95 % interval of the mean, `(queries,)` each [objective]."""

    searcher: str
    mean: Reals
    low: Reals
    high: Reals


def compare_data(comparison: Comparison) -> tuple[Curve, ...]:
    """The curves of a comparison, the best searcher's first."""
    curves = []
    for standing in comparison.standings():
        regret = comparison.optimum - comparison.best[standing.searcher]
        mean = regret.mean(axis=0)
        half = 1.96 * regret.std(axis=0, ddof=1) / np.sqrt(len(regret))
        curves.append(Curve(standing.searcher, mean, np.maximum(mean - half, 0), mean + half))
    return tuple(curves)


def proposals_text(comparison: Comparison) -> list[str]:
    """Of every searcher that lists or propagates codes, how often it did which, in a sentence."""
    sentences = []
    for name, listed in comparison.listed.items():
        propagated = comparison.propagated[name]
        if (listed + propagated).any():
            sentences.append(
                f"Proposals of {name} per replay: {listed.mean():g} were chosen from a list of all codes, "
                f"{propagated.mean():g} were found by propagation."
            )
    return sentences


def p_text(p: float | None) -> str:
    """A p-value as people read it; a dash where there is no test."""
    return "-" if p is None else "< 1e-4" if p < 1e-4 else f"{p:.4f}"


@plain_texts()
def draw_compare(curves: tuple[Curve, ...], path: str | Path) -> None:
    """Draw curves to a file, whose ending says the format (.svg, .png, .pdf).

    Raises:
        DataError: a path that cannot be written to.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    ax = figure.subplots()
    for curve, colour in zip(curves, COLOURS, strict=False):
        queries = np.arange(1, len(curve.mean) + 1)
        ax.fill_between(queries, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(queries, curve.mean, color=colour, linewidth=1.8, label=curve.searcher)
    ax.set_yscale("symlog", linthresh=max(1e-3, 0.01 * max(float(curve.mean[0]) for curve in curves)))
    ax.set_ylim(bottom=0)
    ax.set_xlim(1, max(2, *(len(curve.mean) for curve in curves)))
    ax.set_xlabel("queries [evaluated rows]", fontsize=9)
    ax.set_ylabel("regret [objective], mean and its 95 % interval", fontsize=9)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
