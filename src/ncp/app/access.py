"""Check the Host and Origin headers: refuse requests for other hosts and from other sites.

Without this check any web page that a user opens could reach their `ncp app` on localhost: through a host name that
points there (DNS rebinding), or through a WebSocket, which browsers open across sites.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ncp.app.limits import refuse
from ncp.errors import quoted

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("gpu-box")
    (True, True, False, False)
    """
    address = _address(host.casefold())
    return host in LOOPBACK_NAMES or (address is not None and address.is_loopback)


class Access:
    """Middleware that refuses requests for another host, or from another site.

    Args:
        app: the application that answers all other requests.
        host: the address that the server listens on. On localhost it answers to localhost names only; elsewhere also
            to the machine's names and to any numeric address, which no one else can redirect.
        allowed_hosts: further names, such as that of a proxy before the page.
    """

    def __init__(self, app: Any, host: str, allowed_hosts: Iterable[str] = ()) -> None:
        self.app = app
        self.numeric = not is_loopback(host)
        self.names = LOOPBACK_NAMES | {host.lower(), *(name.lower() for name in allowed_hosts)}
        if self.numeric:
            own = socket.gethostname().lower()
            self.names |= {own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request or open a WebSocket, if it is allowed."""
        problem = self._problem(scope) if scope["type"] in ("http", "websocket") else ""
        if not problem:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await refuse(send, 403, problem)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": ""})

    def _problem(self, scope: dict[str, Any]) -> str:
        """Why a request is refused, or an empty text."""
        hosts, origins = (_headers(scope, name) for name in (b"host", b"origin"))
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return (
                f"This page does not answer requests for {quoted(', '.join(hosts))}. Whoever runs it can allow a name "
                "with ncp app --allow-host NAME."
            )
        if any(_authority(origin) != hosts[0].lower() for origin in origins):
            return f"This page does not answer requests from other sites, such as {quoted(', '.join(origins))}."
        return ""

    def _is_own(self, host: str) -> bool:
        """Whether a host is this page's; its port may be another, as through a tunnel."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self.names or (self.numeric and _address(name) is not None)


def _headers(scope: dict[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _authority(origin: str) -> str:
    """Host and port of an origin, or an empty text for the origin `null`."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
