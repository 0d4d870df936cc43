"""The page of a report: whole, offline, safe, small, with every figure's numbers right."""

import base64
import gzip
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from ncp import CELL201, MULTIRES, Budget, Comparison, DataError, Objective, Space, Table, macs, search
from ncp.report.documents import read_document
from ncp.report.facts import MOST, Agreement, agreements, calibrations, heldout_agreements, tradeoffs
from ncp.report.figures import curves_figure, steps_figure, tradeoff_figure
from ncp.report.html import write_report
from ncp.report.sections import ENOUGH, checked_sections
from ncp.report.trace import Trace
from tests.predictors.fitted import fitted, rows

SMALL = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small search with checked values: result.json and trace.json."""
    folder = tmp_path_factory.mktemp("found")
    wanted, bound = Objective({"seg/mIoU": 1.0, "video/top1": 2.0}), Budget(max_macs=3e9)
    result = search(wanted, budget=bound, predictor=fitted("ensemble"), judge=fitted("gp"), starts=6, steps=5, top=4)
    result.provenance["command"] = "ncp search --tasks seg,video:2 --max-gmacs 3"
    result.to_json(folder / "result.json")
    Trace.of(result).to_json(folder / "trace.json")
    return folder


class Read(HTMLParser):
    """What a browser would fetch or run, the scripts of the page, and the names of its figures."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripted: dict[str, str] = {}
        self.named: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.scripts = 0
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        linked = [str(attributes[name]) for name in ("src", "href") if attributes.get(name)]
        self.addresses += [address for address in linked if not address.startswith("#")]
        self.links += [address.removeprefix("#") for address in linked if address.startswith("#")]
        self.ids += [str(attributes["id"])] if "id" in attributes else []
        self.named += [str(attributes["data-figure"])] if "data-figure" in attributes else []
        self.scripts += tag == "script"
        self.inside = str(attributes.get("id", "")) if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self.inside and data.strip():
            self.scripted[self.inside] = data

    @property
    def figures(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.scripted["figures"])
        return read


