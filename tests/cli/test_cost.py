"""`ncp cost` as a user types it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ncp import Code, macs, params
from ncp.cost import Counting
from tests.cli.conftest import Run

TEXT = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64"
CODE = Code.parse(TEXT)
SETTING = json.dumps(CODE.setting)


def test_the_installed_command() -> None:
    command = Path(sys.executable).with_name("ncp")
    ran = subprocess.run([command, "cost", TEXT], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == (
        f"{macs(CODE).item() / 1e9:.3f} GMACs ({macs(CODE).item():,}) at 128 x 128 pixels, 50 classes, classification\n"
        f"{params(CODE).item() / 1e6:.2f} M params ({params(CODE).item():,})\n"
    )
    assert not ran.stderr


@pytest.mark.parametrize("written", [TEXT, json.dumps(CODE.vector), SETTING, f" {SETTING}\n"])
def test_the_three_forms_print_the_same(run: Run, written: str) -> None:
    assert (run("cost", written).status, run("cost", written).out) == (0, run("cost", TEXT).out)


@pytest.mark.parametrize("written", [TEXT, json.dumps(CODE.vector), SETTING])
@pytest.mark.parametrize(
    ("options", "size", "classes"),
    [
        ([], [128, 128], 50),
        (["--image-size", "224", "--classes", "1000"], [224, 224], 1000),
        (["--image-size", "512x1024", "--classes", "19"], [512, 1024], 19),
        (["--image-size=512X1024"], [512, 1024], 50),
    ],
)
def test_json_for_programs(run: Run, written: str, options: list[str], size: list[int], classes: int) -> None:
    ran = run("cost", written, "--json", *options)
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out) == {
        "code": TEXT,
        "image_size": size,
        "classes": classes,
        "task": "classification",
        "macs": macs(CODE, (size[0], size[1]), classes).item(),
        "params": params(CODE, classes).item(),
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TEXT.replace("96", "97")], "Expected a multiple of 8 from 8 to 128 for i1. Got 97."),
        (
            [TEXT[:-3]],
            f"Expected 31 integers in 6 groups joined by '-'. Got 30 in 5 groups in '{TEXT[:-3]}'. "
            "The groups must have 2, 4, 6, 8, 10 and 1 integers. These have 2, 4, 6, 8, 10.",
        ),
        (
            ["abc"],
            "Expected 31 integers in 6 groups joined by '-'. Got 'abc'. "
            "Write '_' within a group, and digits without spaces, signs or leading zeros.",
        ),
        (["[1, 2]"], "Expected 27 integers, or the 31 of a text. Got 2 in [1, 2]."),
        (["[NaN]"], "Expected an integer at position 0 of the vector. Got nan."),
        (["[8.0]"], "Expected an integer at position 0 of the vector. Got 8.0."),
        (["[true]"], "Expected an integer at position 0 of the vector. Got True."),
        (
            ["[1"],
            "Expected a code's vector or setting as JSON. Got '[1': Expecting ',' delimiter: line 1 column 3 (char 2).",
        ),
        (["{}"], "Expected a setting with the keys input_channel, network_setting and last_channel. Got []."),
        (
            ['{"last_channel": 8, "last_channel": 8}'],
            "Expected a setting with the keys input_channel, network_setting and last_channel. "
            "Got ['last_channel', 'last_channel'].",
        ),
        (
            [SETTING.replace("[1, [1], [48]]", "[1, [1], [48]], [1, [1], [56]]")],
            "Expected module 2 to repeat its stage, [1, [1], [48]]. Got [1, [1], [56]]. "
            "A code needs equal modules within every stage.",
        ),
        ([TEXT, "--image-size", "big"], "--image-size must be a size such as 224 or 512x1024. Got 'big'."),
        ([TEXT, "--image-size", "224x"], "--image-size must be a size such as 224 or 512x1024. Got '224x'."),
        (
            [TEXT, "--image-size", "100"],
            "--image-size must be a multiple of 32 from 32 to 65536, or a pair of them. Got (100, 100).",
        ),
        (
            [TEXT, "--classes", "2000000"],
            "--classes must be an integer, from 1 to 1048576. Got 2000000.",
        ),
    ],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_bad_input_is_one_message_and_exit_status_2(
    run: Run, arguments: list[str], message: str, as_json: list[str]
) -> None:
    ran = run("cost", *arguments, *as_json)
    assert (ran.status, ran.out, ran.err) == (2, "", f"ncp: {message}\n")


@pytest.mark.parametrize("written", ["[" * 100_000, f"[{'9' * 5000}]", "[Infinity]", "[[[]]]", "{", '{"a": {"b": 1}}'])
def test_strange_json_gives_no_traceback(run: Run, written: str) -> None:
    ran = run("cost", written)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("ncp: Expected ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], [TEXT, "--classes", "many"], [TEXT, "--nonsense"], [TEXT, TEXT]])
def test_a_mistake_in_the_command_line_is_exit_status_2(run: Run, arguments: list[str]) -> None:
    ran = run("cost", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert re.match(r"Usage: .*ncp cost \[OPTIONS\] \{?CODE", ran.err)
    assert "Traceback" not in ran.err


def test_help(run: Run) -> None:
    ran = run("cost", "--help")
    assert ran.status == 0
    assert "Print the exact multiply-adds and parameters of an architecture." in ran.out
    assert all(option in ran.out for option in ("CODE", "--image-size", "--classes", "--json"))


def test_a_task_decides_size_head_and_classes(run: Run) -> None:
    for name in ("red", "green", "blue"):
        for split in ("train", "val"):
            Path(f"pictures/{split}/{name}").mkdir(parents=True)
            Path(f"pictures/{split}/{name}/1.png").touch()
            Path(f"pictures/{split}/{name}/1.mp4").touch()
    written = "kind: {kind}\ndata: {{path: pictures}}\nrecipe: {{image_size: {size}}}\n"
    Path("pictures.yaml").write_text(written.format(kind="classification", size=64))
    Path("clips.yaml").write_text(written.format(kind="video", size=96))
    Path("uneven.yaml").write_text(written.format(kind="classification", size=70))
    expected = Counting(64, 3)
    assert run("cost", TEXT, "--task", "pictures.yaml").out.splitlines() == [
        f"{expected.macs(CODE).item() / 1e9:.3f} GMACs ({expected.macs(CODE).item():,}) "
        "at 64 x 64 pixels, 3 classes, classification",
        f"{expected.params(CODE).item() / 1e6:.2f} M params ({expected.params(CODE).item():,})",
    ]
    read = json.loads(run("cost", TEXT, "--task", "clips.yaml", "--json").out)
    of_clips = Counting(96, 3, frames=read["frames"])
    assert (read["macs"], read["params"]) == (of_clips.macs(CODE).item(), of_clips.params(CODE).item())
    assert read["frames"] > 1
    assert f" and {read['frames']} frames, 3 classes" in run("cost", TEXT, "--task", "clips.yaml").out
    for options, message in {
        ("uneven.yaml",): "The costs of uneven.yaml are not counted, since its images do not shrink evenly. "
        "Choose a height and a width that are multiples of 32.",
        ("pictures.yaml", "--classes", "3"): "--task decides image size, head and classes. "
        "Leave out --image-size, --head and --classes.",
    }.items():
        assert run("cost", TEXT, "--task", *options) == (2, "", f"ncp: {message}\n")


@pytest.mark.parametrize("task", ["segmentation", "features"])
def test_the_head_decides(run: Run, task: Any) -> None:
    ran = run(
        "cost",
        TEXT,
        "--head",
        task,
        *(["--classes", "19"] if task != "features" else []),
        "--image-size",
        "64x96",
        "--json",
    )
    read = json.loads(ran.out)
    assert read["task"] == task
    assert read["macs"] == macs(CODE, (64, 96), 19, task).item()
    assert read["params"] == params(CODE, 19, task).item()


def test_another_head_is_refused(run: Run) -> None:
    ran = run("cost", TEXT, "--head", "seg")
    assert (ran.status, ran.err) == (
        2,
        "ncp: --head must be one of classification, segmentation, features, got 'seg'.\n",
    )
