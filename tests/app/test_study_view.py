"""What the tab Study shows of a folder, checked against the runs that were written."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ncp.app.study_view import grid_csv, progressed, read_view, section_html, state_html
from ncp.errors import DataError
from ncp.progress import quiet
from ncp.report.page_parts import Cell, Grid, Section
from ncp.spaces.dimensions import Ordinal
from ncp.spaces.space import Space
from ncp.studies.overview import Running
from ncp.studies.study import Study
from tests.cli.conftest import Run, run
from tests.latencies import write_latencies
from tests.report.test_study import EPOCHS, write_study

__all__ = ["run"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study")
    write_study(path, codes=6, seeds=2, repeated=2)
    return path


def test_the_state_counts_trainings_and_names_those_that_run(folder: Path) -> None:
    view = read_view(folder, None, quiet)
    state = view.state
    text = state_html(state)
    total = 2 * (6 + 2)  # two tasks, six codes, two of which have a second seed
    assert f"Codes: 6. {total - 2} of {total} trainings are done, 1 failed, 1 waiting." in text
    assert view.page is not None
    assert not any("trainings are done" in section_html(section, lambda _: "") for section in view.page.sections)
    assert "No process works on this study now. The rest would take about 1 min 30 s." in text
    assert "<table>" not in text
    asked = state.failed[0].asked
    running = Running(asked, 0.25, 3.0, EPOCHS, "mIoU", 51.5, 60.0)
    holder = {"process": 7, "host": "<b>here</b>", "workers": 2}
    text = state_html(replace(state, running=(running,), scheduler=holder))
    assert "Process 7 on &lt;b&gt;here&lt;/b&gt; works on it with 2 workers." in text
    cells = re.findall("<td>(.*?)</td>", text)
    assert cells == [asked.task, str(asked.seed), "3 of 12", "mIoU 51.50", "3 min", asked.code]


def test_a_study_whose_user_trains_has_no_trainings_to_count(tmp_path: Path) -> None:
    study = Study(tmp_path, objective="mine", space=Space([Ordinal("width", [8, 16])]), prior=None)
    study.tell("8", {"mine": 1.0})
    view = read_view(tmp_path, None, quiet)
    assert state_html(view.state) == ""
    assert view.page is not None
    assert view.page.sections[0].texts[0].startswith("Codes with a result: 1.")


def test_the_report_is_made_anew_when_a_training_has_ended(folder: Path) -> None:
    view = read_view(folder, None, quiet)
    assert view.page is not None
    titles = [section.title for section in view.page.sections]
    assert {"Curves", "Values and cost", "Noise between seeds", "Failures"} <= set(titles)
    seen = progressed(view.state)
    assert read_view(folder, seen, quiet) == replace(view, page=None)
    earlier = progressed(replace(view.state, done=view.state.done - 1))
    later = read_view(folder, earlier, quiet)
    assert later.page is not None
    assert later.page.title == view.page.title


def test_a_table_of_a_study_is_saved_with_everything_in_its_cells() -> None:
    grid = Grid(["column", "value, best"], [[Cell('a "b"'), Cell("1.5", "0 to 2")], [Cell("c,d"), Cell("-")]])
    rows = list(csv.reader(io.StringIO(grid_csv(grid).decode())))
    assert rows == [["column", "value, best"], ['a "b"', "1.5 (0 to 2)"], ["c,d", "-"]]


def test_texts_of_a_study_are_escaped() -> None:
    evil = "<img src=x>"
    grid = Grid([evil], [[Cell(evil, below=evil)], [Cell(evil, copied=evil)]])
    html = section_html(Section(evil, [evil], copied=evil, table=grid), lambda _: "")
    assert "<img" not in html
    assert html.count("&lt;img src=x&gt;") == 8


def test_a_folder_without_a_study_is_refused_before_the_page_is_served(tmp_path: Path, run: Run) -> None:
    with pytest.raises(DataError, match="study"):
        read_view(tmp_path, None, quiet)
    ran = run("app", "--study", str(tmp_path))
    assert ran.status == 2
    assert str(tmp_path) in ran.err
    assert "http://" not in ran.out


def test_a_latency_model_of_another_machine_is_refused_before_the_page_is_served(tmp_path: Path, run: Run) -> None:
    write_latencies(tmp_path / "cpu.json", machine="Abacus 3000")
    ran = run("app", "--latency", str(tmp_path / "cpu.json"))
    assert ran.status == 2
    assert "The latency model is for Abacus 3000" in ran.err
    assert "http://" not in ran.out
