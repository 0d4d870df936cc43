"""A small table with every kind of column and dimension, and random ones."""

import math

import numpy as np
from hypothesis import strategies as st

from ncp.spaces.dimensions import Categorical, Ordinal
from ncp.spaces.space import Space
from ncp.tables.table import Table
from tests.strategies import codes_of, spaces

SPACE = Space([Ordinal("c", (8, 16, 32, 40)), Categorical("edge", ["none", "skip", "conv"])])
CODES = [[8, 0], [16, 1], [40, 2], [32, 0]]
VALUES = [[1.0, 2.0, 3.0], [4.0, math.nan, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0]]
COLUMNS = ["seg/mIoU", "seg/mAcc", "video/top1"]
ORIGIN = ["small", "anchor", "wide-3", "searched"]
FLAGS = ["", "late", "late,failed", "failed"]


def same(a: Table, b: Table) -> None:
    assert (a.space, a.columns, a.minimised) == (b.space, b.columns, b.minimised)
    np.testing.assert_array_equal(a.codes, b.codes)
    np.testing.assert_array_equal(a.values, b.values)
    assert (a.origin.tolist(), a.flags.tolist()) == (b.origin.tolist(), b.flags.tolist())
    assert (a.codes.dtype, a.values.dtype, a.origin.dtype.kind, a.flags.dtype.kind) == (np.int64, np.float64, "U", "U")


@st.composite
def tables(draw: st.DrawFn) -> Table:
    space = draw(spaces())
    codes = np.unique(draw(codes_of(space, most=8)), axis=0)
    n, columns = len(codes), draw(st.lists(st.text(min_size=1, max_size=6), max_size=4, unique=True))
    numbers = st.floats(allow_infinity=False)
    values = [draw(st.lists(numbers, min_size=len(columns), max_size=len(columns))) for _ in range(n)]
    texts = st.lists(st.text("abc,-3", max_size=8), min_size=n, max_size=n)
    least = draw(st.lists(st.sampled_from(columns), unique=True)) if columns else []
    return Table(space, codes, np.reshape(values, (n, len(columns))), columns, draw(texts), draw(texts), least)
