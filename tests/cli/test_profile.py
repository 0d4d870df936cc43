"""`ncp profile` as a user types it: one architecture measured, and many to calibrate with."""

import json
import os
import re
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

import ncp
from ncp.extras import has_extra
from ncp.network.profile import STAGE_NAMES, Conditions, processor, profile
from tests.cli.conftest import Run
from tests.latencies import computed, require_memory_once

CODE = "8_16-1_1_1_8-1_2_1_1_16_8-1_3_1_1_1_8_8_24-1_4_1_1_1_1_8_8_8_8-32"
QUICK = ("--image-size", "32x64", "--batch", "2", "--threads", "1")
TORCH = {"runtime": "torch", "precision": "float32"}
CALIBRATE = ("--calibrate", "here.json", "--count", "40", "--image-size", "64", "--threads", "1")


@pytest.fixture(autouse=True)
def memory_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check once for each network and conditions whether the memory suffices."""
    monkeypatch.setattr(Conditions, "require_memory", require_memory_once)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures an architecture in less time than users wait."""
    monkeypatch.setattr("ncp.network.profile.profile", partial(profile, seconds=0.05))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Computes the latencies of a calibration instead of measuring them."""
    monkeypatch.setattr("ncp.network.latency.measure", computed)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where anything is measured."""

    def measure(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("ncp.network.latency.measure", measure)
    monkeypatch.setattr("ncp.network.profile.latency", measure)


@pytest.mark.usefixtures("hasty")
def test_prints_stages_latencies_and_memory(run: Run) -> None:
    status, out, error = run("profile", CODE, "--classes", "7", *QUICK)
    assert (status, error) == (0, "")
    lines = out.splitlines()
    for name in STAGE_NAMES:
        (line,) = (line for line in lines if line.lstrip().startswith(name))
        assert re.search(r"\d\.\d \s*\d\.\d{3} \s*\d+\.\d\d\s*$", line)
    assert "24x2x4" in out.replace(" ", "").split("stage3")[1].splitlines()[0]
    where = lines.index("2 images of 32 x 64 pixels, classification")
    assert lines[where + 1 : where + 3] == ["runtime torch, float32, 1 thread", processor("cpu")]
    assert max(map(len, lines)) <= 80
    for batch in (1, 2):
        assert re.search(
            rf"^batch {batch}: median \d+\.\d\d ms, 90th percentile \d+\.\d\d ms \(\d+ runs\)$", out, re.MULTILINE
        )
    assert re.search(r"^peak memory \(weights and maps\), batch 2: \d\.\d MB$", out, re.MULTILINE)


@pytest.mark.usefixtures("hasty")
def test_json_is_one_document(run: Run) -> None:
    status, out, _ = run("profile", CODE, "--head", "segmentation", "--classes", "7", *QUICK, "--batch", "1", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["code"] == CODE
    conditions = {"task": "segmentation", "classes": 7, "batch": 1, "device": "cpu", "threads": 1, **TORCH}
    assert found["conditions"] == conditions | {"image_size": [32, 64]}
    assert [stage["name"] for stage in found["stages"]] == list(STAGE_NAMES)
    code = ncp.Code.parse(CODE)
    assert sum(stage["macs"] for stage in found["stages"]) == ncp.macs(code, (32, 64), 7, "segmentation").item()
    assert sum(stage["params"] for stage in found["stages"]) == ncp.params(code, 7, "segmentation").item()
    assert found["stages"][-1]["shapes"] == [[1, 7, 8, 16]]
    assert [each["batch"] for each in found["latencies"]] == [1]
    assert found["peak_bytes"] > 4 * ncp.params(code, 7, "segmentation").item()


@pytest.mark.usefixtures("hasty")
def test_an_image_size_without_a_known_cost_is_measured(run: Run) -> None:
    status, out, _ = run("profile", CODE, "--image-size", "20x33", "--batch", "1", "--threads", "1")
    assert status == 0
    (stem,) = (line for line in out.splitlines() if line.lstrip().startswith("stem"))
    assert stem.split()[1:3] == ["16x5x9", "-"]
    assert "1 image of 20 x 33 pixels" in out
    assert out.count("batch 1: median") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("measured")
def test_a_calibration_prints_its_error_and_can_be_repeated(run: Run) -> None:
    status, out, _ = run("profile", *CALIBRATE)
    assert status == 0
    first, second = out.splitlines()
    assert re.fullmatch(
        rf"40 architectures measured in torch, float32, on {re.escape(processor('cpu'))}\. On 8 held-out ones: "
        r"mean absolute error \d+\.\d%, Kendall's tau [01]\.\d{3}\.",
        first,
    )
    assert second == "Written: here.json"
    content = json.loads(Path("here.json").read_text())
    conditions = {"task": "classification", "classes": 50, "image_size": [64, 64], "batch": 1, "device": "cpu"}
    assert content["conditions"] == conditions | {"threads": 1, **TORCH}
    assert len(content["milliseconds"]) == 40
    assert run("profile", *CALIBRATE)[:2] == (0, out)
    assert json.loads(Path("here.json").read_text()) == content
    status, document, _ = run("profile", *CALIBRATE, "--json")
    error = ncp.load_latency("here.json").error
    assert json.loads(document) == {"file": "here.json", "measured": 40, "error": vars(error)}
    assert f"tau {error.tau:.3f}" in out


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give an architecture to measure, or --calibrate FILE to measure many."),
        (
            (CODE, "--calibrate", "here.json"),
            "--calibrate chooses its own architectures. Leave",
        ),
        (
            ("", "--calibrate", "here.json"),
            "--calibrate chooses its own architectures. Leave",
        ),
        (("8_8",), "Expected 31 integers in 6 groups joined by '-'."),
        ((CODE, "--head", "detection"), "--head must be one of classification, segmentation, features, got 'de"),
        (
            (CODE, "--classes", "9999999"),
            "--classes must be an integer, from 1 to 1048576. ",
        ),
        ((CODE, "--image-size", "big"), "--image-size must be a size such as 224 or 512x1024. Got 'big'."),
        ((CODE, "--image-size", "0x32"), "--image-size must be a positive integer. Got 0."),
        (
            (CODE, "--threads", "100000"),
            f"--threads must be at most {os.cpu_count()}, the cores of this machine. Got",
        ),
        ((CODE, "--threads", "1", "--device", "cuda"), "--threads does nothing with --device cuda. Leave it out."),
        ((CODE, "--runtime", "tvm"), "--runtime must be one of torch, onnxruntime, openvino. Got 'tvm'."),
        ((CODE, "--precision", "int8"), "--precision must be float32 or bfloat16. Got 'int8'."),
        (
            (CODE, "--runtime", "onnxruntime", "--precision", "bfloat16"),
            "--precision must be float32 for onnxruntime. Got 'bfloat16'. bfloat16 needs torch or openvino.",
        ),
        ((CODE, "--device", "tpu"), "--device must be cpu or cuda. Got 'tpu'."),
        ((CODE, "--batch", "9999999"), "Images of 128 x 128 pixels, 9999999 at once, do not fit in the memory of "),
        (
            (CODE, "--batch", "1", "--image-size", "999999999"),
            "Images of 999999999 x 999999999 pixels do not fit",
        ),
        ((CODE, "--head", "features", "--classes", "9"), "--classes does nothing with --head features, which has"),
        ((CODE, "--count", "40"), "--count does nothing without --calibrate. Leave it out."),
        (("--calibrate", "here.json", "--head", "x"), "--head must be one of classification, segmentation, features"),
        (
            ("--calibrate", "here.json", "--batch", "99999999"),
            "Images of 128 x 128 pixels, 99999999 at once",
        ),
        (("--calibrate", "here.json", "--codes=39"), "--count must be an integer, 40 or more. Got 39."),
        (("--calibrate", "taken/here.json"), "Cannot write taken/here.json: "),
        (("--calibrate", "taken"), "taken does not hold latencies, or it is damaged: "),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_measured(run: Run, arguments: tuple[str, ...], message: str) -> None:
    Path("taken").touch()
    status, out, error = run("profile", *arguments)
    assert status == 2
    assert error.splitlines()[-1].startswith(f"ncp: {message}")
    assert "Traceback" not in error
    assert out == ""
    assert not Path("here.json").exists()


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_refused(run: Run) -> None:
    status, _, error = run("profile", CODE, "--device", "cuda")
    assert (status, error) == (2, "ncp: --device is cuda, but torch finds no GPU. Use cpu.\n")


@pytest.mark.usefixtures("measured")
def test_a_file_of_other_conditions_is_refused(run: Run) -> None:
    run("profile", *CALIBRATE)
    content = Path("here.json").read_text()
    status, out, error = run("profile", *CALIBRATE, "--batch", "2")
    assert (status, out) == (2, "")
    assert "ncp: here.json holds latencies for " in error
    for other in (("--precision", "bfloat16"), ("--runtime", "onnxruntime")):
        status, out, error = run("profile", *CALIBRATE, *other)
        assert (status, out) == (2, "")
        assert " torch in float32 on " in error
        assert f"{other[1]} on" in error or f"{other[1]} in" in error
    assert Path("here.json").read_text() == content


@pytest.mark.usefixtures("hasty")
def test_another_runtime_computes_whole_networks_only(run: Run) -> None:
    if not has_extra("openvino"):
        pytest.skip("needs the extra openvino")
    status, out, error = run("profile", CODE, *QUICK, "--runtime", "openvino")
    lines = out.splitlines()
    assert (status, error) == (0, "")
    assert "runtime openvino, float32, 1 thread" in lines
    assert not re.search(r"\bms\b", lines[0])
    assert "peak memory" not in out
    (stem,) = (line for line in lines if line.lstrip().startswith("stem"))
    assert stem.split()[1] == "16x8x16"
    assert out.count(": median ") == 2


@pytest.mark.usefixtures("unmeasured")
def test_a_runtime_that_is_not_installed_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    message = "The runtime openvino needs openvino. Install the extra: pip install 'ncp-nas[openvino]'."
    for arguments in ((CODE,), ("--calibrate", "here.json")):
        assert run("profile", *arguments, "--runtime", "openvino") == (2, "", f"ncp: {message}\n")
    assert not Path("here.json").exists()
