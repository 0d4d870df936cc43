"""`ncp search` with the predictors that ship with the package."""

import json
from pathlib import Path

import pytest

import ncp
from ncp.errors import counted
from ncp.network.latency import FORMAT
from tests.cli.conftest import Run
from tests.latencies import latency_model

QUICK = ("--starts", "8", "--steps", "8", "--top", "3")
SMALL = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
FREEZE = ("--origin", SMALL, "--freeze", ",".join(ncp.MULTIRES.names[5:]))


def calibrated(path: str, machine: str | None = None) -> None:
    """Write a calibration file of this machine, or of another one."""
    model = latency_model()
    known = {str(ncp.Code(code.tolist())): [ms] for code, ms in zip(model.codes, model.milliseconds, strict=True)}
    document = {"format": FORMAT, "machine": machine or model.machine, "conditions": vars(model.conditions)}
    Path(path).write_text(json.dumps(document | {"milliseconds": known}))


def test_finds_codes_within_the_budget_and_writes_them(run: Run) -> None:
    status, out, _ = run("search", "--tasks", "seg,cls-50-1000,video:2", "--max-gmacs", "2", *QUICK, "--json")
    result = json.loads(out)
    assert status == 0
    assert result == json.loads(Path("out/result.json").read_text())
    assert result["provenance"]["weights"] == {"seg": 1.0, "cls-50-1000": 1.0, "video": 2.0}
    assert len(result["rows"]) == 3
    for row in result["rows"]:
        assert ncp.macs(ncp.Code.parse(row["code"])).item() == row["macs"] <= 2e9
        assert {value["source"] for value in row["predicted"].values()} == {"predictor"}
        assert {value["source"] for value in row["verified"].values()} == {"judge"}
    assert Path("out/search.svg").read_text().startswith("<?xml")
    assert f"<title>{result['provenance']['run']}</title>" in Path("out/search.svg").read_text()
    assert json.loads(Path("out/trace.json").read_text())["run"] == result["provenance"]["run"]


@pytest.mark.slow
def test_minimum_values_are_kept(run: Run) -> None:
    minimums = ("--at-least", "seg/mIoU=60,seg/mAcc=68")
    status, out, _ = run("search", "--tasks", "video", *minimums, "--max-gmacs", "1", *QUICK, "--json")
    assert status == 0
    for row in json.loads(out)["rows"]:
        assert row["predicted"]["seg/mIoU"]["mean"] >= 60
        assert row["predicted"]["seg/mAcc"]["mean"] >= 68
    status, _, err = run("search", "--tasks", "video", "--at-least", "seg>99", *QUICK)
    assert status == 2
    assert "--at-least must look like seg/mIoU=76, each column once, got 'seg>99'." in " ".join(err.split())


@pytest.mark.slow
def test_prints_every_value_in_full_with_its_source(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run("search", "--tasks", "seg,cls-50-1000,video,3ddet", "--max-gmacs", "2", *QUICK)
    assert status == 0
    lines = out.splitlines()
    for row in json.loads(Path("out/result.json").read_text())["rows"]:
        values = [*row["predicted"].values(), *row["verified"].values()]
        numbers = [f"{value['mean']:.2f} ±{value['std']:.2f}" for value in values]
        numbers += [
            f"{row['predicted_score']:.2f}",
            f"{row['verified_score']:.2f}",
            f"{row['macs'] / 1e9:.3f}",
            f"{row['params'] / 1e6:.2f}",
        ]
        for number in numbers:
            assert any(f" {number} " in f"{line} " for line in lines)
        assert any(line.endswith(row["code"]) for line in lines)
    for text in ("seg/mIoU", "cls-50-1000/top1", "GMACs", "M params", "score", "predictor", "judge"):
        assert text in out
    assert "Written: out/result.json, out/trace.json, out/search.svg" in lines


def test_a_bound_on_latency_is_kept_and_printed_with_what_was_measured(run: Run) -> None:
    calibrated("here.json")
    arguments = ("search", "--tasks", "seg", "--max-latency-ms", "3", "--latency", "here.json", *FREEZE)
    arguments += ("--starts", "2", "--steps", "2", "--top", "1")
    status, out, _ = run(*arguments)
    assert status == 0
    for text in (
        "latency",
        "predictor",
        "judge, measured",
        "Costs are exact, for 64 x 64 pixels, 50 classes, classification.",
        "Latencies are of torch in float32, 1 x 64 x 64 pixels, 1 thread.",
        "±",
        "Written: out/result.json, out/trace.json, out/search.svg",
    ):
        assert text in out
    result = json.loads(Path("out/result.json").read_text())
    assert (result["provenance"]["max_latency_ms"], result["provenance"]["latency_of"]["image_size"]) == (3.0, [64, 64])
    model = ncp.load_latency("here.json")
    for row in result["rows"]:
        predicted, measured = row["predicted"]["latency [ms]"], row["verified"]["latency [ms]"]
        assert (predicted["source"], measured["source"]) == ("predictor", "measured")
        assert predicted["mean"] == pytest.approx(model(row["vector"]).item())
        assert predicted["mean"] <= 3
        assert row["macs"] == ncp.macs(row["vector"], 64).item()  # counted for the networks that were measured
        assert 0 < measured["mean"] < float("inf")
        for value in (predicted, measured):
            assert f"{value['mean']:.2f} ±{value['std']:.2f}" in out
    assert Path("out/search.svg").read_text().startswith("<?xml")


def test_the_budget_counts_at_the_given_image_size(run: Run) -> None:
    arguments = (
        "--tasks",
        "seg",
        "--max-gmacs",
        "20",
        "--image-size",
        "512x1024",
        "--classes",
        "19",
        *QUICK,
        *FREEZE,
        "--json",
    )
    _, out, _ = run("search", *arguments)
    for row in json.loads(out)["rows"]:
        assert ncp.macs(row["vector"], (512, 1024), 19).item() == row["macs"] <= 20e9


ADVICE = "The head of a segmentation network costs more; --head segmentation counts it in the budget."


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ("--tasks video,seg --max-gmacs 1", 1),
        ("--tasks video --at-least seg/mAcc=1 --max-gmacs 1", 1),
        ("--tasks video --max-gmacs 1", 0),
        ("--tasks seg", 0),
        ("--tasks seg --max-gmacs 1 --head classification", 0),
        ("--tasks seg --max-gmacs 1 --json", 0),
        ("--tasks seg --max-gmacs 1 --max-latency-ms 9 --latency here.json", 0),
    ],
)
def test_a_budget_for_segmentation_without_its_head_is_remarked_once(run: Run, options: str, advice: int) -> None:
    calibrated("here.json")
    status, out, error = run("search", *options.split(), *FREEZE, "--starts", "2", "--steps", "2", "--top", "1")
    assert (status, out.count(ADVICE), error.count(ADVICE)) == (0, advice, 0)


def test_the_head_of_segmentation_costs_more() -> None:
    assert ncp.macs(SMALL, task="segmentation").item() > ncp.macs(SMALL).item()


@pytest.mark.slow
def test_frozen_dimensions_keep_the_origins_values(run: Run) -> None:
    code = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64"
    _, out, _ = run("search", "--tasks", "video", "--origin", code, "--freeze", "i1,b4,o", *QUICK, "--json")
    kept = [ncp.MULTIRES.names.index(name) for name in ("i1", "b4", "o")]
    for row in json.loads(out)["rows"]:
        assert [row["vector"][k] for k in kept] == [96, 4, 64]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--tasks", "seg", "--max-gmacs", "0.005"),
            "--max-gmacs = 0.005 is below the cost of every code. Raise --max-gmacs to at least 0.01085.",
        ),
        (
            ("--tasks", "sge"),
            "--tasks has no task or column 'sge'. Did you mean 'seg'?",
        ),
        (("--tasks", "seg:much"), "The weight of 'seg' must be a number, got 'much'."),
        (("--tasks", "seg,seg"), "--tasks must name tasks such as seg,video:2, each once, got 'seg,seg'."),
        (("--tasks", "seg", "--max-gmacs", "0"), "--max-gmacs must be a positive number. Got 0."),
        (
            ("--tasks", "seg", "--strategy", "greedy"),
            "--strategy must be one of continuous, winner-takes-all, paper. Got 'greedy'.",
        ),
        (
            ("--tasks", "seg", "--freeze", "b1"),
            "--freeze keeps the values of --origin: give a code there.",
        ),
        (
            ("--tasks", "seg", "--predictor", "none.safetensors"),
            "There is no predictor file none.safetensors, and the name is not nas-bench-mr. "
            "Train one: ncp train-predictor --table TABLE.",
        ),
        (
            ("--tasks", "seg", "--max-latency-ms", "5"),
            "--max-latency-ms needs a latency model of this machine. Run ncp profile --calibrate FILE once, then a",
        ),
        (
            ("--tasks", "seg", "--max-latency-ms", "5", "--latency", "none.json"),
            "Cannot read latencies from none.json: No such file or directory. Measure them with ncp profile",
        ),
        (
            ("--tasks", "seg", "--max-latency-ms", "5", "--latency", "taken.json"),
            "taken.json does not hold latencies, or it is damaged: ",
        ),
        (
            ("--tasks", "seg", "--max-latency-ms", "5", "--latency", "there.json"),
            "The latency model is for Abacus 3000, but this machine has ",
        ),
        (
            ("--tasks", "seg", "--max-latency-ms", "0.01", "--latency", "here.json"),
            "--max-latency-ms = 0.01 is below the cost of every code.",
        ),
        (
            ("--tasks", "seg", "--max-latency-ms", "5", "--latency", "here.json", "--image-size", "128"),
            "--latency was measured at 64 x 64 pixels, but --image-size is 128 x 128 pixels. Leave",
        ),
        (
            ("--tasks", "seg", "--max-latency-ms", "5", "--latency", "here.json", "--head", "features"),
            "--latency was measured with the head classification, but --head is features. Leave out --head, or",
        ),
        (
            ("--tasks", "seg", "--latency", "here.json"),
            "--latency does nothing without --max-latency-ms. Add",
        ),
        (
            ("--tasks", "seg", "--max-changes", "3"),
            "--max-changes does nothing without --from. Add",
        ),
        (("--tasks", "seg", "--report", "page.pdf"), "--report must end in .html or .htm, got 'page.pdf'."),
        (("--tasks", "seg", "--report", "."), "Cannot write .: it is a folder. Name a file in it."),
        (
            ("--tasks", "seg", "--out", "taken.json"),
            "Cannot write taken.json: ",
        ),
        (("--tasks", "seg", "--out", "taken.json/out"), "Cannot write taken.json/out: "),
        (("--tasks", "seg", "--image-size", "100"), "--image-size must be a multiple of 32"),
    ],
)
def test_bad_input_is_one_message(run: Run, arguments: tuple[str, ...], message: str) -> None:
    calibrated("here.json")
    calibrated("there.json", "Abacus 3000")
    Path("taken.json").touch()
    status, out, error = run("search", *arguments)
    assert status == 2
    assert f"ncp: {message}" in error
    assert "Traceback" not in error
    assert out == ""
    assert not Path("out").exists()


def test_fewer_codes_than_asked_for_are_explained(run: Run) -> None:
    asked = ("search", "--tasks", "seg", "--max-gmacs", "1", "--starts", "4", "--steps", "4")
    lines = run(*asked, "--top", "50").out.splitlines()
    rows = json.loads(Path("out/result.json").read_text())["rows"]
    said = f"{counted(len(rows), 'code')} instead of 50: the others that were found are much like one of these "
    assert sum(line.startswith(said) for line in lines) == 1
    for k, row in enumerate(rows[1:], start=1):  # by one column no code is better than a better one
        assert all(row["macs"] < 0.9 * better["macs"] for better in rows[:k])
    assert " instead of " not in run(*asked, "--top", "2").out


def test_edits_a_code_with_few_changes(run: Run) -> None:
    wanted = ("search", "--tasks", "video", "--from", SMALL, "--max-changes", "2", *QUICK)
    status, out, _ = run(*wanted)
    assert status == 0
    lines = [line.strip() for line in out.splitlines() if " change: " in line or " changes: " in line]
    result = json.loads(Path("out/result.json").read_text())
    assert len(lines) == len(result["rows"])
    origin = ncp.Code.parse(SMALL).vector
    for line, row in zip(lines, result["rows"], strict=True):
        differ = [
            f"{name} {before} -> {after}"
            for name, before, after in zip(ncp.MULTIRES.names, origin, row["vector"], strict=True)
            if before != after
        ]
        assert 1 <= len(differ) <= 2
        assert line.startswith(f"{counted(len(differ), 'change')}: {', '.join(differ)}; score +")
    for more, message in (
        (("--origin", SMALL), "--from and --origin both name the code to start from. Leave one of them out."),
        (("--max-changes", "0"), "Invalid value for '--max-changes': "),
    ):
        status, _, error = run(*wanted, *more)
        assert (status, message in error) == (2, True)
