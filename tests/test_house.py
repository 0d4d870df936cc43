"""How the code is arranged: short files and functions, one name for one thing, and rooms as CONTRIBUTING lists them."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "ncp"
LONGEST_FILE, LONGEST_FUNCTION = 400, 60

SAME_NAMES = {
    "cost": "the command `ncp cost`, and what it computes",
    "export": "the command `ncp export`, and the export itself",
    "pareto": "the command `ncp pareto`, and the arithmetic of Pareto fronts",
    "profile": "the command `ncp profile`, and the measurement itself",
    "search": "the command `ncp search`, and the search itself",
    "study": "the commands `ncp study`, and a study itself",
    "task": "the commands `ncp task`, and task files",
    "train": "the command `ncp train`, and the training itself",
}
"""Names that two rooms use, and what each means there."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """The name and the number of lines of every function in a file, with its signature and docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_files_are_short() -> None:
    paths = [path for folder in ("src", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    lines = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    lines = {(relative(path), name): count for path in PACKAGE.rglob("*.py") for name, count in functions(path)}
    assert {place: count for place, count in lines.items() if count > LONGEST_FUNCTION} == {}


def test_rooms_open_with_a_docstring_alone() -> None:
    """A room is imported by its files.

    `ncp` has the public names, `ncp.cli` is the entry point of the command, and `ncp.spaces` fills its families.
    """
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent in (PACKAGE, PACKAGE / "cli", PACKAGE / "spaces"):
            continue
        module = ast.parse(path.read_text(encoding="utf-8"))
        assert len(module.body) == 1, relative(path)
        assert ast.get_docstring(module), relative(path)


def test_a_name_means_one_thing() -> None:
    rooms = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        if path.stem not in ("__init__", "__main__"):
            rooms[path.stem].add(relative(path.parent))
    assert {name for name, found in rooms.items() if len(found) > 1} == SAME_NAMES.keys()


def test_contributing_lists_the_checked_layers() -> None:
    [contract] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [[name.strip().removeprefix("ncp.") for name in layer.split("|")] for layer in contract["layers"]]
    rooms = re.findall(r"^\| (`.+?`) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert [re.findall(r"`(\w+)`", row) for row in rooms] == layers
    listed = [room for layer in layers for room in layer]
    assert sorted(listed) == sorted(
        path.stem
        for path in PACKAGE.iterdir()
        if (path.suffix == ".py" and not path.stem.startswith("__")) or (path / "__init__.py").exists()
    )
