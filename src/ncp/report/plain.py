"""Texts in pictures stay what they are, whatever characters a user's names have."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def plain_texts() -> Iterator[None]:
    """Draw without mathematics between dollar signs, without LaTeX, and without warnings of signs that a font lacks."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False, "text.usetex": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield
