"""`ncp study`: look at the folder of a study, and make its tables again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ncp.cli.grouped_help import Command
from ncp.cli.options import AsJson
from ncp.cli.output import print_json, say, written
from ncp.cli.study_screen import show_study
from ncp.errors import counted

app = typer.Typer(help="Look at studies of many trainings.", no_args_is_help=True)

FolderArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Folder of the study, from ncp build or ncp tune.")
]


@app.command(cls=Command)
def status(folder: FolderArgument, as_json: AsJson = False) -> None:
    """Show what is done, running, waiting and failed, and time left."""
    from ncp.studies.overview import overview

    found = overview(folder)
    if as_json:
        print_json(found.to_dict())
    else:
        show_study(found)


@app.command(cls=Command)
def rebuild(folder: FolderArgument) -> None:
    """Make the tables of a study again from its runs."""
    from ncp.studies.building import rebuild as rebuild_tables
    from ncp.studies.study_folder import TABLE, TRAININGS

    table = rebuild_tables(folder)
    say(f"{counted(len(table), 'code')}, columns {', '.join(table.columns)}.")
    written(folder / TABLE, folder / TRAININGS)
