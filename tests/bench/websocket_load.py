"""WebSocket clients that cost little enough to load a gateway from one other core.

A client library would be busier than the gateway. These clients send one ready-made frame again and again and look
at no more of an answer than tells a Turn from another message; pings are answered.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

BYTES_PER_MS = 32
# How often frames that are due are sent: real clients do not send in step with each other.
TICK_S = 0.0005
ANSWER_MS = 200
ANSWER_LIMIT_S = 30
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
FINAL, MASKED = 0x80, 0x80


class LoadClient(asyncio.Protocol):
    """One session.

    Attributes:
        upgraded: done when the server took the upgrade.
        begun: done with the first message of the server.
        turns: Turn messages received.
        latencies_s: from sending the frame that completes 200 ms to its Turn.
        stalls: frames that found earlier ones still unsent.
        ended: the server closed, or refused; ``cause`` says why.
    """

    def __init__(self, path: str, frame_ms: int) -> None:
        """Prepare a client that sends frames of one length."""
        loop = asyncio.get_running_loop()
        self.upgraded: asyncio.Future[None] = loop.create_future()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.first_turn: asyncio.Future[float] = loop.create_future()
        self.turns = 0
        self.latencies_s: list[float] = []
        self.stalls = 0
        self.ended = False
        self.cause = ""
        self._path = path
        self._input = bytearray()
        self._transport: asyncio.Transport | None = None
        self._frame = masked_frame(2, random.randbytes(frame_ms * BYTES_PER_MS))
        self._frames_per_answer = ANSWER_MS // frame_ms
        self._sent = 0
        self._answers_due: deque[float] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Authorization: bench\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Count Turns, answer pings."""
        buffer = self._input
        buffer += data
        if not self.upgraded.done():
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not buffer.startswith(b"HTTP/1.1 101"):
                self._fail(f"upgrade refused: {bytes(buffer[:end])!r}")
                return
            del buffer[: end + 4]
            self.upgraded.set_result(None)
        while len(buffer) >= 2:
            size, at = buffer[1] & 0x7F, 2
            if size == 126:
                size, at = int.from_bytes(buffer[2:4]), 4
            if len(buffer) < at + size:
                return
            self._take(buffer[0] & 0x0F, bytes(buffer[at : at + size]))
            del buffer[: at + size]

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        self._fail("connection lost")

    def send_frame(self, now_s: float) -> None:
        """Send one frame of audio."""
        assert self._transport is not None
        self.stalls += self._transport.get_write_buffer_size() > 0
        self._transport.write(self._frame)
        self._sent += 1
        if self._sent % self._frames_per_answer == 0:
            self._answers_due.append(now_s)

    def send_text(self, text: str) -> None:
        """Send one text message."""
        assert self._transport is not None
        self._transport.write(masked_frame(TEXT, text.encode()))

    def drop(self) -> None:
        """Go away without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            if not self.begun.done():
                self.begun.set_result(None)
            if payload.startswith(b'{"type":"Turn"'):
                self._take_turn()
            elif payload.startswith(b'{"type":"Error"'):
                self._fail(payload.decode())
        elif opcode == PING:
            assert self._transport is not None
            self._transport.write(masked_frame(PONG, payload))
        elif opcode == CLOSE:
            self._fail("closed by the server")

    def _take_turn(self) -> None:
        now_s = time.monotonic()
        self.turns += 1
        if self._answers_due:
            self.latencies_s.append(now_s - self._answers_due.popleft())
        if not self.first_turn.done():
            self.first_turn.set_result(now_s)

    def _fail(self, cause: str) -> None:
        self.ended, self.cause = True, self.cause or cause
        for future in (self.upgraded, self.begun, self.first_turn):
            if not future.done():
                future.set_exception(ConnectionError(cause))
                future.exception()  # asked for only by those who wait


def masked_frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole frame as a client sends it."""
    size = len(payload)
    length = bytes([MASKED | size]) if size < 126 else bytes([MASKED | 126]) + size.to_bytes(2)
    key = os.urandom(4)
    pattern = int.from_bytes((key * (size // 4 + 1))[:size])
    return bytes([FINAL | opcode]) + length + key + (int.from_bytes(payload) ^ pattern).to_bytes(size)


async def open_clients(port: int, path: str, count: int, *, frame_ms: int, at_once: int = 32) -> list[LoadClient]:
    """Open sessions and wait until each was upgraded.

    Raises:
        ConnectionError: one was refused.
    """
    loop = asyncio.get_running_loop()
    turnstile = asyncio.Semaphore(at_once)

    async def open_one() -> LoadClient:
        async with turnstile:
            _, client = await loop.create_connection(lambda: LoadClient(path, frame_ms), "127.0.0.1", port)
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await client.upgraded
            return client

    return list(await asyncio.gather(*(open_one() for _ in range(count))))


@dataclass(frozen=True, slots=True)
class Tally:
    """What happened since a reset.

    Attributes:
        stalls: frames that were sent a frame length late, or while earlier ones were still unsent.
        latencies_s: from sending the frame that completes 200 ms to its Turn, of every Turn.
    """

    sent: int
    turns: int
    stalls: int
    latencies_s: list[float]


class Pacer:
    """Sends the frames of many clients in real time, each client at its own moment."""

    def __init__(self, clients: Sequence[LoadClient], frame_ms: int) -> None:
        """Spread the clients over one frame length at random."""
        self._clients = clients
        self._frame_s = frame_ms / 1000
        wheel: list[list[LoadClient]] = [[] for _ in range(round(self._frame_s / TICK_S))]
        for client in clients:
            random.choice(wheel).append(client)
        self._slots = itertools.cycle(wheel)
        self._due_s = 0.0
        self._sent = 0
        self._late = 0

    def start(self) -> None:
        """Begin; the event loop's own timers are too coarse for this, the interval timer is not."""
        self._due_s = time.monotonic()
        asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)

    def stop(self) -> None:
        """End."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGALRM)

    def reset(self) -> None:
        """Count from here on."""
        self._sent = self._late = 0
        for client in self._clients:
            client.turns = client.stalls = 0
            client.latencies_s.clear()

    def tally(self) -> Tally:
        """Return what happened since the reset."""
        return Tally(
            sent=self._sent,
            turns=sum(client.turns for client in self._clients),
            stalls=sum(client.stalls for client in self._clients) + self._late,
            latencies_s=[latency_s for client in self._clients for latency_s in client.latencies_s],
        )

    def _tick(self) -> None:
        now_s = time.monotonic()
        while self._due_s <= now_s:
            is_late = now_s - self._due_s > self._frame_s
            for client in next(self._slots):
                if not client.ended:
                    client.send_frame(now_s)
                    self._sent += 1
                    self._late += is_late
            self._due_s += TICK_S
