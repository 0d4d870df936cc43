"""The report of a search for few trainings: its numbers, and that it shows a search in any state."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ncp
from ncp import Budget, Objective, Space, Study
from ncp.optim.sampling import sample_codes
from ncp.report.html import write_report
from ncp.report.study_page import study_page
from ncp.report.tuning_facts import chance_tau, tuning_facts
from ncp.report.tuning_sections import tuning_sections
from ncp.searchers.evidence import Evidence
from tests.predictors.fitted import GP
from tests.report.test_html import EVIL, Read
from tests.report.test_study import write_study

SPACE = Space.from_dict({"width": [8, 16, 24, 32], "depth": [1, 2, 3], "edge": ["none", "skip"]})
TOLD = {"8,1,none": 50.0, "16,1,skip": 54.0, "24,2,none": None, "32,3,skip": 53.0, "24,3,skip": 61.0, "8,2,skip": 51.0}


def told(folder: Path, minimised: bool = False) -> Study:
    """A study whose values are known, without a prior."""
    sign = -1 if minimised else 1
    study = Study(folder, objective="mine/a", space=SPACE, minimised=["mine/a"] if minimised else [])
    for code, value in TOLD.items():
        study.tell(code, None if value is None else {"mine/a": sign * value, "mine/b": 1.0}, "out of memory")
    return study


def page_of(study: Study, path: Path) -> str:
    return study.report(path).read_text("utf-8")


def figures(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Read(page).scripted["figures"])
    return found


@pytest.mark.parametrize("minimised", [False, True])
def test_progress_and_effects_are_those_of_the_values(tmp_path: Path, minimised: bool) -> None:
    facts = tuning_facts(told(tmp_path, minimised).folder)
    sign = -1 if minimised else 1
    assert facts.scores is not None
    assert facts.scores.score.lower is minimised
    assert (sign * facts.scores.so_far).tolist() == [50, 54, 54, 54, 61, 61]
    assert facts.scores.qualifies.tolist() == [True, True, False, True, True, True]
    assert (facts.best[0].code, facts.scored, facts.fronts) == ("24,3,skip", 5, ())
    # of the ten pairs of codes, widths and scores agree on 7 and disagree on 2; two widths are equal
    effects = {each.name: each.tau for each in facts.effects}
    assert effects["width"] == pytest.approx((7 - 2) / np.sqrt(10 * 9))
    assert next(iter(effects)) == max(effects, key=lambda name: abs(effects[name]))
    assert sorted(effects) == ["depth", "edge = skip", "width"]


def test_chance_is_what_random_rankings_reach() -> None:
    rng = np.random.default_rng(0)
    signs = np.triu(np.ones((12, 12)), 1)
    ranks = rng.random((4000, 12)).argsort(axis=1)
    taus = (np.sign(ranks[:, None, :] - ranks[:, :, None]) * signs).sum(axis=(1, 2)) / signs.sum()
    assert (np.abs(taus) > chance_tau(12)).mean() == pytest.approx(0.05, abs=0.015)


def test_fronts_are_not_dominated_and_count_cost_as_the_budget_does(tmp_path: Path) -> None:
    budget = Budget(max_macs=5e7, image_size=64, classes=10)
    study = Study(tmp_path, objective={"roads": 1, "clips": 2}, budget=budget, prior=None, minimised=["clips/error"])
    rng = np.random.default_rng(1)
    codes = sample_codes(ncp.MULTIRES, 12, Budget(max_macs=1e8, image_size=64, classes=10))
    for code in codes:
        study.tell(code, {"roads/mIoU": float(rng.normal(60, 2)), "clips/error": float(rng.normal(20, 3))})
    facts = tuning_facts(tmp_path, study)
    assert [each.quantity.name for each in facts.fronts] == ["score [std]", "roads/mIoU", "clips/error"]
    cost = ncp.macs(codes, image_size=64, classes=10) / 1e9
    for each in facts.fronts:
        assert each.budget == 0.05
        np.testing.assert_allclose(each.cost, cost)
        gain = -each.quantity.values if each.quantity.lower else each.quantity.values
        dominated = [
            any(
                gain[j] >= gain[i] and cost[j] <= cost[i] and (gain[j], cost[j]) != (gain[i], cost[i])
                for j in range(12)
            )
            for i in range(12)
        ]
        assert (~each.front).tolist() == dominated
    assert facts.scores is not None
    z = [(v - v.mean()) / v.std() for v in study.table.values.T]
    np.testing.assert_allclose(facts.scores.score.values, (z[0] - 2 * z[1]) / 3)
    assert facts.scores.qualifies.tolist() == (cost <= 0.05).tolist()


def test_a_study_whose_user_trains_has_a_page(tmp_path: Path) -> None:
    page = page_of(told(tmp_path / "study"), tmp_path / "report.html")
    assert "Codes with a result: 6, of which 1 failed." in page
    assert "The study has no prior." in page
    assert "out of memory" in page
    shown = figures(page)
    assert sorted(shown) == sorted(Read(page).named) == ["tuning effects", "tuning progress"]
    step, points, failed = shown["tuning progress"]["data"]
    assert step["y"] == [50, 54, 54, 54, 61, 61]
    assert step["line"]["shape"] == "hv"
    assert points["x"] == [1, 2, 4, 5, 6]
    assert (failed["x"], failed["customdata"]) == ([3], ["24,2,none"])


def test_a_prior_that_the_file_only_identifies_is_named_or_used(tmp_path: Path) -> None:
    codes = SPACE.codes([[w, d, e] for w in (8, 16, 24, 32) for d in (1, 2, 3) for e in (0, 1)])
    values = np.stack([codes @ [1.0, 5, 3], -codes @ [1.0, 5, 3]], axis=1)
    prior = ncp.fit_predictor(codes, values, ["like/a", "unlike/a"], space=SPACE, kind="gp", settings=GP)
    study = Study(tmp_path / "study", objective="mine", space=SPACE, prior=prior)
    for code in codes[::3]:
        study.tell(code, {"mine/a": float(code @ [1.0, 5, 3])})
    write_report(study.folder, tmp_path / "alone.html")
    assert "uses a predictor as its prior" in (tmp_path / "alone.html").read_text("utf-8")
    page = page_of(study, tmp_path / "report.html")
    evidence = study.evidence
    assert evidence is not None
    [bars, *_] = figures(page)["tuning tasks"]["data"]
    assert bars["customdata"] == ["like/a", "unlike/a"]
    assert bars["x"] == pytest.approx([evidence.resemblance["like/a"], evidence.resemblance["unlike/a"]], abs=1e-4)
    assert bars["x"][0] > 0.8 > -0.8 > bars["x"][1]
    assert f"{evidence.tau:.2f} with it and {evidence.tau_without_prior:.2f} without it" in page
    assert f"predictions of {len(codes[::3])} codes" in page


@pytest.mark.parametrize(
    ("tau", "without", "weight", "verdict"),
    [
        (0.6, 0.3, 0.8, "The prior helps: "),
        (0.3, 0.6, 0.8, "The prior does not help: "),
        (0.31, 0.3, 0.8, "The prior makes little difference: "),
        (0.3, 0.3, 0.01, "The model has given up the prior: "),
    ],
)
def test_one_sentence_says_whether_the_prior_helps(
    tmp_path: Path, tau: float, without: float, weight: float, verdict: str
) -> None:
    evidence = Evidence(9, tau, without, weight, {"low/a": -0.2, "high/a": 0.7})
    facts = replace(tuning_facts(told(tmp_path).folder), evidence=evidence)
    section = next(each for each in tuning_sections(facts) if each.title.endswith("known tasks said"))
    assert section.texts[0].startswith(f"{verdict}Kendall's tau is {tau:.2f} with it and {without:.2f} without it")
    assert "of 9 codes" in section.texts[0]
    assert "with so few codes this may still change" in section.texts[0]
    [plot] = section.plots
    assert plot.figure["data"][0]["customdata"] == ["high/a", "low/a"]


@pytest.mark.parametrize("state", ["empty", "failed", "missed", "single"])
def test_every_state_has_a_page(tmp_path: Path, state: str) -> None:
    objective = Objective({"mine": 1.0}, at_least={"mine": 100.0} if state == "missed" else {})
    study = Study(tmp_path / "study", objective=objective, space=SPACE)
    for code in {"empty": [], "single": ["8,1,none"]}.get(state, list(TOLD)):
        study.tell(code, None if state == "failed" else {"mine": float(SPACE.code(code).sum())}, EVIL)
    page = page_of(study, tmp_path / "report.html")
    assert EVIL not in page
    expected = {
        "empty": "No training has ended yet",
        "failed": "All trainings failed",
        "missed": "No code meets the budget and all minimum values.",
        "single": "The best code:",
    }
    assert expected[state] in page


def test_a_tuned_study_shows_its_search_and_its_trainings(tmp_path: Path) -> None:
    folder = write_study(tmp_path, codes=6, repeated=2, seeds=2)
    study = Study(tmp_path, objective=["roads", "clips"], budget=Budget(image_size=64, classes=10), prior=None)
    for place, code in enumerate(folder.codes):
        columns = {"roads/mIoU": 60.0 + place, "roads/aAcc": 80.0, "clips/top1": 50.0 - place**2, "clips/top5": 90.0}
        study.tell(code, None if place == 5 else columns)
    page = study_page(tmp_path, study)
    titles = [section.title for section in page.sections]
    assert titles[:2] == ["The answer", "Search"]
    assert titles[-6:] == [
        "Trainings",
        "Curves",
        "Other values and cost",
        "Noise between seeds",
        "Failures",
        "Provenance",
    ]
    (other,) = [section for section in page.sections if section.title == "Other values and cost"]
    assert "exact cost, counted at 64 x 64 pixels, 10 classes, classification. " in other.texts[0]
    names = [plot.name for plot in page.plots]
    assert len(set(names)) == len(names)
    assert page.sections[0].copied == study.best()[0].code
    assert page.sections[0].drawing.count('<svg class="picture net"') == 1
