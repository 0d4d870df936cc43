"""`ncp app`: the web page, on this machine."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from ncp.errors import MissingExtraError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def app(
    port: Annotated[int, typer.Option(help="0 for one that is free.")] = 0,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Whose address to listen on; others than loopback let others in.")
    ] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    processes: Annotated[int, typer.Option(min=1, help="How many propagations are computed at once.")] = 2,
) -> None:
    """Serve a page to look at codes, propagate them, walk the benchmark and bring a table of one's own."""
    try:
        from ncp.app.serve import serve
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"Expected the packages of the page. Got no {error.name}. Install them: pip install 'ncp-nas[app]'."
        ) from None
    if host not in LOOPBACK:
        typer.echo(f"ncp: {host} is not loopback: whoever reaches this machine can use the page.", err=True)

    def listening(address: str) -> None:
        typer.echo(f"ncp: {address} (stop it with Ctrl+C)")
        if open_browser:
            webbrowser.open(address)

    serve(host, port, listening, processes)
