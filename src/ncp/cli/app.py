"""`ncp app`: serve the web app on this machine."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from ncp.cli.options import LatencyOption
from ncp.extras import require_extra


def app(
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port [default: a free one].", show_default=False)
    ] = 0,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on. The app has no password.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Answer to this host name too, such as that of a proxy (repeatable)."),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    processes: Annotated[int, typer.Option(metavar="N", min=1, help="Searches that run at the same time.")] = 2,
    study: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Add a tab for this study, of ncp build or ncp tune. It is only read."),
    ] = None,
    latency: LatencyOption = None,
) -> None:
    """Start the web app, to explore codes and tables and to search."""
    require_extra("app", "the web app")
    from ncp.app.access import is_loopback
    from ncp.app.serve import serve

    if not is_loopback(host):
        typer.echo(f"ncp: Everybody who can reach {host} can use the app. It has no password.", err=True)

    def listening(address: str) -> None:
        typer.echo(f"ncp: {address} (Ctrl+C stops it)")
        if open_browser:
            webbrowser.open(address)

    serve(host, port, listening, processes, allow_host or (), study, latency)
