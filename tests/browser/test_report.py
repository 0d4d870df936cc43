"""A report in a real browser: it draws all figures, asks nobody for anything, fits the screen, and copies codes."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ncp import MULTIRES, Budget, Objective, Study, Table, search
from ncp.optim.sampling import sample_codes
from ncp.report.html import write_report
from ncp.report.trace import Trace
from tests.browser.conftest import SIZES
from tests.predictors.fitted import fitted, rows

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small search with a judge, over a table's rows."""
    folder = tmp_path_factory.mktemp("report")
    wanted, bound = Objective({"seg/mIoU": 1.0, "video/top1": 1.0}), Budget(max_macs=3e9)
    result = search(wanted, budget=bound, predictor=fitted("ensemble"), judge=fitted("gp"), starts=8, steps=6, top=4)
    result.to_json(folder / "result.json")
    Trace.of(result).to_json(folder / "trace.json")
    codes, values = rows("multires")
    table = Table(MULTIRES, codes, values, ["seg/mIoU", "seg/mAcc", "video/top1"])
    write_report(folder / "result.json", folder / "page.html", table)
    return folder / "page.html"


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Page:
    """The report as it opens, having asked for nothing and complained of nothing."""
    size, scheme = request.param
    page = browser.new_context(viewport=SIZES[size], color_scheme=scheme).new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    expect(page.locator("[data-figure] .main-svg").first).to_be_visible()
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [report.as_uri()]
    assert said == []
    return page


def test_every_figure_is_drawn_and_fits(page: Page) -> None:
    places = page.locator("[data-figure]")
    for k in range(places.count()):
        expect(places.nth(k).locator(".main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    text, ground = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    drawn = page.locator('[data-figure="tradeoff 0"] .xtick text').first.evaluate("(e) => getComputedStyle(e).fill")
    assert drawn == text != ground


def test_no_table_runs_out_of_the_page(page: Page) -> None:
    wide = page.locator(".scroll").evaluate_all("(all) => all.filter((e) => e.scrollWidth > e.clientWidth).length")
    assert (wide, page.locator("table").count()) == (0, 3)
    labels = page.locator("tbody td").evaluate_all(
        "(all) => all.map((e) => getComputedStyle(e, '::before').content).filter((text) => text.includes('GMACs'))"
    )
    stacked = page.evaluate("window.innerWidth <= 700")
    assert len(labels) == (4 if stacked else 0)  # each of the four codes says what its numbers are


def test_the_contents_lead_to_the_sections(page: Page) -> None:
    page.get_by_role("navigation").get_by_role("link", name="Provenance").click()
    expect(page.get_by_role("heading", name="Provenance")).to_be_in_viewport()


def test_codes_are_copied_by_a_press_and_by_a_click(page: Page) -> None:
    page.get_by_role("button", name="Copy", exact=True).first.click()
    expect(page.get_by_role("status")).to_contain_text("Copied: ")
    place = page.locator('[data-figure="tradeoff 0"]')
    place.scroll_into_view_if_needed()
    found = place.evaluate("(e) => e.data.findIndex((trace) => trace.name === 'found')")
    code = place.evaluate(f"(e) => e.data[{found}].customdata[0]")
    where = place.evaluate(
        f"""(e) => {{ const t = e.data[{found}], l = e._fullLayout, b = e.getBoundingClientRect();
        return [b.left + l._size.l + l.xaxis.d2p(t.x[0]), b.top + l._size.t + l.yaxis.d2p(t.y[0])]; }}"""
    )
    page.mouse.move(*where)
    expect(place.locator(".hoverlayer")).to_contain_text("cost [GMACs]")
    page.mouse.click(*where)
    expect(page.get_by_role("status")).to_contain_text("Copied: ")
    copied = page.get_by_role("status").inner_text().removeprefix("Copied: ")
    trace = place.evaluate("(e) => [].concat(...e.data.map((t) => t.customdata ?? []))")
    assert copied in trace
    assert code in trace


@pytest.mark.parametrize("size", SIZES)
def test_the_page_of_a_search_for_few_trainings_is_drawn_and_fits(browser: Browser, tmp_path: Path, size: str) -> None:
    budget = Budget(max_macs=1e9)
    study = Study(tmp_path / "study", objective=["roads", "clips"], budget=budget)
    for place, code in enumerate(sample_codes(MULTIRES, 9, budget)):
        study.tell(code, None if place == 3 else {"roads/mIoU": float(code.sum()), "clips/top1": float(code[0])})
    page = browser.new_context(viewport=SIZES[size]).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(study.report(tmp_path / "report.html").as_uri())
    names = ["progress", "cost 0", "cost 1", "cost 2", "tasks", "effects"]
    for name in names:
        expect(page.locator(f'[data-figure="tuning {name}"] .main-svg').first).to_be_visible()
    assert page.locator("[data-figure]").count() == len(names)
    evidence = study.evidence
    assert evidence is not None
    bars = page.locator('[data-figure="tuning tasks"] .ytick text')
    expect(bars).to_have_count(len(evidence.resemblance))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert said == []
