"""The laws of a space, on random spaces, and the messages for invalid codes."""

import json
import pickle
import re
from collections import Counter
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncp import CELL201, MULTIRES, Categorical, Code, CodeError, Ordinal, Space
from tests.strategies import codes_of, generators, spaces

SPACE = Space([Ordinal("c1", range(8, 129, 8)), Categorical("edge", ["none", "skip", "conv"]), Ordinal("n", [1, 2, 5])])


def nearest(space: Space, point: list[float]) -> list[int]:
    """The code nearest to a point, dimension by dimension and value by value, in exact arithmetic."""
    code = []
    for dim, where in zip(space.dimensions, space.slices, strict=True):
        x = point[where]
        if isinstance(dim, Categorical):
            code.append(max(dim.values, key=lambda value, x=x: (x[value], -value)))
        else:
            code.append(min(dim.values, key=lambda value, x=x: (abs(value - Fraction(x[0])), -value)))
    return code


@given(spaces(), generators)
def test_samples_are_in_the_space(space: Space, rng: np.random.Generator) -> None:
    codes = space.sample(20, rng)
    assert codes.dtype == np.int64
    assert codes.flags.c_contiguous
    assert codes.shape == (20, len(space))
    assert space.contains(codes).all()
    np.testing.assert_array_equal(space.codes(codes), codes)


def test_samples_are_uniform_and_repeat_with_the_generator() -> None:
    codes = SPACE.sample(30_000, np.random.default_rng(0))
    np.testing.assert_array_equal(codes, SPACE.sample(30_000, np.random.default_rng(0)))
    for dim, column in zip(SPACE.dimensions, codes.T, strict=True):
        counts = Counter(column.tolist())
        assert set(counts) == set(dim.values)
        expected = len(codes) / len(dim.values)
        assert max(abs(count - expected) for count in counts.values()) < 5 * expected**0.5


