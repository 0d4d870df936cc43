"""The entry point: help, version, streams that cannot be written, interrupts, bounds of every option."""

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer

import ncp
import ncp.cli
from ncp.cli import app, cost, main
from ncp.cli.grouped_help import OLD_NAMES
from ncp.cli.options import BENCHMARK
from ncp.cli.output import say, show_table
from ncp.spaces.families import DEFAULT_TABLE
from tests.cli.conftest import Run

TEXT = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
GROUP: Any = typer.main.get_command(app)
GROUPS = {(name,): command for name, command in GROUP.commands.items() if hasattr(command, "commands")}
COMMANDS = {(name,): command for name, command in GROUP.commands.items() if (name,) not in GROUPS}
COMMANDS |= {(*names, name): command for names, group in GROUPS.items() for name, command in group.commands.items()}
NEEDED = {
    "search": ("--tasks", "seg"),
    "pareto": ("--tasks", "seg"),
    "query": (TEXT,),
    "cost": (TEXT,),
    "draw": (TEXT,),
    "export": (TEXT,),
    "train": (TEXT, "--task", "roads.yaml"),
}
"""Required arguments of commands that have numbers or files as options."""


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version(run: Run, flag: str) -> None:
    assert run(flag) == (0, f"ncp {ncp.__version__}\n", "")


def test_python_runs_the_package_as_the_command() -> None:
    ran = subprocess.run([sys.executable, "-m", "ncp", "-V"], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == f"ncp {ncp.__version__}\n"


@pytest.mark.parametrize("columns", ["80", "200"])
def test_help_shows_every_word(run: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    for names, command in {(): GROUP, **GROUPS, **COMMANDS}.items():
        monkeypatch.setenv("COLUMNS", columns)
        status, out, _ = run(*names, "--help")
        shown = "".join(out.split())
        assert status == 0
        assert "".join((command.help or "").split()) in shown
        for parameter in command.params:
            assert "".join((getattr(parameter, "help", "") or "").split()) in shown
            assert all(flag in shown for flag in parameter.opts if flag.startswith("-"))
        assert max(map(len, out.splitlines())) <= int(columns)


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("build", ["Tasks", "Codes", "Budget of --sample", "Runs", "Output"]),
        ("train-predictor", ["Data", "Predictor", "Output"]),
        ("profile", ["Arguments", "Network", "Measurement", "Latency model", "Output"]),
        ("export", ["Arguments", "Network", "Input", "Output"]),
    ],
)
def test_the_many_options_of_a_command_are_in_groups(run: Run, name: str, titles: list[str]) -> None:
    out = run(name, "--help").out
    assert re.findall(r"^(\w.*):$", out, flags=re.MULTILINE) == [*titles, "Other"]
    assert out.endswith("Other:\n  -h, --help  Show this message and exit.\n")


def test_old_names_of_options_are_not_in_the_help(run: Run) -> None:
    shown = {name: run(*names, "--help").out for names in COMMANDS for name in names[-1:]}
    for name, renamed in OLD_NAMES.items():
        for old, new in renamed.items():
            assert re.search(rf"^  {new} ", shown[name], flags=re.MULTILINE)
            assert not re.search(rf"{old}\b", shown[name])


@pytest.mark.parametrize("name", ["search", "pareto", "tune", "compare"])
def test_the_options_of_a_search_are_in_groups(run: Run, name: str) -> None:
    out = run(name, "--help").out
    titles = re.findall(r"^(\w+):$", out, flags=re.MULTILINE)
    assert [title for title in titles if title in ("Goal", "Budget", "Search", "Output")] == (
        ["Goal", "Search", "Output"] if name == "compare" else ["Goal", "Budget", "Search", "Output"]
    )
    assert out.endswith("Other:\n  -h, --help  Show this message and exit.\n")


