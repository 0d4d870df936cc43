"""Single controls in a browser: copying, weights, the message after a click on a point, and colours of points."""

import json

import pytest
from playwright.sync_api import expect

import ncp
from tests.browser.conftest import Open
from tests.browser.test_tabs import BEST

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def test_the_open_code_is_copied(site: str, visit: Open) -> None:
    page = visit(site)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Code", exact=True).fill(json.dumps(ncp.Code.parse(BEST).setting))
    page.locator(".badge", has_text="In the table").wait_for()
    page.get_by_role("button", name="Copy this code").click()
    page.get_by_text("Copied the code").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == BEST
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as at a plain http address
    for name in ("Copy this code", "Copy a link to this state"):
        page.get_by_role("button", name=name).click()
        page.get_by_text("Select the text and copy it").last.wait_for()
    assert page.get_by_text("Copied a link").count() == 0


def test_a_column_that_does_not_count_has_no_weight(site: str, visit: Open) -> None:
    page = visit(f"{site}?tab=search&objective=seg/mIoU:2")
    field, counts = page.get_by_label("weight of seg/mIoU"), page.get_by_role("checkbox", name="seg/mIoU")
    expect(field).to_have_value("2")
    counts.uncheck()
    expect(field).to_have_value("")
    expect(field).to_be_disabled()
    counts.check()
    expect(field).to_have_value("2")


def test_the_message_after_a_click_on_a_point_leads_to_its_code(site: str, visit: Open) -> None:
    page = visit(f"{site}?tab=benchmark")
    points = page.locator(".plot .point")
    points.first.wait_for()
    for point in (points.nth(0), points.nth(40)):
        point.click(force=True)
        page.get_by_text("Opened in the Code tab").wait_for()
    nearest = page.locator(".list", has_text="Nearest").locator("li").first
    expect(nearest.locator(".value")).to_have_text("0")
    opened = nearest.locator("code").inner_text()
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("tab", name="Code")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Code", exact=True)).to_have_value(opened)
    page.go_back()
    expect(page.get_by_role("tab", name="Benchmark")).to_have_attribute("aria-selected", "true")


def test_a_column_colours_the_points_until_the_origin_does_again(site: str, visit: Open) -> None:
    page = visit(f"{site}?tab=benchmark")
    points, scale = page.locator(".plot .point"), page.locator(".plot .colorbar")
    points.first.wait_for()
    few = len(set(points.evaluate_all("all => all.map((e) => e.style.fill)")))
    for column in ("video/top1 [%]", "size [M params]"):
        page.get_by_label("colour").click()
        page.get_by_role("option", name=column, exact=True).click()
        expect(scale.locator(".cbtitle")).to_have_text(column)
        assert len(set(points.evaluate_all("all => all.map((e) => e.style.fill)"))) > 100 > few
    page.get_by_label("colour").click()
    page.get_by_role("option", name="origin").click()
    expect(scale).to_have_count(0)
    assert len(set(points.evaluate_all("all => all.map((e) => e.style.fill)"))) == few
