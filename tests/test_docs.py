"""What the documents show runs as it stands, and what they link to is there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from ncp.cli import app

ROOT = Path(__file__).parents[1]
WITH_PYTHON = ("README.md", "docs/method.md", "docs/data.md")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "src/ncp/assets/*.md")
    for path in ROOT.glob(pattern)
)


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of a document in one language, or in none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for tag, block in found if tag == language]


PROGRAMS = [
    pytest.param(block, id=f"{name}-{n}") for name in WITH_PYTHON for n, block in enumerate(blocks(name, "python"))
]
COMMANDS = [
    pytest.param(line, id=line.split("#")[0].strip())
    for name in DOCUMENTS
    for block in blocks(name, "")
    for line in block.splitlines()
    if line.startswith("ncp ")
]


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
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


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_have_what_is_written(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = get_command(app)
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"there is no command {words[0]} in: {line}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert target.startswith("https://") or (ROOT / name).parent.joinpath(target).exists(), target


def test_every_result_is_described_and_says_where_it_was_measured() -> None:
    described = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    for name, entry in json.loads((ROOT / "benchmarks/results.json").read_text(encoding="utf-8")).items():
        module = name.partition("/")[0]
        assert (ROOT / f"benchmarks/{module}.py").exists()
        assert f"| `{module}` |" in described
        assert {"date", "commit", "machine", "versions", "threads"} <= entry.keys()
        assert not {key for key in keys(entry["value"]) if not re.fullmatch("[a-z0-9_-]+", key)}


def keys(value: object) -> list[str]:
    """All keys of nested dicts."""
    if not isinstance(value, dict):
        return []
    return [key for name, inner in value.items() for key in (name, *keys(inner))]
