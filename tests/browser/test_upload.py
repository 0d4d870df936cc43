"""The tab Your table in a browser: preview, reading, training, and what the other tabs show then."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_tabs import FOUND, TWO_LOOKS, Picture, fits, turn_to
from tests.cli.test_own_table import written

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.mark.parametrize(("size", "scheme"), TWO_LOOKS)
def test_an_uploaded_table(site: str, visit: Open, picture: Picture, size: str, scheme: str, tmp_path: Path) -> None:
    written(tmp_path)
    page = visit(site, size, scheme)
    turn_to(page, "Your table")
    picture(page, f"upload-first-{size}-{scheme}")
    page.get_by_label("Table (.csv or .parquet)").set_input_files(tmp_path / "mine.csv")
    page.get_by_label("Search space (.yaml)").set_input_files(tmp_path / "mine.yaml")
    page.get_by_label("columns where lower is better").fill("latency")
    page.get_by_role("button", name="Read").click()
    page.get_by_text("18 of 600 rows").wait_for()
    page.get_by_role("checkbox", name="skip invalid rows").click()
    page.get_by_role("button", name="Read").click()
    page.get_by_text("582").first.wait_for()
    page.get_by_role("button", name="Train").click()
    page.get_by_role("cell", name="trained", exact=True).wait_for(timeout=90_000)
    assert fits(page)
    picture(page, f"upload-{size}-{scheme}")
    turn_to(page, "Code")
    page.get_by_text("percentile among 582 rows").wait_for()
    picture(page, f"upload-code-{size}-{scheme}")
    turn_to(page, "Search")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("heading", name=FOUND).wait_for(timeout=60_000)
    assert page.locator(".best tbody").count() == 10
    assert fits(page)
    picture(page, f"upload-propagate-{size}-{scheme}")
    turn_to(page, "Benchmark")
    page.get_by_text("582 of 582 rows").wait_for()
    page.get_by_role("button", name="NAS-Bench-MR").click()
    page.get_by_text("2,507 of 2,507 rows").wait_for()


@pytest.mark.parametrize(("size", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_the_example_is_previewed_and_read_without_an_answer(
    site: str, visit: Open, picture: Picture, size: str, scheme: str, tmp_path: Path
) -> None:
    page = visit(f"{site}?tab=your-table", size, scheme)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save an example table").click()
    saved.value.save_as(tmp_path / "example.csv")
    page.get_by_label("Table (.csv or .parquet)").set_input_files(tmp_path / "example.csv")
    heads = page.locator(".preview th")
    expect(heads).to_have_text(
        [
            "widthdimension: 8 numbers, 16 to 128",
            "depthdimension: 4 numbers, 1 to 5",
            "blockdimension: bottleneck, depthwise, plain",
            "accuracyvalue",
            "latencyvalue, lower is better",
        ]
    )
    expect(page.get_by_label("columns where lower is better")).to_have_value("latency")
    with (tmp_path / "example.csv").open() as file:
        lines = [line for line, _ in zip(csv.reader(file), range(6), strict=False)][1:]
    assert [row.locator("td").all_inner_texts() for row in page.locator(".preview tbody tr").all()] == lines
    assert fits(page)
    picture(page, f"preview-{size}-{scheme}")
    page.get_by_role("button", name="Read").click()
    page.get_by_role("cell", name="3 (96 codes)").wait_for()
    turn_to(page, "Code")
    expect(page.get_by_label("Code", exact=True)).to_have_value("16,1,plain")


def test_columns_of_the_code_are_named_where_the_guess_is_wrong(site: str, visit: Open, tmp_path: Path) -> None:
    rows = [f"{w},{d},{(w * d) % 3},{w / 2 + d}" for w in (8, 16, 24) for d in (1, 2, 3, 5)]
    (tmp_path / "mine.csv").write_text("\n".join(["width,depth,failures,acc", *rows]))
    page = visit(f"{site}?tab=your-table")
    page.get_by_label("Table (.csv or .parquet)").set_input_files(tmp_path / "mine.csv")
    expect(page.locator(".preview th").nth(2)).to_have_text("failuresdimension: 3 numbers, 0 to 2")
    page.locator("summary", has_text="Search space").click()
    columns = page.get_by_label("columns of the code")
    columns.fill("width, speed")
    page.get_by_role("button", name="Read").click()
    message = page.locator(".q-field", has=columns).get_by_role("alert")
    expect(message).to_contain_text("'columns of the code' names 'speed', which is not in the table")
    columns.fill("width, depth")
    page.get_by_role("button", name="Read").click()
    page.get_by_role("cell", name="2 (12 codes)").wait_for()
    page.get_by_role("cell", name="failures, acc", exact=True).wait_for()
