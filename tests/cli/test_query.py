"""`ncp query` as a user types it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import ncp
import ncp.cli
from ncp.cli import query
from ncp.predictors.gp import GpSettings
from tests.cli.conftest import Run

TEXT = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64"
CODE = ncp.Code.parse(TEXT)
NEAR = ncp.Code.from_vector([80, *CODE.vector[1:-1], 80])  # two steps of i1 and two of o away
COLUMNS = ["seg/mIoU", "video/top1"]
WAY = (
    "The table nas-bench-mr is not installed, so all values are predicted. "
    "Get it with ncp data fetch, or from published files with ncp data import FOLDER."
)


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A table with the code, its row flagged, and a row without one value."""
    codes = [CODE.vector, [8] * 2 + [1, 1, 8] + list(CODE.vector[5:]), [16] * 2 + list(CODE.vector[2:])]
    values = [[78.5, 22.25], [60.0, 10.0], [61.0, math.nan]]
    made = ncp.Table(ncp.MULTIRES, codes, values, COLUMNS, ["wide-4", "anchor", "small"], ["3ddet-batch", "", "x"])
    made.to_parquet(tmp_path / "table.parquet")
    return str(tmp_path / "table.parquet")


def test_a_code_of_the_table(run: Run, table: str) -> None:
    status, out, err = run("query", TEXT, "--table", table)
    assert (status, err) == (0, "")
    assert out.startswith(f"{TEXT}\n")
    assert f"{ncp.macs(CODE).item() / 1e9:.3f} GMACs at 128 x 128 pixels" in out
    assert f"{ncp.params(CODE).item() / 1e6:.2f} M params" in out
    assert "origin: wide-4 (random" in out
    assert "flag: 3ddet-batch (its 3ddet value is from a batch of trainings" in out
    assert "78.50" in out
    assert "predictor" not in out
    assert "near" not in out
    _, out, _ = run("query", TEXT, "--table", table, "--json")
    assert json.loads(out) == {
        "code": TEXT,
        "vector": list(CODE.vector),
        "setting": CODE.setting,
        "cost": {
            "macs": ncp.macs(CODE).item(),
            "params": ncp.params(CODE).item(),
            "image_size": [128, 128],
            "classes": 50,
        },
        "values": {
            "seg/mIoU": {"mean": 78.5, "std": None, "source": "table"},
            "video/top1": {"mean": 22.25, "std": None, "source": "table"},
        },
        "predicted": None,
        "origin": "wide-4",
        "flags": ["3ddet-batch"],
        "neighbours": [],
        "notes": [],
    }


def test_tasks_of_the_benchmark_are_told_in_plain_words(run: Run, table: str) -> None:
    plain = "video: actions in clips (HMDB51), trained from scratch"
    lines = run("query", TEXT).out.splitlines()
    assert lines.count(plain) == 1
    assert lines[-2] == "3ddet: cars in the points of a lidar (KITTI)"
    assert plain not in run("query", TEXT, "--table", table).out  # a column of the same name may be another task


def test_a_prediction_beside_a_measured_value(run: Run, table: str) -> None:
    status, out, err = run("query", TEXT, "--table", table, "--predictor", "nas-bench-mr")
    assert (status, err) == (0, "")
    assert "predicted" in out
    _, out, _ = run("query", TEXT, "--table", table, "--predictor", "nas-bench-mr", "--json")
    document = json.loads(out)
    assert document["values"]["seg/mIoU"] == {"mean": 78.5, "std": None, "source": "table"}
    assert document["predicted"]["seg/mIoU"]["source"] == "predictor"
    assert abs(document["predicted"]["seg/mIoU"]["mean"] - 78.5) < 5
    assert "seg/mAcc" in document["predicted"]
    assert "seg/mAcc" not in document["values"]


