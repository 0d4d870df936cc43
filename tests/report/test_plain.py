"""Names in pictures stay what they are: nothing is markup, and control characters are escaped."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ncp.report.facts import Scatter, Tradeoff
from ncp.report.formats import save
from ncp.report.pictures import front_picture, scatter_picture, search_picture
from ncp.report.svg import Picture
from ncp.report.trace import Trace

EVIL = ["$\\frac$", "$a\x1b[2J\x00 --><b>&", "\u6f22\U0001f600 _^{}%#\\"]
ONES = np.ones((2, 3))


def texts_of(picture: Picture, path: Path) -> list[str]:
    save(picture, path, EVIL[1])
    texts = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314
    return [str(text.text) for text in texts]


def test_any_name_is_drawn_as_it_is(tmp_path: Path) -> None:
    shown = [name.replace("\x1b", "\\x1b").replace("\x00", "\\x00") for name in EVIL]
    n, codes = np.arange(3.0), np.ones((len(EVIL), 2), dtype=np.int64)
    trace = Trace(0, ONES, ONES, 1.0, dict.fromkeys(EVIL, ONES), ("a", "b", "c"), codes.astype(float), codes)
    texts = texts_of(search_picture(trace), tmp_path / "search.svg")
    assert all(name in texts for name in shown)
    rows = np.arange(3)
    panels = [Tradeoff(name, name, n + 1, n, ("", "", ""), n > 0, n, n, rows, None, None) for name in EVIL]
    texts = texts_of(front_picture(panels), tmp_path / "front.svg")
    assert [texts.count(name) for name in shown] == [2] * len(EVIL)
    texts = texts_of(scatter_picture([Scatter(name, "%", n, n, 1.0, 0, 2) for name in EVIL]), tmp_path / "s.svg")
    assert all(f"{name}   tau 1.00" in texts for name in shown)
