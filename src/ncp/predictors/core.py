"""The core of a predictor, in which kinds of predictors differ: from features to latents with their uncertainty."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ncp.errors import ConfigError
from ncp.predictors.features import Features, Inputs
from ncp.predictors.scale import LIMIT, Scale
from ncp.predictors.settings import Settings
from ncp.progress import Progress
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The rows that a core is fitted on.

    Attributes:
        space: the space of the codes.
        columns: m names.
        codes: `(n, d)`.
        inputs: the transform from relaxed codes to features, fitted to the codes.
        targets: latents `(n, m)`, NaN where a value is missing.
    """

    space: Space
    columns: tuple[str, ...]
    codes: Codes
    inputs: Inputs
    targets: Tensor

    def features(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Features `(n, f)` of the training codes, computed in the given precision."""
        return self.features_of(self.codes, dtype)

    def features_of(self, codes: Codes, dtype: torch.dtype = torch.float32) -> Tensor:
        """Features `(k, f)` of other codes `(k, d)` of the space."""
        features: Tensor = deepcopy(self.inputs).to(dtype)(relaxed(self.space, codes, dtype))
        return features


class Core(nn.Module):
    """Latents of `outputs` columns from features.

    A latent is a standardised output: over the training rows, every column has about mean 0 and standard deviation 1.
    Subclasses take the number of features, the number of outputs and their `config`.

    Attributes:
        kind: the name of the kind of predictor.
        settings: the class of the settings that `fit` takes.
        cut_at: training targets beyond this latent are cut.
        takes_missing: whether `fit` takes rows without a value in some column.
        noise_std: buffer `(m,)`, the standard deviation of measured latents about the true ones (aleatoric).
    """

    kind: ClassVar[str]
    settings: ClassVar[type[Settings]]
    cut_at: ClassVar[float] = LIMIT
    takes_missing: ClassVar[bool] = False
    noise_std: Tensor

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.register_buffer("noise_std", torch.ones(outputs))

    @classmethod
    def inputs(cls, space: Space) -> Inputs:
        """The transform from relaxed codes to the features of this core, not yet fitted."""
        return Features(space)

    @classmethod
    def fitted_scale(cls, values: Reals) -> Scale:
        """A scale fitted to values `(n, m)` in raw units."""
        return Scale.from_quantiles(values)

    @classmethod
    def fitted_ends(
        cls,
        space: Space,
        columns: Sequence[str],  # noqa: ARG003
        codes: Codes,
        values: Reals,
    ) -> tuple[Inputs, Scale]:
        """Inputs fitted to codes `(n, d)`, and a scale fitted to values `(n, m)` in raw units."""
        return cls.inputs(space).fit(relaxed(space, codes)), cls.fitted_scale(values)

    @classmethod
    def fit(cls, rows: TrainingSet, settings: Any, seed: int, progress: Progress) -> Self:
        """A core fitted to the rows; the same seed gives the same core. Kinds of `ncp.fit_predictor` define it."""
        raise NotImplementedError

    @property
    def config(self) -> dict[str, Any]:
        """Arguments that, besides the numbers of features and outputs, make an empty core of the same form.

        Raises:
            ConfigError: a core of a kind that has no files.
        """
        raise ConfigError(
            f"A predictor of the kind {self.kind} cannot be saved. "
            "Save the codes and their scores, or fit a predictor to them with ncp.fit_predictor."
        )

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Mean latents `(n, m)` for features `(n, f)`."""

    @abstractmethod
    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and epistemic standard deviation of the latents, `(n, m)` each, for features `(n, f)`."""

    def subset_output(self, wanted: Sequence[int]) -> Core:  # noqa: ARG002
        """A core with the same latents in the columns `wanted`; it may leave out work for the other columns."""
        return self


def relaxed(space: Space, codes: Codes, dtype: torch.dtype = torch.float32) -> Tensor:
    """Codes `(n, d)` as points of the relaxed space `(n, width)`."""
    return torch.as_tensor(space.relax(codes), dtype=dtype)
