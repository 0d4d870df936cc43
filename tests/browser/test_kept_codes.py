"""Kept codes in the tab Code: they are listed and compared, and a reload, a link, tabs and going back keep them."""

import csv
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

import ncp
from ncp.app.session import MOST_KEPT, START
from tests.browser.conftest import Open
from tests.browser.test_sessions import table, upload
from tests.browser.test_tabs import BEST, Picture, fits, turn_to

pytestmark = [pytest.mark.slow, pytest.mark.alone]

THIRD = START.replace("128_128-96", "128_104-96")


def keep(page: Page) -> None:
    page.get_by_role("button", name="Keep this code, to compare it with others").click()


def kept(page: Page) -> list[str]:
    return page.locator(".kept .code-line code").all_inner_texts()


def write(page: Page, code: str) -> None:
    page.get_by_label("Code", exact=True).fill(code)
    page.wait_for_function("c => decodeURIComponent(location.search).includes('code=' + c)", arg=code)


@pytest.mark.parametrize(("size", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_kept_codes_are_listed_compared_and_saved(
    site: str, visit: Open, picture: Picture, size: str, scheme: str
) -> None:
    page = visit(site, size, scheme)
    button = page.get_by_role("button", name="Keep this code, to compare it with others")
    expect(page.get_by_role("region", name="kept codes")).to_be_hidden()
    keep(page)
    expect(button).to_be_disabled()
    for code in (BEST, THIRD):
        write(page, code)
        expect(button).to_be_enabled()
        keep(page)
        expect(button).to_be_disabled()
    assert kept(page) == [START, BEST, THIRD]
    box = page.get_by_role("region", name="kept codes")
    assert box.locator("svg.net").count() == 3
    assert box.get_by_text("1 of 27 dimensions differ between 1 and 3").is_visible()
    cells = box.locator("tr", has=page.get_by_role("rowheader", name="GMACs exact")).locator("td").all_inner_texts()
    assert cells == [f"{macs / 1e9:.2f}" for macs in ncp.macs([START, BEST, THIRD])]
    expect(box.locator("thead th")).to_have_text(["column", "1 predictor", "2 table", "3 predictor"])
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the kept codes as csv").click()
    lines = list(csv.DictReader(Path(saved.value.path()).read_text().splitlines()))
    assert [line["code"] for line in lines] == [START, BEST, THIRD]
    assert [float(line["M params"]) for line in lines] == (ncp.params([START, BEST, THIRD]) / 1e6).tolist()
    assert fits(page)
    picture(page, f"kept-{size}-{scheme}")
    page.get_by_role("button", name="Remove, kept code 1").click()
    expect(page.locator(".kept .code-line code")).to_have_text([BEST, THIRD])
    page.get_by_role("button", name="Open, kept code 1").click()
    expect(page.get_by_label("Code", exact=True)).to_have_value(BEST)


def test_a_reload_a_link_the_tabs_and_back_keep_the_codes(site: str, visit: Open) -> None:
    page = visit(site)
    keep(page)
    turn_to(page, "Benchmark")
    page.get_by_role("button", name="Open in the Code tab").first.click()
    expect(page.get_by_role("button", name="Keep this code, to compare it with others")).to_be_enabled()
    keep(page)
    expect(page.locator(".kept .code-line")).to_have_count(2)
    both = kept(page)
    page.wait_for_function("location.search.includes(',')")
    page.go_back()
    expect(page.get_by_role("tab", name="Benchmark")).to_have_attribute("aria-selected", "true")
    turn_to(page, "Code")
    expect(page.locator(".kept .code-line code")).to_have_text(both)
    page.wait_for_function("location.search.includes(',') && !location.search.includes('tab=')")
    page.reload()
    expect(page.locator(".kept .code-line code")).to_have_text(both)
    other = visit(page.url)
    expect(other.locator(".kept .code-line code")).to_have_text(both)
    upload(other, table())
    other.get_by_role("button", name="NAS-Bench-MR").wait_for()
    turn_to(other, "Code")
    expect(other.get_by_role("region", name="kept codes")).to_be_hidden()
    other.get_by_role("button", name="NAS-Bench-MR").click()
    expect(other.locator(".kept .code-line code")).to_have_text(both)


def test_a_link_with_wrong_or_too_many_codes_shows_the_others(site: str, visit: Open) -> None:
    codes = [START.replace("128_128-96", f"128_{8 * k}-96") for k in range(1, MOST_KEPT + 3)]
    page = visit(f"{site}?kept=<img>,{','.join(codes)}")
    assert kept(page) == codes[:MOST_KEPT]
    assert page.get_by_role("alert").filter(has_text="A kept code of this link was left out.").is_visible()
    expect(page.get_by_role("button", name="Keep this code, to compare it with others")).to_be_disabled()
    assert page.locator("img").count() == 0
    page.get_by_role("button", name="Remove, kept code 1").click()
    page.wait_for_function("!location.search.includes('img')")
    assert parse_qs(urlsplit(page.url).query)["kept"] == [",".join(codes[1:MOST_KEPT])]
