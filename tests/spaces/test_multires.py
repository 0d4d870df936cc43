"""Text, vector and setting of a network convert into each other, and other input is refused."""

import copy
import dataclasses
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncp import MULTIRES, Code, CodeError, Stage
from ncp.errors import quoted
from tests.strategies import codes, vectors

TEXT = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64"
VECTOR = [96, 128, 1, 1, 48, 1, 1, 1, 128, 8, 1, 1, 1, 1, 128, 128, 120, 4, 4, 4, 4, 4, 128, 128, 128, 128, 64]
SETTING: dict[str, Any] = {
    "input_channel": [96, 128],
    "network_setting": [
        [1, [1], [48]],
        [2, [1, 1], [128, 8]],
        [3, [1, 1, 1], [128, 128, 120]],
        *[[4, [4, 4, 4, 4], [128, 128, 128, 128]]] * 4,
    ],
    "last_channel": 64,
}


def test_the_published_example_in_all_notations() -> None:
    code = Code.parse(TEXT)
    assert code == Code.from_vector(VECTOR) == Code.from_setting(**SETTING) == Code(VECTOR)
    assert (str(code), list(code.vector), code.setting) == (TEXT, VECTOR, SETTING)
    assert repr(code) == f"Code.parse({TEXT!r})"
    assert code.stem == (96, 128)
    assert code.head == 64
    assert code.stages[0] == Stage(modules=1, blocks=(1,), channels=(48,))
    assert code.stages[3] == Stage(modules=4, blocks=(4,) * 4, channels=(128,) * 4)


@given(vectors)
def test_every_notation_converts_to_every_other(vector: tuple[int, ...]) -> None:
    code = Code.from_vector(vector)
    text, setting = str(code), code.setting
    assert code.vector == vector
    assert Code.parse(text) == Code.from_setting(**setting) == code
    assert str(Code.parse(text)) == str(Code.from_setting(**setting)) == text
    assert Code.parse(text).vector == Code.from_setting(**setting).vector == vector
    assert Code.parse(text).setting == setting


@given(codes)
def test_the_31_integers_of_a_text_are_read_from_a_list(code: Code) -> None:
    numbers = [int(part) for part in re.findall(r"\d+", str(code))]
    assert len(numbers) == 31
    assert Code.from_vector(numbers) == code


@given(vectors)
def test_every_kind_of_integer_is_read(vector: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    for numbers in (list(vector), np.array(vector, dtype=np.uint8), torch.tensor(vector), iter(vector)):
        code = Code.from_vector(numbers)
        assert code.vector == vector
        assert all(type(number) is int for number in code.vector)


@given(codes, codes)
def test_a_code_is_a_value(a: Code, b: Code) -> None:
    assert (a == b) == (a.vector == b.vector) == (str(a) == str(b))
    assert len({a, Code(a.vector), b}) == (1 if a == b else 2)
    assert pickle.loads(pickle.dumps(a)) == copy.deepcopy(a) == a  # noqa: S301
    assert hash(pickle.loads(pickle.dumps(a))) == hash(a)  # noqa: S301
    assert eval(repr(a), {"Code": Code}) == a  # noqa: S307


def test_a_code_is_immutable() -> None:
    code = Code(VECTOR)
    with pytest.raises(dataclasses.FrozenInstanceError):
        code.vector = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        code.vector[0] = 8  # type: ignore[index]
    code.setting["input_channel"][0] = 8
    code.setting["network_setting"][0][1][0] = 4
    assert code.setting == SETTING


def test_the_space_is_the_published_one() -> None:
    names = "i1 i2 b1 n1 c1 b2 n2_1 n2_2 c2_1 c2_2 b3 n3_1 n3_2 n3_3 c3_1 c3_2 c3_3"
    assert MULTIRES.names == (*names.split(), "b4", *(f"{x}4_{k}" for x in "nc" for k in range(1, 5)), "o")
    assert MULTIRES.size == 2**80
    assert {dim.values for dim in MULTIRES.dimensions} == {(1, 2, 3, 4), tuple(range(8, 129, 8))}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", ""),
        (" " + TEXT, " 96"),
        (TEXT + "\n", "64\n"),
        (TEXT.replace("128_8-", "128_ 8-"), " 8"),
        (TEXT.replace("_48", "_x"), "x"),
        (TEXT.replace("_48", "_48.0"), "48.0"),
        (TEXT.replace("_48", "_+48"), "+48"),
        (TEXT.replace("_48", "_048"), "048"),
        (TEXT.replace("_48", "_\u0664\u0668"), "\u0664\u0668"),
        (TEXT.replace("_48", "_"), ""),
        (TEXT.replace("_48", "--48"), ""),
        (TEXT.replace("_48", "_nan"), "nan"),
        (TEXT.replace("_48", "_" + "9" * 5000), "9" * 5000),
        (", ".join(map(str, VECTOR)), ", ".join(map(str, VECTOR))),
    ],
)
def test_texts_with_other_characters_are_refused(text: str, part: str) -> None:
    where = "" if part == text else f" in {quoted(text)}"
    message = (
        f"Expected 31 integers in 6 groups joined by '-'. Got {quoted(part)}{where}. "
        "Write '_' within a group, and digits without spaces, signs or leading zeros."
    )
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Code.parse(text)


