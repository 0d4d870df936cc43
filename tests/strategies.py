"""Strategies for laws: spaces of mixed dimensions, codes of a space, and codes of the multi-resolution space."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncp import MULTIRES, Categorical, Code, Ordinal, Space

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """A space of 2 to 12 dimensions, ordinal or categorical, of 2 to 7 values each."""
    dimensions: list[Ordinal | Categorical] = []
    for position in range(draw(st.integers(2, 12))):
        if draw(st.booleans()):
            values = draw(st.sets(st.integers(-300, 300), min_size=2, max_size=7))
            dimensions.append(Ordinal(f"d{position}", sorted(values)))
        else:
            choices = draw(st.lists(st.text(max_size=3), min_size=2, max_size=7, unique=True))
            dimensions.append(Categorical(f"d{position}", choices))
    return Space(dimensions)


def codes_of(space: Space, most: int = 5) -> st.SearchStrategy[NDArray[np.int64]]:
    """One to `most` codes of `space`, `(n, d)`."""
    row = st.tuples(*(st.sampled_from(dim.values) for dim in space.dimensions))
    return st.lists(row, min_size=1, max_size=most).map(np.array)


vectors = st.tuples(*(st.sampled_from(dim.values) for dim in MULTIRES.dimensions))
codes = vectors.map(Code)
