"""Read published pickles without running anything that stands in them."""

from __future__ import annotations

import math
import pickletools
import re
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ncp.errors import DataError, quoted
from ncp.io.files import as_path

LARGEST = 16 << 20
"""Bytes of the largest pickle that is read; the published ones hold up to 5 million."""

MOST = 4_000_000
"""Instructions of the longest; the published ones hold half a million. Together they bound the memory."""


class RefusedError(Exception):
    """Why a file is not read."""


class Global:
    """A name that pickles refer to and that stands for one of our own functions; never what the name imports."""

    def __init__(self, call: Callable[..., Any] | None = None) -> None:
        self.call = call


@dataclass(frozen=True)
class Dialect:
    """What a pickle may hold beside plain containers, numbers and texts."""

    globals: Mapping[tuple[str, str], Global]  # by module and name
    build: Callable[[Any, Any], None]  # gives an object its state
    persistent: Callable[[Any], Any] | None = None  # what an id stands for whose object lies outside the pickle
    numbered: bool = False  # whether keys may be integers, which become texts: those cannot be made to collide


def _empty_array(kind: Any, shape: Any, typecode: Any) -> Any:
    if kind is not _NDARRAY or (shape, typecode) not in [((0,), b"b"), ((0,), "b")]:
        raise RefusedError("an array that starts unlike numpy's")
    return np.empty(0, dtype=np.int8)


def _dtype(name: Any, _align: Any = False, _copy: Any = False) -> np.dtype[Any]:
    if not isinstance(name, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]", name):
        raise RefusedError(f"arrays of {quoted(name) if isinstance(name, str) else 'an unknown type'}")
    return np.dtype(name, False, True)  # a copy: BUILD sets its byte order


def _scalar(dtype: Any, data: Any = None) -> Any:
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise RefusedError("a number of numpy's with the wrong bytes")
    return np.frombuffer(data, dtype)[0]


def read_pickle(path: str | Path) -> Any:
    """Read a pickle of plain containers, numbers, texts, and numpy's arrays and numbers.

    The file is not given to Python's unpickler: its instructions are carried out here, one by one, and those that this
    file does not know (whatever imports, calls or builds anything else) end the reading.

    Raises:
        DataError: a file that is not there, too large, damaged, or holds anything else; what it names is not imported.
    """
    with explained(path, "pickle", "plain data and numpy arrays"):
        return load(BytesIO(contents(path, LARGEST)), _NUMPY)


def contents(path: str | Path, largest: int) -> bytes:
    """The bytes of a file that is not too large."""
    with Path(path).open("rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise DataError(f"Expected a file of at most {largest} bytes in {path}. Got a larger one.")
    return data


@contextmanager
def explained(path: str | Path, kind: str, expected: str, *damage: type[Exception]) -> Iterator[None]:
    """Turn whatever goes wrong in reading a file into a DataError; `damage` is what other readers raise."""
    path = as_path(path)
    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of escapes in damaged texts
            yield
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"Expected a {kind} in {path}. Got: {error.strerror or error}.") from error
    except RefusedError as reason:
        raise DataError(
            f"Expected {expected} in {path}. Got {reason}; nothing of it was run. "
            "Do not open this file with other programs before you know where it comes from."
        ) from None
    except _DAMAGE + damage as error:
        raise DataError(
            f"Expected a whole {kind} in {path}. Got a damaged one ({quoted(str(error))}). Download it again."
        ) from None


def load(stream: BytesIO, dialect: Dialect, *, last: bool = True) -> Any:
    """What the next pickle of a stream holds, behind which the stream then stands; nothing follows the last."""
    result = _Machine(dialect).run(stream)
    if last and stream.read(1):
        raise ValueError("the end does not fit")
    return result


