"""Codes side by side as csv: the costs of the library, measured values where there are some, and else predictions."""

import csv
import io
import re

import numpy as np
import pytest

import ncp
from ncp.app.compared_codes import ComparedCodes
from ncp.app.dataset import OpenDataset, open_benchmark
from ncp.app.session import START
from ncp.cost import Counting
from ncp.predictors.predictor import Predictor
from ncp.spaces.multires import Code

LARGE = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return ncp.load_predictor("nas-bench-mr")


def test_a_line_per_code_has_its_costs_and_a_source_for_every_value(predictor: Predictor) -> None:
    opened = open_benchmark()
    code = Code.parse(START).vector
    measured = np.full((1, len(predictor.columns)), 12.5)
    measured[0, -1] = np.nan
    table = ncp.Table(opened.space, np.array([code]), measured, predictor.columns, minimised=predictor.minimised)
    dataset = OpenDataset(opened.source, opened.space, predictor, None, table)
    counting = Counting(224, 10)
    saved = ComparedCodes(dataset, counting, {"A": code, "B": Code.parse(LARGE).vector}).csv()
    first, second = csv.DictReader(io.StringIO(saved.decode()))
    assert (first["name"], first["code"]) == ("A", START)
    assert (second["name"], second["code"]) == ("B", LARGE)
    for line, text in ((first, START), (second, LARGE)):
        assert float(line["GMACs"]) == ncp.macs(text, image_size=224, classes=10)[0] / 1e9
        assert float(line["M params"]) == ncp.params(text, classes=10)[0] / 1e6
        assert line["source GMACs"] == line["source M params"] == "exact"
    predicted = predictor.predict([START, LARGE]).mean
    for j, column in enumerate(predictor.columns):
        known = j < len(predictor.columns) - 1
        assert first[f"source {column}"] == ("table" if known else "predictor")
        assert float(first[column]) == pytest.approx(12.5 if known else predicted[0, j], rel=1e-5)
        assert second[f"source {column}"] == "predictor"
        assert float(second[column]) == pytest.approx(
            predicted[1, j], rel=1e-5
        )  # batches of other sizes are rounded otherwise


def test_a_value_that_nobody_knows_is_empty_and_has_no_source() -> None:
    space = ncp.Space.from_dict({"width": [8, 16], "op": ["skip", "conv"]})
    table = ncp.Table(space, np.array([[8, 0]]), np.array([[70.5]]), ("t/acc",))
    dataset = OpenDataset(open_benchmark().source, space, None, None, table)
    saved = ComparedCodes(dataset, Counting(), {"A": (8, 0), "B": (16, 1)}).csv().decode()
    assert list(csv.reader(io.StringIO(saved))) == [
        ["name", "code", "t/acc", "source t/acc"],
        ["A", "8,skip", "70.5", "table"],
        ["B", "16,conv", "", ""],
    ]


def test_a_difference_that_rounds_to_zero_has_no_minus() -> None:
    space = ncp.Space.from_dict({"width": [8, 16], "op": ["skip", "conv"]})
    table = ncp.Table(space, np.array([[8, 0], [16, 1]]), np.array([[70.501, 3.0], [70.5, 2.0]]), ("t/acc", "t/loss"))
    dataset = OpenDataset(open_benchmark().source, space, None, None, table)
    page = ComparedCodes(dataset, Counting(), {"A": (8, 0), "B": (16, 1)}).table()
    assert [page.count(f'<td class="number">{change}</td>') for change in ("+0.00", "-1.00", "-0.00")] == [1, 1, 0]


def cells_of(page: str) -> list[list[str]]:
    """The texts of a table by row, the heads first."""
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    return [[re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)] for row in rows]


def test_heads_name_the_sources_and_values_only_the_others(predictor: Predictor) -> None:
    opened, codes = open_benchmark(), {"A": Code.parse(START).vector, "B": Code.parse(LARGE).vector}
    measured = np.full((1, len(predictor.columns)), 12.5)
    measured[0, -1] = np.nan
    table = ncp.Table(opened.space, np.array([codes["A"]]), measured, predictor.columns, minimised=predictor.minimised)
    page = ComparedCodes(OpenDataset(opened.source, opened.space, predictor, None, table), Counting(), codes).table()
    heads, gmacs, params, first, *_, last = cells_of(page)
    assert heads == ["column", "A table", "B predictor", "B minus A"]
    assert [gmacs[:3], params[:3]] == [
        ["GMACs exact", *(f"{macs / 1e9:.2f}" for macs in ncp.macs([START, LARGE]))],
        ["M params exact", *(f"{count / 1e6:.2f}" for count in ncp.params([START, LARGE]))],
    ]
    predicted = predictor.predict([START, LARGE]).mean
    assert first[:3] == [predictor.columns[0], "12.50", f"{predicted[1, 0]:.2f}"]
    assert last[:3] == [predictor.columns[-1], f"{predicted[0, -1]:.2f} predictor", f"{predicted[1, -1]:.2f}"]
