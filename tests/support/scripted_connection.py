"""A WebSocket connection whose server side is a list, for clients that only send and receive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from websockets.exceptions import ConnectionClosedOK
from websockets.frames import Close


class ScriptedConnection:
    """Say the opening lines at once and the closing lines after Terminate, then close with 1000."""

    def __init__(self, opening: Iterable[dict[str, Any]], closing: Iterable[dict[str, Any]] | None = None) -> None:
        """Prepare the lines; without closing lines the connection closes right after the opening ones."""
        self.sent: list[bytes | str] = []
        self._closing = None if closing is None else list(closing)
        self._inbox: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        for message in [*opening, *([None] if closing is None else [])]:
            self._inbox.put_nowait(message)

    async def send(self, data: bytes | str) -> None:
        """Take a frame; Terminate brings out the closing lines."""
        self.sent.append(data)
        if isinstance(data, str) and self._closing is not None:
            for message in [*self._closing, None]:
                self._inbox.put_nowait(message)

    async def recv(self) -> str:
        """Return the next line.

        Raises:
            ConnectionClosedOK: there is none left.
        """
        message = await self._inbox.get()
        if message is None:
            raise ConnectionClosedOK(Close(1000, ""), None)
        return json.dumps(message)
