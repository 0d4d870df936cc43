"""Names in pictures stay what they are: dollars are no mathematics, and control characters are escaped."""

from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np

from ncp.predictors.base import Prediction
from ncp.report.front import Panel, draw_front
from ncp.report.run import Run, draw_run
from ncp.report.scatter import draw_scatter, scatter_data

EVIL = ["$\\frac$", "$a\x1b[2J\x00 --><b>&", "\u6f22\U0001f600 _^{}%#\\"]
ONES = np.ones((2, 3))


def texts_of(picture: Path) -> list[str]:
    texts = ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314
    return [str(text.text) for text in texts]


def test_any_name_is_drawn_as_it_is(tmp_path: Path) -> None:
    shown = [name.replace("\x1b", "\\x1b").replace("\x00", "\\x00") for name in EVIL]
    values, n = np.random.default_rng(0).normal(size=(12, len(EVIL))), np.arange(3.0)
    codes = np.ones((len(EVIL), 2), dtype=np.int64)
    run = Run(0, ONES, ONES, 1.0, dict.fromkeys(EVIL, ONES), tuple(EVIL), codes.astype(float), codes)
    with matplotlib.rc_context({"svg.fonttype": "none"}):  # texts are texts, so that they can be read
        draw_run(run, tmp_path / "run.svg")
        draw_front(tuple(Panel(name, name, n + 1, n, n > 0, n, n, None, None) for name in EVIL), tmp_path / "front.svg")
        draw_scatter(scatter_data(Prediction(values, np.zeros_like(values)), values, EVIL), tmp_path / "scatter.svg")
    for picture in ("run", "front"):
        assert [texts_of(tmp_path / f"{picture}.svg").count(name) for name in shown] == [2] * len(EVIL)
    titles = texts_of(tmp_path / "scatter.svg")
    assert all(f"{name}   tau 1.00" in titles for name in shown)
