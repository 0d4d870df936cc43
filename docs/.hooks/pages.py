"""What pages need to become a site: formulas that need no script, and no links that lead out of the folder docs."""

import re
from typing import Any

from latex2mathml.converter import convert


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The text of a page, before it becomes HTML, with formulas as MathML and links to other files as text."""
    pieces = re.split(r"(```.*?```|`[^`\n]*`)", markdown, flags=re.DOTALL)
    return "".join(piece if piece.startswith("`") else _converted(piece) for piece in pieces)


def _converted(text: str) -> str:
    text = re.sub(r"\$\$(.+?)\$\$", lambda found: convert(found[1], display="block"), text, flags=re.DOTALL)
    text = re.sub(r"\$(\S[^$\n]*?)\$", lambda found: convert(found[1]), text)
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?:benchmarks|src|examples)[^)]*\)", r"\1", text)
