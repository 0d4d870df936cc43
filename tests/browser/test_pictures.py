"""Pictures in a real browser: no text covers another or a box, and none runs out of the picture."""

from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Browser

from ncp.report.network import network_picture
from tests.report.networks import DRAWN

pytestmark = pytest.mark.slow

BOXES = """() => [...document.querySelectorAll("svg text, svg path")].flatMap((e) => {
  const said = e.tagName === "text";
  const box = /f-(box|mark|paper)( |$)/.test(e.getAttribute("class") ?? "") && e.getAttribute("stroke-width");
  if (!said && !box) return [];
  const places = said ? [e.getBBox()] : (e.getAttribute("d").match(/M[^M]+/g) ?? []).map((d) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    e.parentNode.append(path);
    const found = path.getBBox();
    path.remove();
    return found;
  });
  return places.map((p) => [said ? e.textContent : "", p.x, p.y, p.x + p.width, p.y + p.height]);
})"""


def overlap(a: list[Any], b: list[Any]) -> bool:
    slack = 2.5  # a line of text is higher than its letters
    across = min(a[3], b[3]) - max(a[1], b[1])
    down = min(a[4], b[4]) - max(a[2], b[2])
    return bool(across > 0.5 and down > slack)


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_overlaps_and_nothing_runs_out(name: str, browser: Browser) -> None:
    picture = network_picture(DRAWN[name])
    page = browser.new_page()
    page.set_content(picture.document().partition("?>")[2])
    places = page.evaluate(BOXES)
    page.close()
    said = [place for place in places if place[0]]
    for one, two in combinations(said, 2):
        assert not overlap(one, two), (one, two)
    for text in said:
        assert 0 < text[1] < text[3] < picture.width, text
        assert -1 < text[2] < text[4] < picture.height, text
        for box in places:
            assert box[0] or not overlap(text, box), (text, box)
