"""The state of the page in its address, and what the page shows while a code changes."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import ncp
from ncp.app.session import START
from tests.browser.conftest import Open
from tests.browser.test_tabs import fits, turn_to

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CODE = "32_72-1_1_2_64-2_2_2_2_32_64-2_3_2_2_2_32_64_128-2_4_2_2_2_2_32_64_128_128-96"


def code_field(page: Page) -> str:
    return page.get_by_label("Code", exact=True).input_value()


def settled(page: Page, *parts: str) -> str:
    """The query of the page, once it has all these parts."""
    for part in parts:
        page.wait_for_function("p => decodeURIComponent(location.search).includes(p)", arg=part)
    return str(page.evaluate("location.search"))


def test_a_reload_and_a_link_keep_tab_code_objective_and_budget(site: str, visit: Open) -> None:
    page = visit(site)
    assert page.evaluate("location.search") == ""
    page.get_by_label("Stem, second convolution").focus()
    page.keyboard.press("ArrowRight")
    turn_to(page, "Search")
    page.get_by_label("weight of seg/mIoU").fill("2")
    page.get_by_label("minimum value of video/top1").fill("24.5")
    page.get_by_role("checkbox", name="seg-4x/mIoU").check()
    page.get_by_role("checkbox", name="cls-50-1000/top1").uncheck()
    page.get_by_role("textbox", name="GMACs").fill("2.5")
    page.get_by_role("checkbox", name="Stage 3").click()
    query = settled(page, "tab=search", f"code={CODE}", "gmacs=2.5", "keep=Stage 3", "seg/mIoU:2", "video/top1:24.5")
    page.reload()
    for shown in (page, visit(f"{site}{query}")):
        expect(shown.get_by_role("tab", name="Search")).to_have_attribute("aria-selected", "true")
        expect(shown.get_by_label("weight of seg/mIoU")).to_have_value("2")
        expect(shown.get_by_label("minimum value of video/top1")).to_have_value("24.5")
        expect(shown.get_by_role("checkbox", name="seg-4x/mIoU")).to_be_checked()
        expect(shown.get_by_role("checkbox", name="cls-50-1000/top1")).not_to_be_checked()
        expect(shown.get_by_role("textbox", name="GMACs")).to_have_value("2.5")
        expect(shown.get_by_role("checkbox", name="Stage 3")).to_be_checked()
        expect(shown.get_by_role("checkbox", name="Stage 2")).not_to_be_checked()
        turn_to(shown, "Code")
        assert code_field(shown) == CODE


def test_back_and_forward_go_through_tabs_and_opened_codes(site: str, visit: Open) -> None:
    page = visit(site)
    turn_to(page, "Benchmark")
    page.get_by_role("button", name="Open in the Code tab").first.click()
    settled(page, "code=")
    opened = code_field(page)
    assert opened != START
    page.go_back()
    expect(page.get_by_role("tab", name="Benchmark")).to_have_attribute("aria-selected", "true")
    settled(page, "tab=benchmark")
    turn_to(page, "Code")
    expect(page.get_by_label("Code", exact=True)).to_have_value(START)
    page.wait_for_function("location.search === ''")  # before that the tab is not a step of the history
    page.go_back()
    page.go_back()
    expect(page.get_by_role("tab", name="Code")).to_have_attribute("aria-selected", "true")
    assert page.evaluate("location.search") == ""
    page.go_forward()
    expect(page.get_by_role("tab", name="Benchmark")).to_have_attribute("aria-selected", "true")


def test_a_wrong_link_shows_what_is_wrong_and_the_rest_of_it(site: str, visit: Open) -> None:
    page = visit(
        f"{site}?tab=search&code=<img src=x onerror=window.harmed=1>&gmacs=3&objective=seg/mIoU,no/thing:2&x=1"
    )
    assert page.get_by_role("alert").filter(has_text="Expected 31 integers in 6 groups").is_visible()
    assert page.get_by_role("alert").filter(has_text="'no/thing'").is_visible()
    expect(page.get_by_role("textbox", name="GMACs")).to_have_value("3")
    expect(page.get_by_role("checkbox", name="seg/mIoU")).to_be_checked()
    expect(page.get_by_role("checkbox", name="video/top1")).not_to_be_checked()
    turn_to(page, "Code")
    assert code_field(page) == START
    assert page.evaluate("window.harmed") is None
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("size", ["desk", "phone"])
def test_the_answer_stays_in_sight_and_says_what_changed(site: str, visit: Open, size: str) -> None:
    page = visit(site, size)
    if size == "phone":
        page.locator("summary", has_text="Stage 4").click()
    slider = page.get_by_label("Stage 4, branch 4 channels")
    slider.scroll_into_view_if_needed()
    slider.focus()
    for _ in range(3):
        slider.press("ArrowLeft")
    code = ncp.Code.parse(START.replace("128_128-96", "128_104-96"))
    expect(page.get_by_label("Code", exact=True)).to_have_value(str(code))
    old, new = ncp.macs([START, str(code)]) / 1e9
    predictor = ncp.load_predictor("nas-bench-mr")
    before, after = predictor.predict([START, str(code)]).mean
    gain = float(after[predictor.columns.index("seg/mIoU")] - before[predictor.columns.index("seg/mIoU")])
    shown = page.locator(".now" if size == "phone" else ".drawn .figures")
    expect(shown).to_contain_text(f"{new - old:+.3f}".replace("-", "−"))  # noqa: RUF001
    box = shown.bounding_box()
    height = page.evaluate("innerHeight")
    assert box is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= height
    assert page.evaluate("scrollY") > 100
    row = page.locator(".facts tr", has=page.get_by_role("rowheader", name="seg/mIoU", exact=True))
    expect(row.locator(".change")).to_have_text(f"{gain:+.2f}".replace("-", "−"))  # noqa: RUF001
    changed = page.get_by_role("list", name="what has changed")
    expect(changed).to_have_text("Stage 4, branch 4 channels 128 → 104")
    assert fits(page)
    page.get_by_role("button", name="Pin this code").click()
    expect(changed).to_have_count(0)
    slider.press("ArrowRight")
    expect(changed).to_have_text("Stage 4, branch 4 channels 104 → 112")
    page.get_by_role("button", name="Undo these changes").click()
    expect(page.get_by_label("Code", exact=True)).to_have_value(str(code))


def test_a_row_per_task_and_all_columns_on_demand_and_as_csv(site: str, visit: Open) -> None:
    page = visit(site)
    rows = page.locator(".facts tbody tr:visible")
    assert rows.count() == 9
    page.get_by_role("checkbox", name="all 19 columns").click()
    expect(rows).to_have_count(19)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save these values as csv").click()
    heads, *lines = saved.value.path().read_text().splitlines()
    assert heads == "code,column,predicted,std,percentile,measured"
    predicted = ncp.load_predictor("nas-bench-mr").predict(START)
    assert np.allclose([float(line.split(",")[2]) for line in lines], predicted.mean[0])
    assert all(line.startswith(f"{START},") and line.endswith(",") for line in lines)
