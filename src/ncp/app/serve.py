"""Serve the page, on loopback unless another address is asked for."""

from __future__ import annotations

import signal
import socket
import sys
import warnings
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from ncp.app.jobs import make_ready
from ncp.app.limits import Limits
from ncp.app.page import TITLE, lay_out
from ncp.app.workers import Workers
from ncp.errors import ConfigError

LOOPBACK = "127.0.0.1"


def serve(host: str, port: int, listening: Callable[[str], None], processes: int = 2) -> None:
    """Serve the page until the process is interrupted.

    Args:
        host: an address of this machine.
        port: 0 for one that is free.
        listening: called with the page's address once it can be opened.
        processes: how many propagations are computed at once.

    Raises:
        ConfigError: an address or a port that cannot be listened on.
    """
    door = _door(host, port)
    workers, trainers = Workers(processes, make_ready), Workers(1)
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    web.add_middleware(Limits)
    ui.run_with(
        web,
        root=lambda: lay_out(workers, trainers),
        title=TITLE,
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
        favicon=_ICON,
    )
    warnings.filterwarnings("ignore", message="`torch.distributed.reduce_op`")  # NiceGUI looks at every object once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn ends by the signal that it got: close before that
    workers.warm()
    shown = host if ":" not in host else f"[{host}]"
    listening(f"http://{shown}:{door.getsockname()[1]}/")
    try:
        uvicorn.Server(uvicorn.Config(web, log_level="warning", timeout_graceful_shutdown=1)).run(sockets=[door])
    finally:
        workers.close()
        trainers.close()
        door.close()


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
            f"Expected an address and a port that can be listened on. Got {host} and {port}: {error}. "
            "Leave --port out for one that is free."
        ) from None
    return door


_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0072b2"/>'
    '<path d="M3 4h10M3 8h10M3 12h10" stroke="#fff" stroke-width="1.4"/>'
    '<path d="M6 4c2 0 1 4 3 4s1 4 3 4" stroke="#e69f00" stroke-width="1.6" fill="none"/></svg>'
)
