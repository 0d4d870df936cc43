"""Output of commands: numbers in full on every screen, names without markup, paths checked before the work."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import ncp
from ncp.cli.options import PAGE, require_file, require_outputs
from ncp.cli.output import print_json, say, show_rows, show_table
from ncp.errors import NcpError, counted
from ncp.optim.results import Row, Value
from tests.cli.conftest import Run

NUMBERS = ["77.12 ±0.50", "123456789.12", "-0.25"]


@pytest.mark.parametrize(("count", "said"), [(0, "0 codes"), (1, "1 code"), (2, "2 codes")])
def test_one_is_singular(count: int, said: str) -> None:
    assert counted(count, "code") == said


def test_zero_has_no_sign_and_a_measured_value_no_deviation(capsys: pytest.CaptureFixture[str]) -> None:
    predicted, measured = {"a/x": Value(-0.001, 0.5, "predictor")}, {"a/x": Value(2.0, 0.0, "table")}
    rows = [Row("1,2", (1, 2), -0.001, -0.001, 0.4, predicted, measured, None, None)]
    show_rows(rows, [0], with_score=True)
    assert capsys.readouterr().out.split()[-8:] == ["1", "predictor", "0.00", "±0.50", "0.00", "table", "2.00", "0.40"]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_screen_cuts_a_number_or_a_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    heads = ["column", "seg/mIoU", "x" * 50, "rate [/s]"]
    show_table(heads, [["cls-50-1000/top1", *NUMBERS], ["y" * 120, "1", "2\n-3.75", "4"]])
    lines = capsys.readouterr().out.splitlines()
    for number in (*NUMBERS, "-3.75"):
        assert any(number in line for line in lines)
    folded = "".join("".join(lines).split())
    assert folded.count("x") == 50
    assert folded.count("y") % 120 == 0
    assert max(map(len, lines)) <= max(columns, 40)


def test_a_table_that_fits_is_in_one_piece(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show_table(["task", "tau", "source"], [["seg", "0.5", "table"], ["video", "0.25", "judge"]], left=["source"])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "task    tau  source",
        "───────────────────",
        "seg     0.5  table",
        "video  0.25  judge",
    ]


def test_names_are_neither_markup_nor_terminal_commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    evil = "[red]a[/red] [/] [link=x]\x1b]0;b\x07:smile:"
    show_table(["column", "n"], [[evil, "1"]])
    say(evil)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert shown.count("[red]a[/red] [/] [link=x]\\x1b]0;b\\x07:smile:") == 2


def test_numbers_of_numpy_and_missing_ones_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"seed": np.int64(1), "values": np.array([1.5, np.nan]), "path": Path("a")})
    assert json.loads(capsys.readouterr().out) == {"seed": 1, "values": [1.5, None], "path": "a"}


def test_columns_move_closer_if_a_table_then_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {11: ["key  aa  bb"], 10: ["key aa bb"], 9: ["key aa bb"], 8: ["key  aa", "key  bb"]}
    for columns, expected in shown.items():
        monkeypatch.setenv("COLUMNS", str(columns))
        show_table(["key", "aa", "bb"], [["a", "1", "2"]])
        assert [line for line in capsys.readouterr().out.splitlines() if "key" in line] == expected


def test_measured_values_have_no_deviation_and_unknown_costs_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    predicted, verified = {"acc": Value(71.054, 0.5, "predictor")}, {"acc": Value(71.0, 0.0, "table")}
    show_rows([Row("a", (1,), 0.5, 0.5, 0.25, predicted, verified, None, None)], [0], with_score=True)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["#", "source", "acc", "score"]
    assert lines[2:] == [["1", "predictor", "71.05", "±0.50", "0.50"], ["table", "71.00", "0.25"]]


@pytest.mark.parametrize("columns", ["40", "80"])
def test_a_code_between_two_rows_on_a_narrow_screen(run: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    space = ncp.Space.from_dict({"op": ["a", "b", "c"], "width": list(range(8, 65, 8))})
    names = ["task/[/]acc", "task/lat [ms]", "task/\x1b[2J"]
    values = np.random.default_rng(0).uniform(1e3, 1e4, size=(6, 3))
    codes = [[0, 8], [1, 8], [2, 8], [0, 16], [1, 16], [2, 16]]
    ncp.Table(space, codes, values, names, ["\x1b[31mred"] * 6).to_parquet("t.parquet")
    monkeypatch.setenv("COLUMNS", columns)
    status, out, _ = run("query", "a,64", "--table", "t.parquet")
    assert status == 0
    assert "\x1b" not in out
    for name in ("task/[/]acc", "task/lat [ms]", "task/\\x1b[2J"):
        assert name in out
    near = json.loads(run("query", "a,64", "--table", "t.parquet", "--json").out)["neighbours"]
    for each in near:
        assert all(f"{value:.2f}" in out for value in each["values"].values())
    assert "This code is not in the table. Add --predictor FILE" in out
    assert "value" not in out.split("This code")[0]
    assert "origin: \\x1b[31mred (no description)" in run("query", "a,8", "--table", "t.parquet").out


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("page.pdf", "--report must end in .html or .htm, got 'page.pdf'."),
        ("page", "--report must end in .html or .htm, got 'page'."),
        ("folder.html", "Cannot write folder.html: it is a folder. Name a file in it."),
        ("file/page.html", "Cannot write file/page.html: {here}/file is not a folder. Choose another path."),
        (
            "gone.html/page.html",
            "Cannot write gone.html/page.html: {here}/gone.html is not a folder. Choose anot",
        ),
    ],
)
def test_paths_that_cannot_be_written_are_refused(
    path: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ncp.cli.flags import flag

    monkeypatch.chdir(tmp_path)
    Path("folder.html").mkdir()
    Path("file").touch()
    Path("gone.html").symlink_to("nowhere")
    with pytest.raises(NcpError) as raised:
        require_file(Path(path), "report", PAGE)
    assert raised.value.worded(flag).startswith(message.format(here=tmp_path))
    before = sorted(tmp_path.iterdir())
    require_file(Path("new/page.HTML"), "report", PAGE)
    require_file(Path("/dev/null"), "report", PAGE)
    require_outputs(Path("new/out"), Path("new/page.html"))
    assert sorted(tmp_path.iterdir()) == before


def test_a_missing_extra_is_named_before_the_search(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    with_tasks = (("search", "--tasks", "seg"), ("pareto", "--tasks", "seg"))
    for command in (*with_tasks, ("train-predictor", "--config", "c.yaml")):
        Path("c.yaml").write_text("{}")
        status, out, error = run(*command, "--report", "x.html")
        assert (status, out) == (2, "")
        assert error == "ncp: A report needs plotly. Install the extra: pip install 'ncp-nas[report]'.\n"
        assert [path.name for path in Path().iterdir()] == ["c.yaml"]