VECTOR_TEXT = "_".join(map(str, VECTOR))


@pytest.mark.parametrize(
    ("text", "counted", "hint"),
    [
        (VECTOR_TEXT, "27 in 1 group", "For a vector of 27 integers use Code.from_vector."),
        (TEXT[:-3], "30 in 5 groups", "The groups must have 2, 4, 6, 8, 10 and 1 integers. These have 2, 4, 6, 8, 10."),
        (
            TEXT + "_64",
            "32 in 6 groups",
            "The groups must have 2, 4, 6, 8, 10 and 1 integers. These have 2, 4, 6, 8, 10, 2.",
        ),
        (
            TEXT + "-64",
            "32 in 7 groups",
            "The groups must have 2, 4, 6, 8, 10 and 1 integers. These have 2, 4, 6, 8, 10, 1, 1.",
        ),
        (
            TEXT[3:],
            "30 in 6 groups",
            "The groups must have 2, 4, 6, 8, 10 and 1 integers. These have 1, 4, 6, 8, 10, 1.",
        ),
        ("64", "1 in 1 group", "The groups must have 2, 4, 6, 8, 10 and 1 integers. These have 1."),
        (
            TEXT.replace("96_128-1", "96-128_1"),
            "31 in 6 groups",
            "The groups must have 2, 4, 6, 8, 10 and 1 integers. These have 1, 5, 6, 8, 10, 1.",
        ),
    ],
)
def test_texts_with_other_groups_are_refused(text: str, counted: str, hint: str) -> None:
    message = f"Expected 31 integers in 6 groups joined by '-'. Got {counted} in {quoted(text)}. {hint}"
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Code.parse(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("96_128-", "97_128-", "Expected a multiple of 8 from 8 to 128 for i1. Got 97."),
        ("96_128-", "96_0-", "Expected a multiple of 8 from 8 to 128 for i2. Got 0."),
        ("_48-", "_136-", "Expected a multiple of 8 from 8 to 128 for c1. Got 136."),
        ("_48-", f"_{10**30}-", f"Expected a multiple of 8 from 8 to 128 for c1. Got {10**30}."),
        ("-1_1_1_48", "-5_1_1_48", "Expected an integer from 1 to 4 for b1. Got 5."),
        ("-1_1_1_48", "-1_1_0_48", "Expected an integer from 1 to 4 for n1. Got 0."),
        ("-1_2_1_1_", "-1_2_1_5_", "Expected an integer from 1 to 4 for n2_2. Got 5."),
        ("_120-4", "_4-4", "Expected a multiple of 8 from 8 to 128 for c3_3. Got 4."),
        ("128-64", "128-60", "Expected a multiple of 8 from 8 to 128 for o. Got 60."),
        ("-1_2_1_1_", "-1_3_1_1_", "Expected 2 as the number of branches of stage 2. Got 3."),
        ("-4_4_4", "-4_1_4", "Expected 4 as the number of branches of stage 4. Got 1."),
    ],
)
def test_numbers_outside_the_space_are_refused(old: str, new: str, message: str) -> None:
    text = TEXT.replace(old, new)
    assert text != TEXT
    numbers = [int(part) for part in re.findall(r"\d+", text)]
    for read in (lambda: Code.parse(text), lambda: Code.from_vector(numbers)):
        with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
            read()


@pytest.mark.parametrize("given_text", [None, 5, VECTOR, TEXT.encode()])
def test_from_text_refuses_other_types(given_text: Any) -> None:
    message = f"Expected the text of a code. Got {quoted(given_text)}. For a vector use Code.from_vector."
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Code.parse(given_text)


LAST_IS_MISSING = " The last one may be missing: append o, the channels of the last layer."


@pytest.mark.parametrize(("count", "hint"), [(0, ""), (25, ""), (26, LAST_IS_MISSING), (28, ""), (30, ""), (32, "")])
def test_vectors_of_another_length_are_refused(count: int, hint: str) -> None:
    vector = (VECTOR * 2)[:count]
    message = f"Expected 27 integers, or the 31 of a text. Got {count} in {quoted(vector)}.{hint}"
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Code.from_vector(vector)


@pytest.mark.parametrize("number", [48.0, float("nan"), float("inf"), "48", None, True, np.float32(48), [48], 48j])
def test_vectors_of_other_types_are_refused(number: Any) -> None:
    vector = [*VECTOR[:4], number, *VECTOR[5:]]
    message = f"Expected an integer at position 4 of the vector. Got {quoted(number)}."
    for read in (Code, Code.from_vector):
        with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
            read(vector)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (TEXT, f"Expected a sequence of integers as the vector. Got {TEXT!r}. For a text use Code.parse."),
        (b"12", "Expected a sequence of integers as the vector. Got b'12'."),
        (12, "Expected a sequence of integers as the vector. Got 12."),
        (None, "Expected a sequence of integers as the vector. Got None."),
        (np.array(12), "Expected a sequence of integers as the vector. Got 12."),
        (np.array([[1, 2]]), "Expected a sequence of integers as the vector. Got array([[1, 2]])."),
    ],
)
def test_from_vector_refuses_other_types(vector: Any, message: str) -> None:
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Code.from_vector(vector)


