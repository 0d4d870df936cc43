"""The jobs of workers: propagations within budget and minimum values, frames, imported tables, predictors."""

import re
import sys
from collections import Counter
from pathlib import Path
from time import process_time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ncp
from ncp.app.dataset import Dataset, open_dataset
from ncp.app.downloads import python_of, report_of
from ncp.app.jobs import SearchRequest, best_rows, import_table, run_search, train_predictor
from ncp.app.layout import dimension_groups, value_indices
from ncp.app.limits import LARGEST
from ncp.app.result_table import result_table
from ncp.app.session import START
from ncp.errors import DataError, InfeasibleError
from ncp.progress import quiet
from ncp.spaces.families import DEFAULT_TABLE
from ncp.spaces.multires import MULTIRES, Code
from tests.cli.test_own_table import SPACE, written

DATASET = Dataset(DEFAULT_TABLE, DEFAULT_TABLE, DEFAULT_TABLE, None)
ORIGIN = Code.parse(START).vector
WANTED = {"seg/mIoU": 2.0, "video/top1": 1.0}


def search_request(**changed: object) -> SearchRequest:
    settings = {"weights": WANTED, "at_least": {}, "budget": ncp.Budget(max_macs=2e9), "freeze": (), "origin": ORIGIN}
    return SearchRequest(**(settings | {"steps": 12, "starts": 4} | changed))  # type: ignore[arg-type]


def test_a_propagation_keeps_budget_and_frozen_dimensions_and_starts_at_the_open_code() -> None:
    shares: list[float] = []
    result, frames = run_search(DATASET, search_request(freeze=("i1", "i2", "o")), shares.append)
    codes = np.array([row.vector for row in result.rows])
    assert len(codes) == 10
    assert (ncp.macs(codes) <= 2e9).all()
    assert (codes[:, [0, 1, -1]] == np.array(ORIGIN)[[0, 1, -1]]).all()
    assert all(value.source == "judge" for row in result.rows for value in row.verified.values())
    assert list(result.rows[0].predicted) == list(WANTED)
    assert [row.score for row in result.rows] == sorted((row.score for row in result.rows), reverse=True)
    assert shares[-1] == 1
    assert len(frames) == 12
    assert frames[0]["codes"] == value_indices(MULTIRES, ORIGIN)
    last = result.trajectory.codes[-1, 0]
    assert frames[-1]["codes"] == value_indices(MULTIRES, last.tolist())
    assert frames[-1]["facts"][0] == ["GMACs", f"{ncp.macs(last)[0] / 1e9:.3f}"]


def test_minimum_values_hold_for_predictions_or_are_refused_as_too_high() -> None:
    free, _ = run_search(DATASET, search_request(), quiet)
    video = max(row.predicted["video/top1"].mean for row in free.rows)
    result, _ = run_search(DATASET, search_request(weights={"seg/mIoU": 1.0}, at_least={"video/top1": video}), quiet)
    assert all(row.predicted["video/top1"].mean >= video for row in result.rows)
    with pytest.raises(InfeasibleError, match="predicted to have video/top1 of at least 99"):
        run_search(DATASET, search_request(at_least={"video/top1": 99.0}), quiet)


def test_a_stop_leaves_the_best_of_the_codes_passed() -> None:
    request = search_request()
    result, _ = run_search(DATASET, request, quiet)
    passed = np.unique(result.trajectory.codes[:3].reshape(-1, 27), axis=0)
    rows, baseline = best_rows(DATASET, request, passed)
    assert baseline is None
    assert {row.vector for row in rows} <= {tuple(code) for code in passed.tolist()}
    assert max(row.score for row in rows) <= result.rows[0].score
    assert "until step 2" in result_table(result, rows, 2)


