"""The programs and the notebook of the folder `examples` run as they stand, each in an empty folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = {
    "own_table": "best measured network: ",
    "optuna_sampler": " % mIoU after 8 trials",
    "quickstart": "stride 32: ",
    "train_backbone": "output: (2, 2, 16, 16)",
    "tune_command": "stopped by: trainings; 3 codes trained",
}
"""What each program prints at its end."""


def run(*arguments: str, folder: Path) -> str:
    """What Python prints when it runs a program in a folder; `python` in its commands is this Python."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cells() -> str:
    """The code of the notebook's cells, one after the other."""
    notebook = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))
    return "\n\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_runs(name: str, tmp_path: Path) -> None:
    assert PROGRAMS[name] in run(str(EXAMPLES / f"{name}.py"), folder=tmp_path)


@pytest.mark.slow
def test_notebook_runs(tmp_path: Path) -> None:
    (tmp_path / "cells.py").write_text(cells(), encoding="utf-8")
    run("cells.py", folder=tmp_path)


def test_every_program_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == PROGRAMS.keys()