def test_a_search_is_one_small_page_that_fetches_nothing(found: Path, tmp_path: Path) -> None:
    write_report(found / "result.json", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert len(page) < 6e6
    read = Read(page)
    assert read.addresses == []
    assert page.count('<svg class="picture net"') == 1
    assert "default-src 'none'" in page
    assert set(read.named) == set(read.figures)
    assert {"steps 0", "code", "tradeoff 0"} <= set(read.figures)
    assert not {"checked 0", "calibration"} & set(read.figures)  # four codes say nothing about calibration
    assert "plotly.js v" in gzip.decompress(base64.b64decode(read.scripted["library"])).decode()[:300]
    first = json.loads((found / "result.json").read_text())["rows"][0]
    heads = ("The codes", "Steps of the search", "Provenance")
    places = [page.index(text) for text in (first["code"], *(f"<h2>{head}</h2>" for head in heads))]
    assert places == sorted(places)
    assert page.count("ncp search --tasks seg,video:2 --max-gmacs 3") == 2  # shown, and copied


def test_the_contents_link_to_every_section(found: Path, tmp_path: Path) -> None:
    write_report(found / "result.json", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    read = Read(page)
    titles = ["The answer", "The codes", "Steps of the search", "The trade-off", "Provenance"]
    links = [f'<a href="#{link}">{title}</a>' for link, title in zip(read.links, titles, strict=True)]
    assert "".join(links) in page
    assert len(set(read.links)) == len(titles)
    assert set(read.links) <= set(read.ids)


def test_every_cell_knows_its_column(found: Path, tmp_path: Path) -> None:
    write_report(found / "result.json", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    macs = json.loads((found / "result.json").read_text())["rows"][0]["macs"]
    assert f'data-head="GMACs" class=" ">{macs / 1e9:.3f}</td>' in page
    assert page.count("<td ") == page.count('<td role="cell" data-head="')


def test_a_search_begins_with_a_sentence_and_its_baseline(found: Path, tmp_path: Path) -> None:
    document = json.loads((found / "result.json").read_text())
    first = document["rows"][0]
    write_report(found / "result.json", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<h1>The best architecture for seg/mIoU + video/top1 (weight 2), at most 3 GMACs</h1>" in page
    values = ", ".join(f"{column} {first['verified'][column]['mean']:.2f} %" for column in first["verified"])
    sentence = f"The best code reaches {values} at {first['macs'] / 1e9:.3f} GMACs (by the judge)."
    assert f"<p>{sentence}</p>" in page
    assert "; costs at 128 x 128 pixels, 50 classes, classification; " in page
    assert page.index(sentence) < page.index(first["code"])
    assert ("baseline" in page, "No baseline" in page) == (False, False)
    measured = {
        column: value | {"mean": 70.0, "std": 0.0, "source": "table"} for column, value in first["verified"].items()
    }
    judged = {column: value | {"mean": 60.0} for column, value in first["verified"].items()}
    known = {"code": SMALL, "vector": [], "measured": measured, "judged": judged, "score": 1.5, "judged_score": 1.25}
    document["baseline"] = known | {"macs": 2_500_000_000, "params": 3_000_000, "rows": 17}
    (tmp_path / "result.json").write_text(json.dumps(document))
    write_report(tmp_path / "result.json", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    other = "seg/mIoU 60.00 %, video/top1 60.00 % at 2.500 GMACs (by the same judge)"
    assert f"The best of 17 measured architectures within the budget has {other}.</p>" in page
    row = page[page.index('class=" ">baseline') :]
    assert [row.index(text) for text in ("70.00 (table)", "60.00", "1.50", "1.25", "2.500", SMALL)]
    assert " % fewer multiply-adds; seg " in page or " % more multiply-adds; seg " in page


def test_many_codes_show_how_well_the_predictor_is_calibrated(found: Path) -> None:
    rows = json.loads((found / "result.json").read_text())["rows"]
    assert checked_sections(rows) == []
    many, calibration = checked_sections(rows * (ENOUGH // len(rows) + 1))
    assert [plot.title for plot in many.plots] == ["seg/mIoU", "video/top1"]
    assert calibration.title == "Calibration"


@pytest.mark.slow
def test_names_are_never_markup_or_scripts(found: Path, tmp_path: Path) -> None:
    text = (found / "result.json").read_text().replace("seg/mIoU", EVIL)
    (tmp_path / "result.json").write_text(text)
    (tmp_path / "trace.json").write_text((found / "trace.json").read_text().replace("seg/mIoU", EVIL))
    write_report(tmp_path / "result.json", tmp_path / "page.html")
    write_report(found / "result.json", tmp_path / "plain.html")
    page, plain = ((tmp_path / name).read_text() for name in ("page.html", "plain.html"))
    assert EVIL not in page
    assert Read(page).scripts == Read(plain).scripts
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_trace_is_kept_with_the_best_start_first(found: Path, tmp_path: Path) -> None:
    read = Trace.from_json(found / "trace.json")
    assert read.best == 0
    assert read.scores.shape == (5, 6)
    assert read.scores[:, 0].max() == read.scores.max()
    vectors = read.path.T
    np.testing.assert_allclose(read.gmacs[:, 0], macs(vectors) / 1e9, rtol=1e-4)  # type: ignore[index]
    figure = steps_figure("score [std]", read.scores, 0, 1.5)
    assert [len(trace["x"]) for trace in figure["data"]] == [5 * 6, 5, 2]
    assert figure["data"][1]["y"] == pytest.approx(read.scores[:, 0].tolist(), rel=1e-4)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataError, match="does not hold the steps of a search"):
        Trace.from_json(tmp_path / "bad.json")


def test_agreement_and_how_often_values_lie_within_intervals() -> None:
    value = {"mean": 1.0, "std": 0.5, "source": "predictor"}
    row = {
        "code": "a",
        "predicted": {"t/x": value, "t/y": value},
        "verified": {"t/x": value | {"mean": 2.0, "source": "judge"}},
    }
    (found,) = agreements([row, row | {"verified": {}}])
    assert (found.column, found.codes, found.sources) == ("t/x", ("a",), ("judge",))
    assert (found.predicted[0], found.std[0], found.known[0]) == (1.0, 0.5, 2.0)
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=4000)
    right = Agreement("right", np.zeros(4000), np.ones(4000), drawn, ("",) * 4000, ("table",) * 4000)
    bold = replace(right, column="bold", std=np.full(4000, 0.5))
    good, narrow = calibrations([right, bold])
    np.testing.assert_allclose(good.shares, good.levels, atol=0.03)
    halved = 2 * norm.cdf(norm.ppf((1 + narrow.levels) / 2) / 2) - 1
    np.testing.assert_allclose(narrow.shares, halved, atol=0.03)
    (held,) = heldout_agreements({"t/x": {"predicted": [1, 2], "std": [1, 1], "measured": [1, 4]}})
    assert held.known.tolist() == [1, 4]


def test_the_tradeoff_has_codes_rows_budget_and_minimum(found: Path) -> None:
    document = json.loads((found / "result.json").read_text())
    document["provenance"]["at_least"] = {"seg/mIoU": 60.0}
    codes, values = rows("multires")
    values = values.copy()
    values[:5, 0] = np.nan
    table = Table(MULTIRES, codes, values, ["seg/mIoU", "seg/mAcc", "video/top1"])
    seg, video = tradeoffs(document, table)
    assert (seg.x_name, seg.y_name) == ("cost [GMACs]", "seg/mIoU [%]")
    assert (seg.budget, seg.minimum, video.minimum) == (3.0, 60.0, None)
    assert seg.x.tolist() == [row["macs"] / 1e9 for row in document["rows"]]
    np.testing.assert_allclose(seg.rows_x, macs(codes[5:]) / 1e9)
    assert len(video.rows_x) == len(codes)
    figure = tradeoff_figure(seg)
    names = [trace["name"] for trace in figure["data"]]
    assert names == ["table's rows", "front", "found", "minimum", "budget"]
    assert figure["data"][0]["rows"] == list(range(5, len(codes)))
    best = sorted(zip(seg.x, seg.y, strict=True))
    edge = [(x, y) for k, (x, y) in enumerate(best) if all(y > other for _, other in best[:k])]
    np.testing.assert_allclose([figure["data"][1]["x"], figure["data"][1]["y"]], np.transpose(edge), rtol=1e-4)
    assert figure["data"][2]["customdata"] == [row["code"] for row in document["rows"]]
    assert figure["layout"]["yaxis"]["title"]["text"] == "seg/mIoU [%]"


def test_a_space_without_cost_trades_columns(tmp_path: Path) -> None:
    wanted = Objective({"seg/mIoU": 1.0, "video/top1": 1.0})
    result = search(wanted, predictor=fitted("ensemble", "cell201"), starts=4, steps=3, top=3)
    result.to_json(tmp_path / "result.json")
    _, document = read_document(tmp_path / "result.json")
    (panel,) = tradeoffs(document)
    assert (panel.x_name, panel.y_name, panel.budget) == ("seg/mIoU [%]", "video/top1 [%]", None)
    write_report(tmp_path / "result.json", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert not Read(page).addresses
    assert "Not checked: these values come from the search predictor alone." in page
    assert len(CELL201) == len(document["rows"][0]["vector"])


def test_a_comparison(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    best = {name: np.maximum.accumulate(rng.normal(size=(5, 20)), axis=1) for name in ("random", "bayesian")}
    best["bayesian"] += 1
    asked = {"weights": {"Acc": 1.0}, "searchers": list(best), "queries": 20, "seeds": 5, "version": "0"}
    Comparison(asked, best, {name: np.ones((5, 20)) for name in best}, 5.0).to_json(tmp_path / "compare.json")
    write_report(tmp_path / "compare.json", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "bayesian is ahead after 20 evaluations" in page
    assert "To run it again" not in page  # nobody typed a command
    curves = Read(page).figures["curves"]["data"]
    lines = {trace["name"]: trace for trace in curves if "fill" not in trace}
    assert lines["random"]["y"] == pytest.approx((5 - best["random"]).mean(axis=0).tolist(), rel=1e-4)
    assert len({trace["line"]["color"] for trace in lines.values()}) == 2
    assert curves_figure((), "z")["data"] == []


def test_files_that_no_command_wrote_are_refused(tmp_path: Path) -> None:
    for text in ("", "[]", "{}", "x", json.dumps({"format": 2, "provenance": {}, "rows": [], "gap": None})):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(DataError, match=r"other\.json"):
            write_report(tmp_path / "other.json", tmp_path / "page.html")
        assert not (tmp_path / "page.html").exists()
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "none.json"))):
        read_document(tmp_path / "none.json")


def test_lower_values_can_be_better_and_a_large_table_is_thinned() -> None:
    space = Space.from_dict({"a": list(range(200)), "b": list(range(40))})
    codes = np.array([[a, b] for a in range(200) for b in range(40)])
    table = Table(space, codes, np.column_stack([codes.sum(axis=1), codes[:, 0]]), ["acc", "ms"], minimised=["ms"])
    value = {"std": 1.0, "source": "predictor"}
    rows = [
        {"code": f"{k}", "macs": None, "predicted": {"acc": value | {"mean": acc}, "ms": value | {"mean": ms}}}
        for k, (acc, ms) in enumerate([(1.0, 1.0), (2.0, 2.0), (2.0, 3.0), (0.5, 0.5)])
    ]
    asked = {"weights": {"acc": 1.0, "ms": 1.0}, "columns": ["acc", "ms"], "minimised": ["ms"]}
    (panel,) = tradeoffs({"rows": rows, "provenance": asked}, table)
    assert (panel.x_name, panel.y_name) == ("acc", "ms")
    assert panel.edge.tolist() == [True, True, False, True]
    assert len(panel.rows) == MOST
    assert (panel.rows[0], panel.rows[-1]) == (0, len(codes) - 1)
    (panel,) = tradeoffs({"rows": rows, "provenance": asked | {"weights": {"acc": -1.0, "ms": -1.0}}})
    assert panel.edge.tolist() == [True, False, True, True]
