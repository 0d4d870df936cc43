"""The command `ncp`: one file per group of commands, each of them a few lines: read, call, write."""

import io
import os
import sys
from contextlib import suppress
from functools import partial
from typing import Annotated, TextIO

import typer

import ncp
from ncp.cli import app as page
from ncp.cli import compare, cost, data, draw, export, pareto, profile, query, report, search, train
from ncp.cli.names import flag
from ncp.errors import NcpError, printable
from ncp.processes import exit_on_termination

UNWRITTEN = 1
"""The exit status of a command whose output cannot be written."""
STOPPED = 130
"""The exit status of a command that Ctrl-C ended: 128 and the number of the signal, as shells count."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # else [ms] is markup
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    search.search,
    profile.profile,
    cost.cost,
    train.train,
    draw.draw,
    export.export,
    compare.compare,
    pareto.pareto,
    report.report,
    page.app,
):
    app.command()(command)
app.command(context_settings={"ignore_unknown_options": True})(query.query)  # a code can begin with a minus: -5,0,e
app.add_typer(data.app, name="data")


def _version(asked: bool) -> None:
    if asked:
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
    """Run the command line; whatever goes wrong is one message and an exit status, never a traceback.

    The status is 2 for a mistake of the user's, 1 where the output cannot be written, 130 after Ctrl-C, 143 after
    SIGTERM.
    """
    exit_on_termination()
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without the sign of plus or minus
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
    """Run a command, and return its exit status."""
    try:
        app()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return _complain("stopped", status) if status == STOPPED else status
    except KeyboardInterrupt:
        return _complain("stopped", STOPPED)
    except NcpError as error:
        return _complain(error.said(partial(flag, command=next(iter(sys.argv[1:]), ""))), 2)
    except MemoryError:
        return _complain("There is not enough memory. Ask for less at once.", 2)
    except OSError as error:
        if error.filename is not None:
            return _complain(f"{error.filename}: {error.strerror}.", 2)
        return _unwritten(error)
    return 0


def _unwritten(error: OSError) -> int:
    """Say why the output cannot be written; a reader that has gone, such as head, knows."""
    if not isinstance(error, BrokenPipeError):
        _complain(f"The output cannot be written: {error.strerror or error}.", UNWRITTEN)
    return UNWRITTEN


def _complain(message: str, status: int) -> int:
    with suppress(OSError):
        print(f"ncp: {printable(message)}", file=sys.stderr)  # noqa: T201
    return status


def _nowhere() -> TextIO:
    """What stands for a stream that is closed."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 (it stays open)


def _close_output() -> None:
    """Send the rest of the output nowhere, so that the interpreter's end does not fail at it again."""
    with suppress(OSError, io.UnsupportedOperation, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
