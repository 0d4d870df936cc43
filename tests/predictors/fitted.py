"""Predictors fitted once per process on synthetic rows, for every test that needs one."""

from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ncp import CELL201, MULTIRES, Categorical, Ordinal, Predictor, Space, fit_predictor
from ncp.predictors.blend import BlendSettings
from ncp.predictors.ensemble import EnsembleSettings
from ncp.predictors.exact import ExactSettings
from ncp.predictors.fitting import KINDS
from ncp.predictors.gp import GpSettings
from ncp.predictors.mlp import MlpSettings

torch.set_num_threads(1)  # the suite's processes share the cores among themselves

MIXED = Space(
    [
        Ordinal("offset", range(-3, 9)),
        Categorical("edge", ["none", "skip", "conv"]),
        Ordinal("channels", range(8, 65, 8)),
        Categorical("norm", ["batch", "layer"]),
        Ordinal("uneven", [1, 2, 5, 9]),
    ]
)


def drawn(dimensions: int, most: int, seed: int) -> Space:
    """A space of ordinal and categorical dimensions by chance, each of 2 to `most` values, with 400 codes at least."""
    rng = np.random.default_rng(seed)
    while True:
        kinds, sizes = rng.integers(2, size=dimensions), rng.integers(2, most + 1, size=dimensions)
        kinds[:2] = rng.permutation(2)
        space = Space(
            Categorical(f"choice{k}", [f"c{i}" for i in range(size)])
            if kind
            else Ordinal(f"level{k}", np.sort(rng.choice(np.arange(-20, 300), size, replace=False)).tolist())
            for k, (kind, size) in enumerate(zip(kinds, sizes, strict=True))
        )
        if space.size >= 400:
            return space


SPACES = {
    "multires": MULTIRES,
    "cell201": CELL201,
    "mixed": MIXED,
    "two": drawn(2, 40, seed=0),
    "twelve": drawn(12, 6, seed=1),
    "forty": drawn(40, 9, seed=2),
}
GP = GpSettings(steps=20, inducing=150)
QUICK = {
    "default": BlendSettings(epochs=30, members=5, gp=GP),
    "ensemble": EnsembleSettings(epochs=40, members=6),
    "gp": GP,
    "exact": ExactSettings(rounds=8),
    "mlp": MlpSettings(epochs=60),
    "transfer": GP,
}
"""Settings that are enough for 250 rows; kinds that are not listed are fitted with their defaults."""
COLUMNS = ("seg/mIoU", "seg/mAcc", "video/top1")
ROWS, LABELS = 250, 100


@cache
def rows(space: str, n: int = ROWS) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Different codes, and values `(n, 3)` in the units of percent, a share and a small number: smooth plus noise."""
    rng = np.random.default_rng(7)
    codes = np.unique(SPACES[space].sample(2 * n, rng), axis=0)
    codes = codes[rng.permutation(len(codes))[:n]]
    x = SPACES[space].relax(codes)
    z = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    linear = z @ (rng.normal(size=(z.shape[1], 3)) / np.sqrt(z.shape[1]))
    curve = linear + 0.3 * np.tanh(linear[:, [1, 2, 0]]) + 0.1 * rng.normal(size=linear.shape)
    return codes, curve * [3.0, 0.05, 0.001] + [70.0, 0.6, -0.02]


@cache
def fitted(kind: str, space: str = "multires") -> Predictor:
    """A predictor of a kind on the rows of a space; to transfer, the last column has few labels."""
    codes, values = rows(space)
    if kind == "transfer":
        values = values.copy()
        values[LABELS:, -1] = np.nan
    return fit_predictor(codes, values, COLUMNS, space=SPACES[space], kind=kind, settings=QUICK.get(kind))


COMPLETE = [kind for kind in KINDS if not KINDS[kind].takes_missing]
"""Kinds that need a value in every row and column."""
PAIRS = [
    pytest.param(kind, space, marks=pytest.mark.slow if space in ("two", "twelve", "forty") else ())
    for space in SPACES
    for kind in KINDS
]
