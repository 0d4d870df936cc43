"""The cells of NAS-Bench-201."""

import numpy as np

from ncp.cells import CELL201, OPERATIONS


def test_the_space_of_cells() -> None:
    assert CELL201.size == 15625
    assert CELL201.width == 30
    assert CELL201.names == ("edge0-1", "edge0-2", "edge1-2", "edge0-3", "edge1-3", "edge2-3")
    assert {dim.values for dim in CELL201.dimensions} == {tuple(range(5))}


def test_the_published_one_hot_code_is_the_relaxed_code() -> None:
    code = [OPERATIONS.index(name) for name in ("nor_conv_3x3", "none", "skip_connect", "none", "none", "avg_pool_3x3")]
    one_hot = CELL201.relax(code)
    np.testing.assert_array_equal(one_hot.reshape(6, 5)[0], [0, 0, 0, 0, 1])
    np.testing.assert_array_equal(CELL201.snap(one_hot), [code])