class _Machine:
    """The stack machine of pickle, with the instructions that data need."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # what lies under each mark
        self.memo: dict[int, Any] = {}

    def run(self, stream: BytesIO) -> Any:
        argument: Any
        for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if number == MOST:
                raise RefusedError(f"more than {MOST} instructions")
            name = opcode.name
            if name in _PUSHED:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name]())
            elif name in _PUTS:
                self.memo[argument] = self.stack[-1]
            elif name in _GETS:
                self.stack.append(self.memo[argument])
            elif name in _ACTIONS:
                _ACTIONS[name](self)
            elif name == "GLOBAL":
                self.find(*argument.split(" ", 1))
            elif name == "BINPERSID" and self.dialect.persistent:
                self.stack.append(self.dialect.persistent(self.stack.pop()))
            elif name not in ("PROTO", "FRAME", "STOP"):
                raise RefusedError(f"the instruction {name}")
        (result,) = self.stack
        if self.below:
            raise ValueError("the end does not fit")
        _check(result)
        return result

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def make_tuple(self, size: int | None = None) -> None:
        items = self.marked() if size is None else [self.stack.pop() for _ in range(size)][::-1]
        self.stack.append(tuple(items))

    def make_list(self) -> None:
        items = self.marked()
        self.stack.append(items)

    def make_dict(self) -> None:
        items = self.marked()
        self.stack.append({})
        self.update(items)

    def extend(self, items: Any) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise RefusedError("an APPEND to what is no list")
        target.extend(items)

    def update(self, items: Any) -> None:
        target, keys = self.stack[-1], items[::2]
        if type(target) is not dict:
            raise RefusedError("a SETITEM on what is no dict")
        if self.dialect.numbered:
            keys = [str(key) if type(key) is int else key for key in keys]
        if not all(isinstance(key, (str, bytes)) for key in keys):
            raise RefusedError("a dict with keys that are no texts")  # tuples and numbers can be made to hash forever
        target.update(zip(keys, items[1::2], strict=True))

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.find(module, name)

    def find(self, module: Hashable, name: Hashable) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusedError("a global that is not named by texts")
        if (module, name) not in self.dialect.globals:
            raise RefusedError(f"the global {quoted(f'{module}.{name}')}")
        self.stack.append(self.dialect.globals[module, name])

    def reduce(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, Global) or called.call is None or type(arguments) is not tuple:
            raise RefusedError("a call of what is no known function")
        self.stack.append(called.call(*arguments))


def _build(target: Any, state: Any) -> None:
    if isinstance(target, np.dtype):
        orders = ("|",) if target.itemsize == 1 else ("<", ">")
        if state not in [(3, order, None, None, None, -1, -1, 0) for order in orders]:  # no fields, no metadata
            raise RefusedError("arrays of a type with a strange state")
        target.__setstate__(state)  # type: ignore[attr-defined]
    elif isinstance(target, np.ndarray):
        _fill(target, state)
    else:
        raise RefusedError("a state for what is no array")


def _fill(array: Any, state: Any) -> None:
    """Give an empty array what its pickle says, once every part of it is what numpy writes."""
    if type(state) is not tuple or len(state) != 5:
        raise RefusedError("an array with a strange state")
    version, shape, dtype, fortran, data = state
    plain = (
        type(shape) is tuple and len(shape) <= 32 and all(type(side) is int and 0 <= side <= LARGEST for side in shape)
    )
    if version != 1 or not plain or not isinstance(dtype, np.dtype) or type(fortran) is not bool:
        raise RefusedError("an array with a strange state")
    if type(data) is not bytes or math.prod(shape) * dtype.itemsize != len(data):
        raise RefusedError("an array whose shape and bytes do not fit")
    array.__setstate__(state)


_NDARRAY = Global()
_NUMPY = Dialect(
    {
        ("numpy", "ndarray"): _NDARRAY,
        ("numpy", "dtype"): Global(_dtype),
        **{
            (f"numpy.{core}.multiarray", name): Global(call)
            for core in ("core", "_core")
            for name, call in (("_reconstruct", _empty_array), ("scalar", _scalar))
        },
    },
    _build,
)


def _check(result: Any) -> None:
    """That nothing is left of what only serves to build arrays."""
    waiting, seen = [result], set[int]()
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind in (list, tuple, dict):
            if id(value) not in seen:
                seen.add(id(value))
                waiting += value.values() if kind is dict else value
        elif isinstance(value, (Global, np.dtype)):
            raise RefusedError("a type instead of data")


_DAMAGE = (ValueError, TypeError, LookupError, MemoryError, OverflowError, AttributeError)
_NUMBERS = ("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT")
_STRINGS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_PUSHED = frozenset((*_NUMBERS, *_STRINGS, "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"))
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
_ACTIONS: dict[str, Callable[[_Machine], None]] = {
    "MARK": _Machine.mark,
    "MEMOIZE": _Machine.memoize,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": lambda machine: machine.make_tuple(1),
    "TUPLE2": lambda machine: machine.make_tuple(2),
    "TUPLE3": lambda machine: machine.make_tuple(3),
    "LIST": _Machine.make_list,
    "DICT": _Machine.make_dict,
    "APPEND": lambda machine: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine: machine.extend(machine.marked()),
    "SETITEM": lambda machine: machine.update([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine: machine.update(machine.marked()),
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": lambda machine: machine.dialect.build(machine.stack[-2], machine.stack.pop()),
}