@given(st.data())
def test_relax_then_snap_is_the_identity(data: st.DataObject) -> None:
    space = data.draw(spaces())
    codes = data.draw(codes_of(space))
    relaxed = space.relax(codes)
    assert relaxed.shape == (len(codes), space.width)
    assert (relaxed >= space.bounds[0]).all()
    assert (relaxed <= space.bounds[1]).all()
    for dim, where in zip(space.dimensions, space.slices, strict=True):
        if isinstance(dim, Categorical):
            assert (relaxed[:, where].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(space.snap(relaxed), codes)


@given(st.data())
def test_snap_lands_on_the_nearest_code_and_stays(data: st.DataObject) -> None:
    space = data.draw(spaces())
    coordinate = st.one_of(st.integers(-310, 310).map(lambda x: x / 2), st.floats(-1e3, 1e3))
    points = data.draw(
        st.lists(st.lists(coordinate, min_size=space.width, max_size=space.width), min_size=1, max_size=3)
    )
    snapped = space.snap(points)
    assert space.contains(snapped).all()
    assert snapped.tolist() == [nearest(space, point) for point in points]
    np.testing.assert_array_equal(space.snap(space.relax(snapped)), snapped)


def test_snap_of_ties_and_infinities() -> None:
    points = [
        [12.0, 0.5, 0.5, 0.5, 1.5],
        [np.inf, -1, 3, 3, np.inf],
        [-np.inf, 0, 0, np.inf, -np.inf],
        [np.nextafter(12.0, 0), 0, 0, 1, 3.5],
    ]
    assert SPACE.snap(points).tolist() == [[16, 0, 2], [128, 1, 5], [8, 2, 1], [8, 2, 5]]


def test_snap_of_more_points_than_a_chunk() -> None:
    codes = SPACE.sample(40_000, np.random.default_rng(1))
    np.testing.assert_array_equal(SPACE.snap(SPACE.relax(codes)), codes)
    assert SPACE.contains(codes).all()
    codes[-1, 0] = 9
    assert np.flatnonzero(~SPACE.contains(codes)).tolist() == [39_999]


@given(st.data())
def test_neighbours_are_one_move_away_and_mutual(data: st.DataObject) -> None:
    space = data.draw(spaces())
    code = data.draw(codes_of(space, most=1))[0]
    near = space.neighbours(code)
    assert space.contains(near).all()
    assert ((near != code).sum(axis=1) == 1).all()
    assert len(np.unique(near, axis=0)) == len(near)
    expected = 0
    for dim, value in zip(space.dimensions, code.tolist(), strict=True):
        inner = isinstance(dim, Ordinal) and value not in (dim.values[0], dim.values[-1])
        expected += 2 if inner else 1 if isinstance(dim, Ordinal) else len(dim.values) - 1
    assert len(near) == expected
    for neighbour in near:
        assert (space.neighbours(neighbour) == code).all(axis=1).sum() == 1


@given(st.data())
def test_steps_are_the_fewest_moves_to_a_code(data: st.DataObject) -> None:
    space = data.draw(spaces())
    codes = data.draw(codes_of(space))
    expected = [
        sum(
            abs(dim.values.index(a) - dim.values.index(b)) if isinstance(dim, Ordinal) else a != b
            for dim, a, b in zip(space.dimensions, code, codes[0].tolist(), strict=True)
        )
        for code in codes.tolist()
    ]
    assert space.steps(codes, codes[0]).tolist() == expected
    assert space.steps(space.neighbours(codes[0]), codes[0]).tolist() == [1] * len(space.neighbours(codes[0]))


@given(st.data())
def test_a_mutation_is_another_value_in_one_dimension(data: st.DataObject) -> None:
    space = data.draw(spaces())
    code = data.draw(codes_of(space, most=1))[0]
    before, child = code.copy(), space.mutated(code, np.random.default_rng(1))
    assert (child != code).sum() == 1
    assert space.contains(child).all()
    np.testing.assert_array_equal(code, before)


@given(st.data())
def test_changes_are_all_codes_with_one_other_value_in_a_free_dimension(data: st.DataObject) -> None:
    space = data.draw(spaces())
    codes = data.draw(codes_of(space))
    free = np.array(data.draw(st.lists(st.booleans(), min_size=len(space), max_size=len(space))))
    expected = set()
    for code in codes.tolist() if free.any() else []:
        expected.add(tuple(code))
        for j in np.flatnonzero(free).tolist():
            expected |= {(*code[:j], value, *code[j + 1 :]) for value in space.dimensions[j].values}
    made = space.changed(codes, free)
    assert set(map(tuple, made.tolist())) == expected
    assert len(made) == len(expected)


@given(st.data())
def test_contains_finds_every_value_outside(data: st.DataObject) -> None:
    space = data.draw(spaces())
    codes = data.draw(codes_of(space))
    row = data.draw(st.integers(0, len(codes) - 1))
    column = data.draw(st.integers(0, len(space) - 1))
    values = space.dimensions[column].values
    outside = data.draw(st.integers(-1000, 1000).filter(lambda value: value not in values))
    codes[row, column] = outside
    inside = np.arange(len(codes)) != row
    np.testing.assert_array_equal(space.contains(codes), inside)
    np.testing.assert_array_equal(space.contains(codes.astype(float)), inside)
    with pytest.raises(CodeError, match=rf"for d{column}\. Got {outside}{f' in row {row}' * (len(codes) > 1)}\.$"):
        space.codes(codes)


def test_contains_of_whole_numbers_written_as_floats() -> None:
    assert SPACE.contains([16.0, 1, 5]).tolist() == [True]
    assert SPACE.contains([[16.5, 1, 5], [16, np.nan, 5], [np.inf, 1, 5], [16, 1, 5]]).tolist() == [0, 0, 0, 1]
    assert SPACE.contains([[16, 1], [24, 2]]).tolist() == [False, False]
    assert SPACE.codes([16.0, 1.0, 5.0]).dtype == np.int64


@pytest.mark.parametrize("space", [SPACE, MULTIRES, CELL201], ids=["own", "multires", "cell201"])
def test_texts_are_codes_too(space: Space) -> None:
    codes = space.sample(5, np.random.default_rng(0))
    texts = [space.text(code) for code in codes]
    assert len(set(texts)) == 5
    np.testing.assert_array_equal(space.codes(texts), codes)
    np.testing.assert_array_equal(space.codes(np.array(texts)), codes)
    np.testing.assert_array_equal(space.codes([texts[0], codes[1]]), codes[:2])
    np.testing.assert_array_equal(space.codes(json.dumps(codes[2].tolist())), codes[2:3])
    np.testing.assert_array_equal(space.code(texts[3]), codes[3])
    np.testing.assert_array_equal(space.relax(texts), space.relax(codes))
    with pytest.raises(CodeError, match=r"^Expected one code\. Got 5\.$"):
        space.code(texts)


@pytest.mark.parametrize(
    "data",
    [
        {"a": ["x,y", "z"], "b": ["1", "0"]},
        {"op": ["max_pool", "conv_3"], "n": [1, 2]},
        {"a": ["[1", " b"], "b": ["0", "1"]},
        {"a": ["1", "0"], "b": [-1, 5]},
    ],
)
def test_every_code_is_read_from_its_text(data: Any) -> None:
    space = Space.from_dict(data)
    for code in product(*(dim.values for dim in space.dimensions)):
        assert tuple(space.code(space.text(code)).tolist()) == code


def test_codes_reads_one_or_many_arrays_lists_or_objects() -> None:
    rows = MULTIRES.sample(3, np.random.default_rng(0))
    objects = [Code.from_vector(row) for row in rows]
    for given_codes in (rows, rows.tolist(), list(rows), rows.astype(np.float32), objects, tuple(objects)):
        np.testing.assert_array_equal(MULTIRES.codes(given_codes), rows)
    np.testing.assert_array_equal(MULTIRES.codes(np.array(objects, dtype=object)), rows)
    for one in (rows[0], rows[0].tolist(), objects[0]):
        np.testing.assert_array_equal(MULTIRES.codes(one), rows[:1])
    for none in ([], np.empty((0, 27)), np.empty((0, 27), dtype=int)):
        assert MULTIRES.codes(none).shape == (0, 27)
        assert MULTIRES.contains(none).shape == (0,)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([16, 1], "Expected 3 integers per code. Got 2."),
        ([[16, 1, 5, 0]] * 2, "Expected 3 integers per code. Got 4."),
        ([[16, 1, 5], [16, 1]], "All codes must have the same length. These have different lengths."),
        ([20, 1, 5], "Expected a multiple of 8 from 8 to 128 for c1. Got 20."),
        ([136, 1, 5], "Expected a multiple of 8 from 8 to 128 for c1. Got 136."),
        ([16.5, 1, 5], "Expected a multiple of 8 from 8 to 128 for c1. Got 16.5."),
        ([float("nan"), 1, 5], "Expected a multiple of 8 from 8 to 128 for c1. Got nan."),
        ([[16, 1, 5], [2**70, 1, 5]], f"Expected a multiple of 8 from 8 to 128 for c1. Got {2**70} in row 1."),
        ([16, 3, 5], "Expected an index from 0 to 2 (none, skip, conv) for edge. Got 3."),
        ([16, -1, 5], "Expected an index from 0 to 2 (none, skip, conv) for edge. Got -1."),
        ([[16, 1, 5], [16, 1, 4]], "Expected one of 1, 2, 5 for n. Got 4 in row 1."),
        ([16, True, 5], "Expected codes of integers. Got True."),
        (np.ones((2, 3), dtype=bool), "Expected codes of integers. Got True."),
        ([16, "skip", 5], "Expected codes as integers or as texts. Got both in [16, 'skip', 5]."),
        ("16_1_4", "Expected one of 1, 2, 5 for n. Got 4."),
        (["16,skip,5", "16,jump,5"], "Expected one of none, skip, conv for edge. Got 'jump'."),
        (
            "16,skip",
            "Expected 3 values with commas between (c1, edge, n, ..), or as many integers joined by '_'. "
            "Got 2 in '16,skip'.",
        ),
        (None, "Expected codes of integers. Got None."),
        ([16, 1j, 5], "Expected codes of integers. Got 1j."),
        (16, "Expected one code, (d,), or many, (n, d). Got 16 of shape ()."),
        ([[[16, 1, 5]]], "Expected one code, (d,), or many, (n, d). Got [[[16, 1, 5]]] of shape (1, 1, 3)."),
    ],
)
def test_invalid_codes_are_refused(codes: Any, message: str) -> None:
    for read in (SPACE.codes, SPACE.relax):
        with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
            read(codes)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([1.0, 2.0], "Expected points of 5 coordinates, (n, 5). Got shape (1, 2)."),
        (np.zeros((2, 3, 5)), "Expected points of 5 coordinates, (n, 5). Got shape (2, 3, 5)."),
        ([8, 0, np.nan, 0, 1], "Expected real coordinates to snap. Got nan: an earlier step has diverged."),
        ("8", "Expected points of 5 coordinates, (n, 5). Got shape (1, 1)."),
        (["c", 0, 0, 1, 1], "Expected points of 5 real coordinates. Got ['c', 0, 0, 1, 1]."),
        ([[8, 0, 0, 1, 1], [8]], "Expected points of 5 real coordinates. Got [[8, 0, 0, 1, 1], [8]]."),
        (object, "Expected points of 5 real coordinates. Got <class 'object'>."),
    ],
)
def test_invalid_points_are_refused(points: Any, message: str) -> None:
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        SPACE.snap(points)