def test_usage_shows_arguments_as_they_are_typed(run: Run) -> None:
    for names, usage in ((("cost",), "CODE"), (("draw",), "CODE [CODE2]"), (("export",), "[CODE]")):
        assert run(*names, "--help").out.splitlines()[0].endswith(f"{names[0]} [OPTIONS] {usage}")
    assert "{" not in "".join(run(*names, "--help").out for names in COMMANDS)


def test_the_list_of_commands_cuts_no_description(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for names, group in {(): GROUP, **GROUPS}.items():
        lines = {line.split()[0]: line for line in run(*names, "--help").out.splitlines() if line.strip()}
        for name in group.commands:
            assert not lines[name].endswith("...")


def test_completion_can_be_installed(run: Run) -> None:
    assert "--install-completion" in run("--help").out


@pytest.mark.parametrize("names", sorted(COMMANDS.keys() - {("app",), ("compare",)}), ids="-".join)
def test_no_number_is_below_its_bound(run: Run, names: tuple[str, ...]) -> None:
    hints = get_type_hints(COMMANDS[names].callback)
    for parameter in COMMANDS[names].params:
        if hints.get(parameter.name) in (int, float, int | None, float | None):
            status, out, error = run(*names, *NEEDED.get(names[0], ()), parameter.opts[0], "-1")
            assert (status, out) == (2, "")
            assert parameter.opts[0] in error
            assert "Traceback" not in error


def test_more_codes_than_fit_in_memory_are_refused(run: Run) -> None:
    for command, flag in (("search", "--starts"), ("pareto", "--starts"), ("search", "--top"), ("pareto", "--top")):
        status, _, error = run(command, "--tasks", "seg", flag, str(10**30))
        assert (status, f"Invalid value for '{flag}'" in error) == (2, True)


def test_characters_that_the_terminal_lacks_are_replaced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(cost, "read_code", lambda _: say("1 ±2") or show_table(["a", "±b"], [["1", "±2"]]))
    monkeypatch.setattr(sys, "stdout", screen)
    run("cost", TEXT)
    shown = screen.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert shown.startswith("1 ?2\n")
    assert shown.endswith("?2\n")
    assert "?b" in shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_full_disk_is_one_message(run: Run, monkeypatch: pytest.MonkeyPatch, as_json: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        status, _, error = run("cost", TEXT, *as_json)
    assert (status, error) == (1, "ncp: The output cannot be written: No space left on device.\n")


def test_closed_streams_are_not_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdout", None)
        closed.setattr(sys, "stderr", None)
        assert run("cost", TEXT).status == 0
        sys.stdout.close()
        sys.stderr.close()


def test_a_closed_pipe_is_not_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        status, _, error = run("cost", TEXT)
    assert (status, error) == (1, "")


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "ncp: stopped\n"),
        (MemoryError(), 2, "ncp: There is not enough memory. Ask for less at once.\n"),
        (ncp.DataError("a\x1b[2Jb"), 2, "ncp: a\\x1b[2Jb\n"),
        (ncp.ConfigError("{field} is {given}.", field="max_macs", given=1e9), 2, "ncp: --max-gmacs is 1.\n"),
    ],
)
def test_every_error_is_one_message(
    run: Run, monkeypatch: pytest.MonkeyPatch, raised: BaseException, status: int, message: str
) -> None:
    def fail(_: str) -> None:
        raise raised

    monkeypatch.setattr(cost, "read_code", fail)
    assert run("cost", TEXT) == (status, "", message)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_counts_more_than_the_error_that_it_causes(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, status: int
) -> None:
    """Compiled code may replace the exception of a signal's handler by an error of its own."""

    def fail(_: str) -> None:
        try:
            signal.raise_signal(number)
        except (KeyboardInterrupt, SystemExit):
            raise ncp.DataError("The file is damaged.") from None

    monkeypatch.setattr(cost, "read_code", fail)
    assert run("cost", TEXT).status == status


def test_main_always_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ncp", "cost"])
    with pytest.raises(SystemExit, match="2"):
        main()


def test_help_names_the_default_table() -> None:
    assert BENCHMARK == DEFAULT_TABLE
