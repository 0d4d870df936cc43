"""Pickles are read without running or importing anything that they name."""

import copyreg
import functools
import os
import pickle
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


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner).map(tuple),
    max_leaves=20,
)


@given(value=data, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_come_back(read: Read, value: object, protocol: int) -> None:
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
def test_numpy_numbers_come_back(read: Read, value: Any) -> None:
    got = read(pickle.dumps(value, 4))
    assert type(got) is type(value)
    assert got == value


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
def test_other_functions_are_refused_by_name(read: Read, tmp_path: Path, called: Any, name: str, protocol: int) -> None:
    witness = tmp_path / "ran"
    written = pickle.dumps([Reduced(called, (f"touch {witness}",))], protocol)
    if protocol < 3:  # names of Python 2
        name = name.replace("builtins", "__builtin__").replace("copyreg", "copy_reg")
    with pytest.raises(DataError, match=rf"refers to '{name}', so it is not read; nothing was run\. Do not open"):
        read(written)
    assert not witness.exists()


def short(text: bytes) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(text)]) + text


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"(S'true'\nios\nsystem\n.", "posix.system|os.system"),  # INST
        (b"(cos\nsystem\nS'true'\no.", "os.system"),  # OBJ
        (b"\x80\x02cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"\x80\x04" + short(b"numpy") + short(b"core.multiarray.scalar") + b"\x93.", "numpy.core.multiarray.scalar"),
        (b"\x80\x04" + short(b"numpy") + short(b"ndarray.__class__") + b"\x93.", "numpy.ndarray.__class__"),
        (b"\x80\x02cnumpy\nmemmap\n)R.", "numpy.memmap"),
        (b"\x80\x02cnumpy.lib.npyio\nDataSource\n)\x81.", "numpy.lib.npyio.DataSource"),
    ],
)
def test_every_instruction_that_imports_is_refused(read: Read, content: bytes, name: str) -> None:
    with pytest.raises(DataError, match=rf"refers to '({name})'"):
        read(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"garbage",
        b"\x80\x04",
        b"\x80\x04N",
        b"\x80\x04e.",
        b"\x80\x04h\x00.",
        b"\x80\x04R.",
        b"\x80\x04b.",
        b"\x80\x04\x93.",
        b"I" + b"1" * 5000 + b"\n.",
        b"\x80\x04\x8c\xff.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02cnumpy\ndtype\n)R.",
        b"\x80\x02cnumpy\nndarray\n}b.",
        b"cnumpy\n.",
        b"Pname\n.",  # an object outside the pickle
        b"K\x01Q.",
        b"\x80\x02\x82\x01.",  # a registered extension
        b"\x80\x05\x97.",  # a buffer outside the pickle
    ],
)
def test_damaged_files(read: Read, content: bytes) -> None:
    with pytest.raises(DataError, match=r"file\.pkl is not a pickle, or it is damaged: .* Download it again"):
        read(content)


def test_every_cut_of_a_file_is_refused(read: Read) -> None:
    whole = pickle.dumps([{"embedding": np.arange(3.0), "Acc": 1.5}], 4)
    for end in range(len(whole)):
        with pytest.raises(DataError):
            read(whole[:end])


base = pickle.dumps([{"embedding": np.arange(3, dtype="f4"), "Acc": 1.5, "n": [1, (2, None)]}] * 2, 4)


@given(st.lists(st.tuples(st.integers(0, len(base) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@example([(0, 0)])
def test_changed_files_are_read_as_data_or_refused(read: Read, edits: list[tuple[int, int]]) -> None:
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
    with pytest.raises(DataError, match=r"Cannot read .*none.pkl: No such file"):
        read_pickle(tmp_path / "none.pkl")
    with pytest.raises(DataError, match="Is a directory"):
        read_pickle(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.pkl"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(DataError, match=f"has more than {pickles.LARGEST} bytes"):
        read_pickle(file)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]r\xff\xff\xff\xff.",  # a memo of 4 billion places
        b"]p4294967295\n.",
        b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",  # lists in lists
        b"\x80\x02)" + b"\x85" * 200_000 + b".",  # tuples in tuples
        b"\x80\x02)" + b"q\x00h\x00\x86" * 60 + b".",  # 2^60 tuples, if one walks through them
    ],
)
def test_small_files_take_little_time_and_memory(read: Read, content: bytes) -> None:
    start = time.perf_counter()
    with suppress(DataError):
        read(content)
    assert time.perf_counter() - start < 5
