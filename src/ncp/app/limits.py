"""Limits on the size of a request and on the number of open sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LARGEST = 20 << 20
"""Largest upload [bytes]."""
FRAME = 1 << 16
"""What the form adds to an uploaded file [bytes]."""
SESSIONS = 100
"""Most open pages; each takes about 0.3 MB."""
CONNECTIONS = 800
"""Most open connections of all sessions."""
PATIENCE = 20.0
"""Time for a browser to connect after it has loaded the page; then its session is closed [s]."""

_FULL = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>ncp</title><p>Too many people are using this page right now. Please try again in a minute.</p></html>"
)


class RequestLimits:
    """Middleware that refuses bodies whose declared or actual size is too large, and sessions beyond the limit.

    Args:
        app: the application that answers all other requests.
        full: whether the limit on sessions is reached.
    """

    def __init__(self, app: Any, full: Callable[[], bool] = lambda: False) -> None:
        self.app, self.full = app, full

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request, if it is within the limits."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await self._with_body(scope, receive, send)
        elif scope["path"] == "/" and self.full():
            await refuse(send, 503, _FULL, b"text/html; charset=utf-8", [(b"retry-after", b"60")])
        else:
            await self.app(scope, receive, send)

    async def _with_body(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > LARGEST + FRAME:
            await refuse(send, 413, f"A file may have at most {LARGEST >> 20} MB.")
            return
        received = 0

        async def counted() -> dict[str, Any]:
            nonlocal received
            message: dict[str, Any] = await receive()
            received += len(message.get("body", b""))
            return message if received <= LARGEST + FRAME else {"type": "http.disconnect"}

        await self.app(scope, counted, send)


async def refuse(
    send: Any,
    status: int,
    text: str,
    kind: bytes = b"text/plain; charset=utf-8",
    more: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Answer a request with a text and close the connection, so that the rest of it is not read."""
    body = text.encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
        *(more or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
