"""Serve the page, on loopback unless another address is asked for."""

from __future__ import annotations

import signal
import socket
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from nicegui import Client, core, ui

from ncp.app.access import Access
from ncp.app.folders import server_folder
from ncp.app.jobs import make_ready
from ncp.app.limits import CONNECTIONS, PATIENCE, VISITORS, Limits
from ncp.app.page import TITLE, lay_out
from ncp.app.workers import Workers
from ncp.errors import ConfigError

TRAINERS = 2
"""Processes that read files and train; the second one starts when the first one is busy."""


def serve(
    host: str, port: int, listening: Callable[[str], None], processes: int = 2, allowed_hosts: Sequence[str] = ()
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        host: an address of this machine.
        port: 0 for one that is free.
        listening: called with the page's address once it can be opened.
        processes: how many propagations are computed at once.
        allowed_hosts: names that the page answers to besides its own.

    Raises:
        ConfigError: an address or a port that cannot be listened on.
    """
    door = _door(host, port)
    workers, trainers = Workers(processes, make_ready), Workers(TRAINERS)
    warnings.filterwarnings("ignore", message="`torch.distributed.reduce_op`")  # NiceGUI looks at every object once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn ends by the signal that it got: close before that
    torch.set_num_threads(1)  # one code at a time is predicted here
    shown = host if ":" not in host else f"[{host}]"
    with server_folder() as folder:
        try:
            workers.warm()
            web = _web(workers, trainers, folder)
            web.add_middleware(Access, host=host, more=allowed_hosts)
            listening(f"http://{shown}:{door.getsockname()[1]}/")
            config = uvicorn.Config(
                web, log_level="warning", timeout_graceful_shutdown=1, limit_concurrency=CONNECTIONS
            )
            uvicorn.Server(config).run(sockets=[door])
        finally:
            workers.close()
            trainers.close()
            door.close()


def _web(workers: Workers, trainers: Workers, folder: Path) -> FastAPI:
    """The page at its one path, and what it is made of; a 404 elsewhere, which costs nothing."""
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    web.add_middleware(Limits, full=_full)

    @ui.page("/")
    def page() -> None:
        lay_out(workers, trainers, folder)

    core.sio.eio.cors_allowed_origins = []  # NiceGUI would let every other site connect
    core.app.add_exception_handler(404, _not_found)
    ui.run_with(
        web,
        title=TITLE,
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
        favicon=_ICON,
    )
    return web


def _full() -> bool:
    """Whether there is no room for another visitor, once those are gone whose browser never connected."""
    Client.prune_instances(client_age_threshold=PATIENCE)
    return len(Client.instances) >= VISITORS


def _not_found(_: Request, __: Exception) -> PlainTextResponse:
    return PlainTextResponse("There is nothing at this address. The page is at /.", 404)


def _door(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that nobody else takes the port before the page is there."""
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
        door.listen(128)
    except (OSError, OverflowError) as error:
        door.close()
        raise ConfigError(
            f"The app cannot listen on {host}, port {port}: {error}. Leave out the port to use a free one."
        ) from None
    return door


_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0072b2"/>'
    '<path d="M3 4h10M3 8h10M3 12h10" stroke="#fff" stroke-width="1.4"/>'
    '<path d="M6 4c2 0 1 4 3 4s1 4 3 4" stroke="#e69f00" stroke-width="1.6" fill="none"/></svg>'
)
