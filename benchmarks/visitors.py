"""A visitor of the page without a browser: speaks what the page's script speaks, and draws nothing."""

import ast
import asyncio
import json
import re
import time
from typing import Any
from uuid import uuid4

import httpx
import socketio

ESCAPED = {"&#36;": "$", "&#96;": "`", "&gt;": ">", "&lt;": "<", "&amp;": "&"}


class Visitor:
    """One page, its elements as the server has sent them, and when what came."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.elements: dict[str, dict[str, Any]] = {}
        self.socket = socketio.AsyncClient(reconnection=False)
        self.client, self.seen = "", 0
        self.came = asyncio.Event()

    async def open(self) -> None:
        """Load the page and connect as its script does."""
        async with httpx.AsyncClient() as web:
            text = (await web.get(self.address, timeout=60)).text
        raw = re.search(r"parseElements\(String\.raw`(.*?)`\)", text, re.DOTALL)
        query = re.search(r"query: (\{.*?\}),\n", text)
        if raw is None or query is None:
            raise LookupError("no elements in the page")
        found = raw[1]
        for mark, meaning in ESCAPED.items():
            found = found.replace(mark, meaning)
        self.elements = json.loads(found)
        asked = ast.literal_eval(query[1]) | {"document_id": str(uuid4()), "tab_id": str(uuid4())}
        self.client = asked["client_id"]
        self.socket.on("update", self._updated)
        path = "&".join(
            f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in asked.items()
        )
        await self.socket.connect(
            f"{self.address}?{path}", socketio_path="/_nicegui_ws/socket.io", transports=["websocket"]
        )

    async def _updated(self, message: dict[str, Any]) -> None:
        self.seen = message.pop("_id", self.seen - 1) + 1
        for key, element in message.items():
            if element is None:
                self.elements.pop(key, None)
            else:
                self.elements[key] = element
        self.came.set()

    def listening(self, kind: str, **props: Any) -> tuple[int, str]:
        """The element that listens to a kind of event and has some properties, and the listener."""
        for key, element in self.elements.items():
            for event in element.get("events", []):
                has = {**element.get("props", {}), "text": element.get("text")}
                if event["type"] == kind and all(has.get(name) == value for name, value in props.items()):
                    return int(key), event["listener_id"]
        raise LookupError(f"nothing listens to {kind} with {props}")

    async def tell(self, place: tuple[int, str], *arguments: Any) -> None:
        """An event, as the page's script tells it; what was seen until now need not be sent again."""
        told = [json.dumps(argument) for argument in arguments]
        element, listener = place
        await self.socket.emit(
            "event", {"id": element, "client_id": self.client, "listener_id": listener, "args": told}
        )
        await self.socket.emit("ack", {"client_id": self.client, "next_message_id": self.seen})

    async def until(self, holds: Any, most: float = 60) -> float:
        """Wait until `holds()`, and say how long that took [s]."""
        began = time.perf_counter()
        while not holds():
            self.came.clear()
            await asyncio.wait_for(self.came.wait(), most)
        return time.perf_counter() - began

    def shown(self) -> str:
        """All markup on the page."""
        return " ".join(
            element["props"]["innerHTML"]
            for element in self.elements.values()
            if "innerHTML" in element.get("props", {})
        )

    async def close(self) -> None:
        """Leave."""
        await self.socket.disconnect()