MODULES = SETTING["network_setting"]
FORM = "[branches, [blocks..], [channels..]]"
GROW = "Modules must have 1, 2, 3 and 4 branches, in this order."


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (
            [*MODULES[:-1], [4, [4, 4, 4, 3], [128] * 4]],
            "Expected module 7 to repeat its stage, [4, [4, 4, 4, 4], [128, 128, 128, 128]]. "
            "Got [4, [4, 4, 4, 3], [128, 128, 128, 128]]. A code needs equal modules within every stage.",
        ),
        (
            [MODULES[0], [1, [1], [56]], *MODULES[1:]],
            "Expected module 2 to repeat its stage, [1, [1], [48]]. Got [1, [1], [56]]. "
            "A code needs equal modules within every stage.",
        ),
        (MODULES[1:], f"Expected module 1 to have 1 branches. Got 2. {GROW}"),
        ([MODULES[0], MODULES[2]], f"Expected module 2 to have 1 or 2 branches. Got 3. {GROW}"),
        ([*MODULES, MODULES[2]], f"Expected module 8 to have 4 branches. Got 3. {GROW}"),
        ([*MODULES, [5, [1] * 5, [8] * 5]], f"Expected module 8 to have 4 branches. Got 5. {GROW}"),
        ([], "Expected one [branches, [blocks..], [channels..]] per module in network_setting. Got []."),
        (MODULES[:3], "network_setting needs modules of 1, 2, 3 and 4 branches. It has none of 4."),
        ([MODULES[0]] * 4 + MODULES, "Expected an integer from 1 to 4 for b1. Got 5."),
        ([[1, [5], [48]], *MODULES[1:]], "Expected an integer from 1 to 4 for n1. Got 5."),
        (
            [[1, [1], [48, 48]]],
            "Module 1 has branches, blocks and channels in different numbers: 1, 1 and 2. "
            "It needs the same number of each.",
        ),
        (
            [[2, [1], [48]]],
            "Module 1 has branches, blocks and channels in different numbers: 2, 1 and 1. "
            "It needs the same number of each.",
        ),
        ([MODULES[0], [1, [1]]], f"Expected {FORM} as module 2. Got [1, [1]]."),
        ([7], f"Expected {FORM} as module 1. Got 7."),
        ([[1.0, [1], [48]]], "Expected an integer as the branches of module 1. Got 1.0."),
        ([[1, [1], [48.5]]], "Expected an integer at position 0 of the channels of module 1. Got 48.5."),
        ([[1, 1, [48]]], "Expected a sequence of integers as the blocks of module 1. Got 1."),
        (5, f"Expected one {FORM} per module in network_setting. Got 5."),
        ("abc", f"Expected one {FORM} per module in network_setting. Got 'abc'."),
    ],
)
def test_invalid_modules_are_refused(modules: Any, message: str) -> None:
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Code.from_setting(**SETTING | {"network_setting": modules})


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ({"input_channel": [96]}, "Expected 2 integers as input_channel. Got [96]."),
        ({"input_channel": 96}, "Expected a sequence of integers as input_channel. Got 96."),
        ({"input_channel": [96, 1.5]}, "Expected an integer at position 1 of input_channel. Got 1.5."),
        ({"input_channel": [96, 4]}, "Expected a multiple of 8 from 8 to 128 for i2. Got 4."),
        ({"last_channel": 64.0}, "Expected an integer as last_channel. Got 64.0."),
        ({"last_channel": [64]}, "Expected an integer as last_channel. Got [64]."),
        ({"last_channel": 68}, "Expected a multiple of 8 from 8 to 128 for o. Got 68."),
    ],
)
def test_invalid_stems_and_heads_are_refused(ends: dict[str, Any], message: str) -> None:
    with pytest.raises(CodeError, match=f"^{re.escape(message)}$"):
        Code.from_setting(**SETTING | ends)


@given(st.data())
def test_settings_with_uneven_modules_are_refused(data: st.DataObject) -> None:
    code = data.draw(codes.filter(lambda code: any(stage.modules > 1 for stage in code.stages)))
    setting = code.setting
    modules = setting["network_setting"]
    repeats = [i for i in range(1, len(modules)) if modules[i][0] == modules[i - 1][0]]
    number = data.draw(st.sampled_from(repeats))
    part = data.draw(st.sampled_from([1, 2]))
    modules[number][part][-1] += 8
    with pytest.raises(CodeError, match=rf"^Expected module {number + 1} to repeat its stage, .* Got .*\.$"):
        Code.from_setting(**setting)


def test_every_published_code_in_all_notations(shared: Path) -> None:
    lines = (shared / "data" / "nas-bench-mr" / "search_list.txt").read_text().split()
    assert len(lines) == 2511
    for line in lines:
        code = Code.parse(line)
        assert str(code) == line
        assert Code.from_setting(**code.setting) == code
