"""The programs and commands in the documents run as written, links lead to files, and results are described."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

import ncp
from benchmarks.table import pages
from ncp.cli import app
from tests.training.pictures import CODE, write_pictures

ROOT = Path(__file__).parents[1]
WITH_PYTHON = ("README.md", "docs/method.md", "docs/data.md")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "src/ncp/assets/*.md")
    for path in ROOT.glob(pattern)
)


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of a document in a language; an empty language means blocks without one."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for tag, block in found if tag == language]


PROGRAMS = [
    pytest.param(block, id=f"{name}-{n}") for name in WITH_PYTHON for n, block in enumerate(blocks(name, "python"))
]
PROGRAMS.append(pytest.param(blocks("docs/network.md", "python")[0], id="docs/network.md-0"))
ANSWERS = ('{"roads/mIoU": code.vector[0] / 2, "clips/top1": code.vector[1] / 2}', "code.vector[0] / 2")
TRAINING = [  # what a user of tune.md trains stands for anything; four trainings are enough
    pytest.param(f"def train_it(code):\n    return {answer}\n\n" + block.replace("32", "4"), id=f"docs/tune.md-{n}")
    for n, (block, answer) in enumerate(zip(blocks("docs/tune.md", "python"), ANSWERS, strict=True))
]
NUMBERS = re.compile(r"±|\d\.\d")
"""In lines whose last digits may differ between machines."""
NCP = [sys.executable, "-m", "ncp"]
COMMANDS = [
    pytest.param(line, id=line.split("#")[0].strip())
    for name in DOCUMENTS
    for block in blocks(name, "")
    for line in block.splitlines()
    if line.startswith("ncp ")
]


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS + TRAINING)
def test_python_runs(program: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    environment = dict(os.environ)
    if "load_table(" in program:
        environment["NCP_CACHE"] = str(request.getfixturevalue("imported"))
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_walk_through_of_an_own_table_is_what_happens(tmp_path: Path) -> None:
    """The commands of own-table.md print what the page shows, apart from lines with decimals."""
    page = "docs/own-table.md"
    (tmp_path / "space.yaml").write_text(blocks(page, "yaml")[0])
    printed = typed([sys.executable, str(ROOT / "examples/own_table.py")], tmp_path)
    for block in blocks(page, ""):
        lines = block.splitlines()
        if lines[0].startswith("ncp "):
            printed = "".join(typed([*NCP, *shlex.split(line, comments=True)[1:]], tmp_path) for line in lines)
        else:
            shown = [line for line in lines if not NUMBERS.search(line)]
            assert [line for line in shown if line not in printed.splitlines()] == []


@pytest.mark.slow
def test_the_commands_of_trainings_run(tmp_path: Path) -> None:
    """They run on a few small pictures, which stand for every task, and on the smallest network."""
    page = "docs/trainings.md"
    write_pictures(tmp_path / "flowers")
    for name in ("flowers", "roads", "clips"):
        quick = "recipe: {epochs: 1, batch: 8, image_size: 32}\n"
        (tmp_path / f"{name}.yaml").write_text(blocks(page, "yaml")[0] + quick)
    (tmp_path / "codes.txt").write_text(f"{CODE}\n")
    first, train, build, *programs = blocks(page, "")
    shorter = {"CODE": CODE, "200": "24", "--max-gmacs 1": "--max-gmacs 0.1", "--seeds 2": "--seeds 1"}
    for line in (*first.splitlines(), *build.splitlines()):
        run = next((path.name for path in tmp_path.glob("runs/*")), "")
        for long, short in {**shorter, "ID": run}.items():
            line = line.replace(long, short)
        typed([*NCP, *shlex.split(line, comments=True)[1:]], tmp_path)
    for block in (train, *programs):  # in a main program, as workers import it
        definitions, _, rest = block.rpartition("\n\n") if "def " in block else ("", "", block)
        main = "".join(f"    {line}\n" for line in rest.splitlines())
        begin = f"import ncp\ncode = {CODE!r}\ncodes = [code]\n{definitions}\n"
        (tmp_path / "program.py").write_text(f"{begin}if __name__ == '__main__':\n{main}")
        typed([sys.executable, "program.py"], tmp_path)


@pytest.mark.slow
def test_a_program_of_ones_own_trains_as_trainings_says(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(blocks("docs/trainings.md", "yaml")[1])
    (tmp_path / "train.py").write_text(
        "import json, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])\n"
        "(folder / 'metrics.json').write_text(json.dumps({'mIoU': 71.2, 'latency': 3.5}))\n"
    )
    (tmp_path / "codes.txt").write_text(f"{CODE}\n")
    typed([*NCP, "build", "--task", "mine.yaml", "--codes", "codes.txt", "--out", "study"], tmp_path)
    table = ncp.Table.from_parquet(tmp_path / "study/table.parquet")
    assert (table.columns, table.minimised) == (("mine/mIoU", "mine/latency"), ("mine/latency",))
    assert table.values.tolist() == [[71.2, 3.5]]


@pytest.mark.slow
def test_the_three_commands_of_the_readme_run(tmp_path: Path) -> None:
    """The first prints the code that the README shows and that the second draws."""
    first, shown = blocks("README.md", "")[1:3]
    search, *others = (shlex.split(line)[1:] for line in first.splitlines())
    code = shown.splitlines()[-1].split()[-1]
    assert code in typed([*NCP, *search], tmp_path)
    assert others[0][-1] == code
    for words in others:
        typed([*NCP, *words], tmp_path)


def typed(words: list[str], folder: Path) -> str:
    """What a command prints on a terminal of 80 columns."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # `python` is this Python
    environment = os.environ | {"COLUMNS": "80", "PATH": path}
    done = subprocess.run(  # noqa: S603
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = get_command(app)
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"there is no command {words[0]} in: {line}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert target.startswith("https://") or (ROOT / name).parent.joinpath(target).exists(), target


def test_every_result_names_a_described_module_and_its_circumstances() -> None:
    described = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    for name, entry in json.loads((ROOT / "benchmarks/results.json").read_text(encoding="utf-8")).items():
        module = name.partition("/")[0]
        assert (ROOT / f"benchmarks/{module}.py").exists()
        assert f"| `{module}` |" in described
        assert {"date", "commit", "machine", "versions", "threads"} <= entry.keys()
        assert not {key for key in keys(entry["value"]) if not re.fullmatch("[a-z0-9_-]+", key)}


def test_pages_show_the_results_as_they_are() -> None:
    for page, text in pages().items():
        assert page.read_text(encoding="utf-8") == text, f"run python -m benchmarks.table to remake {page.name}"


def keys(value: object) -> list[str]:
    """All keys of nested dicts."""
    if not isinstance(value, dict):
        return []
    return [key for name, inner in value.items() for key in (name, *keys(inner))]


def test_the_site_has_every_page() -> None:
    listed = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_the_reference_lists_every_public_name() -> None:
    listed = re.findall(r"^::: ncp\.(\w+)$", (ROOT / "docs/reference.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted([*listed, "__version__"]) == ncp.__all__
