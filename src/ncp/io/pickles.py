"""Read pickles of plain data and numpy arrays; nothing else that a pickle names is imported or called.

The published tables are such pickles, and `ncp.tables.published` compares their hashes before it reads them.
"""

from __future__ import annotations

import pickle
import pickletools
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ncp.errors import DataError, quoted
from ncp.io.files import as_path

LARGEST = 16 << 20
"""The size of the largest pickle that is read [bytes]; the published ones have at most 3 million."""

_RECONSTRUCT = np.empty(0).__reduce__()[0]
_SCALAR = np.float64(0).__reduce__()[0]
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
}


class _RefusedError(Exception):
    """The name of a global that is not allowed."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Look up a global in `_ALLOWED` instead of importing it."""
        if (module, name) not in _ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_pickle(path: str | Path) -> Any:
    """Read a pickle of lists, dicts, tuples, numbers, texts, and numpy arrays and numbers.

    Raises:
        DataError: the file cannot be read, is too large or damaged, or refers to anything else.
    """
    file = as_path(path)
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror or error}.") from error
    if len(data) > LARGEST:
        raise DataError(f"{file} has more than {LARGEST} bytes, so it is not read as a pickle.")
    try:
        with warnings.catch_warnings(action="ignore"):  # about escapes and types in damaged files
            _require_small_memo(data)
            return _Unpickler(BytesIO(data)).load()
    except _RefusedError as error:
        raise DataError(
            f"{file} refers to {quoted(str(error))}, so it is not read; nothing was run. "
            "Do not open it with other programs unless you trust its source."
        ) from None
    except Exception as error:  # pickle and numpy raise many types for damaged files
        raise DataError(f"{file} is not a pickle, or it is damaged: {quoted(str(error))}. Download it again.") from None


def _require_small_memo(data: bytes) -> None:
    """Refuse a large memo index: Python would allocate as many places."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise ValueError(f"memo index {argument}")
