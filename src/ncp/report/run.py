"""The picture of a search: score, cost and tasks along the steps, and the codes of the best start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ncp.cost import has_cost, macs
from ncp.errors import DataError, printable
from ncp.io.files import write_json
from ncp.optim.results import Result
from ncp.report.documents import read_json
from ncp.report.plain import plain_texts, save
from ncp.spaces.arrays import Codes, Reals

COLOUR, FAINT = "#0b5fa5", "#9aa5b1"


@dataclass(frozen=True, eq=False)
class Run:
    """What the picture shows.

    Attributes:
        best: which start reached the highest score.
        scores: objective of every start's code, `(steps, starts)` [standard deviations].
        gmacs: exact cost `(steps, starts)` [GMACs]; None where it is not known.
        budget: most multiply-adds [GMACs], or None.
        values: per column, predicted values `(steps, starts)` [raw units].
        dimensions: names of the code's dimensions.
        shares: the best start's code, each dimension as a share of its range, `(d, steps)`.
        path: the best start's code, `(d, steps)`.
        run: an id that all files of one run carry, or None.
    """

    best: int
    scores: Reals
    gmacs: Reals | None
    budget: float | None
    values: dict[str, Reals]
    dimensions: tuple[str, ...]
    shares: Reals
    path: Codes
    run: str | None = None

    def to_json(self, path: str | Path) -> None:
        """Write every start, the best one first, to a file, whole or not at all."""
        kept = [self.best, *np.delete(np.arange(self.scores.shape[1]), self.best)]

        def short(values: Reals) -> list[list[float]]:
            return [[float(f"{number:.5g}") for number in row] for row in values[:, kept].T]

        document = {
            "scores": short(self.scores),
            "gmacs": None if self.gmacs is None else short(self.gmacs),
            "budget": self.budget,
            "values": {column: short(values) for column, values in self.values.items()},
            "dimensions": list(self.dimensions),
            "shares": [[round(float(share), 4) for share in row] for row in self.shares],
            "path": self.path,
            "run": self.run,
        }
        write_json(path, document, indent=None)

    @classmethod
    def from_json(cls, path: str | Path) -> Run:
        """What `to_json` wrote, with the best start first.

        Raises:
            DataError: a file that is none of these.
        """
        wanted = "Expected the steps of a search, as ncp search writes them."
        read = read_json(path, wanted)
        try:
            numbers = {str(name): _numbers(values).T for name, values in read["values"].items()}
            gmacs = None if read["gmacs"] is None else _numbers(read["gmacs"]).T
            shares, codes = _numbers(read["shares"]), _numbers(read["path"]).astype(np.int64)
            budget = None if read["budget"] is None else float(read["budget"])
            names = tuple(map(str, read["dimensions"]))
            return cls(0, _numbers(read["scores"]).T, gmacs, budget, numbers, names, shares, codes, read["run"])
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            raise DataError(f"{wanted} Got {path}: {error!r}.") from None


def _numbers(values: Any) -> Reals:
    """Numbers in rows, `(m, n)`, each of them not empty."""
    rows = np.array(values, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError("no rows of numbers")
    return rows


def run_data(result: Result) -> Run:
    """The numbers behind the picture of `result`."""
    trajectory, space = result.trajectory, result.trajectory.space
    steps, starts, d = trajectory.codes.shape
    cost = None
    if has_cost(space):
        counted = (result.provenance[name] for name in ("image_size", "classes", "task"))
        cost = macs(trajectory.codes.reshape(-1, d), *counted).reshape(steps, starts) / 1e9
    best = int(trajectory.scores.max(axis=0).argmax())
    low, high = np.array([[dim.values[0], dim.values[-1]] for dim in space.dimensions], dtype=np.float64).T
    columns = result.provenance["columns"]
    return Run(
        best=best,
        scores=trajectory.scores,
        gmacs=cost,
        budget=None if result.provenance["max_macs"] is None else result.provenance["max_macs"] / 1e9,
        values={column: trajectory.values[..., trajectory.columns.index(column)] for column in columns},
        dimensions=space.names,
        shares=((trajectory.codes[:, best] - low) / (high - low)).T,
        path=trajectory.codes[:, best].T,
        run=result.provenance.get("run"),
    )


@plain_texts()
def draw_run(run: Run, path: str | Path) -> None:
    """Draw `run` to a file, whose ending says the format (.svg, .png, .pdf).

    Raises:
        DataError: a path that cannot be written to.
    """
    from matplotlib.figure import Figure

    lines: list[tuple[str, Reals]] = [("objective [std]", run.scores)]
    lines += [("cost [GMACs]", run.gmacs)] if run.gmacs is not None else []
    lines += list(run.values.items())
    height = 0.19 * len(run.dimensions) + 1.2
    rows = -(-len(lines) // 3)
    figure = Figure(figsize=(10, 2.4 * rows + height), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[2.4 * rows, height]).ravel()
    axes = upper.subplots(rows, 3, squeeze=False).ravel()
    for ax, (name, values) in zip(axes, lines, strict=False):
        others = np.delete(values, run.best, axis=1)
        ax.plot(others, color=FAINT, linewidth=0.5, alpha=0.25, rasterized=True)
        ax.plot(values[:, run.best], color=COLOUR, linewidth=2)
        if name.startswith("cost") and run.budget is not None:
            ax.axhline(run.budget, color="black", linewidth=1, linestyle="--")
            ax.annotate("budget", (0, run.budget), (2, 3), textcoords="offset points", fontsize=8)
            ax.set_ylim(0, 1.15 * max(run.budget, float(values.max())))
        ax.set_title(printable(name), loc="left", fontsize=10)
        ax.set_xlabel("step", fontsize=8)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(lines) :]:
        ax.set_visible(False)
    upper.suptitle(f"{run.scores.shape[1]} starts; in blue the best", fontsize=10, x=0.01, ha="left")
    ax = lower.subplots()
    image = ax.imshow(run.shares, aspect="auto", cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    ax.set_yticks(range(len(run.dimensions)), map(printable, run.dimensions), fontsize=7)
    ax.set_xlabel("step", fontsize=8)
    ax.tick_params(axis="x", labelsize=8)
    ax.set_title("the best start's code", loc="left", fontsize=10)
    bar = lower.colorbar(image, ax=ax, pad=0.01)
    bar.set_label("share of the dimension's range", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    save(figure, path, run.run)
