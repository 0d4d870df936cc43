"""Pickles are read without running anything that stands in them."""

import copyreg
import functools
import os
import pickle
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ncp.errors import DataError
from ncp.io import pickles
from ncp.io.pickles import read_pickle

Read = Callable[[bytes], Any]


@pytest.fixture(scope="session")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    file = tmp_path_factory.mktemp("pickles") / "file.pkl"

    def read_bytes(content: bytes) -> Any:
        file.write_bytes(content)
        return read_pickle(file)

    return read_bytes


def short(text: bytes) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(text)]) + text


def call(module: bytes, name: bytes, arguments: bytes = b")") -> bytes:
    """A call of a global, in protocol 2."""
    return b"\x80\x02c" + module + b"\n" + name + b"\n" + arguments + b"R."


NDARRAY = b"cnumpy\nndarray\n"
EMPTY = b"cnumpy.core.multiarray\n_reconstruct\n(" + NDARRAY + b"K\x00\x85C\x01btR"
FLOAT = b"cnumpy\ndtype\n(X\2\0\0\0f8K\0K\1tR(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
OBJECT = FLOAT.replace(b"f8", b"O8")


def array(
    shape: bytes = b"K\x01\x85", dtype: bytes = FLOAT, fortran: bytes = b"\x89", data: bytes = b"C\x08" + b"\0" * 8
) -> bytes:
    """An array's pickle, part by part."""
    return b"\x80\x03" + EMPTY + b"(K\x01" + shape + dtype + fortran + data + b"tb."


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner).map(tuple),
    max_leaves=20,
)


