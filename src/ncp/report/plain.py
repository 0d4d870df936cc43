"""Pictures in files: a user's names stay what they are in them, and each can say which run it belongs to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ncp.io.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def plain_texts() -> Iterator[None]:
    """Draw without mathematics between dollar signs, without LaTeX, and without warnings of signs that a font lacks."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False, "text.usetex": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield


def save(figure: Figure, path: str | Path, run: str | None = None) -> None:
    """Write a figure to a file, whose ending says the format, with the run's id as its title.

    Raises:
        DataError: a path that cannot be written to.
    """
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata=None if run is None else {"Title": f"run {run}"})
