"""The page of a study: its numbers, and that it shows a study in any state."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ncp
from ncp import DataError
from ncp.cost import Counting
from ncp.io.files import write_json
from ncp.optim.sampling import sample_codes
from ncp.report.html import write_report
from ncp.report.study_facts import costs_and_values, deviations, learning_curves
from ncp.report.study_page import study_page
from ncp.studies.averages import noise_between_seeds, table_of, values_of
from ncp.studies.lease import LEASE, Lease
from ncp.studies.study_folder import StudyFolder, StudyTask
from ncp.studies.trainings import read_trainings
from tests.report.test_html import EVIL, Read

TASKS = {"roads": ("mIoU", "aAcc"), "clips": ("top1", "top5")}
EPOCHS = 12


def write_study(folder: Path, codes: int = 40, seeds: int = 3, repeated: int = 8, name: str = "") -> StudyFolder:
    """A study as `ncp build` leaves it: one training failed, one has not ended, some codes have several seeds."""
    rng = np.random.default_rng(0)
    tasks = {}
    for task, metrics in TASKS.items():
        identity = {"task": task, "kind": "made", "data": {}, "recipe": {"epochs": EPOCHS}, "data_hash": "d" * 64}
        document = {"format": 1, "name": task, "kind": f"made{name}", "recipe": {"epochs": EPOCHS}}
        tasks[task] = StudyTask(document, identity, tuple(f"{task}/{metric}" for metric in metrics), ())
    texts = [ncp.MULTIRES.text(code) for code in sample_codes(ncp.MULTIRES, codes, ncp.Budget(max_macs=2e9))]
    study = StudyFolder(folder, ncp.MULTIRES, tasks)
    study, _ = study.asking(texts[:repeated], list(tasks), seeds)
    study, _ = study.asking(texts, list(tasks), 1)
    study.write()
    for place, (each, run) in enumerate(study.runs()):
        about = {"code": each.code, "seed": each.seed, "identity": tasks[each.task].identity, "versions": {"ncp": "1"}}
        run.begin(about)
        if place == 3:
            run.fail("diverged", details=f"the loss is not finite at step 7{name}")
        elif place != 5:
            top = 40 + 6 * np.log10(float(ncp.macs([each.code])[0]) / 1e6) + rng.normal(0, 1)
            metrics = TASKS[each.task]
            curve = [
                {"epoch": epoch, "step": epoch, "loss": 1.0, "seconds": epoch, "lr": 0.1}
                | {"metrics": {metric: top * (1 - np.exp(-epoch / 3)) for metric in metrics}}
                for epoch in range(1, EPOCHS + 1)
            ]
            run.write_curve(curve)
            place = {"device": "cpu", "device_name": "x86_64", "host": f"here{name}", "ended": "2026-01-01"}
            run.finish({"metrics": curve[-1]["metrics"], "seconds": 90.0, "resumes": 0, **place})
    return study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return write_study(tmp_path_factory.mktemp("study"), codes=12, repeated=4)


def test_the_facts_are_those_of_the_runs(study: StudyFolder) -> None:
    rows = read_trainings(study)
    table, values = table_of(study, rows), values_of(rows)
    curves = learning_curves(study, rows, table.columns)
    assert [each.column for each in curves] == ["roads/mIoU", "clips/top1"]
    done = [row for row in rows if row.status == "done"]
    for each in curves:
        mine = [row for row in done if each.column.startswith(row.asked.task)]
        assert each.runs == len(each.codes) == len(mine)
        best = max(mine, key=lambda row: row.metrics[each.column.partition("/")[2]])
        assert (each.codes[each.best], each.seeds[each.best]) == (best.asked.code, best.asked.seed)
        assert all(len(epochs) == EPOCHS for epochs in each.epochs)
    for panel in costs_and_values(table, Counting((64, 96), 19, "segmentation")):
        place = table.columns.index(panel.column)
        for code, cost, value in zip(panel.codes, panel.macs, panel.values, strict=True):
            assert cost == ncp.macs([code], (64, 96), 19, "segmentation")[0] / 1e9
            assert value == table.values[table.row(code), place]
    noise = {column: each.std for column, each in noise_between_seeds(values).items()}
    for found in deviations(table, values, noise):
        groups = len(set(found.codes))
        pooled = np.sqrt((found.off**2).sum() / (len(found.off) - groups))
        assert found.std == pytest.approx(pooled)
        for code in set(found.codes):
            assert sum(off for each, off in zip(found.codes, found.off, strict=True) if each == code) == pytest.approx(
                0
            )


def figures(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Read(page).scripted["figures"])
    return found


def test_the_page_shows_everything(study: StudyFolder, tmp_path: Path) -> None:
    write_report(study.path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    read = Read(page)
    assert not [address for address in read.addresses if not address.startswith(("data:", "#"))]
    assert sorted(read.named) == sorted(figures(page))
    assert page.count("trainings are done") == 1
    assert "Codes: 12. 38 of 40 trainings are done, 1 failed, 1 waiting." in page
    assert "diverged: the loss is not finite at step 7" in page
    shown = figures(page)
    assert {re.sub(r" \d+", "", name) for name in shown} == {"curves", "cost", "noise"}
    best = shown["curves 0"]["data"][-1]
    assert len(best["x"]) == EPOCHS
    assert shown["cost 0"]["layout"]["xaxis"]["type"] == "log"


def test_a_training_that_runs_is_counted_as_running(study: StudyFolder) -> None:
    (waiting,) = [asked for asked, run in study.runs() if run.status not in ("done", "failed")]
    with Lease(study.path, workers=1) as lease:
        lease.running = [waiting._asdict()]
        write_json(study.path / LEASE, lease.document())
        assert study_page(study.path).subtitle == "Codes: 12. 38 of 40 trainings are done, 1 failed, 1 running."


def test_texts_of_a_study_are_escaped(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", codes=4, repeated=0, name=EVIL)
    write_report(study.path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert EVIL not in page
    assert "No code has two seeds on a task" in page


def test_a_study_that_has_not_begun_has_a_page(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path / "study", ncp.MULTIRES)
    study.write()
    write_report(study.path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "0 of 0 trainings are done." in page
    assert "No training is done yet." in page
    assert "No training failed." in page


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no study\.json"):
        write_report(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
