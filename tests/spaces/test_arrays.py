"""Arrays of codes."""

import numpy as np
from numpy.testing import assert_array_equal

from ncp.spaces.arrays import distinct


def test_distinct_codes_come_in_their_order() -> None:
    codes = np.random.default_rng(0).integers(3, size=(200, 4))[:, ::2]  # not contiguous
    first, which = distinct(codes)
    assert list(map(tuple, codes[first].tolist())) == list(dict.fromkeys(map(tuple, codes.tolist())))
    assert_array_equal(codes[first][which], codes)