def test_a_downloaded_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    result, _ = run_search(DATASET, search_request(steps=3), quiet)
    exec(compile(python_of(MULTIRES, result.rows[0], result.provenance), "network.py", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out.split("]")[0].strip("[ ") == str(result.rows[0].macs)


def test_buttons_whose_extra_is_missing_are_disabled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result, _ = run_search(DATASET, search_request(steps=2, starts=2), quiet)
    assert "disabled" not in result_table(result, result.rows)
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    page = result_table(result, result.rows)
    disabled = re.findall(r'disabled (?:aria-label="[^"]*" )?data-act="(\w+)"', page)
    assert Counter(disabled) == {"report": 1, "onnx": len(result.rows)}
    assert "pip install &#x27;ncp-nas[export,report]&#x27;" in page


def test_a_downloaded_report_shows_the_result(tmp_path: Path) -> None:
    result, _ = run_search(DATASET, search_request(steps=3), quiet)
    page = report_of(result, DATASET, tmp_path, quiet).decode()
    assert all(row.code in page for row in result.rows)
    assert "The code of the best start" in page
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_uploaded_table_is_imported_trained_on_and_searched(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(DataError, match="18 of 600 rows"):
        import_table(tmp_path / "mine.csv", tmp_path / "mine.yaml", ("latency",), "", False, tmp_path, quiet)
    dataset = import_table(tmp_path / "mine.csv", tmp_path / "mine.yaml", ("latency",), "", True, tmp_path, quiet)
    opened = open_dataset(dataset)
    assert (opened.uploaded, opened.space, opened.minimised, opened.predictor) == (True, SPACE, ("latency",), None)
    shares: list[float] = []
    dataset = train_predictor(dataset, tmp_path, shares.append)
    assert shares == sorted(shares)
    opened = open_dataset(dataset)
    assert opened.predictor is not None
    assert opened.table is not None
    start = tuple(opened.table.codes[0].tolist())
    result, frames = run_search(dataset, search_request(weights={"acc": 1.0}, budget=ncp.Budget(), origin=start), quiet)
    assert result.rows[0].predicted_score > 1
    assert frames[0]["svg"] == ""
    assert b"code = {'width0':" in python_of(SPACE, result.rows[0], result.provenance)
    assert result.rows[0].code in report_of(result, dataset, tmp_path, quiet).decode()


def test_too_few_rows_to_train_on_are_refused(tmp_path: Path) -> None:
    rows = "\n".join(f"{w},{w * 2}" for w in (8, 16, 24))
    (tmp_path / "few.csv").write_text("width,acc\n" + rows)
    (tmp_path / "few.yaml").write_text("width: [8, 16, 24]\ndepth: [1, 2]\n")
    (tmp_path / "few.csv").write_text("width,depth,acc\n8,1,2\n16,1,3\n24,2,4\n")
    dataset = import_table(tmp_path / "few.csv", tmp_path / "few.yaml", (), "", False, tmp_path, quiet)
    with pytest.raises(DataError, match=r"at least 40 rows without missing values\. This table has 3 of 3"):
        train_predictor(dataset, tmp_path, quiet)


STAGES = ["Stem", *(f"Stage {k}" for k in range(1, 5)), "Head"]
SMALL_SPACE = "width: [8, 16, 24]\ndepth: [1, 2]\n"


def harmful(kind: str, folder: Path) -> Path:
    """A small file that expands to more than the page accepts."""
    path = folder / ("table.parquet" if "parquet" in kind else "table.csv")
    if kind == "columns of csv":
        path.write_text("width,depth," + ",".join(f"c{k}" for k in range(100_000)) + "\n8,1" + ",1" * 100_000 + "\n")
    elif kind == "rows of csv":
        path.write_text("width,depth,acc\n" + "8,1,1\n" * 60_000)
    elif kind == "rows of parquet":
        pq.write_table(pa.table({"width": np.full(60_000, 8), "depth": np.ones(60_000), "acc": np.ones(60_000)}), path)
    elif kind == "columns of parquet":
        pq.write_table(pa.table({f"c{k}": [1.0] for k in range(500)}), path)
    else:
        texts = pa.repeat("x" * (30 << 20), 7)
        pq.write_table(pa.table({"width": texts}), path, use_dictionary=False, write_statistics=False)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("columns of csv", "has more than 400 columns."),
        ("rows of csv", "has more than 50000 rows."),
        ("rows of parquet", "has more than 50000 rows."),
        ("columns of parquet", "has more than 400 columns."),
        pytest.param("bytes of parquet", f"has more than {200 << 20} bytes.", marks=pytest.mark.slow),
    ],
)
def test_a_table_that_is_too_large_is_refused_before_it_is_read(kind: str, message: str, tmp_path: Path) -> None:
    path = harmful(kind, tmp_path)
    assert path.stat().st_size < LARGEST
    (tmp_path / "small.yaml").write_text(SMALL_SPACE)
    began = process_time()
    with pytest.raises(DataError, match=re.escape(message)):
        import_table(path, tmp_path / "small.yaml", (), "", False, tmp_path, quiet)
    assert process_time() - began < 2


def test_every_dimension_is_in_one_group() -> None:
    for space in (MULTIRES, SPACE):
        shown = [dim for group in dimension_groups(space) for dim in group["dims"]]
        assert [dim["place"] for dim in shown] == list(range(len(space)))
        assert [dim["name"] for dim in shown] == list(space.names)
    assert [group["name"] for group in dimension_groups(MULTIRES)] == [
        "Stem",
        *(f"Stage {k}" for k in range(1, 5)),
        "Head",
    ]
