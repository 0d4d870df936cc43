"""The picture of a predictor's quality: predicted against measured values of rows held out, a panel per column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ncp.errors import printable
from ncp.predictors.base import Prediction
from ncp.predictors.quality import quality
from ncp.report.plain import plain_texts, save
from ncp.spaces.arrays import Reals

COLOUR, BEYOND = "#0b5fa5", "#b3261e"
PERCENT = ("mIoU", "mAcc", "aAcc", "top1", "top5", "easy", "moderate", "hard", "Acc")
"""Metrics of the published tables that are counted in percent."""


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows.

    Attributes:
        column: `task/metric`.
        unit: of both axes.
        measured: `(n,)`, the table's values.
        predicted: `(n,)`.
        tau: Kendall's tau of the two.
        mae: mean absolute error.
        low: where both axes begin.
        high: where both axes end; failed runs may lie beyond.
    """

    column: str
    unit: str
    measured: Reals
    predicted: Reals
    tau: float
    mae: float
    low: float
    high: float

    @property
    def beyond(self) -> int:
        """How many points lie outside of the axes."""
        pairs = np.stack([self.measured, self.predicted])
        return int(((pairs < self.low) | (pairs > self.high)).any(axis=0).sum())


def scatter_data(prediction: Prediction, values: Reals, columns: Sequence[str]) -> tuple[Panel, ...]:
    """The numbers behind the picture.

    Args:
        prediction: of n codes.
        values: `(n, m)`, measured, in raw units.
        columns: m names, `task/metric`.
    """
    panels = []
    for j, (column, measured) in enumerate(quality(prediction, values, columns).items()):
        true, predicted = values[:, j], prediction.mean[:, j]
        low, high = _limits(np.stack([true, predicted]))
        unit = "%" if column.rpartition("/")[2] in PERCENT else "raw units"
        panels.append(Panel(column, unit, true, predicted, measured.tau, measured.mae, low, high))
    return tuple(panels)


def _limits(pairs: Reals) -> tuple[float, float]:
    """The range of both axes: all values, or if some lie far out, the middle 98 in 100 and as much about them."""
    inner = np.quantile(pairs, [0.01, 0.99])
    reach = inner[1] - inner[0]
    low, high = max(pairs.min(), inner[0] - reach), min(pairs.max(), inner[1] + reach)
    margin = (high - low) * 0.04 or 1.0
    return float(low - margin), float(high + margin)


@plain_texts()
def draw_scatter(panels: Sequence[Panel], path: str | Path, run: str | None = None) -> None:
    """Draw `panels` to a file, whose ending says the format (.svg, .png, .pdf), with the id of their run.

    Raises:
        DataError: a path that cannot be written to.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    across = min(4, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(max(2.9 * across + 0.4, 4.2), 3.0 * down + 0.5), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for ax, panel in zip(axes, panels, strict=False):
        inside = [np.clip(values, panel.low, panel.high) for values in (panel.measured, panel.predicted)]
        out = (inside[0] != panel.measured) | (inside[1] != panel.predicted)
        ax.axline((panel.low, panel.low), slope=1, color="black", linewidth=0.8, zorder=1)
        x, y = inside[0][~out], inside[1][~out]
        ax.scatter(x, y, s=7, color=COLOUR, alpha=0.45, linewidths=0, rasterized=True, zorder=2)
        ax.scatter(inside[0][out], inside[1][out], s=28, color=BEYOND, marker="x", clip_on=False, zorder=3)
        ax.set(xlim=(panel.low, panel.high), ylim=(panel.low, panel.high), aspect="equal")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.set_title(f"{printable(panel.column)}   tau {panel.tau:.2f}", loc="left", fontsize=10)
        ax.set_xlabel(f"measured [{panel.unit}]", fontsize=8)
        ax.set_ylabel(f"predicted [{panel.unit}]", fontsize=8)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        if panel.beyond:
            text = f"{panel.beyond} beyond the axes"
            ax.annotate(text, (0.97, 0.04), xycoords="axes fraction", ha="right", fontsize=8, color=BEYOND)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    figure.suptitle(f"{len(panels[0].measured)} rows held out; on the line, predicted = measured", fontsize=10)
    save(figure, path, run)
