"""The tab Study in a browser: it shows a folder, follows what changes there, and changes nothing itself."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ncp.studies.study_folder import read_study
from tests.browser.conftest import Open, served
from tests.browser.test_tabs import Picture, fits, turn_to
from tests.report.test_study import TASKS, write_study

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study")
    write_study(path, codes=12, seeds=3, repeated=4)
    return path


@pytest.fixture(scope="module")
def address(browser: Browser, study: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001
    with served(tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("site"), "--study", str(study)) as url:
        yield f"{url}?tab=study"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("size", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_a_study_is_shown_and_left_as_it_is(
    address: str, study: Path, visit: Open, picture: Picture, size: str, scheme: str
) -> None:
    before = contents(study)
    page = visit(address, size, scheme)
    page.get_by_role("heading", name="Study of roads, clips").wait_for(timeout=120_000)
    assert page.get_by_text("Codes: 12. 38 of 40 trainings are done, 1 failed, 1 waiting.").is_visible()
    page.get_by_role("region", name="Curves").scroll_into_view_if_needed()
    curves = page.get_by_role("region", name="Curves").locator(".study-plot .scatterlayer")
    expect(curves).to_have_count(len(TASKS), timeout=30_000)
    page.wait_for_timeout(500)
    assert fits(page)
    picture(page, f"study-{size}-{scheme}")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the table Noise between seeds as csv").click()
    assert saved.value.suggested_filename == "noise-between-seeds.csv"
    noise = page.get_by_role("region", name="Noise between seeds")
    lines = [noise.locator("thead th").all_inner_texts()]
    lines += [line.locator("td").all_inner_texts() for line in noise.locator("tbody tr").all()]
    assert list(csv.reader(Path(saved.value.path()).read_text().splitlines())) == lines
    assert len(lines) == 1 + sum(map(len, TASKS.values()))
    assert contents(study) == before
    row = page.locator("tr", has=page.get_by_role("cell", name="roads/mIoU [%]", exact=True)).first
    code = row.locator("code").inner_text()
    row.get_by_role("button", name="Open").click()
    expect(page.get_by_label("Code", exact=True)).to_have_value(code)


def test_a_training_that_ends_appears(address: str, study: Path, visit: Open) -> None:
    page = visit(address)
    page.get_by_text("38 of 40 trainings are done").wait_for(timeout=120_000)
    provenance = page.get_by_role("region", name="Provenance")
    expect(provenance).to_contain_text(f"{38 * 90 / 3600:.2f}")  # hours of training
    finish(study)
    page.get_by_text("39 of 40 trainings are done, 1 failed.").wait_for(timeout=120_000)
    expect(page.get_by_text("trainings are done")).to_have_count(1)
    expect(provenance).to_contain_text(f"{39 * 90 / 3600:.2f}")


def finish(folder: Path) -> None:
    """End the training that has not ended."""
    (run,) = [run for _, run in read_study(folder).runs() if run.status not in ("done", "failed")]
    run.finish({"metrics": {"top1": 50.0, "top5": 80.0}, "seconds": 90.0, "resumes": 0, "device": "cpu"})


def test_without_a_study_there_is_no_tab(bare: str, visit: Open) -> None:
    page: Page = visit(bare)
    turn_to(page, "Search")
    assert page.get_by_role("tab", name="Study").count() == 0
