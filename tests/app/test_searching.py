"""The jobs of a search: the film, the search itself, few edits, a front, and what is shown and saved of them."""

import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ncp
from ncp.app.dataset import Dataset
from ncp.app.downloads import csv_of, python_of, report_of
from ncp.app.found import LISTED, Found
from ncp.app.layout import value_indices
from ncp.app.result_table import result_table
from ncp.app.searching import SearchRequest, StoppedError, run_film, run_front, run_search
from ncp.app.session import START
from ncp.errors import InfeasibleError
from ncp.optim.front import Front
from ncp.optim.results import Result
from ncp.pareto import non_dominated
from ncp.progress import quiet
from ncp.report.network_drawing import network_element
from ncp.spaces.families import DEFAULT_TABLE
from ncp.spaces.multires import MULTIRES, Code
from tests.latencies import latency_model

DATASET = Dataset(DEFAULT_TABLE, DEFAULT_TABLE, DEFAULT_TABLE, None)
ORIGIN = Code.parse(START).vector
LARGE = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64"
WANTED = {"seg/mIoU": 2.0, "video/top1": 1.0}


def search_request(**changed: object) -> SearchRequest:
    settings = {"weights": WANTED, "at_least": {}, "budget": ncp.Budget(max_macs=2e9), "freeze": (), "origin": ORIGIN}
    return SearchRequest(**(settings | {"steps": 12, "starts": 4} | changed))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search") / "trace.json"


@pytest.fixture(scope="module")
def result(trace: Path) -> Result:
    return run_search(DATASET, search_request(), trace, trace.with_name("stop"), quiet)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Front:
    folder = tmp_path_factory.mktemp("front")
    return run_front(DATASET, search_request(starts=16, steps=6), folder / "stop", quiet)


def test_a_film_keeps_budget_and_frozen_dimensions_and_starts_at_the_open_code() -> None:
    shares: list[float] = []
    result, frames = run_film(DATASET, search_request(freeze=("i1", "i2", "o")), shares.append)
    codes = np.array([row.vector for row in result.rows])
    assert 1 < len(codes) <= 10
    assert (ncp.macs(codes) <= 2e9).all()
    assert (codes[:, [0, 1, -1]] == np.array(ORIGIN)[[0, 1, -1]]).all()
    assert shares[-1] == 1
    assert len(frames) == 12
    assert frames[0]["codes"] == value_indices(MULTIRES, ORIGIN)
    assert frames[0]["score"] == f"{result.provenance['origin_predicted_score']:.2f}"
    last = [dim.values[k] for dim, k in zip(MULTIRES.dimensions, frames[-1]["codes"], strict=True)]
    assert frames[-1]["facts"][0] == ["GMACs", f"{ncp.macs(last)[0] / 1e9:.3f}"]
    assert frames[-1]["facts"][0] != frames[0]["facts"][0]


def test_a_first_answer_has_no_code_that_exceeds_a_bound_on_latency(tmp_path: Path) -> None:
    slow = Code.parse(LARGE).vector
    predictor = ncp.load_predictor("nas-bench-mr")
    values = np.array([predictor.location + 3 * predictor.unit, predictor.location])
    table = ncp.Table(MULTIRES, [slow, ORIGIN], values, predictor.columns)
    table.to_parquet(tmp_path / "table.parquet")
    dataset = Dataset(DEFAULT_TABLE, DEFAULT_TABLE, DEFAULT_TABLE, str(tmp_path / "table.parquet"))
    model = latency_model()
    highest = (model(slow).item() + model(ORIGIN).item()) / 2
    codes = {}
    for bound in (highest, None):
        budget = ncp.Budget(image_size=64, max_latency_ms=bound, latency=model)
        found, _ = run_film(dataset, search_request(budget=budget), quiet)
        codes[bound] = [row.vector for row in found.rows]
    assert slow in codes[None]
    assert ORIGIN in codes[highest]
    assert (model(np.array(codes[highest])) <= highest).all()


@pytest.mark.slow
def test_a_front_keeps_a_bound_on_latency(tmp_path: Path) -> None:
    model = latency_model()
    budget = ncp.Budget(image_size=64, max_latency_ms=1.5, latency=model)
    front = run_front(DATASET, search_request(budget=budget, starts=8, steps=4), tmp_path / "stop", quiet)
    latencies = model(np.array([row.vector for row in front.rows]))
    assert 1.3 < latencies.max() <= 1.5


def test_the_drawings_of_a_film_show_shares_of_the_cost_that_is_bounded() -> None:
    budget = ncp.Budget(max_macs=60e9, image_size=(512, 1024), classes=19, task="segmentation")
    _, frames = run_film(DATASET, search_request(budget=budget), quiet)
    code = Code.from_vector(ORIGIN)
    assert frames[0]["svg"] == network_element(code, budget.counting)
    assert frames[0]["svg"] != network_element(code)


