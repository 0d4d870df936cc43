"""`ncp train` as a user types it."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import ncp
from tests.cli.conftest import Run
from tests.tasks.tiny import streets
from tests.training.pictures import CODE, picture_task, write_pictures


def written(**recipe: object) -> None:
    """A task file `colours.yaml` and its data, in the current folder."""
    write_pictures(Path("data"), train=4, val=2)
    Path("colours.yaml").write_text(picture_task(Path("data"), **recipe).to_yaml())


def test_a_training_is_shown_and_then_not_repeated(run: Run) -> None:
    written(epochs=2)
    command = ("train", CODE, "--task", "colours.yaml", "--threads", "1")
    ran = run(*command)
    assert (ran.status, ran.err) == (0, "")
    first, few, coarse, *lines = ran.out.splitlines()
    assert first == "colours: 12 samples to train on and 6 to evaluate on, 2 steps, 1 per epoch."
    assert few.startswith("These are few steps to learn from.")
    assert coarse == "Metrics will be coarse, because only 6 samples will be evaluated."
    assert [re.sub(r"[\d.]+", "N", line) for line in lines[:2]] == ["epoch N: loss N, topN N, N s"] * 2
    assert [line.split()[0] for line in lines[4:6]] == ["top1", "top5"]
    assert lines[6].startswith("2 steps in ")
    [folder] = Path("runs").iterdir()
    assert lines[-1] == f"Written: {folder}, {folder}/weights.safetensors"
    again = run(*command)
    assert again.out.splitlines()[4:] == lines[3:]  # one line of the curve that is there
    document = json.loads(run(*command, "--json").out)
    assert (document["run"], document["status"]) == (folder.name, "done")
    assert document["metrics"] == ncp.Run(folder).metrics


def test_a_training_that_fails_has_the_status_1(run: Run) -> None:
    written(optimiser={"lr": 1e30})
    command = ("train", CODE, "--task", "colours.yaml", "--threads", "1")
    ran = run(*command, "--json")
    assert ran.status == 1
    document = json.loads(ran.out)
    assert (document["status"], document["reason"]) == ("failed", "diverged")
    assert "Failed: diverged (the loss is not finite at step" in run(*command).out


def test_mistakes_are_found_before_the_data_is_read(run: Run) -> None:
    written()
    Path("data").rename("elsewhere")  # whoever reads it fails
    for arguments, message in (
        (["1_2-3"], "ncp: "),
        ([CODE, "--device", "gpu"], "ncp: --device gpu cannot be used"),
    ):
        ran = run("train", *arguments, "--task", "colours.yaml")
        assert ran.status == 2
        assert "elsewhere" not in ran.err
        assert "no folder" not in ran.err
        assert ran.err.replace("'", "").startswith(message)


def test_a_metric_that_is_not_defined_is_a_dash(run: Run, tmp_path: Path) -> None:
    """No car of the scenes counts as easy, so its average precision is not defined."""
    recipe = streets(tmp_path / "scenes") | {"epochs": 1}
    for path in (tmp_path / "scenes" / "training" / "label_2").iterdir():
        path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines() if not line.startswith("Car")))
    task = {"kind": "detection3d", "data": {"path": "scenes"}, "recipe": recipe}
    Path("cars.yaml").write_text(yaml.safe_dump(task))
    ran = run("train", CODE, "--task", "cars.yaml", "--threads", "1")
    assert (ran.status, ran.err) == (0, "")
    assert "moderate -, " in ran.out
    assert re.search(r"^easy +- +-", ran.out, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.alone
def test_a_file_gets_what_is_printed_though_the_bar_is_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(epochs=2)
    main, terminal = pty.openpty()
    command = "import sys; sys.argv = ['ncp', *sys.argv[1:]]; from ncp.cli import main; main()"
    with Path("out.txt").open("wb") as out:
        subprocess.run(  # noqa: S603
            [sys.executable, "-c", command, "train", CODE, "--task", "colours.yaml", "--threads", "1"],
            stdout=out,
            stderr=terminal,
            env=os.environ | {"NCP_CACHE": str(tmp_path / "cache"), "TERM": "xterm"},
            check=True,
        )
    os.close(terminal)
    os.close(main)
    assert Path("out.txt").read_text().splitlines()[3].startswith("epoch 1: loss")
