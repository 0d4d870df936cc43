"""What a searcher's models see of codes: weighted features of the code, and what is known of other tasks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ncp.predictors.features import Features
from ncp.searchers.prior import Prior
from ncp.spaces.arrays import Codes
from ncp.spaces.space import Space


class Points(NamedTuple):
    """n points that models compute with.

    Attributes:
        features: of the codes, `(n, f)`.
        known: what the prior predicts for them, `(n, p)`; p is 0 without a prior.
    """

    features: Tensor
    known: Tensor


class Encoding:
    """Turns codes into points, in double precision.

    The features are those of the code, even for cells: with a few dozen labels, features of the graph find no better
    cells (decision 0032).

    Args:
        space: the space of the codes.
        typical: codes that show how features vary, `(n, d)`.
        prior: what is known of other tasks.
    """

    def __init__(self, space: Space, typical: Codes, prior: Prior | None = None) -> None:
        self.space, self.prior = space, prior
        self.features = Features(space, graph=False).double().fit(self.relaxed(typical))

    @property
    def known_columns(self) -> tuple[str, ...]:
        """The columns of the prior."""
        return () if self.prior is None else self.prior.columns

    def relaxed(self, codes: Codes) -> Tensor:
        """Codes as points of the relaxed space, `(n, width)`."""
        return torch.as_tensor(self.space.relax(codes), dtype=torch.float64)

    def __call__(self, x: Tensor) -> Points:
        """The points of relaxed codes `(n, width)`; gradients flow."""
        known = x.new_zeros(len(x), 0) if self.prior is None else self.prior(x)
        return Points(self.features(x), known)

    @torch.no_grad()
    def of(self, codes: Codes) -> Points:
        """The points of codes `(n, d)`."""
        x = self.relaxed(codes)
        known = x.new_zeros(len(x), 0) if self.prior is None else self.prior.of(codes)
        return Points(self.features(x), known)
