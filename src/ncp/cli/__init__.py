"""The command `ncp`: one file per command, each of which reads options, calls the library and writes results."""

import io
import os
import sys
from contextlib import suppress
from typing import Annotated, TextIO

import typer

import ncp
from ncp.cli import app as page
from ncp.cli import (
    build,
    compare,
    cost,
    data,
    draw,
    export,
    pareto,
    profile,
    query,
    report,
    search,
    study,
    task,
    train,
    train_predictor,
    tune,
)
from ncp.cli.flags import flag
from ncp.cli.grouped_help import Command, GroupedCommands, GroupedOptions
from ncp.errors import NcpError, printable
from ncp.processes import exit_on_termination, signals_first

UNWRITTEN = 1
"""Exit status of a command whose output cannot be written."""
STOPPED = 130
"""Exit status after Ctrl-C: 128 plus the number of the signal, as in shells."""

app = typer.Typer(
    cls=GroupedCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # else [ms] is markup
    context_settings={"help_option_names": ["-h", "--help"]},
)
for grouped in (
    search.search,
    pareto.pareto,
    tune.tune,
    compare.compare,
    profile.profile,
    build.build,
    train_predictor.train_predictor,
    export.export,
):
    app.command(cls=GroupedOptions)(grouped)
for command in (cost.cost, draw.draw, report.report, page.app, train.train):
    app.command(cls=Command)(command)
# A code can begin with a minus: -5,0,e.
app.command(cls=Command, context_settings={"ignore_unknown_options": True})(query.query)
app.add_typer(data.app, name="data")
app.add_typer(task.app, name="task")
app.add_typer(study.app, name="study")


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"ncp {ncp.__version__}")
        raise typer.Exit


@app.callback()
def every(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find one network architecture that is good at several vision tasks within an exact cost budget."""


def main() -> None:
    """Run the command line. An error is one message and an exit status, never a traceback.

    The status is 2 after a mistake of the user, 1 if the output cannot be written, 130 after Ctrl-C, 143 after SIGTERM.
    """
    exit_on_termination()
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may lack characters such as ±
    status = _status()
    try:
        if status != UNWRITTEN:
            sys.stdout.flush()
    except OSError as error:
        status = _unwritten(error)
    if status == UNWRITTEN:
        _close_output()
    sys.exit(status)


def _status() -> int:
    """Run a command and return its exit status."""
    try:
        with signals_first():
            app()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return _complain("stopped", status) if status == STOPPED else status
    except KeyboardInterrupt:
        return _complain("stopped", STOPPED)
    except NcpError as error:
        return _complain(error.worded(flag), 2)
    except MemoryError:
        return _complain("There is not enough memory. Ask for less at once.", 2)
    except OSError as error:
        if error.filename is not None:
            return _complain(f"{error.filename}: {error.strerror}.", 2)
        return _unwritten(error)
    return 0


def _unwritten(error: OSError) -> int:
    """Print why the output cannot be written, unless its reader has closed it, as head does."""
    if not isinstance(error, BrokenPipeError):
        _complain(f"The output cannot be written: {error.strerror or error}.", UNWRITTEN)
    return UNWRITTEN


def _complain(message: str, status: int) -> int:
    with suppress(OSError):
        print(f"ncp: {printable(message)}", file=sys.stderr)  # noqa: T201
    return status


def _nowhere() -> TextIO:
    """A replacement for a closed stream."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 (it stays open)


def _close_output() -> None:
    """Discard the rest of the output, so that the interpreter does not fail again when it exits."""
    with suppress(OSError, io.UnsupportedOperation, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
