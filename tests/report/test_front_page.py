"""The page of a front: what it begins with, and how it names settings."""

from pathlib import Path
from typing import Any

import pytest

from ncp import Budget, Objective
from ncp.io.files import write_json
from ncp.optim.front_search import Refinement, pareto_search
from ncp.report.front_page import front_page
from ncp.report.html import write_report
from ncp.report.page_parts import Section
from tests.predictors.fitted import fitted

FEW = Refinement(rounds=1, tried=300, crossed=100, directions=50)
BASELINE = {"rows": 17, "size": 3, "hypervolume": 2.5, "judged_hypervolume": 2.25}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    wanted = ["seg", Objective({"video": -1.0}), Objective({"seg": 1.0, "video": 1.0}, uncertainty_penalty=0.5)]
    asked = {"budget": Budget(max_macs=3e9, max_params=9e6), "starts": 6, "steps": 3, "size": 20, "refinement": FEW}
    found = pareto_search(wanted, predictor=fitted("ensemble"), judge=fitted("gp"), **asked).to_dict()
    return found | {"baseline": BASELINE}


def settings(section: Section) -> dict[str, str]:
    assert section.table is not None
    return {name.text: value.text for name, value in section.table.rows}


def test_it_begins_with_a_code_and_the_baseline(document: dict[str, Any]) -> None:
    page = front_page(document, None)
    assert page.title.endswith(" and cost, at most 3 GMACs and 9 M params")
    first, second, third = page.sections[0].texts
    rows = document["rows"]
    best = max(rows, key=lambda row: sum(row["scores"].values()) / 3)
    seg, video = (best["verified"][column]["mean"] for column in ("seg/mIoU", "video/top1"))
    gmacs, mparams = best["macs"] / 1e9, best["params"] / 1e6
    reached = f"seg/mIoU {seg:.2f} %, video/top1 {video:.2f} % at {gmacs:.3f} GMACs (by the judge)."
    assert first == f"The code with the best mean over the objectives reaches {reached}"
    assert page.sections[0].copied == best["code"]
    predicted, checked = f"{document['hypervolume']:.4g}", f"{document['verified_hypervolume']:.4g}"
    size = f"{len(rows)} codes, none of which beats another in everything."
    assert second.startswith(f"{size} Hypervolume {predicted} as predicted, {checked} as checked. Baseline: 3 of 17 ")
    assert "hypervolume of 2.5 (table); the judge" in second
    assert second.endswith("estimates 2.25.")
    assert third == f"This code, {gmacs:.3f} GMACs and {mparams:.2f} M params (exact):"
    assert not any("Baseline" in text for section in page.sections[1:] for text in section.texts)


def test_settings_have_plain_names(document: dict[str, Any]) -> None:
    shown = settings(front_page(document, None).sections[-1])
    assert shown["objectives"] == (
        "seg/mIoU, video/top1 (lower is better), 1 seg/mIoU + 1 video/top1 (uncertainty penalty 0.5 std)"
    )
    assert (shown["cost is an objective"], shown["most codes to return"]) == ("yes", "20")
    assert (shown["gradient steps of a start"], shown["hypervolume counts from [std]"]) == ("3", "-3")
    assert not {"cost", "reference", "size", "steps", "uncertainty_penalty"} & set(shown)


def test_it_is_written(document: dict[str, Any], tmp_path: Path) -> None:
    write_json(tmp_path / "pareto.json", document)
    write_report(tmp_path / "pareto.json", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    places = [text.index(part) for part in ("<h1>", "The code with the best mean", "Baseline: 3 of 17", "<h2")]
    assert places == sorted(places)
