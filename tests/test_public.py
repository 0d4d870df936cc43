"""The public names resolve, and `import ncp` and `ncp --help` load nothing heavy."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

import ncp

HEAVY = ("torch", "pyarrow", "pandas", "matplotlib", "scipy", "pydantic")


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an interpreter of its own."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_public_name_resolves() -> None:
    for name in ncp.__all__:
        assert getattr(ncp, name) is not None
    assert dir(ncp) == sorted(ncp.__all__)
    assert len(set(ncp.__all__)) == len(ncp.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'ncp' has no attribute 'nonsense'$"):
        ncp.nonsense  # noqa: B018


def test_modules_load_on_first_use() -> None:
    loaded = python("import ncp; print(ncp.tables.__name__, ncp.load_space is ncp.spaces.named.load_space)")
    assert loaded.stdout == "ncp.tables True\n", loaded.stderr


def test_the_version_is_that_of_the_distribution() -> None:
    assert ncp.__version__ == version("ncp-nas")


@pytest.mark.parametrize(
    "program",
    [
        "import ncp",
        "import ncp; ncp.Code, ncp.MULTIRES, ncp.macs([8]*2 + [1,1,8] + [1,1,1,8,8] + [1]*4+[8]*3 + [1]*5+[8]*5)",
        "import sys; sys.argv = ['ncp', '--help']\nimport ncp.cli\ntry: ncp.cli.main()\nexcept SystemExit: pass",
    ],
    ids=["import", "cost", "help"],
)
def test_nothing_heavy_is_loaded(program: str) -> None:
    loaded = python(f"{program}\nimport sys\nprint('loaded:', *(name for name in {HEAVY} if name in sys.modules))")
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.splitlines()[-1].split() == ["loaded:"]
    assert not loaded.stderr


@pytest.mark.parametrize(
    ("modules", "without"),
    [
        (
            "ncp.cli, ncp.cli.data, ncp.cli.query, ncp.cli.train_predictor",
            (*HEAVY, "numpy", "yaml", "onnx", "pooch", "requests", "ncp.network.export", "ncp.report"),
        ),
        (
            "ncp.spaces.cells, ncp.spaces.named, ncp.tables.reading, ncp.tables.table, ncp.tables.cache",
            ("torch", "pyarrow", "pooch"),
        ),
    ],
    ids=["commands", "tables"],
)
def test_modules_are_imported_without(modules: str, without: tuple[str, ...]) -> None:
    loaded = python(f"import {modules}\nimport sys\nprint([name for name in {without} if name in sys.modules])")
    assert loaded.stdout == "[]\n", loaded.stderr


def test_import_alone_loads_no_numpy() -> None:
    loaded = python("import ncp, sys; sys.exit('numpy' in sys.modules)")
    assert loaded.returncode == 0, loaded.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_prints_the_commands(arguments: list[str]) -> None:
    shown = python("from ncp.cli import main; main()", *arguments)
    assert shown.returncode == (0 if arguments else 2), shown.stderr
    assert "Find one network architecture" in shown.stdout + shown.stderr
    assert re.search(r"\bcost\b", shown.stdout + shown.stderr)
    assert "Traceback" not in shown.stderr
