"""What the server takes from a visitor: no body beyond a size, whatever the browser was told."""

from __future__ import annotations

from typing import Any

LARGEST = 20 << 20
"""Of one upload [bytes]."""
FRAME = 1 << 16
"""What a form adds to a file [bytes]."""


class Limits:
    """Refuses bodies that are too large: by what they say, and by what comes.

    Args:
        app: what answers.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > LARGEST + FRAME:
            await _refuse(send)
            return
        came = 0

        async def counted() -> dict[str, Any]:
            nonlocal came
            message: dict[str, Any] = await receive()
            came += len(message.get("body", b""))
            return message if came <= LARGEST + FRAME else {"type": "http.disconnect"}

        await self.app(scope, counted, send)


async def _refuse(send: Any) -> None:
    text = f"Expected at most {LARGEST >> 20} MB.".encode()
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text})
