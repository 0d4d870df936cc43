"""Limits on the size of a request's body and on the number of visitors at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LARGEST = 20 << 20
"""Of one upload [bytes]."""
FRAME = 1 << 16
"""What a form adds to a file [bytes]."""
VISITORS = 100
"""At a time; each takes about 0.3 MB."""
CONNECTIONS = 800
"""At a time, of all visitors."""
PATIENCE = 20.0
"""How long a page that was sent may take to connect; after that it counts as left [seconds]."""

_FULL = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>ncp</title><p>Too many people are using this page right now. Please try again in a minute.</p></html>"
)


class Limits:
    """Refuse bodies that are too large, by their declared and actual size, and visitors beyond the limit.

    Args:
        app: what answers.
        full: whether there is no room for another visitor.
    """

    def __init__(self, app: Any, full: Callable[[], bool] = lambda: False) -> None:
        self.app, self.full = app, full

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await self._with_body(scope, receive, send)
        elif scope["path"] == "/" and self.full():
            await refuse(send, 503, _FULL, b"text/html; charset=utf-8", [(b"retry-after", b"60")])
        else:
            await self.app(scope, receive, send)

    async def _with_body(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > LARGEST + FRAME:
            await refuse(send, 413, f"A file may have at most {LARGEST >> 20} MB.")
            return
        came = 0

        async def counted() -> dict[str, Any]:
            nonlocal came
            message: dict[str, Any] = await receive()
            came += len(message.get("body", b""))
            return message if came <= LARGEST + FRAME else {"type": "http.disconnect"}

        await self.app(scope, counted, send)


async def refuse(
    send: Any,
    status: int,
    text: str,
    kind: bytes = b"text/plain; charset=utf-8",
    more: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Answer a request with a text, and take no more of it."""
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
