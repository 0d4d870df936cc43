"""A client of the app without a browser: it speaks the protocol of the page's script, and draws nothing."""

import ast
import asyncio
import json
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import socketio

ESCAPED = {"&#36;": "$", "&#96;": "`", "&gt;": ">", "&lt;": "<", "&amp;": "&"}


class Client:
    """One open page, with its elements as the server has sent them.

    Attributes:
        elements: by id, the elements that the server has sent.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.elements: dict[str, dict[str, Any]] = {}
        self._socket = socketio.AsyncClient(reconnection=False)
        self._client, self._next_message = "", 0
        self._updated = asyncio.Event()

    async def open(self) -> None:
        """Load the page and connect as its script does."""
        async with httpx.AsyncClient() as web:
            text = (await web.get(self.address, timeout=60)).text
        raw = re.search(r"parseElements\(String\.raw`(.*?)`\)", text, re.DOTALL)
        found = re.search(r"query: (\{.*?\}),\n", text)
        if raw is None or found is None:
            raise LookupError("no elements in the page")
        elements = raw[1]
        for mark, meaning in ESCAPED.items():
            elements = elements.replace(mark, meaning)
        self.elements = json.loads(elements)
        query = ast.literal_eval(found[1]) | {"document_id": str(uuid4()), "tab_id": str(uuid4())}
        self._client = query["client_id"]
        self._socket.on("update", self._update)
        parameters = "&".join(
            f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in query.items()
        )
        await self._socket.connect(
            f"{self.address}?{parameters}", socketio_path="/_nicegui_ws/socket.io", transports=["websocket"]
        )

    async def _update(self, message: dict[str, Any]) -> None:
        self._next_message = message.pop("_id", self._next_message - 1) + 1
        for key, element in message.items():
            if element is None:
                self.elements.pop(key, None)
            else:
                self.elements[key] = element
        self._updated.set()

    def listening(self, kind: str, **props: Any) -> tuple[int, str]:
        """The element that listens to a kind of event and has some properties, and its listener.

        Raises:
            LookupError: no such element.
        """
        for key, element in self.elements.items():
            for event in element.get("events", []):
                has = {**element.get("props", {}), "text": element.get("text")}
                if event["type"] == kind and all(has.get(name) == value for name, value in props.items()):
                    return int(key), event["listener_id"]
        raise LookupError(f"nothing listens to {kind} with {props}")

    async def send(self, place: tuple[int, str], *arguments: Any) -> None:
        """Send an event as the page's script does, and acknowledge all messages so far."""
        element, listener = place
        event = {
            "id": element,
            "client_id": self._client,
            "listener_id": listener,
            "args": [json.dumps(argument) for argument in arguments],
        }
        await self._socket.emit("event", event)
        await self._socket.emit("ack", {"client_id": self._client, "next_message_id": self._next_message})

    async def until(self, condition: Callable[[], bool], timeout: float = 60) -> None:
        """Wait until a condition on the elements is met; `timeout` is how long to wait for each update [s]."""
        while not condition():
            self._updated.clear()
            await asyncio.wait_for(self._updated.wait(), timeout)

    def shown(self) -> str:
        """All markup on the page."""
        return " ".join(
            element["props"]["innerHTML"]
            for element in self.elements.values()
            if "innerHTML" in element.get("props", {})
        )

    async def close(self) -> None:
        """Disconnect."""
        await self._socket.disconnect()
