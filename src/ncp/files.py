"""Write a file whole or not at all, and plain data as json."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from ncp.errors import DataError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Lend a temporary path in the folder of `path`, which becomes `path` when the block ends without an error.

    Until then a file that was there stays as it was; folders that are missing are made.

    >>> with whole_file("out/result.json") as temporary:  # doctest: +SKIP
    ...     temporary.write_text(text)

    Raises:
        DataError: the folder cannot be written to, the disk is full, or `path` is a folder.
    """
    target = Path(path)
    temporary = target.with_name(f".{uuid4().hex[:8]}-{target.name}")  # the suffix stays: some writers go by it
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # some writers make a file of their own, for its owner alone
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"Expected to write {target}. Got: {reason}. Choose a path that can be written to.") from error
    finally:
        with suppress(NotADirectoryError):  # a file stands where the folder should: nothing was written
            temporary.unlink(missing_ok=True)


def write_json(path: str | Path, document: Any, indent: int | None = 2) -> None:
    """Write a document as json, whole or not at all; see `plain` for what it may hold.

    Raises:
        DataError: as `whole_file`.
    """
    text = json.dumps(plain(document), indent=indent, allow_nan=False)
    with whole_file(path) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """A value as json can hold it: arrays as lists, NaN and infinity as null, and what json does not know as text.

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
