"""The cells of NAS-Bench-201, and their text forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncp.errors import CodeError
from ncp.spaces.cells import CELL201, DIGITS, OPERATIONS, cell_text, parse_cell

cells = st.tuples(*(st.sampled_from(dim.values) for dim in CELL201.dimensions))
TEXT = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


def digits(code: tuple[int, ...]) -> str:
    """NATS-Bench's text of a cell."""
    return "".join(str(DIGITS.index(OPERATIONS[index])) for index in code)


def test_the_space_of_cells() -> None:
    assert CELL201.size == 15625
    assert CELL201.width == 30
    assert CELL201.names == ("edge0-1", "edge0-2", "edge1-2", "edge0-3", "edge1-3", "edge2-3")
    assert {dim.values for dim in CELL201.dimensions} == {tuple(range(5))}
    assert sorted(DIGITS) == sorted(OPERATIONS)


def test_the_published_one_hot_code_is_the_relaxed_code() -> None:
    code = [OPERATIONS.index(name) for name in ("nor_conv_3x3", "none", "skip_connect", "none", "none", "avg_pool_3x3")]
    one_hot = CELL201.relax(code)
    np.testing.assert_array_equal(one_hot.reshape(6, 5)[0], [0, 0, 0, 0, 1])
    np.testing.assert_array_equal(CELL201.snap(one_hot), [code])
    assert parse_cell(TEXT) == tuple(code)


@given(cells)
def test_every_form_comes_back(code: tuple[int, ...]) -> None:
    assert parse_cell(cell_text(code)) == code
    assert parse_cell(digits(code)) == code


@given(st.text("|+~_012345abcnose 3x", max_size=9) | st.text(max_size=90))
def test_other_texts_are_refused(text: str) -> None:
    try:
        code = parse_cell(text)
    except CodeError:
        return
    assert text in (cell_text(code), digits(code))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"Expected a cell such as \|none~0\|\+.*, or six digits from 0 to 4\. Got ''\.$"),
        ("1234", r"Got '1234'\. Pass all six digits as text, so that a leading 0 is kept\.$"),
        (421211, r"Got 421211\. Pass all six digits as text"),
        ("555555", "six digits from 0 to 4"),
        ("٤21211", "six digits from 0 to 4"),
        ("421211\n", "Expected a cell"),
        (TEXT + "\n", "Expected a cell"),
        (TEXT.replace("~1", "~0"), "Expected a cell"),
        (TEXT[:-1], "Expected a cell"),
        (TEXT.replace("none", "zero"), r"Expected one of avg_pool_3x3, none, .* on every edge\. Got 'zero'\."),
        (None, "Got None"),
    ],
)
def test_invalid_cells_are_refused(text: str, message: str) -> None:
    with pytest.raises(CodeError, match=message):
        parse_cell(text)


def test_only_one_code_has_a_text() -> None:
    with pytest.raises(CodeError, match=r"Expected one code\. Got 2"):
        cell_text([[0] * 6, [1] * 6])
    with pytest.raises(CodeError, match="Expected an index from 0 to 4"):
        cell_text([5] * 6)
