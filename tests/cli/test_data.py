"""`ncp data` as a user types it."""

import csv
import gzip
import hashlib
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

import ncp
from ncp.spaces.dimensions import Categorical
from ncp.spaces.named import load_space
from tests.cli.conftest import Run
from tests.tables.server import serve


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    """A folder with one setting."""
    made = tmp_path / "published"
    (made / "video").mkdir(parents=True)
    for file in ("search_list.txt", "video/trainval.pkl"):
        (made / file).symlink_to(shared / "data" / "nas-bench-mr" / file)
    return made


def test_import_list_check(run: Run, folder: Path, tmp_path: Path) -> None:
    status, out, err = run("data", "import", str(folder))
    assert (status, err) == (0, "")
    assert "2507" in out
    assert f"nas-bench-mr: {tmp_path / 'cache' / 'nas-bench-mr.parquet'}" in out
    for command in ("list", "check"):
        status, out, err = run("data", command)
        assert (status, err) == (0, "")
        assert "good" in out
        assert "absent" in out  # nas-bench-201
        assert "seg-4x" in out  # not there
        assert "  video: actions in clips (HMDB51), trained from scratch" in out.splitlines()
        assert ("tasks: cifar10, camvid, clips" in out) == (command == "list")


def test_json(run: Run, folder: Path, tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    documents = []
    for command in (["import", str(folder)], ["list"], ["check"]):
        status, out, err = run("data", *command, "--root", root, "--json")
        assert (status, err) == (0, "")
        documents.append(json.loads(out)["tables"])
    (mr,) = documents[0]
    assert documents[1][0]["name"] == "mini"  # it ships with the package
    assert documents[1][1:] == documents[2]
    assert documents[2][0] == mr
    assert documents[2][1]["present"] is False
    assert (mr["name"], mr["rows"], mr["columns"]) == ("nas-bench-mr", 2507, ["video/top1", "video/top5"])
    assert mr["path"] == f"{root}/nas-bench-mr.parquet"
    assert "3ddet" in mr["absent"]
    assert set(mr["sources"]) == {"search_list.txt", "video/trainval.pkl"}
    assert len(mr["sha256"]) == 64


def test_an_empty_list_says_how_to_get_tables(run: Run) -> None:
    status, out, _ = run("data", "list")
    assert status == 0
    assert out.splitlines()[-1] == (
        "There are no published tables yet. Download them with `ncp data fetch`, or import the published files with "
        "`ncp data import FOLDER`."
    )


def test_import_of_a_folder_that_does_not_exist(run: Run) -> None:
    status, out, err = run("data", "import", "none")
    assert (status, out) == (2, "")
    assert err.startswith("ncp: There is no folder 'none'. Name the published data folder, or download it with ")


def test_import_of_nothing(run: Run, tmp_path: Path) -> None:
    status, out, err = run("data", "import", str(tmp_path))
    assert (status, out) == (2, "")
    assert err.startswith("ncp: There are no published files such as seg/trainval.pkl in ")


def test_import_of_another_file(run: Run, folder: Path) -> None:
    (folder / "seg").mkdir()
    (folder / "seg" / "trainval.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    status, out, err = run("data", "import", str(folder))
    assert (status, out) == (2, "")
    assert "seg/trainval.pkl is not the published seg/trainval.pkl: expected SHA-256 " in err


def test_nothing_to_list_or_check(run: Run) -> None:
    status, out, err = run("data", "list")
    assert (status, err) == (0, "")
    assert out.count("absent") == 2
    status, out, err = run("data", "check")
    assert status == 2
    assert "ncp data import FOLDER" in err
    assert "ncp data fetch" in err


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_check_finds_a_damaged_table(run: Run, folder: Path, tmp_path: Path, options: list[str]) -> None:
    run("data", "import", str(folder))
    file = tmp_path / "cache" / "nas-bench-mr.parquet"
    file.write_bytes(file.read_bytes()[:-1])
    assert run("data", "list")[0] == 0
    status, out, err = run("data", "check", *options)
    assert status == 2
    assert err.startswith("ncp: Cannot read ")
    assert json.loads(out)["tables"][0]["problems"] if options else "damaged" in out


def test_fetch_without_a_file(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the attempts
    with serve({"/search_list.txt": (folder / "search_list.txt").read_bytes()}) as server:
        status, out, err = run("data", "fetch", "--mirror", server.address[:-1])
    assert (status, out) == (2, "")
    assert "ncp: Cannot download" in err
    assert "ncp data import FOLDER" in err
    assert (tmp_path / "cache" / "upstream" / "search_list.txt").exists()
    assert not list((tmp_path / "cache").glob("*.parquet"))


SPACE = """# twelve dimensions
width: {from: 8, to: 128, step: 8}
depth: [1, 2, 4]
head: {from: 1, to: 9}
""" + "".join(f"edge{k}: [none, skip, conv]\n" for k in range(9))


@pytest.fixture
def own(tmp_path: Path) -> ncp.Table:
    """A table of a user's: 200 rows in mine.csv, of which 6 are not good, and its space in space.yaml."""
    (tmp_path / "space.yaml").write_text(SPACE)
    space = load_space(tmp_path / "space.yaml")
    rng = np.random.default_rng(0)
    codes = np.unique(space.sample(194, rng), axis=0)
    values = rng.normal(size=(len(codes), 2)).round(3)
    shown = [
        [dim.choices[v] if isinstance(dim, Categorical) else v for dim, v in zip(space.dimensions, code, strict=True)]
        for code in codes.tolist()
    ]
    lines = [[f"net{k}", *code, *row] for k, (code, row) in enumerate(zip(shown, values.tolist(), strict=True))]
    bad = [list(lines[k]) for k in range(6)]
    bad[0][1], bad[1][2], bad[2][-1], bad[3][-2] = 9, 3, "", "fast"
    bad[4] = bad[4][:-1]
    for place, line in zip((3, 50, 90, 120, 150, 199), bad, strict=True):
        lines.insert(place, line)
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", *space.names, "acc", "latency"], *lines])
    return ncp.Table(space, codes, values, ["acc", "latency"], minimised=["latency"])


COMMAND = ("data", "import", "mine.csv", "--space", "space.yaml", "--values", "acc,latency:min")


def test_import_of_a_users_file(run: Run, own: ncp.Table, tmp_path: Path) -> None:
    status, out, err = run(*COMMAND)
    assert (status, out) == (2, "")
    assert "6 of 200 rows of mine.csv cannot be read (6 problems)." in err
    assert "row 4, column width: Expected one of 8, 16, " in err
    assert "--drop-bad" in err
    assert not (tmp_path / "mine.parquet").exists()
    status, out, err = run(*COMMAND, "--drop-bad")
    assert (status, err) == (0, "")
    assert "mine.parquet: 194 rows, 12 dimensions, 2 columns: acc, latency (lower is better)" in out
    assert "left out of 200 rows: 2 (a code is outside the space), 1 (a value is missing)" in out
    assert "next: ncp train-predictor --table mine.parquet" in out
    assert "ncp search --tasks acc,latency --table mine.parquet" in out
    assert "replaces" not in out
    replaced = "mine.parquet replaces an earlier file. To keep both, name another file with --out."
    assert replaced in run(*COMMAND, "--drop-bad").out.splitlines()
    read = ncp.load_table("mine.parquet")
    assert (read.space, read.columns, read.minimised) == (own.space, own.columns, own.minimised)
    order = [own.row(code) for code in read.codes]
    np.testing.assert_array_equal(read.values, own.values[order])
    status, out, err = run(
        *COMMAND,
        "--code-columns",
        "width,depth,head," + ",".join(f"edge{k}" for k in range(9)),
        "--drop-bad",
        "--out",
        "folder/other.parquet",
        "--json",
    )
    assert (status, err) == (0, "")
    (document,) = json.loads(out)["tables"]
    assert (document["name"], document["path"]) == ("other", "folder/other.parquet")
    assert document["sha256"] == hashlib.sha256(Path("folder/other.parquet").read_bytes()).hexdigest()
    assert set(json.loads(run("data", "list", "--json").out)["tables"][0]) < set(document)
    assert (document["rows"], document["rows_in_file"], sum(document["left_out"].values())) == (194, 200, 6)
    assert (document["columns"], document["minimised"]) == (["acc", "latency"], ["latency"])
    assert document["code_columns"] == list(own.space.names)


def test_the_commands_that_are_proposed_can_be_typed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("c: [8, 16]\nedge: [none, skip]\n")
    header = ["c", "edge", "top 1 [%]", "[red]lat[/red]", "a,b", "c:d", "esc\x1b]0;x\x07"]
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, [8, "none", *range(5)], [16, "skip", *range(5)]])
    out = "a folder/it's.parquet"
    status, shown, err = run("data", "import", "mine.csv", "--space", "space.yaml", "--out", out)
    assert (status, err) == (0, "")
    assert "top 1 [%], [red]lat[/red], a,b, c:d, esc\\x1b]0;x\\x07" in shown
    assert shown.isprintable() or set(shown) - set("\n") == {c for c in shown if c.isprintable()}
    train, search, compare = (shlex.split(line[6:]) for line in shown.splitlines()[-3:])
    assert yaml.safe_load(train[-1].removeprefix("data.table=")) == out
    assert search[:3] == ["ncp", "search", "--tasks"]
    assert search[3].split(",")[:2] == ["top 1 [%]", "[red]lat[/red]"]
    assert (search[4:], compare[1], compare[4:]) == (["--table", out], "compare", ["--table", out])


@pytest.mark.parametrize("command", [["list"], ["check"], ["fetch"]])
def test_a_cache_that_is_a_file(run: Run, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "cache").write_text("mine")
    status, out, err = run("data", *command)
    said = "cache is a file, so it cannot hold tables. Set the variable NCP_CACHE to a folder."
    assert (status, said in out + err) == (0 if command == ["list"] else 2, True)
    assert (tmp_path / "cache").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine.csv"], "To import mine.csv, name its search space: --space FILE, --space multires or --space cell201."),
        (
            [".", "--code-columns", "edge*"],
            "--code-columns, --values, --drop-bad and --out are for your own file with --space.",
        ),
        (["mine.csv", "--space", "no.yaml"], "Expected multires or cell201, or the file of a space. Got no.yaml: No"),
        (["none.csv", "--space", "space.yaml"], "Cannot read none.csv: No such file"),
        (
            ["mine.csv", "--space", "space.yaml", "--codes", "edge*"],
            "Expected 12 columns of the code in mine.csv. Got 9",
        ),
        (["mine.csv", "--space", "space.yaml", "--values", "acc,top1"], "mine.csv has no column 'top1'."),
        (["mine.csv", "--space", "space.yaml", "--values", "acc,acc:min"], "--values must name every column once."),
        (
            ["mine.csv", "--space", "space.yaml", "--out", "mine.csv"],
            "mine.csv is the file to import.",
        ),
        (["mine.csv", "--space", "space.yaml", "--out", "space.yaml"], "space.yaml is not a table"),
    ],
)
def test_imports_that_are_refused(run: Run, own: ncp.Table, tmp_path: Path, arguments: list[str], message: str) -> None:
    assert len(own) == 194
    before = (tmp_path / "mine.csv").read_bytes()
    status, out, err = run("data", "import", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"ncp: {message}")
    assert (tmp_path / "mine.csv").read_bytes() == before
    assert (tmp_path / "space.yaml").read_text() == SPACE


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A space of two dimensions and a file of two rows."""
    (tmp_path / "space.yaml").write_text("c: [8, 16]\nedge: [none, skip]\n")
    (tmp_path / "mine.csv").write_text("c,edge,acc\n8,none,1\n16,skip,2\n")
    return tmp_path


def test_the_output_is_named_after_the_input_and_written_in_the_current_folder(run: Run, small: Path) -> None:
    (small / "data").mkdir()
    (small / "data" / "my.table.csv.gz").write_bytes(gzip.compress((small / "mine.csv").read_bytes()))
    replaces = "ncp: my.table.parquet replaces an earlier file. To keep both, name another file with --out.\n"
    for options, said in (([], ""), (["--drop-bad"], replaces)):
        status, out, err = run(
            *("data", "import", "data/my.table.csv.gz", "--space", "space.yaml", "--values", "acc:min", "--json"),
            *options,
        )
        assert (status, err) == (0, said)
        (document,) = json.loads(out)["tables"]
        assert document["path"] == "my.table.parquet"
        assert (document["rows_in_file"], document["left_out"], document["code_columns"]) == (2, {}, ["c", "edge"])
        assert ncp.load_table("my.table.parquet").minimised == ("acc",)


def test_the_input_and_other_files_are_never_overwritten(run: Run, small: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"c": [8], "edge": ["none"], "acc": [1.0]}), "mine.parquet")
    before = (small / "mine.parquet").read_bytes()
    (small / "link").symlink_to("mine.parquet")
    command = ("data", "import", "mine.parquet", "--space", "space.yaml")
    for options in ([], *(["--out", out] for out in ("mine.parquet", str(small / "mine.parquet"), "link"))):
        status, _, err = run(*command, *options)
        assert (status, "is the file to import. Name another output with --out." in err) == (2, True)
    status, _, err = run("data", "import", "mine.csv", "--space", "space.yaml")
    assert (status, "mine.parquet is not a table, so it is not overwritten" in err) == (2, True)
    assert (small / "mine.parquet").read_bytes() == before
    assert run(*command, "--out", "table.parquet").status == 0
    again = ("data", "import", "table.parquet", "--space", "space.yaml", "--values", "acc", "--out", "again.parquet")
    assert run(*again).status == 0
    assert ncp.load_table("again.parquet").codes.tolist() == ncp.load_table("table.parquet").codes.tolist() == [[8, 0]]


def test_a_table_is_not_replaced_if_rows_are_bad(run: Run, small: Path) -> None:
    command = ("data", "import", "mine.csv", "--space", "space.yaml", "--json")
    assert run(*command).status == 0
    before = (small / "mine.parquet").read_bytes()
    with (small / "mine.csv").open("a") as file:
        file.write("8,none,3\n")
    status, _, err = run(*command)
    assert (status, "row 3: The code is the same as that of row 1." in err) == (2, True)
    assert (small / "mine.parquet").read_bytes() == before
    assert json.loads(run(*command, "--drop-bad").out)["tables"][0]["left_out"] == {"a code repeats": 1}


def test_import_of_the_cells_of_another_benchmark(run: Run, shared: Path) -> None:
    file = shared / "data" / "nats-bench" / "nb201_tasks.csv.gz"
    if not file.exists():
        pytest.skip(f"needs {file}")
    columns = ["cifar10_val", "cifar100_val", "imagenet16_120_val", "lat_help_titan_rtx_1"]
    status, _, err = run(
        *(
            "data",
            "import",
            str(file),
            "--space",
            "cell201",
            "--code-columns",
            "code",
            "--values",
            ",".join(columns) + ":min",
        )
    )
    assert (status, err) == (0, "")
    table = ncp.load_table("nb201_tasks.parquet")
    assert (len(table), table.space, table.columns) == (15625, ncp.CELL201, tuple(columns))
    assert table.minimised == ("lat_help_titan_rtx_1",)
    conv3x3, none = [4] * 6, [1] * 6
    assert table.query(conv3x3)["cifar10_val"] > 90 > 11 > table.query(none)["cifar10_val"]
    assert table.query(conv3x3)["lat_help_titan_rtx_1"] > table.query(none)["lat_help_titan_rtx_1"]
