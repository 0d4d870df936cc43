"""Pictures in a real browser: no text covers another or a box, and none runs out of the picture."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from ncp import MULTIRES, Comparison
from ncp.report.facts import Scatter, Tradeoff, regret_curves
from ncp.report.network_drawing import network_picture
from ncp.report.pictures import comparison_picture, front_picture, scatter_picture, search_picture
from ncp.report.svg import Picture
from ncp.report.trace import Trace
from ncp.searchers.registry import SEARCHERS
from tests.report.networks import DRAWN

pytestmark = [pytest.mark.slow, pytest.mark.alone]

BOXES = """() => {
  const moved = (e) => {
    const frame = e.ownerSVGElement.getBoundingClientRect(), r = e.getBoundingClientRect();
    return { x: r.x - frame.x, y: r.y - frame.y, width: r.width, height: r.height };
  };
  return [...document.querySelectorAll("svg text, svg path")].flatMap((e) => {
  const said = e.tagName === "text";
  const box = /f-(box|mark|paper)( |$)/.test(e.getAttribute("class") ?? "") && e.getAttribute("stroke-width");
  if (!said && !box) return [];
  const places = said ? [moved(e)] : (e.getAttribute("d").match(/M[^M]+/g) ?? []).map((d) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    e.parentNode.append(path);
    const found = path.getBBox();
    path.remove();
    return found;
  });
  return places.map((p) => [said ? e.textContent : "", p.x, p.y, p.x + p.width, p.y + p.height]);
  });
}"""


def overlap(a: list[Any], b: list[Any]) -> bool:
    slack = 2.5  # a line of text is higher than its letters
    across = min(a[3], b[3]) - max(a[1], b[1])
    down = min(a[4], b[4]) - max(a[2], b[2])
    return bool(across > 0.5 and down > slack)


def places(picture: Picture, browser: Browser) -> list[Any]:
    """Every text, and every box of a network with an empty text: `[text, left, top, right, bottom]`."""
    page = browser.new_page()
    page.set_content(picture.document().partition("?>")[2])
    found: list[Any] = page.evaluate(BOXES)
    page.close()
    return found


def check_texts(texts: list[Any], picture: Picture) -> None:
    for one, two in combinations(texts, 2):
        assert not overlap(one, two), (one, two)
    for text in texts:
        assert 0 < text[1] < text[3] < picture.width, text
        assert -1 < text[2] < text[4] < picture.height, text


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_overlaps_and_nothing_runs_out_of_a_network(name: str, browser: Browser) -> None:
    picture = network_picture(DRAWN[name])
    found = places(picture, browser)
    texts = [place for place in found if place[0]]
    check_texts(texts, picture)
    for text in texts:
        for box in found:
            assert box[0] or not overlap(text, box), (text, box)


def plots() -> dict[str, Picture]:
    rng = np.random.default_rng(0)
    values, n = rng.normal(75, 9, size=(70, 20)), np.arange(1.0, 9)
    codes = rng.integers(0, 16, size=(27, 70))
    trace = Trace(0, values, values / 20, 4.0, {"seg/mIoU": values}, MULTIRES.names, codes / 15, codes)
    best = {name: np.maximum.accumulate(rng.uniform(0, 3, size=(5, 40)), axis=1) for name in SEARCHERS}
    panel = Tradeoff("cost [GMACs]", "seg/mIoU [%]", n / 3, n, ("",) * 8, n > 0, n, n, n.astype(np.int64), 3.0, None)
    return {
        "search": search_picture(trace),
        "front": front_picture([panel] * 4),
        "comparison": comparison_picture(regret_curves(Comparison({}, best, best, 3.0))),
        "scatter": scatter_picture([Scatter("cls-50-1000/top1", "%", n, n, 1.0, 0, 9)] * 5),
    }


@pytest.mark.parametrize("name", plots())
def test_nothing_overlaps_and_nothing_runs_out_of_a_plot(name: str, browser: Browser) -> None:
    picture = plots()[name]
    check_texts([place for place in places(picture, browser) if place[0]], picture)
