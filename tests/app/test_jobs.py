"""The jobs of uploads: imported tables, predictors that are trained on them, and files that are too large."""

import re
from pathlib import Path
from time import process_time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ncp
from ncp.app.dataset import open_dataset
from ncp.app.downloads import python_of, report_of
from ncp.app.found import Found
from ncp.app.jobs import import_table, train_predictor
from ncp.app.layout import dimension_groups
from ncp.app.limits import LARGEST
from ncp.app.searching import SearchRequest, run_film, run_search
from ncp.errors import DataError
from ncp.progress import quiet
from ncp.spaces.multires import MULTIRES
from tests.cli.test_own_table import SPACE, written


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
    request = SearchRequest({"acc": 1.0}, {}, ncp.Budget(), (), start, starts=16, steps=12)
    _, frames = run_film(dataset, request, quiet)
    assert frames[0]["svg"] == ""
    trace = tmp_path / "trace.json"
    result = run_search(dataset, request, trace, tmp_path / "stop", quiet)
    assert result.rows[0].predicted_score > 1
    assert b"code = {'width0':" in python_of(SPACE, result.rows[0], result.provenance)
    page = report_of(Found.of_result(result, SPACE, trace), dataset, tmp_path, quiet).decode()
    assert result.rows[0].code in page


def test_too_few_rows_to_train_on_are_refused(tmp_path: Path) -> None:
    rows = "\n".join(f"{w},{w * 2}" for w in (8, 16, 24))
    (tmp_path / "few.csv").write_text("width,acc\n" + rows)
    (tmp_path / "few.yaml").write_text("width: [8, 16, 24]\ndepth: [1, 2]\n")
    (tmp_path / "few.csv").write_text("width,depth,acc\n8,1,2\n16,1,3\n24,2,4\n")
    dataset = import_table(tmp_path / "few.csv", tmp_path / "few.yaml", (), "", False, tmp_path, quiet)
    with pytest.raises(DataError, match=r"at least 40 rows without missing values\. This table has 3 such rows\."):
        train_predictor(dataset, tmp_path, quiet)


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