def test_a_code_that_is_not_in_the_table(run: Run, table: str) -> None:
    status, out, err = run("query", str(NEAR), "--table", table)
    assert (status, err) == (0, "")
    assert f"near 1, 4 steps away in the table: {TEXT}" in out
    assert "origin" not in out
    _, out, _ = run("query", str(NEAR), "--table", table, "--json")
    document = json.loads(out)
    assert (document["origin"], document["flags"], document["predicted"]) == (None, [], None)
    prediction = ncp.load_predictor("nas-bench-mr").predict(NEAR)
    expected = dict(zip(document["values"], zip(*prediction.mean, *prediction.std, strict=True), strict=True))
    for column, value in document["values"].items():
        assert (value["mean"], value["std"]) == pytest.approx(expected[column], rel=1e-4)
        assert value["source"] == "predictor"
    distances = [near["distance"] for near in document["neighbours"]]
    assert distances == sorted(distances)
    assert len(distances) == 3
    assert document["neighbours"][0] == {
        "code": TEXT,
        "distance": 4,
        "values": {"seg/mIoU": 78.5, "video/top1": 22.25},
    }
    assert {"seg/mIoU": 61.0, "video/top1": None} in [near["values"] for near in document["neighbours"]]


def test_a_missing_value_is_predicted(run: Run, table: str) -> None:
    code = json.dumps([16, 16, *CODE.vector[2:]])
    _, out, _ = run("query", code, "--table", table, "--json")
    values = json.loads(out)["values"]
    assert [values[column]["source"] for column in COLUMNS] == ["table", "predictor"]
    assert values["video/top1"]["std"] > 0
    assert "flag: x (no description)" in run("query", code, "--table", table)[1]


@pytest.mark.parametrize("written", [TEXT, json.dumps(CODE.vector), json.dumps(CODE.setting)])
def test_without_a_table_in_all_written_forms(run: Run, written: str) -> None:
    status, out, err = run("query", written, "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["code"] == TEXT
    assert {value["source"] for value in document["values"].values()} == {"predictor"}
    assert len(document["values"]) == 19
    assert document["notes"] == [WAY]
    assert document["neighbours"] == []


def test_without_a_table_as_text(run: Run) -> None:
    status, out, err = run("query", TEXT)
    assert (status, err) == (0, "")
    assert "3ddet/moderate" in out
    assert out.endswith(f"{WAY}\n")


def test_your_own_predictor(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes = ncp.MULTIRES.sample(40, rng)
    settings = GpSettings(inducing=8, steps=2)
    values = rng.normal(size=(40, 1))
    ncp.fit_predictor(codes, values, ["my/own"], kind="gp", settings=settings).save(tmp_path / "mine.safetensors")
    _, out, _ = run("query", TEXT, "--predictor", str(tmp_path / "mine.safetensors"), "--json")
    assert list(json.loads(out)["values"]) == ["my/own"]


def test_published_rows(run: Run, shared: Path, tmp_path: Path) -> None:
    from ncp.tables.cache import import_folder

    (tmp_path / "video").mkdir()
    for file in ("search_list.txt", "video/trainval.pkl"):
        (tmp_path / file).symlink_to(shared / "data" / "nas-bench-mr" / file)
    import_folder(tmp_path, tmp_path / "root")
    _, out, _ = run("query", TEXT, "--root", str(tmp_path / "root"), "--json")
    document = json.loads(out)
    assert document["values"]["video/top1"]["source"] == "table"
    assert document["origin"] == "searched"
    _, out, _ = run("query", str(NEAR), "--root", str(tmp_path / "root"), "--json")
    assert json.loads(out)["neighbours"][0]["code"] == TEXT


@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["abc"], "Expected 31 integers in 6 groups joined by '-'. Got 'abc'."),
        ([TEXT.replace("96", "97")], "Expected a multiple of 8 from 8 to 128 for i1. Got 97."),
        (["[1"], "Expected a code's vector or setting as JSON. Got '[1'"),
        ([TEXT, "--table", "none"], "There is no file 'none'. Give the path of a table"),
        ([TEXT, "--table", "nas-bench-mr"], "The table nas-bench-mr does not exist: there is no file "),
        (
            [TEXT, "--table", "{junk}", "--root", "."],
            "--root does nothing with the table {junk}. ",
        ),
        ([TEXT, "--predictor", "none"], "There is no predictor file none, and the name is not nas-bench-mr."),
        ([TEXT, "--predictor", "{junk}"], "{junk} is not a complete predictor file: "),
        ([TEXT, "--table", "{junk}"], "Cannot read {junk} as a table of ncp: "),
        (
            [TEXT, "--table", "{cells}"],
            "Expected a cell such as |none~0|",
        ),
        (
            ["000000", "--table", "{cells}", "--predictor", "nas-bench-mr"],
            "The predictor has another search space than the table: 27 dimensions (i1, i2, b1, ..) instead of 6 dim",
        ),
    ],
)
def test_bad_input_is_one_message_and_exit_status_2(
    run: Run, tmp_path: Path, arguments: list[str], message: str, as_json: list[str]
) -> None:
    places = {"{junk}": str(tmp_path / "junk"), "{cells}": str(tmp_path / "cells.parquet")}
    (tmp_path / "junk").write_bytes(b"junk")
    ncp.Table(ncp.CELL201, [[0] * 6], [[1.0]], ["a/b"]).to_parquet(places["{cells}"])
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
        message = message.replace(name, place)
    status, out, err = run("query", *arguments, *as_json)
    assert (status, out) == (2, "")
    assert err.startswith(f"ncp: {message}")
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [[], [TEXT, TEXT], [TEXT, "--nonsense"]])
def test_a_mistake_in_the_command_line_is_exit_status_2(run: Run, arguments: list[str]) -> None:
    status, out, err = run("query", *arguments)
    assert (status, out) == (2, "")
    assert "Usage: " in err


