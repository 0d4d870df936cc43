"""Write a file whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
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
