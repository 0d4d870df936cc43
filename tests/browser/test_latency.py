"""A bound on latency in the tab Search: it is kept, it is refused where it cannot be, and absent without a model."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Open, served
from tests.browser.test_tabs import FOUND, Picture, fits, turn_to
from tests.latencies import latency_model, write_latencies

pytestmark = [pytest.mark.slow, pytest.mark.alone]

QUICK = "tab=search&starts=16&steps=10&gmacs="


@pytest.fixture(scope="module")
def measured(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001
    """A server with a latency model and without any table."""
    folder = tmp_path_factory.mktemp("measured")
    write_latencies(folder / "cpu.json")
    with served(tmp_path_factory.mktemp("empty"), folder, "--latency", "cpu.json") as address:
        yield address


@pytest.mark.parametrize(("size", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_a_search_keeps_a_bound_on_latency(
    measured: str, visit: Open, picture: Picture, size: str, scheme: str
) -> None:
    page = visit(f"{measured}?{QUICK}", size, scheme)
    assert page.get_by_text("classification, 50 classes, 1 x 64 x 64 pixels, 1 thread, torch in float32").is_visible()
    page.get_by_role("textbox", name="latency [ms]").fill("1.5")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("heading", name=FOUND).wait_for(timeout=120_000)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save result.json").click()
    result = json.loads(Path(saved.value.path()).read_text())
    provenance = result["provenance"]
    assert (provenance["max_latency_ms"], provenance["max_macs"], provenance["image_size"]) == (1.5, None, [64, 64])
    latencies = latency_model()([row["code"] for row in result["rows"]])
    assert (latencies <= 1.5).all()
    assert latencies.max() > 1.3  # the bound decides, not the predictor
    first = page.locator(".best tbody").first
    shown = first.locator("[data-label='latency [ms]']").inner_text().split()
    measured_ms = result["rows"][0]["verified"]["latency [ms]"]
    assert (shown[0], shown[-1]) == (f"{latencies[0]:.2f}", f"{measured_ms['mean']:.2f}")
    assert measured_ms["source"] == "measured"
    assert "measured" not in first.inner_text()  # the sentence above the table says it once
    assert (
        page.get_by_text("by the judge unless another source is named. Latencies in grey were measured.").count() == 1
    )
    assert fits(page)
    picture(page, f"latency-{size}-{scheme}")
    page.wait_for_function("location.search.includes('latency=1.5')")


def test_a_bound_on_latency_is_refused_beside_its_field(measured: str, visit: Open, picture: Picture) -> None:
    page = visit(f"{measured}?{QUICK}&latency=0.001")
    messages = page.locator(".q-field", has=page.get_by_role("textbox", name="latency [ms]")).get_by_role("alert")
    for text, message in (
        ("0.001", "Raise latency [ms] to at least"),
        ("-1", "latency [ms] must be a positive number"),
        ("fast", "This must be a number."),
    ):
        page.get_by_role("textbox", name="latency [ms]").fill(text)
        page.get_by_role("button", name="Search", exact=True).click()
        expect(messages).to_contain_text(message)
    turn_to(page, "Code")
    page.locator("summary", has_text="Cost settings").click()
    page.get_by_label("image size [pixels]").fill("128")
    page.wait_for_function("location.search.includes('image=128')")
    turn_to(page, "Search")
    page.get_by_role("textbox", name="latency [ms]").fill("2")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(messages).to_contain_text("Latencies were measured with image size 64 and head classification.")
    picture(page, "latency-problem")


def test_without_a_latency_model_there_is_no_field_and_a_link_says_so(bare: str, visit: Open) -> None:
    page = visit(f"{bare}?tab=search&latency=2&gmacs=3")
    expect(page.get_by_role("textbox", name="GMACs")).to_have_value("3")
    expect(page.get_by_role("textbox", name="latency [ms]")).to_be_hidden()
    message = "Unknown parts of this link were ignored: 'latency'."
    assert page.get_by_role("alert").filter(has_text=message).is_visible()