def test_every_flag_and_origin_of_the_tables_is_explained() -> None:
    from ncp.studies.averages import ORIGIN
    from ncp.tables.published import ORIGINS
    from ncp.tables.table import NOT_SAMPLED

    assert set(query.ORIGINS) == {name for name, _ in ORIGINS if name} | set(NOT_SAMPLED) | {ORIGIN}


def test_a_cell_in_any_of_its_forms(run: Run) -> None:
    ncp.Table(ncp.CELL201, [[0] * 6, [1] * 6], [[1.0], [2.0]], ["Acc"]).to_parquet("cells.parquet")
    text = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
    for written in (text.replace("skip_connect", ncp.CELL201.dimensions[0].choices[1]), "[1, 1, 1, 1, 1, 1]"):
        status, out, _ = run("query", written, "--table", "cells.parquet", "--json")
        document = json.loads(out)
        assert (status, document["vector"], document["cost"]) == (0, [1] * 6, None)
        assert document["values"] == {"Acc": {"mean": 2.0, "std": None, "source": "table"}}
    status, out, _ = run("query", "[1, 1, 1, 1, 1, 2]", "--table", "cells.parquet")
    assert (status, "near 1, 1 step away" in out) == (0, True)


def test_a_code_can_begin_with_a_minus(run: Run) -> None:
    space = ncp.Space.from_dict({"shift": [-5, 0, 5], "bits": [0, 1], "op": ["e", "f"]})
    ncp.Table(space, ["-5,0,e", "5,1,f"], [[1.5], [2.5]], ["acc/top1"]).to_parquet("mine.parquet")
    status, out, _ = run("query", "-5,0,e", "--table", "mine.parquet", "--json")
    assert status == 0
    assert json.loads(out)["values"]["acc/top1"]["mean"] == 1.5
    status, _, error = run("query", "--tabel")
    assert (status, error) == (2, "ncp: There is no option '--tabel'. ncp query --help lists the options.\n")