@pytest.mark.parametrize("codes", [[], [[16, 1, 5]] * 2])
def test_neighbours_need_exactly_one_code(codes: Any) -> None:
    with pytest.raises(CodeError, match=rf"^Expected one code\. Got {len(codes)}\.$"):
        SPACE.neighbours(codes)


@pytest.mark.parametrize("values", [[], [1], [2, 1], [1, 1], [1, 2.0], [1, "2"], [True, 2], [False, True]])
def test_an_ordinal_dimension_needs_increasing_integers(values: list[Any]) -> None:
    message = f"Expected at least two increasing integers for the ordinal dimension 'd'. Got {tuple(values)!r}."
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Ordinal("d", values)


@pytest.mark.parametrize("choices", [[], ["a"], ["a", "a"], ["a", 1], "x"])
def test_a_categorical_dimension_needs_different_texts(choices: Any) -> None:
    message = f"Expected at least two different texts for the categorical dimension 'd'. Got {tuple(choices)!r}."
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Categorical("d", choices)


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_a_space_needs_different_names(names: list[str]) -> None:
    message = f"Expected at least one dimension, with different names. Got {names!r}."
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Space([Ordinal(name, [1, 2]) for name in names])


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        (range(1, 5), "an integer from 1 to 4"),
        ([8, 16], "a multiple of 8 from 8 to 16"),
        ([4, 12, 20], "steps of 8 from 4 to 20"),
        ([1, 2, 4], "one of 1, 2, 4"),
    ],
)
def test_messages_name_the_allowed_values(values: Any, allowed: str) -> None:
    with pytest.raises(CodeError, match=rf"^Expected {allowed} for d\. Got 3000\.$"):
        Space([Ordinal("d", values), Ordinal("e", [0, 1])]).codes([3000, 0])