def test_a_search_of_the_page_is_that_of_the_library(result: Result, trace: Path) -> None:
    wanted = ncp.search(WANTED, budget=ncp.Budget(max_macs=2e9), starts=4, steps=12, origin=START)
    assert [row.code for row in result.rows] == [row.code for row in wanted.rows]
    assert result.rows == wanted.rows
    assert "scores" in trace.read_text()[:300]


@pytest.mark.slow
def test_minimum_values_hold_for_predictions_or_are_refused_as_too_high(tmp_path: Path) -> None:
    free, _ = run_film(DATASET, search_request(), quiet)
    video = max(row.predicted["video/top1"].mean for row in free.rows)
    request = search_request(weights={"seg/mIoU": 1.0}, at_least={"video/top1": video})
    held = run_search(DATASET, request, tmp_path / "trace.json", tmp_path / "stop", quiet)
    assert all(row.predicted["video/top1"].mean >= video for row in held.rows)
    with pytest.raises(InfeasibleError, match="predicted to have video/top1 of at least 99"):
        run_film(DATASET, search_request(at_least={"video/top1": 99.0}), quiet)


def test_edits_change_few_dimensions_of_the_open_code_and_are_named(tmp_path: Path) -> None:
    request = search_request(find="edits", max_changes=2, freeze=("b4",))
    edited = run_search(DATASET, request, tmp_path / "trace.json", tmp_path / "stop", quiet)
    found = Found.of_result(edited, MULTIRES, None)
    for row, text in zip(edited.rows, found.differences, strict=True):
        changed = [k for k in range(27) if row.vector[k] != ORIGIN[k]]
        assert len(changed) <= 2
        assert MULTIRES.names.index("b4") not in changed
        parts = [f"{MULTIRES.names[k]} {ORIGIN[k]} → {row.vector[k]}" for k in changed]
        assert text == f"changes {', '.join(parts)}"


@pytest.mark.slow
def test_a_front_is_not_dominated_and_is_listed_in_part(front: Front) -> None:
    scores = np.array([[row.predicted[column].mean for column in WANTED] for row in front.rows])
    cost = np.array([row.macs for row in front.rows])
    assert (cost <= 2e9).all()
    assert non_dominated(np.column_stack([scores, -cost])).all()
    found = Found.of_front(front)
    assert len(front.rows) > LISTED
    page = result_table(found, has_network=True)
    assert page.count("<tbody>") == LISTED
    assert len(found.columns["code"]) == len(front.rows)
    assert found.document["hypervolume"] == front.hypervolume
    assert found.title == f"The front: {len(front.rows)} codes"
    scores = {name: getattr(front, name)[:1] for name in ("scores", "predicted_scores", "verified_scores")}
    assert Found.of_front(replace(front, rows=front.rows[:1], **scores)).title == "The front: 1 code"


def test_a_search_stops_when_it_is_told_to(tmp_path: Path) -> None:
    stop, shares = tmp_path / "stop", list[float]()

    def progress(share: float) -> None:
        shares.append(share)
        stop.touch()

    with pytest.raises(StoppedError):
        run_search(DATASET, search_request(), tmp_path / "trace.json", stop, progress)
    with pytest.raises(StoppedError):
        run_front(DATASET, search_request(), stop, progress)
    assert len(shares) == 1
    assert not (tmp_path / "trace.json").exists()


def test_a_downloaded_program_runs(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(python_of(MULTIRES, result.rows[0], result.provenance), "network.py", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out.split("]")[0].strip("[ ") == str(result.rows[0].macs)


def test_buttons_whose_extra_is_missing_are_disabled(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found.of_result(result, MULTIRES, None)
    assert "disabled" not in result_table(found, has_network=True)
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    page = result_table(found, has_network=True)
    disabled = re.findall(r'disabled (?:aria-label="[^"]*" )?data-act="(\w+)"', page)
    assert Counter(disabled) == {"report": 1, "onnx": len(result.rows)}
    assert "pip install &#x27;ncp-nas[export,report]&#x27;" in page


def test_a_downloaded_report_shows_the_result_and_its_steps(result: Result, trace: Path, tmp_path: Path) -> None:
    page = report_of(Found.of_result(result, MULTIRES, trace), DATASET, tmp_path, quiet).decode()
    assert all(row.code in page for row in result.rows)
    assert "The code of the best start" in page
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_report_of_a_front_has_all_its_objectives(front: Front, tmp_path: Path) -> None:
    page = report_of(Found.of_front(front), DATASET, tmp_path, quiet).decode()
    assert "Trade-offs between seg/mIoU, video/top1 and cost" in page


def test_rows_are_saved_as_csv(result: Result) -> None:
    columns = Found.of_result(result, MULTIRES, None).columns
    heads, first, *_ = csv_of(list(columns), zip(*columns.values(), strict=True)).decode().splitlines()
    named = dict(zip(heads.split(","), first.split(","), strict=True))
    best = result.rows[0]
    assert named["code"] == best.code
    assert float(named["predicted seg/mIoU"]) == best.predicted["seg/mIoU"].mean
    assert (named["verified source seg/mIoU"], int(named["macs"])) == ("judge", best.macs)
