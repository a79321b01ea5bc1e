"""A WebSocket client whose rules are those of wsproto, not of the library the gateway uses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, Request, TextMessage
from wsproto.extensions import Extension

from tests.support.raw_websocket import PATIENCE_S

E = TypeVar("E", bound=Event)
READ_BYTES = 65_536


class WsprotoClient:
    """One connection.

    Attributes:
        heard: every event so far, in order.
        texts: the text messages among them, each whole.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events = 0
        self._text = ""
        self._returned_texts = 0
        self.heard: list[Event] = []
        self.texts: list[str] = []

    def send(self, event: Event) -> None:
        """Send what wsproto makes of an event."""
        self._writer.write(self._protocol.send(event))

    async def next_event(self, kind: type[E]) -> E:
        """Return the next event of a kind; others are passed over."""
        while True:
            while self._events < len(self.heard):
                event = self.heard[self._events]
                self._events += 1
                if isinstance(event, kind):
                    return event
            await self._read()

    async def next_text(self) -> str:
        """Return the next text message."""
        while self._returned_texts == len(self.texts):
            await self._read()
        self._returned_texts += 1
        return self.texts[self._returned_texts - 1]

    async def ended(self) -> None:
        """Wait until the server ends the TCP connection."""
        while await self._reader.read(READ_BYTES):
            pass

    async def _read(self) -> None:
        data = await self._reader.read(READ_BYTES)
        assert data, f"the connection ended after {self.heard}"
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            self.heard.append(event)
            if isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    self.texts.append(self._text)
                    self._text = ""
            elif isinstance(event, Ping) or (isinstance(event, CloseConnection) and not self._is_closing):
                self.send(event.response())

    @property
    def _is_closing(self) -> bool:
        """Whether this side began the closing handshake."""
        return self._protocol.state.name in ("LOCAL_CLOSING", "CLOSED")


@contextlib.asynccontextmanager
async def wsproto_session(port: int, offered: Sequence[Extension] = ()) -> AsyncIterator[WsprotoClient]:
    """Open a session with an opening handshake of wsproto.

    Raises:
        AssertionError: the server agreed on an extension.
    """
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            client = WsprotoClient(reader, writer)
            authorization = [(b"Authorization", b"self-hosted")]
            target = "/v3/ws?sample_rate=16000"
            host = f"127.0.0.1:{port}"
            client.send(Request(host=host, target=target, extensions=list(offered), extra_headers=authorization))
            accepted = await client.next_event(AcceptConnection)
            assert accepted.extensions == []
            yield client
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
