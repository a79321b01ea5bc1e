"""A WebSocket client made of bytes: it sends right and wrong alike, and reads by the letter of RFC 6455."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import struct
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
# RFC 6455, section 1.3.
ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASK_KEY = b"\x37\xfa\x21\x3d"
NO_STATUS = 1005
PATIENCE_S = 30.0
LENGTH_FORMS = {7: 125, 16: 0xFFFF, 64: 0xFFFF_FFFF_FFFF_FFFF}


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask_key: bytes | None = MASK_KEY,
    length_bits: int | None = None,
    announced_bytes: int | None = None,
) -> bytes:
    """Return one frame as a client sends it; nothing stops it from breaking the rules.

    Args:
        reserved: the three bits RSV1 to RSV3, RSV1 being 4.
        mask_key: None for a frame that is not masked.
        length_bits: 7, 16 or 64; None for the shortest form.
        announced_bytes: the length in the header, when it is not that of the payload.
    """
    length = len(payload) if announced_bytes is None else announced_bytes
    bits = length_bits or next(bits for bits, most in LENGTH_FORMS.items() if length <= most)
    masked = 0 if mask_key is None else 0x80
    first = fin << 7 | reserved << 4 | opcode
    if bits == 7:
        header = struct.pack("!BB", first, masked | length)
    elif bits == 16:
        header = struct.pack("!BBH", first, masked | 126, length)
    else:
        header = struct.pack("!BBQ", first, masked | 127, length)
    return header + payload if mask_key is None else header + mask_key + masked_payload(payload, mask_key)


def masked_payload(payload: bytes, mask_key: bytes) -> bytes:
    """Return the payload combined with the repeated key, which is also the way back."""
    repeated = (mask_key * (len(payload) // 4 + 1))[: len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return mixed.to_bytes(len(payload), "big")


def text_frame(text: str | dict[str, Any]) -> bytes:
    """Return a message in one frame."""
    return client_frame(TEXT, (text if isinstance(text, str) else json.dumps(text)).encode())


def close_frame(code: int | None = None, reason: bytes = b"") -> bytes:
    """Return a close frame, with a code or empty."""
    return client_frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def upgrade_request(port: int, target: str | bytes = "/v3/ws", *header_lines: bytes, key: bytes | None = None) -> bytes:
    """Return the opening handshake of an authorized client."""
    path = target if isinstance(target, bytes) else target.encode()
    lines = [
        b"GET " + path + b" HTTP/1.1",
        b"Host: 127.0.0.1:%d" % port,
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: " + (key or base64.b64encode(bytes(16))),
        b"Sec-WebSocket-Version: 13",
        b"Authorization: self-hosted",
        *header_lines,
    ]
    return b"\r\n".join([*lines, b"", b""])


@dataclass(frozen=True, slots=True)
class ServerFrame:
    """A frame of the server, which never masks."""

    fin: bool
    reserved: int
    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int:
        """Code of a close frame."""
        return int.from_bytes(self.payload[:2], "big") if self.payload else NO_STATUS


@dataclass(slots=True)
class Heard:
    """All a server said after the upgrade.

    Attributes:
        frames: in order, the close frame and what came after it included.
        status: of the answer to the opening handshake; None when there was none.
    """

    status: int | None = None
    frames: list[ServerFrame] = field(default_factory=list)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The JSON of its text frames."""
        return [json.loads(frame.payload) for frame in self.frames if frame.opcode == TEXT]

    @property
    def pongs(self) -> list[bytes]:
        """Payloads of its pongs."""
        return [frame.payload for frame in self.frames if frame.opcode == PONG]

    @property
    def close(self) -> ServerFrame | None:
        """Its close frame."""
        return next((frame for frame in self.frames if frame.opcode == CLOSE), None)

    @property
    def close_code(self) -> int | None:
        """Code of its close frame; None when the connection just ended."""
        return None if self.close is None else self.close.close_code

    @property
    def close_reason(self) -> str:
        """Text of its close frame."""
        return "" if self.close is None else self.close.payload[2:].decode()

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of one type."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def finals(self) -> list[dict[str, Any]]:
        """Turns that ended."""
        return [turn for turn in self.of_type("Turn") if turn["end_of_turn"]]


class RawWebSocket:
    """One TCP connection and what came over it so far."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.heard = Heard()

    async def upgrade(self, request: bytes) -> None:
        """Send an opening handshake and read its answer.

        Raises:
            AssertionError: the server did not accept it as RFC 6455, section 4.2.2, demands.
        """
        self.write(request)
        answer = await self.read_answer()
        assert self.heard.status == 101, answer
        key = next(line for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: ")).split()[1]
        accept = base64.b64encode(hashlib.sha1(key + ACCEPT_SUFFIX).digest())
        assert b"sec-websocket-accept: " + accept.lower() in answer.lower()
        assert b"sec-websocket-extensions" not in answer.lower()

    async def read_answer(self) -> bytes:
        """Read the header of the answer to the opening handshake; empty when there is none."""
        try:
            answer = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        self.heard.status = int(answer.split(b" ", 2)[1])
        return answer

    def write(self, data: bytes) -> None:
        """Send bytes as one write."""
        self._writer.write(data)

    async def write_apart(self, pieces: Iterable[bytes]) -> None:
        """Send every piece by a system call of its own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    async def read_frame(self) -> ServerFrame:
        """Read the next frame.

        Raises:
            AssertionError: it is masked, or not in its shortest form.
            asyncio.IncompleteReadError: the connection ended.
        """
        first, second = await self._reader.readexactly(2)
        assert not second & 0x80, "a server must not mask"
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self._reader.readexactly(2), "big")
            assert length > 125
        elif length == 127:
            length = int.from_bytes(await self._reader.readexactly(8), "big")
            assert length > 0xFFFF
        frame = ServerFrame(bool(first & 0x80), first >> 4 & 7, first & 0xF, await self._reader.readexactly(length))
        self.heard.frames.append(frame)
        return frame

    async def read_message(self, kind: str) -> dict[str, Any]:
        """Read up to a message of one type."""
        while True:
            frame = await self.read_frame()
            if frame.opcode == TEXT and (message := json.loads(frame.payload))["type"] == kind:
                return dict(message)

    async def read_to_end(self, *, answer: bool = True) -> Heard:
        """Read until the server ends the connection; ``answer`` its close frame unless it is itself an answer."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                frame = await self.read_frame()
                if answer and frame.opcode == CLOSE and not self._writer.is_closing():
                    self.write(client_frame(CLOSE, frame.payload))
        return self.heard


@contextlib.asynccontextmanager
async def raw_connection(port: int) -> AsyncIterator[RawWebSocket]:
    """Connect to a port of this machine; the block must end within PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        try:
            yield RawWebSocket(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def raw_session(port: int, query: str = "sample_rate=16000") -> AsyncIterator[RawWebSocket]:
    """Open a session and read its Begin."""
    async with raw_connection(port) as socket:
        key = base64.b64encode(os.urandom(16))
        await socket.upgrade(upgrade_request(port, f"/v3/ws?{query}", key=key))
        await socket.read_message("Begin")
        yield socket
