"""Check Host and Origin: answer requests to the page's own names, and none that come from another site.

Without this, any web page that somebody opens could use their `ncp app` on loopback: by a name that its owner points
there (DNS rebinding), or by a socket, which browsers open across sites.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ncp.app.limits import refuse
from ncp.errors import quoted

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("gpu-box")
    (True, True, False, False)
    """
    address = _address(host.casefold())
    return host in LOOPBACK or (address is not None and address.is_loopback)


class Access:
    """Refuses requests that name another host than the page's, or that come from another site.

    Args:
        app: what answers the others.
        host: the address that is listened on. On loopback the page answers to loopback names; elsewhere also to this
            machine's names and to any numeric address, since a numeric address cannot be pointed elsewhere.
        more: further names, such as that of a proxy before the page.
    """

    def __init__(self, app: Any, host: str, more: Iterable[str] = ()) -> None:
        self.app = app
        self.numeric = not is_loopback(host)
        self.names = LOOPBACK | {host.lower(), *(name.lower() for name in more)}
        if self.numeric:
            own = socket.gethostname().lower()
            self.names |= {own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request, or one socket."""
        problem = self._problem(scope) if scope["type"] in ("http", "websocket") else ""
        if not problem:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await refuse(send, 403, problem)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": ""})

    def _problem(self, scope: dict[str, Any]) -> str:
        """Why a request is refused; nothing if it is not."""
        hosts, origins = (_said(scope, name) for name in (b"host", b"origin"))
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return (
                f"This page does not answer to the address {quoted(', '.join(hosts))}. Whoever runs it can allow a "
                "name with ncp app --allow-host NAME."
            )
        if any(_authority(origin) != hosts[0].lower() for origin in origins):
            return f"This page does not answer to other sites, such as {quoted(', '.join(origins))}."
        return ""

    def _is_own(self, host: str) -> bool:
        """Whether a host, with or without a port, is this page's: through a tunnel the port may be another."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self.names or (self.numeric and _address(name) is not None)


def _said(scope: dict[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _authority(origin: str) -> str:
    """Host and port of an origin; nothing of one that hides itself, which is `null`."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
