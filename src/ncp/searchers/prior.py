"""What is known of other tasks before the first evaluation: predicted values of their columns for every code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from ncp.errors import ConfigError, DataError
from ncp.predictors.fitting import SHIPPED, fit_predictor, load_predictor
from ncp.predictors.gp import GpSettings
from ncp.predictors.predictor import Predictor
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes, Reals, chunks
from ncp.spaces.space import Space
from ncp.tables.cache import load_table
from ncp.tables.columns import task_of, tasks_of
from ncp.tables.table import Table

FOLDS = 5
"""Predictors that are fitted to a table, each without another part of the rows."""
TYPICAL = 2000
"""Random codes that show how predicted values vary."""
LEAST_ROWS = 20
"""Fewest rows of a table that says something about other tasks."""
GROUPS = 2
"""Groups into which the known tasks are divided by how much they agree."""
KNOTS = 513
"""Quantiles by which a prediction is turned into a normal score."""
LIMIT, BEYOND = 4.0, 0.05
"""Normal scores beyond the limit grow by this slope. Otherwise a code that is far worse than all typical ones would be
so uncertain that it seems worth a try."""
SCORES = torch.special.ndtri((torch.arange(KNOTS, dtype=torch.float64) + 0.5) / KNOTS)


@dataclass(frozen=True, eq=False)
class Prior:
    """Predicted values of known columns, as normal scores among typical codes; more is better.

    The columns of a task together count as much as those of any other task: they are divided by the root of their
    number.

    Attributes:
        space: the space of the codes.
        columns: the p known columns.
        source: where they come from, for provenance.
        predictors: one predictor; or several, none of which has seen the rows of its own fold.
        places: the places of the columns among those of the predictors, `(p,)`.
        fold: the place of the predictor that has not seen a code, by the bytes of the code.
        knots: quantiles of the predictions of typical codes, `(p, q)`, in increasing order.
        scale: what one normal score of a column counts, `(p,)`; negative for columns in which lower is better.
        table: values that were computed before, `(k, p)`.
        rows: the places of codes in `table`, by their bytes.
    """

    space: Space
    columns: tuple[str, ...]
    source: str
    predictors: tuple[Predictor, ...]
    places: tuple[int, ...]
    fold: Mapping[bytes, int] = field(default_factory=dict)
    knots: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    scale: Tensor = field(default_factory=lambda: torch.zeros(0))
    table: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    rows: Mapping[bytes, int] = field(default_factory=dict)

    @classmethod
    def of_predictors(
        cls,
        predictors: Sequence[Predictor],
        columns: Sequence[str],
        source: str,
        fold: Mapping[bytes, int],
        typical: Codes,
    ) -> Prior:
        """A prior of some columns of predictors that all have the same columns."""
        first, tasks = predictors[0], Counter(map(task_of, columns))
        places = tuple(first.columns.index(column) for column in columns)
        few = tuple(each.subset_output(places) for each in predictors)
        prior = cls(first.space, tuple(columns), source, few, places, fold)
        chances = (np.arange(KNOTS) + 0.5) / KNOTS
        knots = np.quantile(prior._predicted(typical), chances, axis=0).T + 1e-9 * np.arange(KNOTS)
        share = [len(columns) / len(tasks) / tasks[task_of(column)] for column in columns]
        sign = np.where(np.isin(columns, first.minimised), -1.0, 1.0)
        return replace(prior, knots=torch.as_tensor(knots.copy()), scale=torch.as_tensor(sign * np.sqrt(share)))

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        return f"Prior({self.source}: {', '.join(self.columns)})"

    def __call__(self, x: Tensor) -> Tensor:
        """Values `(n, p)` of relaxed codes `(n, width)`; gradients flow. Several predictors are averaged."""
        latents = torch.stack([self._latents(predictor, x) for predictor in self.predictors])
        return self._scaled(latents.mean(dim=0))

    @torch.no_grad()
    def of(self, codes: Codes) -> Tensor:
        """Values `(n, p)` of codes `(n, d)`. For a row of the table, by a predictor that has not seen this row."""
        if self.rows and all(code.tobytes() in self.rows for code in codes):
            return self.table[[self.rows[code.tobytes()] for code in codes]]
        return self._scaled(torch.as_tensor(self._predicted(codes)))

    def tabulated(self, codes: Codes) -> Prior:
        """The same prior, which computes the values of some codes only once."""
        rows = {code.tobytes(): row for row, code in enumerate(codes)}
        return replace(self, table=self.of(codes), rows=rows)

    def has_seen(self, codes: Codes) -> bool:
        """Whether a predictor was fitted on one of the codes and no other one predicts it."""
        unknown = np.array([code.tobytes() not in self.fold for code in codes])
        return any(predictor.has_seen(codes[unknown]).any() for predictor in self.predictors if unknown.any())

    def groups(self) -> NDArray[np.int64]:
        """The group of each column, `(p,)`: tasks whose first columns agree on typical codes are in one group."""
        tasks = tasks_of(self.columns)
        place = np.array([tasks.index(task_of(column)) for column in self.columns])
        if len(tasks) <= GROUPS:
            return place
        first = [int(np.argmax(place == task)) for task in range(len(tasks))]
        typical = self.of(self.space.sample(TYPICAL, np.random.default_rng(0)))[:, first]
        distance = 1 - np.corrcoef(typical.numpy().T)
        pairs = np.triu_indices(len(tasks), 1)
        group = fcluster(linkage(distance[pairs], "ward"), GROUPS, "maxclust").astype(np.int64) - 1
        groups: NDArray[np.int64] = group[place]
        return groups

    @torch.no_grad()
    def _predicted(self, codes: Codes) -> Reals:
        """Latents `(n, p)` of codes `(n, d)`, each by a predictor that has not seen the code if there is one."""
        latents = np.empty((len(codes), len(self.columns)))
        folds = np.array([self.fold.get(code.tobytes(), -1) for code in codes], dtype=np.int64)
        for fold in np.unique(folds):
            rows = np.flatnonzero(folds == fold)
            fitted = self.predictors if fold < 0 else self.predictors[fold : fold + 1]
            for chunk in chunks(len(rows), 4096):
                x = torch.as_tensor(self.space.relax(codes[rows[chunk]]))
                latents[rows[chunk]] = torch.stack([self._latents(each, x) for each in fitted]).mean(dim=0).numpy()
        return latents

    def _scaled(self, latents: Tensor) -> Tensor:
        """Normal scores `(n, p)` of latents, times the scale: lines between the knots, and flatter ones beyond them."""
        right = torch.searchsorted(self.knots, latents.detach().T.contiguous()).clamp(1, KNOTS - 1)
        low, high = self.knots.gather(1, right - 1), self.knots.gather(1, right)
        scores = SCORES[right - 1] + (latents.T - low) / (high - low) * (SCORES[right] - SCORES[right - 1])
        inside = scores.clamp(-LIMIT, LIMIT)
        scaled: Tensor = (inside + BEYOND * (scores - inside)).T * self.scale
        return scaled

    def _latents(self, predictor: Predictor, x: Tensor) -> Tensor:
        latents: Tensor = predictor.latent(x.to(predictor.unit.dtype))[:, list(self.places)]
        return latents.double()


def as_prior(
    given: Any, space: Space, without: Iterable[str] = (), seed: int = 0, progress: Progress = quiet
) -> Prior | None:
    """The prior that an argument names.

    Args:
        given: the name of a shipped predictor, the path of a predictor (`.safetensors`) or of a table, a `Predictor`, a
            `Table`, a `Prior`, or None.
        space: the space of the search.
        without: tasks that are left out.
        seed: of the predictors that are fitted to a table.
        progress: called with the share of their fitting that is done.

    Raises:
        ConfigError: another space, no column is left, or something else is given.
        DataError: a file that cannot be read, or a table with too few rows.
    """
    if given is None:
        return None
    source = str(given) if isinstance(given, (str, Path)) else ""
    if isinstance(given, (str, Path)):
        predicted = str(given) in SHIPPED or Path(given).suffix == ".safetensors"
        given = load_predictor(given) if predicted else load_table(given)
    if not isinstance(given, (Prior, Predictor, Table)):
        raise ConfigError(
            "{field} must be a table, a predictor, or the name of one. Got {given}.", field="prior", given=given
        )
    if given.space != space:
        raise ConfigError("The prior has another search space. Leave {field} out.", field="prior")
    if isinstance(given, Prior):
        return given
    hidden = set(without)
    columns = [name for name in given.columns if task_of(name) not in hidden]
    if not columns:
        raise ConfigError(
            "The prior knows only the task of the objective itself. {field} must have other tasks.", field="prior"
        )
    if isinstance(given, Predictor):
        typical = space.sample(TYPICAL, np.random.default_rng(0))
        return Prior.of_predictors([given], columns, source or "predictor", {}, typical)
    return fit_prior(given, columns, source or "table", seed, progress)


def fit_prior(
    table: Table,
    columns: Sequence[str],
    source: str,
    seed: int = 0,
    progress: Progress = quiet,
    settings: GpSettings | None = None,
) -> Prior:
    """Fit Gaussian processes to columns of a table, each without one of `FOLDS` parts of the rows.

    Args:
        table: the measured values; rows without a value in one of the columns are left out.
        columns: columns of the table.
        source: the name of the table, for provenance.
        seed: of the parts and of the fits.
        progress: called with the share that is done.
        settings: how each process is fitted.

    Raises:
        DataError: too few rows have a value in all columns.
    """
    values = table.values[:, [table.columns.index(name) for name in columns]]
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    if len(rows) < LEAST_ROWS:
        raise DataError(
            f"{len(rows)} rows of the prior have a value of {', '.join(columns)}. At least {LEAST_ROWS} are needed."
        )
    codes, values = table.codes[rows], values[rows]
    fold = np.random.default_rng(seed).permutation(len(rows)) % FOLDS
    minimised = [name for name in columns if name in table.minimised]
    predictors = [
        fit_predictor(
            codes[fold != k],
            values[fold != k],
            columns,
            space=table.space,
            kind="gp",
            seed=seed,
            settings=settings,
            minimised=minimised,
            progress=share(progress, k / FOLDS, (k + 1) / FOLDS),
        )
        for k in range(FOLDS)
    ]
    places = {code.tobytes(): int(k) for code, k in zip(codes, fold, strict=True)}
    return Prior.of_predictors(predictors, columns, source, places, codes)