@given(value=data, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_come_back(read: Read, value: object, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


@given(st.binary(), st.integers(3, pickle.HIGHEST_PROTOCOL))
def test_bytes_come_back(read: Read, value: bytes, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(("protocol", "core"), [(3, b"numpy.core"), (3, b"numpy._core"), (4, b"numpy._core")])
@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "<i8", ">i4", "<f2", ">f4", "f8"])
@pytest.mark.parametrize("shape", [(), (0,), (30,), (2, 3), (2, 0, 4)])
def test_arrays_come_back(read: Read, protocol: int, core: bytes, dtype: str, shape: tuple[int, ...]) -> None:
    value = np.asfortranarray(np.arange(np.prod(shape), dtype=np.int8).reshape(shape).astype(dtype))
    first, second = read(pickle.dumps([value, value], protocol).replace(b"numpy._core", core))
    assert first is second
    assert (first.dtype, first.shape) == (value.dtype.newbyteorder("="), value.shape)
    np.testing.assert_array_equal(first, value)


@pytest.mark.parametrize("value", [np.float64(0.1), np.float32(2.5), np.int64(-3), np.bool_(True)])
def test_numbers_of_numpy_come_back(read: Read, value: Any) -> None:
    got = read(pickle.dumps(value, 4))
    assert type(got) is type(value)
    assert got == value


def test_lists_that_hold_themselves_come_back(read: Read) -> None:
    value: list[Any] = []
    value.append(value)
    got = read(pickle.dumps(value))
    assert got[0] is got


def test_numpys_array_by_hand(read: Read) -> None:
    np.testing.assert_array_equal(read(array()), [0.0])


class Reduced:
    """Pickled as a call."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("called", "name"),
    [
        (os.system, "posix.system"),
        (eval, "builtins.eval"),
        (getattr, "builtins.getattr"),
        (np.load, "numpy.load"),
        (functools.partial, "functools.partial"),
        (copyreg._reconstructor, "copyreg._reconstructor"),  # type: ignore[attr-defined]
        (OrderedDict, "collections.OrderedDict"),
        (bytearray, "builtins.bytearray"),
    ],
)
def test_whatever_else_is_called_is_refused_by_name(
    read: Read, tmp_path: Path, called: Any, name: str, protocol: int
) -> None:
    witness = tmp_path / "ran"
    written = pickle.dumps([Reduced(called, (f"touch {witness}",))], protocol)
    name = name.replace("builtins", "__builtin__") if protocol < 3 else name
    name = name.replace("copyreg", "copy_reg") if protocol < 3 else name
    with pytest.raises(DataError, match=rf"Got the global '{name}'; nothing of it was run\. Do not open"):
        read(written)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (call(b"os", b"system", b"(S'true'\nt"), "the global 'os.system'"),
        (b"\x80\x04" + short(b"numpy") + short(b"core.multiarray.scalar") + b"\x93.", "'numpy.core.multiarray.scalar'"),
        (b"\x80\x04" + short(b"numpy.core") + short(b"multiarray._reconstruct") + b"\x93.", "the global"),
        (b"\x80\x04" + short(b"numpy") + short(b"ndarray.__class__") + b"\x93.", "'numpy.ndarray.__class__'"),
        (b"\x80\x04" + short(b"builtins") + short(b"getattr") + b"\x93.", "the global 'builtins.getattr'"),
        (b"\x80\x04K\x01" + short(b"dtype") + b"\x93.", "a global that is not named by texts"),
        (call(b"numpy.lib.npyio", b"DataSource"), "the global"),
        (call(b"numpy", b"memmap"), "the global 'numpy.memmap'"),
        (b"(S'true'\nios\nsystem\n.", "the instruction INST"),
        (b"(" + NDARRAY + b"o.", "the instruction OBJ"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "the instruction NEWOBJ"),
        (b"\x80\x04cnumpy\nndarray\n)}\x92.", "the instruction NEWOBJ_EX"),
        (b"Pname\n.", "the instruction PERSID"),
        (b"K\x01Q.", "the instruction BINPERSID"),
        (b"\x80\x02\x82\x01.", "the instruction EXT1"),
        (b"\x80\x02\x83\x01\x00.", "the instruction EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "the instruction EXT4"),
        (b"\x80\x05\x97.", "the instruction NEXT_BUFFER"),
        (b"\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", "the instruction BYTEARRAY8"),
        (b"\x80\x04\x8f.", "the instruction EMPTY_SET"),
        (b"\x80\x02K\x01K\x01\x85R.", "a call of what is no known function"),
        (call(b"numpy", b"ndarray", b"K\x01\x85"), "a call of what is no known function"),
        (b"\x80\x02cnumpy\ndtype\nK\x01R.", "a call of what is no known function"),
        (b"\x80\x02" + NDARRAY + b".", "a type instead of data"),
        (b"\x80\x02](" + FLOAT + NDARRAY + b"e.", "a type instead of data"),
        (b"\x80\x02}(K\x01K\x02u.", "a dict with keys that are no texts"),
        (b"\x80\x02})K\x02s.", "a dict with keys that are no texts"),
        (b"\x80\x02K\x01K\x02a.", "an APPEND to what is no list"),
        (b"\x80\x02" + NDARRAY + b"(K\x01K\x02u.", "a SETITEM on what is no dict"),
        (b"\x80\x02]}b.", "a state for what is no array"),
        (b"\x80\x02" + NDARRAY + b"}b.", "a state for what is no array"),
    ],
)
def test_instructions_that_data_do_not_need_are_refused(read: Read, content: bytes, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        read(content)
    assert reason in str(caught.value)
    assert str(caught.value).startswith("Expected plain data and numpy arrays in ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (array(dtype=OBJECT), "arrays of 'O8'"),
        (pickle.dumps(np.array([None, 1]), 4), "arrays of 'O8'"),
        (pickle.dumps(np.array(["a"]), 4), "arrays of 'U1'"),
        (pickle.dumps(np.zeros(1, dtype=[("a", "f8")]), 4), "arrays of 'V8'"),
        (pickle.dumps(np.zeros(1, dtype="M8[s]"), 4), "arrays of 'M8'"),
        (pickle.dumps(np.zeros(1, dtype=complex), 4), "arrays of 'c16'"),
        (array(dtype=FLOAT.replace(b"<NNN", b"<NN}")), "arrays of a type with a strange state"),
        (array(dtype=FLOAT.replace(b"X\x01\0\0\0<", b"X\x01\0\0\0|")), "arrays of a type with a strange state"),
        (b"\x80\x03cnumpy\ndtype\n]\x85R.", "arrays of an unknown type"),
        (array(shape=b"\x8a\x08" + b"\xff" * 7 + b"\x00\x85"), "an array with a strange state"),
        (array(shape=b"J\x00\x00\x01\x00\x85"), "an array whose shape and bytes do not fit"),
        (array(shape=b"J\xff\xff\xff\xff\x85"), "an array with a strange state"),
        (array(shape=b"K\x01"), "an array with a strange state"),
        (array(shape=b"G" + b"\0" * 8 + b"\x85"), "an array with a strange state"),
        (array(shape=b"(" + b"K\x01" * 33 + b"t"), "an array with a strange state"),
        (array(fortran=b"]"), "an array with a strange state"),
        (array(dtype=b"N"), "an array with a strange state"),
        (array(data=b"]"), "an array whose shape and bytes do not fit"),
        (array(data=b"C\x07" + b"\0" * 7), "an array whose shape and bytes do not fit"),
        (b"\x80\x03" + EMPTY + b"}b.", "an array with a strange state"),
        (b"\x80\x03" + EMPTY.replace(b"K\x00\x85", b"J\xff\xff\xff\x7f\x85") + b".", "an array that starts unlike"),
        (b"\x80\x03" + EMPTY.replace(NDARRAY, b"N") + b".", "an array that starts unlike"),
        (b"\x80\x03" + EMPTY.replace(b"C\x01b", b"C\x01O") + b".", "an array that starts unlike"),
        (b"\x80\x03cnumpy.core.multiarray\nscalar\n" + FLOAT + b"C\x01a\x86R.", "a number of numpy's with the wrong"),
        (b"\x80\x03cnumpy.core.multiarray\nscalar\nK\x01C\x01a\x86R.", "a number of numpy's with the wrong"),
    ],
)
def test_arrays_that_are_not_what_numpy_writes_are_refused(read: Read, content: bytes, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        read(content)
    assert f"Got {reason}" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"garbage",
        b"\x80\x04",
        b"\x80\x04N",
        b"\x80\x04NN.",
        b"\x80\x04(N.",
        b"\x80\x04N.N",
        b"\x80\x04e.",
        b"\x80\x04h\x00.",
        b"\x80\x04q\x00.",
        b"\x80\x04}(U\x01au.",
        b"\x80\x04R.",
        b"\x80\x04b.",
        b"\x80\x04\x93.",
        b"I1\nI1.",
        b"I" + b"1" * 5000 + b"\n.",
        b"\x80\x04\x8c\xff.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x04\x8c\x01\xff.",
        call(b"numpy", b"dtype"),
        call(b"numpy.core.multiarray", b"_reconstruct", b"K\x01\x85"),
        b"cnumpy\n.",
        b"S'a\\c'\n",
    ],
)
def test_damaged_files(read: Read, content: bytes) -> None:
    with pytest.raises(
        DataError, match=r"Expected a whole pickle in .*file.pkl. Got a damaged one .* Download it again"
    ):
        read(content)


def test_every_cut_of_a_file_is_refused(read: Read) -> None:
    whole = pickle.dumps([{"embedding": np.arange(3.0), "Acc": 1.5}], 4)
    for end in range(len(whole)):
        with pytest.raises(DataError):
            read(whole[:end])


base = pickle.dumps([{"embedding": np.arange(3, dtype="f4"), "Acc": 1.5, "n": [1, (2, None)]}] * 2, 4)


@given(st.lists(st.tuples(st.integers(0, len(base) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@example([(0, 0)])
def test_tampered_files_are_read_as_data_or_refused(read: Read, edits: list[tuple[int, int]]) -> None:
    content = bytearray(base)
    for place, byte in edits:
        content[place] = byte
    with suppress(DataError):
        read(bytes(content))


@given(st.binary(max_size=60))
def test_garbage_is_read_as_data_or_refused(read: Read, content: bytes) -> None:
    with suppress(DataError):
        read(content + b".")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a pickle in .*none.pkl. Got: No such file"):
        read_pickle(tmp_path / "none.pkl")
    with pytest.raises(DataError, match="Got: Is a directory"):
        read_pickle(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.pkl"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(DataError, match=f"of at most {pickles.LARGEST} bytes"):
        read_pickle(file)


def test_a_file_of_too_many_instructions(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MOST", 10)
    with pytest.raises(DataError, match="more than 10 instructions"):
        read(b"\x80\x02](" + b"N" * 10 + b"e.")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]r\xff\xff\xff\xff.",  # a memo of 4 billion places
        b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",  # lists in lists
        b"\x80\x02)" + b"\x85" * 200_000 + b".",  # tuples in tuples
        b"\x80\x02)" + b"q\x00h\x00\x86" * 60 + b".",  # 2^60 tuples, if one walks through them
        b"\x80\x02]" + b"q\x00](h\x00h\x00e" * 60 + b"h\x00.",
    ],
)
def test_bombs_do_not_go_off(read: Read, content: bytes) -> None:
    start = time.perf_counter()
    with suppress(DataError):
        read(content)
    assert time.perf_counter() - start < 5


def test_deep_keys_are_refused_before_they_are_hashed(read: Read) -> None:
    nested = b")" + b"q\x00h\x00\x86" * 60
    with pytest.raises(DataError, match="keys that are no texts"):
        read(b"\x80\x02}" + nested + b"Ns.")


def test_the_longest_number(read: Read) -> None:
    content = b"\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20)
    assert read(content + b".").bit_length() == (1 << 23) - 1
    with pytest.raises(DataError, match="strange state"):
        read(array(shape=b"(" + content * 8 + b"t"))