@given(spaces())
def test_a_space_survives_json_and_pickle(space: Space) -> None:
    read = Space.from_dict(json.loads(json.dumps(space.to_dict())))
    assert read == space == pickle.loads(pickle.dumps(space))  # noqa: S301
    assert hash(read) == hash(space)
    assert read.names == space.names
    assert read.size == int(np.prod([len(dim.values) for dim in space.dimensions], dtype=object))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "Expected at least one dimension, with different names. Got []."),
        ({"d": 5}, "Expected a list of integers or texts for the dimension 'd'. Got 5."),
        ({"d": "ab"}, "Expected a list of integers or texts for the dimension 'd'. Got 'ab'."),
        ({"d": []}, "Expected at least two increasing integers for the ordinal dimension 'd'. Got ()."),
        (
            {"d": [1, "a"]},
            "Expected at least two different texts for the categorical dimension 'd'. Got (1, 'a').",
        ),
    ],
)
def test_invalid_plain_data_are_refused(data: Any, message: str) -> None:
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Space.from_dict(data)


def test_the_representation_of_a_space_is_short() -> None:
    assert repr(MULTIRES) == f"Space(27 dimensions: {', '.join(MULTIRES.names[:3])}, ..)"
    assert repr(SPACE) == "Space(3 dimensions: c1, edge, n)"
    assert repr(Space([Ordinal("c1", [1, 2])])) == "Space(1 dimension: c1)"
