"""Random arguments: every command ends with status 0, or with a message and status 2, never with a traceback."""

import random
from pathlib import Path
from typing import Any

import pytest
import typer

import ncp
from ncp.cli import app
from tests.cli.conftest import Run
from tests.predictors.fitted import COLUMNS, MIXED, fitted, rows

CODE = "16_112-1_1_2_128-1_2_1_4_128_120-1_3_1_2_4_128_128_128-2_4_2_4_1_4_96_128_128_56-128"
SIMULATIONS = ("--queries", "2", "--seeds", "2", "--workers", "1")
FEW = ("--starts", "2", "--steps", "2", "--predictor", "own.safetensors")

COMMANDS: dict[str, tuple[str, ...]] = {
    "search": ("--tasks", "seg", *FEW),
    "pareto": ("--tasks", "seg,video", "--top", "3", *FEW),
    "compare": (*("--table", "mine.parquet", "--tasks", "seg", "--searchers", "random"), *SIMULATIONS),
    "tune": ("--task", "task.yaml"),
    "query": (CODE, "--predictor", "own.safetensors"),
    "cost": (CODE,),
    "draw": (CODE, "-o", "net.svg"),
    "export": (CODE, "--format", "torch", "--image-size", "32", "-o", "net.pt2"),
    "train-predictor": ("--config", "train.yaml"),
    "report": ("out/result.json", "-o", "page.html"),
    "task show": ("task.yaml",),
    "task check": ("task.yaml",),
    "data list": (),
    "data check": (),
    "data cache": (),
    "data import": ("mine.csv", "--space", "mine.yaml"),
}
HEAVY = {"pareto", "export", "train-predictor", "report", "search", "draw"}

TEXTS = [
    *("", " ", "-1", "0", "1", "2", "1.5", "nan", "inf", "1e999", "9" * 40, "x", "seg", "seg:2", "seg:x", "seg=1"),
    *("seg,seg", "{field}", "{0}", "[/]", "[red]", "\x1b[2J", "$\\frac$", "b1", "64x64", "32", "cpu", CODE, "b" * 300),
    *(".", "..", "/dev/null", "none/deep.json", "own.safetensors", "mine.parquet", "mine.csv", "train.yaml", "out"),
    *("page.html", "net.svg", "random", "continuous", "cell201", "classification", "é", "--seed", "-"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files that commands read."""
    folder = tmp_path_factory.mktemp("files")
    fitted("ensemble").save(folder / "own.safetensors")
    codes, values = rows("mixed", 40)
    table = ncp.Table(MIXED, codes, values, COLUMNS)
    table.to_parquet(folder / "mine.parquet")
    (folder / "mine.yaml").write_text("width: [8, 16]\nop: [skip, conv]\n")
    (folder / "mine.csv").write_text("width,op,acc\n8,skip,1.5\n16,conv,2.5\n")
    (folder / "train.yaml").write_text(
        "data: {table: mine.parquet}\nsplit: {test_size: 0.3}\npredictor: {kind: ensemble}\n"
        "optimization: {epochs: 1, members: 2}\noutput: {folder: trained}\n"
    )
    (folder / "task.yaml").write_text("kind: classification\ndata: {path: none}\n")
    return folder


def options(name: str) -> list[Any]:
    """The options of a command, except --help."""
    command: Any = typer.main.get_command(app)
    for part in name.split():
        command = command.commands[part]
    found = [each for each in command.params if each.param_type_name == "option" and "--help" not in each.opts]
    assert found
    return found


def changed(name: str, rng: random.Random) -> list[str]:
    """The arguments of a command with random values for some options, and sometimes for an argument."""
    arguments = list(COMMANDS[name])
    every = options(name)
    for option in rng.sample(every, k=min(len(every), rng.choice([1, 1, 2, 3]))):
        arguments += [option.opts[-1]] if option.is_flag else [option.opts[-1], rng.choice(TEXTS)]
    if arguments and rng.random() < 0.3:
        arguments[rng.randrange(len(arguments))] = rng.choice(TEXTS)
    return arguments


def with_junk(run: Run, files: Path, name: str, tries: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)  # noqa: S311
    for _ in range(tries):
        for file in files.iterdir():
            Path(file.name).write_bytes(file.read_bytes())
        monkeypatch.setenv("COLUMNS", rng.choice(["80", "200"]))
        arguments = changed(name, rng)
        try:
            ran = run(*name.split(), *arguments)
        except BaseException as error:
            error.add_note(f"ncp {name} {arguments}")
            raise
        summary = f"ncp {name} {arguments}: {ran}"
        assert ran.status in (0, 2), summary
        assert "Traceback" not in ran.out + ran.err, summary
        assert "\x1b[2J" not in ran.out + ran.err, summary
        if ran.status == 2:
            assert ran.err.strip(), summary


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in HEAVY])
def test_only_messages_come_out(run: Run, files: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_junk(run, files, name, 5, 0, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_only_messages_come_out_of_many_tries(
    run: Run, files: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_junk(run, files, name, 12 if name in HEAVY else 60, 1, monkeypatch)
