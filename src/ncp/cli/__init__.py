"""The command `ncp`: one file per group of commands, each of them a few lines: read, call, write."""

import sys

import typer

from ncp.cli import app as page
from ncp.cli import compare, cost, data, draw, export, pareto, profile, query, report, search, train
from ncp.cli.names import flag
from ncp.errors import NcpError
from ncp.processes import exit_on_termination

app = typer.Typer(
    help="Find one network architecture that is good at several vision tasks within an exact cost budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    search.search,
    query.query,
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
app.add_typer(data.app, name="data")


def main() -> None:
    """Run the command line; a mistake of the user's is one message and exit status 2, never a traceback."""
    exit_on_termination()
    try:
        app()
    except NcpError as error:
        print(f"ncp: {error.said(flag)}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        print("ncp: stopped", file=sys.stderr)  # noqa: T201
        sys.exit(130)
