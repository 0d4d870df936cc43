"""Serve the page, on localhost by default."""

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
from ncp.app.limits import CONNECTIONS, PATIENCE, SESSIONS, RequestLimits
from ncp.app.page import TITLE, build_page
from ncp.app.searching import warm_up
from ncp.app.session import Session
from ncp.app.workers import Workers
from ncp.errors import ConfigError
from ncp.network.latency import load_latency
from ncp.studies.overview import overview

TRAINERS = 2
"""Processes that read files and train. The second one starts when the first is busy."""


def serve(
    host: str,
    port: int,
    listening: Callable[[str], None],
    processes: int = 2,
    allowed_hosts: Sequence[str] = (),
    study: Path | None = None,
    latency: Path | None = None,
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        host: an address of this machine.
        port: a port, or 0 for a free one.
        listening: called with the page's address once it can be opened.
        processes: number of searches that run at the same time.
        allowed_hosts: host names that the page answers to besides its own.
        study: the folder of a study, which gets a tab.
        latency: the file of a latency model, by which searches can bound latency.

    Raises:
        DataError: the folder has no study, or the file no latency model.
        ConfigError: the server cannot listen on this address and port, or the latency model is of another machine.
        MissingExtraError: the runtime of the latency model is not installed.
    """
    if study is not None:
        overview(study)
    model = None if latency is None else load_latency(latency)
    if model is not None:
        model.require_here()
    listener = bind_socket(host, port)
    workers, trainers = Workers(processes, warm_up), Workers(TRAINERS)
    warnings.filterwarnings("ignore", message="`torch.distributed.reduce_op`")  # NiceGUI looks at every object once
    warnings.filterwarnings("ignore", message="coroutine 'Server.serve' was never awaited")  # after an early Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # else uvicorn ends the process before it is closed
    torch.set_num_threads(1)  # this process predicts one code at a time
    shown = host if ":" not in host else f"[{host}]"
    with server_folder() as folder:
        try:
            workers.warm()
            web = _web(lambda: build_page(Session(workers, trainers, folder, study, model)))
            web.add_middleware(Access, host=host, allowed_hosts=allowed_hosts)
            listening(f"http://{shown}:{listener.getsockname()[1]}/")
            config = uvicorn.Config(
                web, log_level="warning", timeout_graceful_shutdown=1, limit_concurrency=CONNECTIONS
            )
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            workers.close()
            trainers.close()
            listener.close()


def _web(build: Callable[[], None]) -> FastAPI:
    """The application: the page at /, which `build` builds, its resources, and a plain 404 elsewhere."""
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    web.add_middleware(RequestLimits, full=_full)

    @ui.page("/")
    def page() -> None:
        build()

    core.sio.eio.cors_allowed_origins = []  # by default NiceGUI lets every other site connect
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
    """Whether the limit on sessions is reached, not counting pages whose browser never connected."""
    Client.prune_instances(client_age_threshold=PATIENCE)
    return len(Client.instances) >= SESSIONS


def _not_found(_: Request, __: Exception) -> PlainTextResponse:
    return PlainTextResponse("There is no page at this address. The app is at /.", 404)


def bind_socket(host: str, port: int) -> socket.socket:
    """A bound socket, so that no other program takes the port before the server starts."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(
            f"The app cannot listen on {host}, port {port}: {error}. Leave out the port to use a free one."
        ) from None
    return listener


_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0072b2"/>'
    '<path d="M3 4h10M3 8h10M3 12h10" stroke="#fff" stroke-width="1.4"/>'
    '<path d="M6 4c2 0 1 4 3 4s1 4 3 4" stroke="#e69f00" stroke-width="1.6" fill="none"/></svg>'
)
