"""Write a file whole or not at all, and read and write plain data as json."""

from __future__ import annotations

import json
import math
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from ncp.errors import ConfigError, DataError

LONGEST = 4096
"""The longest path that operating systems accept [bytes]."""

LARGEST_JSON = 1 << 28
"""Most bytes of a json file that is read."""

STALE = 24 * 60 * 60
"""The age at which a temporary file of another machine counts as abandoned [s]."""


def as_path(path: Any, field: str = "path") -> Path:
    """Convert an argument to a path; `field` is the argument's name.

    Raises:
        ConfigError: it is not a valid path.
    """
    try:
        read = Path(path)
        name = os.fsencode(read)
        if b"\0" not in name and len(name) <= LONGEST:
            return read
    except (TypeError, UnicodeEncodeError):
        pass
    raise ConfigError("{field} must be the path of a file. Got {given}.", field=field, given=path)


def is_file(path: Path) -> bool:
    """Whether a path is a file that may be accessed."""
    return os.path.isfile(path)  # noqa: PTH113 (Path.is_file raises where it may not look)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path with the suffix of `path`, and move the file to `path` if the block ends without an error.

    An existing file is replaced only then; it keeps its mode, and a link stays a link. Missing folders are created.
    If `path` is a device, a pipe or the standard output, the content is copied into it.

    >>> with whole_file("out/result.json") as temporary:  # doctest: +SKIP
    ...     temporary.write_text(text)

    Raises:
        DataError: the folder cannot be written to, the disk is full, or `path` is a folder.
    """
    target = as_path(path)
    try:
        there = target.stat() if target.exists() else None
        if there is not None and stat.S_ISDIR(there.st_mode):
            raise DataError(f"Cannot write {target}: it is a folder. Name a file in it.")
        stream = None if there is None else _standard_stream(there)
        replaces = there is None or (stat.S_ISREG(there.st_mode) and stream is None)
        with _replaced(target, there) if replaces else _copied(target, stream) as temporary:
            yield temporary
    except OSError as error:
        raise DataError(f"Cannot write {target}: {error.strerror or error}. Choose another path.") from error


@contextmanager
def _replaced(target: Path, there: os.stat_result | None) -> Iterator[Path]:
    """A file beside the target, which replaces it in one step once it is on the disk."""
    real = Path(os.path.realpath(target))  # where a link leads
    beginning = f".ncp-{_mark(real.name)}-{_mark(gethostname())}-"
    temporary = real.with_name(f"{beginning}{os.getpid()}-{uuid4().hex[:8]}{target.suffix}")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(real.parent, f".ncp-{_mark(real.name)}-", beginning)
        temporary.touch()
        mode = stat.S_IMODE((there or temporary.stat()).st_mode)
        temporary.chmod(mode | stat.S_IWUSR)
        yield temporary
        _sync(temporary)
        temporary.chmod(mode)  # some writers create the file anew, for its owner only
        temporary.replace(real)
        with suppress(OSError):  # not every system can open a folder
            _sync(real.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def _copied(target: Path, stream: int | None) -> Iterator[Path]:
    """A file elsewhere, whose content is then copied into a device, a pipe or an open stream."""
    with TemporaryDirectory() as folder:
        temporary = Path(folder) / f"file{target.suffix}"
        temporary.touch()
        yield temporary
        sys.stdout.flush()
        into = target if stream is None else os.dup(stream)
        with temporary.open("rb") as read, open(into, "wb") as written:  # noqa: PTH123 (a path has no descriptor)
            shutil.copyfileobj(read, written)


def _standard_stream(there: os.stat_result) -> int | None:
    """The standard output or error, if it is redirected to this file."""
    for stream in (1, 2):
        with suppress(OSError):
            if os.path.samestat(os.fstat(stream), there):
                return stream
    return None


def _remove_stale(folder: Path, beginning: str, here: str) -> None:
    """Remove temporary files of dead processes on this machine (`here`), and those unchanged for a day."""
    for left in folder.glob(f"{beginning}*"):
        process = left.name.removeprefix(here).partition("-")[0]
        with suppress(OSError):
            dead = process.isdecimal() and is_dead(int(process))
            if dead or time.time() - left.stat().st_mtime > STALE:
                left.unlink()


def is_dead(process: int) -> bool:
    """Whether a process of this machine has ended; False where the system does not say."""
    if os.name != "posix":
        return False  # os.kill would end the process there
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # another user's
        return False
    return False


def _mark(name: str) -> str:
    """A short hash of a name."""
    return sha256(os.fsencode(name)).hexdigest()[:8]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, which is read in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Wait until the content of a file, or the entries of a folder, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_json(path: str | Path, document: Any, indent: int | None = 2) -> None:
    """Write a document as json, whole or not at all; `plain` converts its values.

    Raises:
        DataError: the file cannot be written.
    """
    text = json.dumps(plain(document), indent=indent, allow_nan=False)
    with whole_file(path) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")


def read_json(path: str | Path, largest: int = LARGEST_JSON) -> Any:
    """The content of a json file, in which all numbers are finite.

    Args:
        path: the file.
        largest: the largest file that is read [bytes].

    Raises:
        DataError: the file cannot be read, is too large, or is not json.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(largest + 1)  # a device can be endless, whatever its size says
        if len(data) > largest:
            raise DataError(f"Cannot read {path}: it has more than {largest} bytes.")
        return json.loads(data.decode(), parse_float=_finite, parse_constant=_finite)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"Cannot read {path}: {reason_of(error)}.") from None


def reason_of(error: Exception) -> str:
    """Why a file could not be read, without its path."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not a text file"
    return str(getattr(error, "strerror", None) or error)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def plain(value: Any) -> Any:
    """Convert a value for json: arrays to lists, NaN and infinity to null, and unknown types to text.

    >>> plain({"seed": (1, float("nan")), "path": Path("out")})
    {'seed': [1, None], 'path': 'out'}
    """
    if hasattr(value, "tolist"):  # an array or a number of numpy or torch
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
